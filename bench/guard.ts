/**
 * Guards against a slow-down: CPU time per row of `sluice run` into DuckDB beside that of downloading and parsing the
 * same pages, never a time by itself. Each is measured with few and with more rows and the difference is taken, so that
 * start-up does not count; the median of some rounds decides.
 *
 *     npm run build && node scripts/run-ts.mjs bench/guard.ts [most]
 *
 * Ends with status 1 when a row costs more than `most` times as much.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Contestant, parse, sluiceDuckdb } from "./cases/contestants.js";
import { wide } from "./data/wide.js";
import { measure, median } from "./measure.js";
import { compile, type Served, serve } from "./serve.js";

/** Measured when the bound was set: see README.md. */
const MOST = Number(process.argv[2] ?? 3.5);
const FEW = 2_000;
const MORE = 42_000;
const ROUNDS = 3;

compile();
const folder = mkdtempSync(join(tmpdir(), "sluice-guard-"));
try {
  using few = await serve({ dataset: wide, rows: FEW, size: 100 });
  using more = await serve({ dataset: wide, rows: MORE, size: 100 });
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const base = await perRow(parse, few, more);
    const ours = await perRow(sluiceDuckdb("append"), few, more);
    ratios.push(ours / base);
    console.log(
      `JSON.parse ${base.toFixed(1)} µs CPU/row, sluice ${ours.toFixed(1)}: ${(ours / base).toFixed(2)}`,
    );
  }
  const ratio = median(ratios);
  const passed = ratio <= MOST;
  console.log(
    `${passed ? "ok" : "FAIL"}: a row costs ${ratio.toFixed(2)} times JSON.parse; ${MOST} are allowed`,
  );
  process.exitCode = passed ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** CPU microseconds of a row, without what a run costs in any case. */
async function perRow(contestant: Contestant, few: Served, more: Served): Promise<number> {
  const cost = (await cpu(contestant, more)) - (await cpu(contestant, few));
  return (cost / (MORE - FEW)) * 1e6;
}

async function cpu({ prepare }: Contestant, served: Served): Promise<number> {
  const postgres = () => Promise.reject(new Error("the guard has no PostgreSQL"));
  const nothing = (): void => undefined;
  const bench = { rounds: 1, shrink: 1, only: [], folder, postgres, progress: nothing, failed: nothing };
  const { program, verify } = await prepare(served, bench);
  const { stdout, cpu } = await measure(program, folder);
  await verify(stdout);
  return cpu;
}
