/**
 * The benchmark: every program in a process of its own, in turn, its tables checked after each run; medians and ratios.
 *
 *     npm run build && node scripts/run-ts.mjs bench/run.ts [--case wide-100,memory] [--rounds 3] [--shrink 10]
 *         [--only sluice,JSON.parse] [--out bench/results]
 *
 * `--shrink 10` takes a tenth of the rows, to try things out. With `--out` the result is written to
 * DATE.md and DATE.json in that folder, too.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type PostgresServer, startPostgres } from "../test/postgres-server.js";
import type { Bench, Case, Outcome } from "./cases/case.js";
import { growth } from "./cases/growth.js";
import { latency } from "./cases/latency.js";
import { memory } from "./cases/memory.js";
import { startup } from "./cases/startup.js";
import { throughput } from "./cases/throughput.js";
import { load, machine } from "./machine.js";
import { markdown, section } from "./report.js";
import { compile } from "./serve.js";

const ALL: readonly Case[] = [...throughput, latency, memory, growth, startup];

const { values: options } = parseArgs({
  options: {
    case: { type: "string" },
    rounds: { type: "string", default: "3" },
    shrink: { type: "string", default: "1" },
    only: { type: "string" },
    out: { type: "string" },
  },
});

const words = (list: string | undefined): string[] => list?.split(",") ?? [];
const wanted = words(options.case);
const unknown = wanted.filter((name) => !ALL.some((other) => other.name === name));
if (unknown.length > 0) {
  throw new Error(`no case ${unknown.join(", ")}; there are ${ALL.map(({ name }) => name).join(", ")}`);
}

// Ends the servers, too.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
compile();
const startedAt = new Date();
const loadBefore = load();
const outcomes: Outcome[] = [];
for (const chosen of ALL.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const outcome = await runCase(chosen);
  console.log(section(outcome).join("\n"));
  outcomes.push(outcome);
  if (options.out !== undefined) write(options.out);
}

/** After each case: what was measured is not lost when a later one ends the process. */
function write(folder: string): void {
  const facts = {
    date: startedAt.toISOString(),
    ...machine(),
    rounds: options.rounds,
    ...(options.shrink === "1" ? {} : { shrunk: `to 1/${options.shrink} of the rows` }),
    "load average": `${loadBefore} before, ${load()} after`,
  };
  mkdirSync(folder, { recursive: true });
  const path = join(folder, startedAt.toISOString().slice(0, 10));
  writeFileSync(`${path}.md`, markdown(facts, outcomes));
  writeFileSync(`${path}.json`, `${JSON.stringify({ ...facts, outcomes }, null, 2)}\n`);
}

async function runCase({ name, run }: Case): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  let server: PostgresServer | undefined;
  const bench: Bench = {
    rounds: Number(options.rounds),
    shrink: Number(options.shrink),
    only: words(options.only),
    folder,
    async postgres() {
      server ??= await startPostgres();
      return server.newDatabase();
    },
    progress: (line) => console.error(line),
    failed,
  };
  try {
    return await run(bench);
  } catch (error) {
    failed(name, error);
    return {
      title: name,
      columns: [],
      rows: [],
      notes: [`FAILED: ${String(error).split("\n")[0]}`],
      samples: {},
    };
  } finally {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function failed(what: string, error: unknown): void {
  console.error(`!!! ${what} failed`, error);
  process.exitCode = 1;
}
