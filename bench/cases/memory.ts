import type { Dataset } from "../data/dataset.js";
import { narrow } from "../data/narrow.js";
import { wide } from "../data/wide.js";
import { type Cost, measure } from "../measure.js";
import { serve } from "../serve.js";
import { type Bench, type Case, megabytes, type Outcome, ratio, thousands } from "./case.js";
import { sluiceDuckdb, sluicePostgres } from "./contestants.js";

/** Peak memory of ten times the rows beside that of the rows: it should be the same. One run each. */
const SIZES: readonly { readonly dataset: Dataset; readonly rows: number; readonly size: number }[] = [
  { dataset: narrow, rows: 1_000_000, size: 1000 },
  { dataset: wide, rows: 100_000, size: 100 },
];
const TIMES = 10;

const CONTESTANTS = [sluiceDuckdb("append"), sluiceDuckdb("merge"), sluicePostgres("append")];

export const memory: Case = { name: "memory", run: compare };

async function compare(bench: Bench): Promise<Outcome> {
  const samples: Record<string, Cost[]> = {};
  for (const { dataset, size, ...settings } of SIZES) {
    const rows = Math.ceil(settings.rows / bench.shrink);
    for (const factor of [1, TIMES]) {
      using served = await serve({ dataset, size, rows: rows * factor });
      for (const contestant of CONTESTANTS) {
        const { program, verify } = await contestant.prepare(served, bench);
        const { stdout, ...cost } = await measure(program, bench.folder);
        await verify(stdout);
        (samples[`${thousands(rows)} ${dataset.name}: ${contestant.name}`] ??= []).push(cost);
        bench.progress(
          `memory: ${thousands(served.rows)} ${dataset.name}, ${contestant.name}: ${megabytes(cost.rss)} MB`,
        );
      }
    }
  }
  return {
    title: `memory: peak of a load, and of one of ${TIMES} times the rows`,
    columns: [
      "",
      "peak MB",
      `${TIMES} × the rows: peak MB`,
      "ratio",
      `seconds`,
      `${TIMES} × the rows: seconds`,
    ],
    rows: Object.entries(samples).map(([name, [one, ten]]) => [
      name,
      megabytes(one?.rss ?? 0),
      megabytes(ten?.rss ?? 0),
      ratio(ten?.rss ?? 0, one?.rss),
      (one?.seconds ?? 0).toFixed(1),
      (ten?.seconds ?? 0).toFixed(1),
    ]),
    notes: ["The memory of a PostgreSQL server is not in it."],
    samples,
  };
}
