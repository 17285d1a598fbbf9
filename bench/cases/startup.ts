import { statSync } from "node:fs";
import { join } from "node:path";
import { narrow } from "../data/narrow.js";
import { type Cost, measure, medianCost, type Program } from "../measure.js";
import { serve } from "../serve.js";
import { sluice, sluiceRun } from "../sluice.js";
import { type Bench, type Case, megabytes, type Outcome } from "./case.js";

/** What a run costs when there is nothing to do: medians of ten. */
const RUNS = 10;

export const startup: Case = { name: "start-up", run: compare };

async function compare(bench: Bench): Promise<Outcome> {
  using full = await serve({ dataset: narrow, rows: 1000, size: 1000 });
  using empty = await serve({ dataset: narrow, rows: 0, size: 1000 });
  const file = join(bench.folder, "tables.duckdb");
  const uri = await bench.postgres();
  const load = (url: string, destination: string) =>
    sluiceRun({ url, destination, disposition: "merge" }, bench.folder);
  for (const destination of [`duckdb:${file}`, uri]) {
    await measure(load(full.url, destination), bench.folder);
  }
  const before = statSync(file).size;
  const programs: Record<string, () => Program> = {
    "node, nothing": () => ({ command: process.execPath, args: ["-e", ""] }),
    "sluice --help": () => sluice("--help"),
    "sluice run, nothing new, DuckDB": () => load(empty.url, `duckdb:${file}`),
    "sluice run, nothing new, PostgreSQL": () => load(empty.url, uri),
  };
  const samples: Record<string, Cost[]> = {};
  for (let round = 0; round < RUNS; round++) {
    for (const [name, program] of Object.entries(programs)) {
      const { stdout: _, ...cost } = await measure(program(), bench.folder);
      (samples[name] ??= []).push(cost);
    }
  }
  bench.progress("start-up: measured");
  return {
    title: `start-up: medians of ${RUNS}`,
    columns: ["", "ms", "CPU ms", "peak MB"],
    rows: Object.entries(samples).map(([name, costs]) => {
      const { seconds, cpu, rss } = medianCost(costs);
      return [name, (seconds * 1000).toFixed(0), (cpu * 1000).toFixed(0), megabytes(rss)];
    }),
    notes: [
      `One request, answered at once. The DuckDB file had ${before} bytes before ${RUNS} runs with nothing new, ${statSync(file).size} after; two sizes take turns, as a checkpoint writes beside what it replaces.`,
    ],
    samples,
  };
}
