import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { duckdb, restApi, run } from "../../src/index.js";
import { query } from "./database.js";

/** json-server 0.17: a REST server that nobody here wrote, with `_page`, `_limit` and a `Link` header. */
const require = createRequire(import.meta.url);
const cli = join(dirname(require.resolve("json-server/package.json")), "lib/cli/bin.js");

let folder: string;
let process_: ChildProcess;
let port: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-json-server-"));
  const posts = Array.from({ length: 1000 }, (_, i) => ({
    id: i + 1,
    title: `Post ${i + 1} – ümläut`,
    tags: ["a", `t${i % 7}`],
  }));
  await writeFile(join(folder, "db.json"), JSON.stringify({ posts }));
  port = await freePort();
  process_ = spawn(process.execPath, [cli, "--port", String(port), "--quiet", join(folder, "db.json")], {
    stdio: "ignore",
  });
  await untilItAnswers(`http://127.0.0.1:${port}/posts/1`);
});

afterAll(async () => {
  process_.kill();
  await rm(folder, { recursive: true });
});

it.each([
  ["header_link", { type: "header_link" }],
  ["page_number", { type: "page_number", base_page: 1, page_param: "_page", total_path: null }],
  [
    "cursor expression",
    {
      type: "cursor",
      limit: 100,
      limit_param: "_limit",
      cursor_value: "{{ headers['link']['next']['url'] }}",
      stop_condition: "{{ 'next' not in headers['link'] }}",
    },
  ],
] as const)("reads all 1,000 rows of json-server with %s", async (name, paginator) => {
  const file = join(folder, `${name.replace(" ", "_")}.duckdb`);
  const params = name === "cursor expression" ? { _page: 1 } : { _page: 1, _limit: 100 };
  const report = await run({
    pipeline: "blog",
    source: restApi({
      client: { base_url: `http://localhost:${port}` },
      resources: [{ name: "posts", primary_key: "id", endpoint: { params, paginator } }],
    }),
    destination: duckdb(file),
  });
  expect(report).toMatchObject({ status: "ok", resources: { posts: { rows: 1000 } } });
  const [row] = await query(
    file,
    "select count(*)::int as n, count(distinct id)::int as ids, (select count(*)::int from blog.posts__tags) as tags from blog.posts",
  );
  expect(row).toEqual({ n: 1000, ids: 1000, tags: 2000 });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = probe.address() as { port: number };
      probe.close(() => resolve(free));
    });
  });
}

async function untilItAnswers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const up = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`json-server did not start at ${url}`);
}
