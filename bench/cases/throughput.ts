import type { Dataset } from "../data/dataset.js";
import { narrow } from "../data/narrow.js";
import { wide } from "../data/wide.js";
import { type Cost, measure, medianCost } from "../measure.js";
import { type Served, serve } from "../serve.js";
import { type Bench, type Case, megabytes, type Outcome, ratio, thousands } from "./case.js";
import {
  type Contestant,
  dltDuckdb,
  dltPostgres,
  drain,
  hasPeers,
  naive,
  native,
  nativeSimple,
  parse,
  sluiceDuckdb,
  sluiceParquet,
  sluicePostgres,
} from "./contestants.js";

/** Rows a second from HTTP to committed tables, all contestants in turn against one server. */
interface Throughput {
  readonly name: string;
  readonly dataset: Dataset;
  readonly rows: number;
  readonly size: number;
  readonly gzip?: boolean;
  readonly contestants: readonly Contestant[];
}

const limits = [drain, parse, native];

const CASES: readonly Throughput[] = [
  {
    name: "wide-100",
    dataset: wide,
    rows: 300_000,
    size: 100,
    contestants: [
      ...limits,
      nativeSimple,
      naive,
      sluiceDuckdb("append"),
      sluiceDuckdb("merge"),
      sluicePostgres("append"),
      sluicePostgres("merge"),
      sluiceParquet,
    ],
  },
  {
    name: "wide-1000",
    dataset: wide,
    rows: 100_000,
    size: 1000,
    contestants: [...limits, sluiceDuckdb("append"), sluicePostgres("append")],
  },
  {
    name: "wide-100-gzip",
    dataset: wide,
    rows: 100_000,
    size: 100,
    gzip: true,
    contestants: [...limits, sluiceDuckdb("append"), sluicePostgres("append")],
  },
  {
    name: "narrow-1000",
    dataset: narrow,
    rows: 1_000_000,
    size: 1000,
    contestants: [
      ...limits,
      naive,
      sluiceDuckdb("append"),
      sluiceDuckdb("merge"),
      sluicePostgres("append"),
      sluicePostgres("merge"),
      sluiceParquet,
    ],
  },
  {
    name: "dlt",
    dataset: wide,
    rows: 100_000,
    size: 100,
    contestants: [
      parse,
      native,
      sluiceDuckdb("append"),
      dltDuckdb("parquet"),
      dltDuckdb("default"),
      sluicePostgres("append"),
      dltPostgres,
    ],
  },
];

export const throughput: readonly Case[] = CASES.map((settings) => ({
  name: settings.name,
  run: (bench) => compare(settings, bench),
}));

async function compare(settings: Throughput, bench: Bench): Promise<Outcome> {
  const { name, contestants, ...data } = settings;
  if (name === "dlt" && !hasPeers()) return skipped(name, bench);
  using served = await serve({ ...data, rows: Math.ceil(data.rows / bench.shrink) });
  const taking = contestants.filter(
    (contestant) => bench.only.length === 0 || bench.only.some((word) => contestant.name.includes(word)),
  );
  const samples: Record<string, Cost[]> = {};
  const failures = new Map<Contestant, string>();
  for (let round = 1; round <= bench.rounds; round++) {
    for (const contestant of taking.filter((contestant) => !failures.has(contestant))) {
      try {
        const cost = await attempt(contestant, served, bench);
        (samples[contestant.name] ??= []).push(cost);
        const speed = thousands(served.rows / cost.seconds);
        bench.progress(`${name}, round ${round}: ${contestant.name}, ${speed} rows/s`);
      } catch (error) {
        failures.set(contestant, String(error));
        bench.failed(`${name}: ${contestant.name}`, error);
      }
    }
  }
  const notes = [...failures].map(([{ name }, why]) => `FAILED: ${name}: ${why.split("\n")[0]}`);
  for (const { name } of failures.keys()) delete samples[name];
  return { ...table(name, data.size, served, samples), notes, samples };
}

async function attempt(contestant: Contestant, served: Served, bench: Bench): Promise<Cost> {
  const { program, verify } = await contestant.prepare(served, bench);
  const { stdout, ...cost } = await measure(program, bench.folder);
  await verify(stdout);
  return cost;
}

function table(
  name: string,
  size: number,
  { rows, bytes, dataset }: Served,
  samples: Readonly<Record<string, readonly Cost[]>>,
): Pick<Outcome, "title" | "columns" | "rows"> {
  const costs = new Map(Object.entries(samples).map(([name, costs]) => [name, medianCost(costs)]));
  const parsed = costs.get(parse.name);
  const best = costs.get(native.name);
  return {
    title: `${name}: ${thousands(rows)} ${dataset.name} records of ${Math.round(bytes / rows)} bytes, pages of ${size}`,
    columns: [
      "",
      "rows/s",
      "MB/s",
      "CPU µs/row",
      "peak MB",
      "÷ JSON.parse",
      "÷ read_json",
      "CPU ÷ JSON.parse",
    ],
    rows: [...costs].map(([name, { seconds, cpu, rss }]) => [
      name,
      thousands(rows / seconds),
      (bytes / 1e6 / seconds).toFixed(0),
      ((cpu / rows) * 1e6).toFixed(1),
      megabytes(rss),
      ratio(1 / seconds, parsed && 1 / parsed.seconds),
      ratio(1 / seconds, best && 1 / best.seconds),
      ratio(cpu, parsed?.cpu),
    ]),
  };
}

function skipped(name: string, bench: Bench): Outcome {
  const note = "SKIPPED: dlt is not installed; bench/peers/install.sh installs it";
  bench.progress(`!!! ${note}`);
  return { title: name, columns: [], rows: [], notes: [note], samples: {} };
}
