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
const ROUND_BYTES = 2_000_000;
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

/** Microseconds. */
function measure(run: (body: Buffer) => void, body: Buffer): number {
  const before = process.hrtime.bigint();
  run(body);
  return Number(process.hrtime.bigint() - before) / 1000;
}

for (const { dataset, size } of cases) {
  const probe = createPages(dataset, { from: 0, rows: size, step: 1, edition: 0, size, gzip: false });
  const count = Math.ceil(ROUND_BYTES / probe.bytes);
  const pages = createPages(dataset, { from: 0, rows: count * size, step: 1, edition: 0, size, gzip: false });
  const bodies = Array.from({ length: count }, (_, page) => pages.at(page));
  const runs = Object.entries(contestants());
  // The shortest time of each page: whatever else the machine does only ever makes it longer.
  const shortest = runs.map(() => bodies.map(() => Number.POSITIVE_INFINITY));
  for (let round = 0; round < WARM_UP + rounds; round++) {
    bodies.forEach((body, page) => {
      runs.forEach(([, run], at) => {
        const time = measure(run, body);
        const times = shortest[at]!;
        if (round >= WARM_UP && time < times[page]!) times[page] = time;
      });
    });
  }
  const times = shortest.map((pages) => pages.reduce((sum, time) => sum + time, 0));
  const rows = count * size;
  console.log(`${process.version}, ${dataset.name}, ${Math.round(pages.bytes / rows)} bytes a row`);
  runs.forEach(([name], at) => {
    const micros = (times[at]! / rows).toFixed(2);
    console.log(`  ${name.padEnd(20)} ${micros.padStart(6)} µs/row  ${(times[at]! / times[0]!).toFixed(2)}`);
  });
}
