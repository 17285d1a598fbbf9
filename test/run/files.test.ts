import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runCli } from "../../src/cli/program.js";
import type { Session } from "../../src/cli/session.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { randomFaults, startS3 } from "../s3-server.js";
import { query } from "./database.js";

// sluice run into files, and the commands that look after them.

let folder: string;
let api: FakeApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-run-files-"));
  api = await startFakeApi();
  const posts = Array.from({ length: 25 }, (_, id) => ({ id, title: `post ${id}`, tags: ["a", "b"] }));
  api.route("/posts", { records: posts, paging: "link-header", pageSize: 10 });
  const config = `
pipeline: blog
client: { base_url: "${api.url}" }
resources:
  - { name: posts, write_disposition: append, endpoint: { path: posts } }
`;
  await writeFile(join(folder, "blog.yaml"), config);
});

afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

async function sluice(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const written = { stdout: "", stderr: "" };
  const session: Session = {
    stdout: { write: (text) => (written.stdout += text), columns: 160 },
    stderr: { write: (text) => (written.stderr += text) },
    env,
    cwd: folder,
    signal: new AbortController().signal,
    now: () => Date.UTC(2024, 0, 1),
    every: () => () => {},
    confirm: () => Promise.resolve(false),
    exitCode: 0,
  };
  await runCli(args, session);
  return { ...written, exitCode: session.exitCode };
}

const to = (): string[] => ["blog.yaml", "--destination", `file:${join(folder, "lake")}`];

interface Listed {
  readonly tables: readonly { readonly table: string; readonly rows: number; readonly files: string[] }[];
}

async function listed(): Promise<Listed["tables"]> {
  return (JSON.parse((await sluice(["files", "list", ...to(), "--json"])).stdout) as Listed).tables;
}

it("files are listed, joined and pruned, and hold the rows", async () => {
  expect((await sluice(["files", "list", ...to()])).stdout).toContain("no tables of blog yet");
  for (let round = 0; round < 2; round += 1) {
    const { exitCode, stderr } = await sluice(["run", ...to()]);
    expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
  }
  const summary = async () => (await listed()).map(({ table, rows, files }) => [table, rows, files.length]);
  expect(await summary()).toEqual([
    ["posts", 50, 2],
    ["posts__tags", 100, 2],
  ]);
  const table = await sluice(["files", "list", ...to()]);
  expect(table.stdout).toMatch(/posts__tags\s+│?\s*100/u);

  expect((await sluice(["files", "compact", ...to()])).stdout).toBe(
    "posts: 2 files became 1\nposts__tags: 2 files became 1\n",
  );
  expect((await sluice(["files", "compact", ...to()])).stdout).toBe("every table is one file already\n");
  expect(await summary()).toEqual([
    ["posts", 50, 1],
    ["posts__tags", 100, 1],
  ]);
  expect((await sluice(["files", "prune", ...to()])).stdout).toBe("removed 0 files\n");
  const pruned = await sluice(["files", "prune", ...to(), "--older-than", "0", "--json"]);
  const { removed } = JSON.parse(pruned.stdout) as { removed: string[] };
  expect(removed.filter((name) => name.endsWith(".parquet"))).toHaveLength(4);

  const [{ files } = { files: [] }] = await listed();
  const rows = await query(join(folder, "look.duckdb"), `select count(distinct id) as n from '${files[0]}'`);
  expect(rows).toEqual([{ n: "25" }]);
});

it("rows arrive in a bucket of S3 whole, whatever its server does", async () => {
  const server = await startS3();
  const uri =
    `s3://${server.bucket}/lake?endpoint=${server.endpoint}&force_path_style=true` +
    "&access_key_id=tester&secret_access_key={{ secrets.s3_key }}";
  const args = ["blog.yaml", "--destination", uri];
  const env = { S3_KEY: "k+y/of the bucket" };
  try {
    server.faults = randomFaults(11, 8);
    const { exitCode, stdout, stderr } = await sluice(["run", ...args, "--json"], env);
    expect(exitCode).toBe(0);
    expect(stdout + stderr).not.toContain(env.S3_KEY);
    const list = await sluice(["files", "list", ...args, "--json"], env);
    const { destination, tables } = JSON.parse(list.stdout) as Listed & { destination: string };
    expect(destination).toBe("s3://lake/lake");
    expect(tables.map(({ table, rows }) => [table, rows])).toEqual([
      ["posts", 25],
      ["posts__tags", 50],
    ]);
  } finally {
    await server.stop();
  }
});

it("a destination without files says so", async () => {
  for (const command of ["list", "compact", "prune"]) {
    const { exitCode, stderr } = await sluice(["files", command, "blog.yaml"]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("of type duckdb and has no files");
  }
  const { stderr } = await sluice(["files", "prune", ...to(), "--older-than", "soon"]);
  expect(stderr).toContain("--older-than takes a number of hours");
});
