import { join } from "node:path";
import { narrow } from "../data/narrow.js";
import { SELECTOR } from "../data/pages.js";
import { type Cost, measure, median } from "../measure.js";
import { type Served, serve } from "../serve.js";
import { sluiceRun } from "../sluice.js";
import type { Bench, Case, Outcome } from "./case.js";

/**
 * Walks against a server that takes its time for every answer, beside the ideal schedule: what must come one after the
 * other, and nothing else. Without latency the same walk shows what the rest of a run takes.
 */
const LATENCY_MS = 100;
const PAGES = 100;
const SIZE = 100;
const CHILDREN = 200;
/** How many requests are under way at once, where the next ones are known: dlt's number and Sluice's. */
const AT_ONCE = 5;

interface Walk {
  readonly name: string;
  readonly resources: readonly unknown[];
  /** Answers that are waited for one after the other. */
  readonly ideal: number;
  readonly rows: number;
}

const calls = (paginator: unknown) => [
  { name: "calls", endpoint: { path: "calls", data_selector: SELECTOR, paginator } },
];

/** The first page alone, the others `AT_ONCE` at a time. */
const counted = 1 + (PAGES - 1) / AT_ONCE;
const rows = PAGES * SIZE;

const WALKS: readonly Walk[] = [
  { name: "header link", resources: calls({ type: "header_link" }), ideal: PAGES, rows },
  { name: "header cursor", resources: calls({ type: "header_cursor" }), ideal: PAGES, rows },
  {
    name: "page number",
    resources: calls({ type: "page_number", total_path: "pages" }),
    ideal: counted,
    rows,
  },
  { name: "offset", resources: calls({ type: "offset", limit: SIZE }), ideal: counted, rows },
  {
    name: `${CHILDREN} children`,
    resources: [
      {
        name: "parents",
        selected: false,
        endpoint: { path: "parents", data_selector: SELECTOR, paginator: "single_page" },
      },
      {
        name: "calls",
        endpoint: {
          path: "parents/{resources.parents.id}/calls",
          data_selector: SELECTOR,
          paginator: "single_page",
        },
      },
    ],
    ideal: 1 + CHILDREN / AT_ONCE,
    rows: CHILDREN * SIZE,
  },
];

export const latency: Case = { name: "latency", run: compare };

async function compare(bench: Bench): Promise<Outcome> {
  const data = { dataset: narrow, rows: CHILDREN * SIZE, size: SIZE };
  const walked = { dataset: narrow, rows, size: SIZE };
  using pages = await serve(walked);
  using slowPages = await serve({ ...walked, latency: LATENCY_MS });
  using children = await serve(data);
  using slowChildren = await serve({ ...data, latency: LATENCY_MS });
  const samples: Record<string, Cost[]> = {};
  const table: string[][] = [];
  for (const walk of WALKS) {
    const [fast, slow] = walk.resources.length > 1 ? [children, slowChildren] : [pages, slowPages];
    const without = await times(walk, fast, bench);
    const withLatency = await times(walk, slow, bench);
    samples[`${walk.name}, 0 ms`] = without;
    samples[`${walk.name}, ${LATENCY_MS} ms`] = withLatency;
    table.push(line(walk, without, withLatency));
    bench.progress(`latency: ${walk.name}, ${table.at(-1)?.at(-1)} times the ideal`);
  }
  return {
    title: `latency: ${PAGES} pages and ${CHILDREN} children of ${SIZE} records, ${LATENCY_MS} ms for each answer, into DuckDB`,
    columns: ["walk", "0 ms: process s", "run s", "100 ms: process s", "run s", "ideal s", "run ÷ ideal"],
    rows: table,
    notes: [
      `The ideal has ${AT_ONCE} requests under way where they are known in advance. "run" is the report's duration_ms: the process without its start.`,
    ],
    samples,
  };
}

type WalkCost = Cost & { readonly run: number };

async function times(walk: Walk, served: Served, bench: Bench): Promise<WalkCost[]> {
  const costs: WalkCost[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    const destination = `duckdb:${join(bench.folder, `${costs.length}-${served.url.slice(-5)}-${walk.ideal}-${walk.name}.duckdb`)}`;
    const load = { url: served.url, destination, disposition: "append", resources: walk.resources } as const;
    const { stdout, ...cost } = await measure(sluiceRun(load, bench.folder), bench.folder);
    const report = JSON.parse(stdout) as {
      duration_ms: number;
      resources: Record<string, { rows: number }>;
    };
    const found = report.resources["calls"]?.rows;
    if (found !== walk.rows) throw new Error(`${walk.name} loaded ${found} rows instead of ${walk.rows}`);
    costs.push({ ...cost, run: report.duration_ms / 1000 });
  }
  return costs;
}

function line(walk: Walk, without: readonly WalkCost[], withLatency: readonly WalkCost[]): string[] {
  const ideal = (walk.ideal * LATENCY_MS) / 1000;
  const seconds = (costs: readonly WalkCost[], key: "seconds" | "run") =>
    median(costs.map((cost) => cost[key]));
  return [
    walk.name,
    ...[without, withLatency].flatMap((costs) => [
      seconds(costs, "seconds").toFixed(2),
      seconds(costs, "run").toFixed(2),
    ]),
    ideal.toFixed(2),
    (seconds(withLatency, "run") / ideal).toFixed(2),
  ];
}
