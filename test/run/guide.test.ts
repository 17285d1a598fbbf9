import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  type ApiServer,
  DEFAULT_ACCOUNT_ID,
  type ServerOptions,
  startServer,
} from "../../examples/call-analytics/server.js";
import type { Report } from "../../src/index.js";
import { type CliResult, sluice } from "./cli.js";
import { query } from "./database.js";

const KEY = "guide-test-key-91";
const COUNTS = { calls: 230, conversations: 120, users: 7, companies: 3 };

let folder: string;
let server: ApiServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-guide-"));
  const guide = await readFile(
    new URL("../../examples/call-analytics/call-analytics.yaml", import.meta.url),
    "utf8",
  );
  await writeFile(join(folder, "call-analytics.yaml"), guide);
});

afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

async function serve(options: ServerOptions = {}): Promise<void> {
  server = await startServer({ apiKey: KEY, counts: COUNTS, ...options });
}

function load(...more: string[]): Promise<CliResult> {
  return loadWith({ API_KEY: KEY }, `account_id=${DEFAULT_ACCOUNT_ID}`, ...more);
}

function loadWith(
  env: Record<string, string>,
  account: string | undefined,
  ...more: string[]
): Promise<CliResult> {
  const set = [
    "--set",
    `client.base_url=${server.url}`,
    ...(account === undefined ? [] : ["--set", account]),
  ];
  return sluice(["run", "call-analytics.yaml", ...set, ...more], { cwd: folder, env });
}

function inDatabase(sql: string): Promise<Record<string, unknown>[]> {
  return query(join(folder, "call_analytics.duckdb"), sql);
}

async function counts(): Promise<Record<string, unknown>> {
  const tables = Object.keys(COUNTS).map(
    (table) =>
      `(select count(*) from call_analytics.${table})::int as ${table}, (select count(distinct id) from call_analytics.${table})::int as ${table}_ids`,
  );
  const [row] = await inDatabase(`select ${tables.join(", ")}`);
  return row ?? {};
}

const complete = {
  calls: 230,
  calls_ids: 230,
  conversations: 120,
  conversations_ids: 120,
  users: 7,
  users_ids: 7,
  companies: 3,
  companies_ids: 3,
};

it("loads the guide's configuration completely, typed as declared, and again without a change", async () => {
  await serve();
  const first = await load("--json");
  expect(first.stderr).not.toContain(KEY);
  expect(first.code, first.stderr).toBe(0);
  const report = JSON.parse(first.stdout) as Report;
  expect(report).toMatchObject({ pipeline: "call_analytics", status: "ok" });
  expect(report.resources["calls"]).toMatchObject({
    status: "ok",
    pages: 3,
    rows: 230,
    requests: 3,
    retries: 0,
    completeness: "proved",
  });
  expect(await counts()).toEqual(complete);

  const types = await inDatabase(
    "select table_name || '.' || column_name as name, data_type from information_schema.columns where table_schema = 'call_analytics'",
  );
  const typeOf = Object.fromEntries(types.map(({ name, data_type }) => [name, data_type]));
  expect(typeOf).toMatchObject({
    "calls.id": "VARCHAR",
    "calls.duration": "BIGINT",
    "calls.answered": "BOOLEAN",
    "calls.start_time": "TIMESTAMP WITH TIME ZONE",
    "calls.good_lead_call_time": "TIMESTAMP WITH TIME ZONE",
    "companies.swap_cookie_duration": "BIGINT",
    "companies.disabled_at": "TIMESTAMP WITH TIME ZONE",
    "conversations.last_message_at": "TIMESTAMP WITH TIME ZONE",
    "users.accepted": "BOOLEAN",
    "conversations__recent_messages.content": "VARCHAR",
  });
  const [source] = [server.record("calls", 0)];
  const [stored] = await inDatabase(
    `select epoch_us(start_time) as at, customer_name from call_analytics.calls where id = '${String(source?.["id"])}'`,
  );
  expect(stored).toEqual({
    at: String(Date.parse(String(source?.["start_time"])) * 1000),
    customer_name: source?.["customer_name"] ?? null,
  });

  const second = JSON.parse((await load("--json")).stdout) as Report;
  expect(second.tables["calls"]).toMatchObject({ inserted: 0, updated: 230 });
  expect(await counts()).toEqual(complete);
});

it("takes over a changed record and new pages", async () => {
  await serve();
  await load("--quiet");
  const { id } = server.record("calls", 5);
  server.update("calls", String(id), {
    customer_name: "Zoë Nachträglich",
    tags: [{ name: "changed", color: "red" }],
  });
  for (let i = 0; i < 150; i++) server.add("calls");
  const again = await load("--quiet");
  expect(again.code, again.stderr).toBe(0);
  expect(await counts()).toMatchObject({ calls: 380, calls_ids: 380 });
  const rows = await inDatabase(
    `select customer_name, t.name as tag from call_analytics.calls c left join call_analytics.calls__tags t on t._sluice_parent_id = c._sluice_id where c.id = '${String(id)}'`,
  );
  expect(rows).toEqual([{ customer_name: "Zoë Nachträglich", tag: "changed" }]);
});

it("exits 3 for a wrong key, and shows neither key", async () => {
  await serve();
  const result = await loadWith({ API_KEY: "wrong-key-5512" }, `account_id=${DEFAULT_ACCOUNT_ID}`, "--json");
  expect(result.code).toBe(3);
  expect(result.stdout + result.stderr).not.toMatch(/wrong-key-5512/);
  expect(JSON.parse(result.stdout)).toMatchObject({
    status: "failed",
    resources: { calls: { error: { code: "auth/rejected" } } },
  });
});

it("exits 2 without account_id, and says how to bind it", async () => {
  await serve();
  const result = await loadWith({ API_KEY: KEY }, undefined);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain("{account_id}");
  expect(result.stderr).toContain("--set account_id=");
  expect(result.stderr).toMatch(/call-analytics\.yaml:\d+/);
  expect(server.requests).toEqual([]);
});

it("takes account_id from the environment", async () => {
  await serve();
  const result = await loadWith({ API_KEY: KEY, ACCOUNT_ID: DEFAULT_ACCOUNT_ID }, undefined, "--quiet");
  expect(result.code, result.stderr).toBe(0);
});

it("exits 2 without the secret, and lists where it looked", async () => {
  await serve();
  const result = await loadWith({}, `account_id=${DEFAULT_ACCOUNT_ID}`);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain("SOURCES__CALL_ANALYTICS__API_KEY");
  expect(result.stderr).toContain(".dlt/secrets.toml");
});

const fast = ["--set", "client.retry.backoff_factor=0.01"];

it("loads everything when a resource answers 503 twice and then 200", async () => {
  await serve({ failures: { status: 503, times: 2, resource: "calls" } });
  const result = await load("--json", ...fast);
  expect(result.code, result.stderr).toBe(0);
  expect((JSON.parse(result.stdout) as Report).resources["calls"]).toMatchObject({ retries: 2, requests: 5 });
  expect(await counts()).toEqual(complete);
});

it("exits 4 when a resource answers 503 four times, with the rows of the others committed", async () => {
  await serve({ failures: { status: 503, times: 4, resource: "calls" } });
  const result = await load("--json", ...fast);
  expect(result.code).toBe(4);
  const report = JSON.parse(result.stdout) as Report;
  expect(report).toMatchObject({
    status: "partial",
    resources: {
      calls: { status: "failed", requests: 4, retries: 3, error: { code: "http/status" } },
      users: { status: "ok" },
    },
  });
  const [row] = await inDatabase("select count(*)::int as n from call_analytics.conversations");
  expect(row).toEqual({ n: 120 });
  const repaired = await load("--json");
  expect(repaired.code).toBe(0);
  expect(await counts()).toEqual(complete);
});

it("refuses other account ids as the API does, with exit code 4", async () => {
  await serve();
  const result = await loadWith({ API_KEY: KEY }, "account_id=ACC404", "--json");
  expect(result.code).toBe(4);
  expect(JSON.parse(result.stdout)).toMatchObject({
    resources: { users: { error: { code: "http/status" } } },
  });
});
