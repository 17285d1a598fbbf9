import { copyFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Range } from "../data/dataset.js";
import { narrow } from "../data/narrow.js";
import { addSums, expectedSums, type Sums } from "../data/sums.js";
import { type Cost, measure, medianCost } from "../measure.js";
import { type Served, serve } from "../serve.js";
import { sluiceRun } from "../sluice.js";
import { verifyDuckdb } from "../verify.js";
import { type Bench, type Case, megabytes, type Outcome, ratio, thousands } from "./case.js";

/** What merging the same number of rows costs into a small table and into one ten times as large. */
const SIZE = 1000;
const INCREMENT = 100_000;
const BASES = [1_000_000, 10_000_000];

/** Half of the rows replace the newest ones, half are new; or all replace rows that are spread over the table. */
const KINDS = {
  "newest replaced, and as many new": (base: number, rows: number) => ({ from: base - rows / 2, step: 1 }),
  "spread over the table": (base: number, rows: number) => ({ from: 0, step: base / rows }),
};

export const growth: Case = { name: "merge-growth", run: compare };

async function compare(bench: Bench): Promise<Outcome> {
  const rows = INCREMENT / bench.shrink;
  const samples: Record<string, Cost[]> = {};
  const files: Record<string, string> = {};
  for (const base of BASES.map((base) => base / bench.shrink)) {
    const original = join(bench.folder, `base-${base}.duckdb`);
    const before = await loadBase(base, original, bench);
    for (const [kind, place] of Object.entries(KINDS)) {
      const range: Range = { ...place(base, rows), rows, edition: 7 };
      using increment = await serve({ dataset: narrow, size: SIZE, ...range });
      const name = `${thousands(rows)} into ${thousands(base)}: ${kind}`;
      const expected = merged(before, base, increment);
      for (let round = 0; round < bench.rounds; round++) {
        const copy = join(bench.folder, "tables.duckdb");
        rmSync(copy, { force: true });
        copyFileSync(original, copy);
        const cost = await merge(increment.url, copy, bench);
        await verifyDuckdb(copy, narrow, expected);
        (samples[name] ??= []).push(cost);
        files[name] = `${megabytes(statSync(original).size)} → ${megabytes(statSync(copy).size)}`;
        bench.progress(`merge-growth: ${name}: ${cost.seconds.toFixed(2)} s`);
      }
    }
    rmSync(original);
  }
  return {
    title: "merge-growth: narrow rows merged by key into DuckDB tables",
    ...table(samples, files),
    samples,
  };
}

async function loadBase(rows: number, file: string, bench: Bench): Promise<Sums> {
  using served = await serve({ dataset: narrow, rows, size: SIZE });
  await merge(served.url, file, bench);
  await verifyDuckdb(file, narrow, served.sums);
  return served.sums;
}

async function merge(url: string, file: string, bench: Bench): Promise<Cost> {
  const load = { url, destination: `duckdb:${file}`, disposition: "merge" } as const;
  const { stdout: _, ...cost } = await measure(sluiceRun(load, bench.folder), bench.folder);
  return cost;
}

/** What was there, without the rows that were replaced, and with what came. */
function merged(before: Sums, base: number, { range, sums }: Served): Sums {
  const { from, step, rows } = range;
  const replaced = Math.min(rows, Math.ceil((base - from) / step));
  return addSums(addSums(before, expectedSums(narrow, { ...range, rows: replaced, edition: 0 }), -1), sums);
}

function table(
  samples: Readonly<Record<string, readonly Cost[]>>,
  files: Readonly<Record<string, string>>,
): Pick<Outcome, "columns" | "rows" | "notes"> {
  const costs = Object.entries(samples).map(([name, costs]) => [name, medianCost(costs)] as const);
  const first = costs[0]?.[1].seconds;
  return {
    columns: ["", "seconds", "CPU s", "peak MB", "file MB", "÷ the first"],
    rows: costs.map(([name, { seconds, cpu, rss }]) => [
      name,
      seconds.toFixed(2),
      cpu.toFixed(2),
      megabytes(rss),
      files[name] ?? "",
      ratio(seconds, first),
    ]),
    notes: [],
  };
}
