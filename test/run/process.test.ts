import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  type ApiServer,
  DEFAULT_ACCOUNT_ID,
  DEFAULT_API_KEY,
  startServer,
} from "../../examples/call-analytics/server.js";
import type { Report } from "../../src/index.js";
import { type CliOptions, type CliResult, sluice } from "./cli.js";
import { query } from "./database.js";

let folder: string;
let server: ApiServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-process-"));
  server = await startServer({
    counts: { calls: 2000, conversations: 100, users: 5, companies: 3 },
    latencyMs: 25,
  });
  const guide = await readFile(
    new URL("../../examples/call-analytics/call-analytics.yaml", import.meta.url),
    "utf8",
  );
  await writeFile(join(folder, "calls.yaml"), guide);
});

afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

function load(more: readonly string[] = [], onStart?: CliOptions["onStart"]): Promise<CliResult> {
  const set = ["--set", `client.base_url=${server.url}`, "--set", `account_id=${DEFAULT_ACCOUNT_ID}`];
  return sluice(["run", "calls.yaml", ...set, ...more], {
    cwd: folder,
    env: { API_KEY: DEFAULT_API_KEY },
    ...(onStart === undefined ? {} : { onStart }),
  });
}

/** Resolves when the server has answered so many requests: then a run is in the middle of its work. */
async function untilServed(requests: number): Promise<void> {
  while (server.requests.length < requests) await new Promise((resolve) => setImmediate(resolve));
}

const rows = async () =>
  (
    await query(
      join(folder, "calls.duckdb"),
      "select count(*)::int as n, count(distinct id)::int as ids from calls.calls",
    )
  )[0];

it("two runs at once on one pipeline: the second is refused with exit code 7 and told who holds it", async () => {
  let pid: number | undefined;
  const first = load(["--quiet"], (child) => {
    pid = child.pid;
  });
  await untilServed(3);
  // However slow this machine is, the first run is still at work when the second one comes.
  process.kill(pid ?? 0, "SIGSTOP");
  const second = await load(["--json"]).finally(() => process.kill(pid ?? 0, "SIGCONT"));
  expect(second.code).toBe(7);
  expect(JSON.parse(second.stdout)).toMatchObject({
    status: "failed",
    error: { code: "destination/locked" },
  });
  expect(second.stderr).toContain(String(pid));
  expect((await first).code).toBe(0);
  expect(await rows()).toEqual({ n: 2000, ids: 2000 });
});

it("Ctrl-C commits what was read, exits 130, and the next run reads only the rest", async () => {
  let stop = (): void => {};
  const running = load(["--json"], (child) => {
    stop = () => child.kill("SIGINT");
  });
  await untilServed(9);
  stop();
  const stopped = await running;
  expect(stopped.code, stopped.stderr).toBe(130);
  const cut = JSON.parse(stopped.stdout) as Report;
  expect(cut).toMatchObject({
    resources: { calls: { status: "interrupted", error: { code: "run/interrupted" } } },
  });
  const before = Number((await rows())?.["n"]);
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(2000);

  const rest = JSON.parse((await load(["--json"])).stdout) as Report;
  expect(rest).toMatchObject({
    status: "ok",
    load_id: cut.load_id,
    resources: { calls: { rows: 2000 - before } },
  });
  expect(await rows()).toEqual({ n: 2000, ids: 2000 });
});

it("--json prints one document and nothing else on stdout; progress goes to stderr", async () => {
  const { stdout, stderr, code } = await load(["--json"]);
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as Report;
  expect(Object.keys(report).sort()).toEqual([
    "duration_ms",
    "load_id",
    "peak_rss_bytes",
    "pipeline",
    "resources",
    "schema_changes",
    "status",
    "tables",
  ]);
  expect(report.peak_rss_bytes).toBeGreaterThan(20_000_000);
  expect(stderr).toContain("calls: committed");
});

it("a mistake in the configuration is one document as well with --json", async () => {
  await writeFile(join(folder, "calls.yaml"), "client: { base_url: 'https://h' }\nresorces: [a]\n");
  const { stdout, code } = await load(["--json"]);
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({
    status: "failed",
    error: { code: "config/invalid", kind: "config" },
  });
});
