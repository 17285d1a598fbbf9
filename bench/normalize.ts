/**
 * What normalizing costs beside JSON.parse, on wide records like those of a call-analytics API: about 60 fields, a
 * nested object, a list of objects, a list of strings, 1.4 KB; pages of 100.
 *
 * Run: node scripts/run-ts.mjs bench/normalize.ts
 * The runner turns every imported function into a property access, which about doubles the cost of normalizing. For
 * the cost in the published package compile first:
 * npx tsc -p tsconfig.test.json --noEmit false --outDir OUT && node OUT/bench/normalize.js
 */
import type { Json } from "../src/model/json.js";
import { createNormalizer } from "../src/normalize/normalizer.js";

const PAGE_ROWS = 100;
const PAGES = 40;
const WARM_UP = 8;
const ROUNDS = 40;
const TAKE_ROWS = 20_000;

const text = (i: number, size: number) =>
  `${"lorem ipsum dolor sit amet consectetur ".repeat(3)}${i}`.slice(-size);

function record(i: number): Json {
  const row: Record<string, Json> = {
    id: `CAL${(1_000_000 + i).toString(36)}`,
    company_id: 1000 + (i % 7),
    answered: i % 3 > 0,
    start_time: new Date(1_700_000_000_000 + i * 61_000).toISOString(),
    customer_name: i % 11 === 0 ? "Jürgen Müßig" : `Customer ${i}`,
  };
  for (let n = 0; n < 24; n++)
    row[`text_${n}`] = n % 8 === 7 && i % 4 === 0 ? null : text(i * 31 + n, 6 + (n % 5) * 6);
  for (let n = 0; n < 12; n++) row[`count_${n}`] = (i * 7919 + n) % (n < 6 ? 1000 : 100_000_000);
  for (let n = 0; n < 5; n++) row[`ratio_${n}`] = ((i * 13 + n) % 10_000) / 64 + 0.015625;
  for (let n = 0; n < 6; n++) row[`flag_${n}`] = (i + n) % 2 === 0;
  for (let n = 0; n < 3; n++) row[`changed_${n}`] = new Date(1_710_000_000_000 + i * 997 + n).toISOString();
  row["geo"] = { city: text(i, 12), region: "CA", lat: 37.5 + (i % 100) / 1000, lng: -122.25 };
  row["milestones"] = [
    { type: "connected", at: new Date(1_700_000_000_000 + i).toISOString(), note: null },
    { type: "ended", at: new Date(1_700_000_060_000 + i).toISOString(), note: text(i, 10) },
  ];
  row["tags"] = ["inbound", text(i, 8)];
  return row;
}

const pages = Array.from({ length: PAGES }, (_, page) =>
  JSON.stringify(Array.from({ length: PAGE_ROWS }, (_, row) => record(page * PAGE_ROWS + row))),
);

function parseOnly(): number {
  let rows = 0;
  for (const page of pages) rows += (JSON.parse(page) as Json[]).length;
  return rows;
}

function normalizing(): () => number {
  const normalizer = createNormalizer({
    resource: "calls",
    table: "calls",
    hints: { writeDisposition: "merge", primaryKey: ["id"], columns: [] },
    known: [],
    loadId: "1700000000.123456",
    now: 1_700_000_000_000,
  });
  return () => {
    let rows = 0;
    for (const page of pages) {
      const values = JSON.parse(page) as Json[];
      normalizer.add({ kind: "objects", values });
      if (normalizer.bufferedRows > TAKE_ROWS) normalizer.take();
      rows += values.length;
    }
    return rows;
  };
}

/** CPU nanoseconds per row of one round. */
function measure(run: () => number): number {
  const before = process.cpuUsage();
  const rows = run();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / rows;
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
}

// Both in turn, because other work on the machine disturbs them alike then; the first rounds warm up.
const parseAndNormalize = normalizing();
const parseSamples: number[] = [];
const bothSamples: number[] = [];
for (let round = 0; round < WARM_UP + ROUNDS; round++) {
  const parse = measure(parseOnly);
  const both = measure(parseAndNormalize);
  if (round < WARM_UP) continue;
  parseSamples.push(parse);
  bothSamples.push(both);
}

const bytes = pages.reduce((sum, page) => sum + page.length, 0) / (PAGES * PAGE_ROWS);
const parse = median(parseSamples);
const both = median(bothSamples);
const report = {
  node: process.version,
  bytes_per_row: Math.round(bytes),
  parse_ns_per_row: Math.round(parse),
  parse_and_normalize_ns_per_row: Math.round(both),
  normalize_ns_per_row: Math.round(both - parse),
  normalize_to_parse: Number(((both - parse) / parse).toFixed(2)),
  rows_per_second: Math.round(1e9 / both),
};
console.log(JSON.stringify(report, null, 2));
