/**
 * Where the time of a load goes on the JavaScript threads: runs `sluice run` under V8's sampling profiler and prints the
 * functions with the most time of their own. What native threads do is in none of them.
 *
 *     npm run build && node scripts/run-ts.mjs bench/profile.ts [duckdb|postgres] [rows=100000] [wide|narrow] [functions=25]
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../test/postgres-server.js";
import { narrow } from "./data/narrow.js";
import { wide } from "./data/wide.js";
import { measure } from "./measure.js";
import { compile, ROOT, serve } from "./serve.js";
import { sluiceRun } from "./sluice.js";

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

const [, , kind = "duckdb", rows = "100000", name = "wide", functions = "25"] = process.argv;
compile();
const folder = mkdtempSync(join(tmpdir(), "sluice-profile-"));
const server = kind === "postgres" ? await startPostgres() : undefined;
const dataset = name === "narrow" ? narrow : wide;
using served = await serve({ dataset, rows: Number(rows), size: dataset === wide ? 100 : 1000 });
const destination =
  server === undefined ? `duckdb:${join(folder, "tables.duckdb")}` : await server.newDatabase();
const program = sluiceRun({ url: served.url, destination, disposition: "append" }, folder);
const flags = ["--cpu-prof", `--cpu-prof-dir=${join(folder, "profile")}`];
const { seconds, cpu } = await measure({ ...program, args: [...flags, ...program.args] }, folder);
await server?.stop();
console.log(
  `${rows} ${name} rows into ${kind}: ${seconds.toFixed(1)} s, ${cpu.toFixed(1)} s CPU on all threads`,
);
// DuckDB has a thread of its own.
for (const file of readdirSync(join(folder, "profile")))
  print(JSON.parse(readFileSync(join(folder, "profile", file), "utf8")) as Profile);
rmSync(folder, { recursive: true, force: true });

function print({ nodes, samples, timeDeltas }: Profile): void {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const self = new Map<string, number>();
  samples.forEach((id, index) => {
    const name = names.get(id) ?? "?";
    if (name !== "(idle)") self.set(name, (self.get(name) ?? 0) + (timeDeltas[index] ?? 0));
  });
  const total = [...self.values()].reduce((sum, time) => sum + time, 0);
  console.log(`${(total / 1e6).toFixed(1)} s on a JavaScript thread; its own time by function:`);
  const top = [...self].sort(([, a], [, b]) => b - a).slice(0, Number(functions));
  for (const [name, time] of top) {
    console.log(`${((time / total) * 100).toFixed(1).padStart(5)} %  ${name}`);
  }
}

function nameOf({ functionName, url, lineNumber }: Profile["nodes"][number]["callFrame"]): string {
  const place = url.startsWith("file:") ? relative(ROOT, fileURLToPath(url)) : url;
  const shown = functionName === "" ? "(anonymous)" : functionName;
  return place === "" ? shown : `${shown}  ${place}:${lineNumber + 1}`;
}
