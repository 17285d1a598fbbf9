/**
 * What a page costs between its bytes and the columns, beside decoding and JSON.parse of the same bytes: on the wide
 * and the narrow records of the benchmark. Everything happens in this process and on one thread, in turns.
 *
 * Compile first, or every imported function is a property access, which about doubles the cost:
 * npx tsc -p tsconfig.test.json --noEmit false --outDir OUT && node OUT/bench/normalize.js [ROUNDS]
 */
import { readDocument } from "../src/json/document.js";
import { Keys } from "../src/json/keys.js";
import { recordsAt } from "../src/json/records.js";
import { placeOf } from "../src/json/values.js";
import type { Json } from "../src/model/json.js";
import type { DocumentRecords } from "../src/model/source.js";
import { createNormalizer, type Normalizer } from "../src/normalize/normalizer.js";
import type { Dataset } from "./data/dataset.js";
import { narrow } from "./data/narrow.js";
import { createPages, SELECTOR } from "./data/pages.js";
import { wide } from "./data/wide.js";

/** Bytes of JSON that one round reads. */
const ROUND_BYTES = 6_000_000;
const WARM_UP = 6;
/** Rows after which a load hands its columns on. */
const TAKE_ROWS = 20_000;
const rounds = Number(process.argv[2] ?? 30);

const cases: readonly { readonly dataset: Dataset; readonly size: number }[] = [
  { dataset: wide, size: 100 },
  { dataset: narrow, size: 1000 },
];

function normalizerOf(): Normalizer {
  return createNormalizer({
    resource: "calls",
    table: "calls",
    hints: { writeDisposition: "merge", primaryKey: ["id"], columns: [] },
    known: [],
    loadId: "1700000000.123456",
    now: 1_700_000_000_000,
  });
}

function parsed(body: Buffer): readonly Json[] {
  return (JSON.parse(body.toString("utf8")) as { readonly [SELECTOR]: readonly Json[] })[SELECTOR];
}

function recordsOf(body: Buffer, keys: Keys): DocumentRecords {
  const document = readDocument(body, keys);
  const records = document && recordsAt(document, placeOf(document, [SELECTOR]) ?? 0);
  if (records === undefined) throw new Error("the page has no records");
  return records;
}

/** What is done with one body, by name. The first is what the others are compared with. */
function contestants(): Readonly<Record<string, (body: Buffer) => void>> {
  const keys = new Keys();
  const fromValues = normalizerOf();
  const fromDocuments = normalizerOf();
  const documentKeys = new Keys();
  const emptied = (normalizer: Normalizer) => {
    if (normalizer.bufferedRows > TAKE_ROWS) normalizer.take();
  };
  return {
    "decode, JSON.parse": (body) => void parsed(body),
    tape: (body) => void recordsOf(body, keys),
    "tape, columns": (body) => {
      fromDocuments.add(recordsOf(body, documentKeys));
      emptied(fromDocuments);
    },
    "JSON.parse, columns": (body) => {
      fromValues.add({ kind: "objects", values: parsed(body) });
      emptied(fromValues);
    },
  };
}

/** CPU microseconds of a run over all bodies. */
function measure(run: (body: Buffer) => void, bodies: readonly Buffer[]): number {
  const before = process.cpuUsage();
  for (const body of bodies) run(body);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
}

for (const { dataset, size } of cases) {
  const probe = createPages(dataset, { from: 0, rows: size, step: 1, edition: 0, size, gzip: false });
  const count = Math.ceil(ROUND_BYTES / probe.bytes);
  const pages = createPages(dataset, { from: 0, rows: count * size, step: 1, edition: 0, size, gzip: false });
  const bodies = Array.from({ length: count }, (_, page) => pages.at(page));
  const runs = Object.entries(contestants());
  const samples = runs.map((): number[] => []);
  const ratios = runs.map((): number[] => []);
  for (let round = 0; round < WARM_UP + rounds; round++) {
    const times = runs.map(([, run]) => measure(run, bodies));
    if (round < WARM_UP) continue;
    times.forEach((time, at) => {
      samples[at]?.push(time);
      ratios[at]?.push(time / (times[0] ?? Number.NaN));
    });
  }
  const rows = count * size;
  console.log(`${process.version}, ${dataset.name}, ${Math.round(pages.bytes / rows)} bytes a row`);
  runs.forEach(([name], at) => {
    const micros = (median(samples[at] ?? []) / rows).toFixed(2);
    console.log(`  ${name.padEnd(20)} ${micros.padStart(6)} µs/row  ${median(ratios[at] ?? []).toFixed(2)}`);
  });
}
