import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { emptyDatabase, queryPostgres, startPostgres } from "../test/postgres-server.js";

/**
 * 100,000 calls of the example's shape over HTTP on loopback into a DuckDB file, as the command line does it, beside
 * what DuckDB's own JSON reader needs for the same bytes from a file into the same kind of tables; and into a PostgreSQL
 * server of its own on this machine, whose CPU is not counted. Each run is a process
 * of its own; the runs alternate; medians.
 *
 * node scripts/run-ts.mjs bench/end-to-end.ts [rows] [page size] [rounds]
 */
const rows = Number(process.argv[2] ?? 100_000);
const size = Number(process.argv[3] ?? 100);
const rounds = Number(process.argv[4] ?? 3);
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));

const server = spawn(
  process.execPath,
  [join(root, "scripts/run-ts.mjs"), join(root, "bench/page-server.ts"), String(rows), String(size)],
  {
    stdio: ["ignore", "pipe", "inherit"],
  },
);
process.on("exit", () => server.kill());
const [url] = (await once(createInterface(server.stdout), "line")) as [string];
const bytes = await download();
const postgres = await startPostgres();
const uri = await postgres.newDatabase();

const figures: Record<string, Figure[]> = {};
for (let round = 0; round < rounds; round++) {
  for (const disposition of ["append", "merge"])
    measure(`sluice run, ${disposition}`, () => sluice(disposition));
  for (const disposition of ["append", "merge"]) {
    await emptyDatabase(uri);
    measure(`sluice run, ${disposition}, PostgreSQL`, () => load(disposition, uri));
    const [found] = await queryPostgres(uri, "SELECT count(*) AS n FROM loaded.calls");
    if (found?.["n"] !== BigInt(rows)) throw new Error(`PostgreSQL has ${String(found?.["n"])} rows`);
  }
  measure("DuckDB read_json of a downloaded file", readJson);
}
server.kill();
await postgres.stop();
rmSync(folder, { recursive: true });

console.log(
  `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
);
console.log(
  `${rows} calls, pages of ${size}, ${(bytes / 1e6).toFixed(0)} MB of JSON (${Math.round(bytes / rows)} bytes a row), medians of ${rounds}`,
);
for (const [name, runs] of Object.entries(figures)) {
  const seconds = median(runs.map((run) => run.seconds));
  console.log(
    `${name.padEnd(40)} ${Math.round(rows / seconds)} rows/s  ${(bytes / 1e6 / seconds).toFixed(0)} MB/s  ${((median(runs.map((run) => run.cpu)) / rows) * 1e6).toFixed(1)} µs CPU/row  ${Math.round(median(runs.map((run) => run.rss)) / 1e6)} MB peak`,
  );
}

interface Figure {
  readonly seconds: number;
  readonly cpu: number;
  readonly rss: number;
}

function measure(name: string, work: () => void): void {
  const output = join(folder, "time");
  const startedAt = performance.now();
  work();
  const seconds = (performance.now() - startedAt) / 1000;
  const [user = 0, system = 0, kilobytes = 0] = execFileSync("cat", [output], { encoding: "utf8" })
    .trim()
    .split(" ")
    .map(Number);
  (figures[name] ??= []).push({ seconds, cpu: user + system, rss: kilobytes * 1024 });
}

/** Runs a program and leaves its CPU seconds and peak memory (KiB) in a file: GNU time has what the kernel counted. */
function timed(args: readonly string[]): void {
  execFileSync("/usr/bin/time", ["-f", "%U %S %M", "-o", join(folder, "time"), process.execPath, ...args], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, NO_COLOR: "1" },
  });
}

function sluice(disposition: string): void {
  const database = join(folder, `${disposition}.duckdb`);
  rmSync(database, { force: true });
  load(disposition, `duckdb:${database}`);
  verify(database, "loaded.calls");
}

function load(disposition: string, destination: string): void {
  const config = join(folder, `${disposition}.json`);
  writeFileSync(
    config,
    JSON.stringify({
      client: { base_url: url },
      resources: [
        {
          name: "calls",
          primary_key: "id",
          write_disposition: disposition,
          endpoint: { path: "calls.json", data_selector: "calls", paginator: "header_link" },
        },
      ],
    }),
  );
  timed([
    join(root, "dist/src/cli/main.js"),
    "run",
    config,
    "--quiet",
    "--dataset",
    "loaded",
    "--destination",
    destination,
  ]);
}

function readJson(): void {
  const database = join(folder, "native.duckdb");
  rmSync(database, { force: true });
  timed([
    join(root, "scripts/run-ts.mjs"),
    join(root, "bench/read-json.ts"),
    join(folder, "calls.ndjson"),
    database,
  ]);
  verify(database, "main.calls");
}

function verify(database: string, table: string): void {
  const count = execFileSync(
    process.execPath,
    [join(root, "scripts/run-ts.mjs"), join(root, "bench/count.ts"), database, table],
    { encoding: "utf8" },
  );
  if (Number(count) !== rows) throw new Error(`${table} has ${count.trim()} rows instead of ${rows}`);
}

async function download(): Promise<number> {
  let next: string | undefined = `${url}/calls.json?page=1`;
  const lines: string[] = [];
  let received = 0;
  while (next !== undefined) {
    const response: Response = await fetch(next);
    const text = await response.text();
    received += Buffer.byteLength(text);
    for (const call of (JSON.parse(text) as { calls: unknown[] }).calls) lines.push(JSON.stringify(call));
    next = /<([^>]+)>/.exec(response.headers.get("link") ?? "")?.[1];
  }
  const file = join(folder, "calls.ndjson");
  writeFileSync(file, `${lines.join("\n")}\n`);
  return Math.max(received, statSync(file).size);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
