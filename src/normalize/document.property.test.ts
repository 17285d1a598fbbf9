import * as fc from "fast-check";
import { expect, it } from "vitest";
import { readDocument } from "../json/document.js";
import { parseExactJson } from "../json/exact.js";
import { Keys } from "../json/keys.js";
import { adding, recordsAt, staying } from "../json/records.js";
import type { Batch } from "../model/batch.js";
import type { Json, JsonObject } from "../model/json.js";
import type { ColumnHint, ContractMode, Records, ResourceHints } from "../model/source.js";
import { SYSTEM_COLUMNS } from "../model/table.js";
import { RecordReceiver, RecordSender } from "./crossing.js";
import type { Filling } from "./filling.js";
import { createNormalizer, type Normalizer } from "./normalizer.js";
import { batchRows, type Cell } from "./rows.js";

/** `FUZZ_RUNS=100000 npx vitest run src/normalize/document.property.test.ts` is the long form. */
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 300);

// Both ways into the tables, records as values and records in a document, must give the same tables, rows and rejects.

const scalar = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "1.0",
    "2.5",
    "-7.25",
    "1e3",
    "0.1",
    "1e-7",
    "1e400",
  ),
  fc.constantFrom(
    "9007199254740991",
    "9007199254740993",
    "1767225600000000",
    "-12345678901234567890",
    "123456789012345.6",
  ),
  fc.constantFrom(
    '"x"',
    '""',
    '"é"',
    '"a\\nb"',
    '"\\u0000"',
    '"\\ud800"',
    '"tail\\\\"',
    '"2024-01-01T00:00:00Z"',
  ),
  fc.constantFrom(
    '"2024-02-30T00:00:00Z"',
    '"2024-05-06 07:08:09.123456789+02:00"',
    '"2024-01-01"',
    '"😀 long enough text"',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String),
  fc.string({ unit: "binary", maxLength: 80 }).map((text) => JSON.stringify(text)),
);
const key = fc.constantFrom(
  "id",
  "name",
  "Name",
  "\\u006eame",
  "at",
  "n",
  "price",
  "tags",
  "geo",
  "a__b",
  "b",
  "x y",
);
const { record } = fc.letrec<{ value: string; record: string }>((tie) => ({
  record: fc
    .array(fc.tuple(key, tie("value")), { maxLength: 7 })
    .map((members) => `{${members.map(([name, value]) => `"${name}":${value}`).join(", ")}}`),
  value: fc.oneof(
    { maxDepth: 4 },
    { arbitrary: scalar, weight: 6 },
    tie("record"),
    fc.array(tie("value"), { maxLength: 3 }).map((items) => `[${items.join(",")}]`),
  ),
}));
/** Records whose members are mostly of one type, as those of an API are. */
const regular = fc
  .tuple(fc.integer(), fc.option(scalar), fc.integer({ min: 0, max: 3 }), fc.boolean())
  .map(
    ([id, odd, tags, flag]) =>
      `{"id":${id},"name":"n${id}","at":"2024-01-01T00:00:00.5Z","price":${Math.abs(id % 900) / 100},"ok":${flag},` +
      `"geo":{"n":${id},"x":null},"tags":[${Array.from({ length: tags }, (_, n) => `{"n":${n},"t":"${id}"}`).join(",")}]` +
      `${odd === null ? "" : `,"n":${odd}`}}`,
  );
const pages = fc.array(fc.array(fc.oneof(record, regular, scalar), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 4,
});

/** What a page's records get besides: nothing, or fields of which some are keys that records have themselves. */
const added = fc.option(
  fc.dictionary(
    fc.oneof(
      fc.constantFrom("_parent_id", "_parent_geo", "value"),
      key.filter((name) => !name.includes("\\")),
    ),
    fc.oneof(scalar, record, fc.constant('[{"n":1},[2],null]')).map((text) => parseExactJson(text)),
    { maxKeys: 3, noNullPrototype: true },
  ),
  { nil: undefined },
);
/** Which records stay: by index, over and over. */
const stay = fc.oneof(
  fc.constant<readonly boolean[]>([true]),
  fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
);
const changes = fc.array(fc.record({ added, stay }), { minLength: 1, maxLength: 4 });

/** A page as a walk hands it over, after fields were added and records left out. */
function changed(
  records: Records,
  { added, stay }: { added: JsonObject | undefined; stay: readonly boolean[] },
) {
  const more = added === undefined ? records : adding(records, added);
  return staying(more, (index) => stay[index % stay.length]!);
}

const mode = fc.constantFrom<ContractMode>("evolve", "freeze", "discard_row", "discard_value");
const hints: fc.Arbitrary<ResourceHints> = fc
  .record({
    keyed: fc.boolean(),
    columns: fc.subarray<ColumnHint>([
      { name: "n", dataType: "bigint" },
      { name: "at", dataType: "timestamp" },
      { name: "price", dataType: "decimal", precision: 10, scale: 2 },
      { name: "geo", dataType: "json" },
      { name: "name", nullable: false },
    ]),
    maxTableNesting: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    contract: fc.option(fc.record({ tables: mode, columns: mode, dataType: mode }), { nil: undefined }),
  })
  .map(({ keyed, columns, maxTableNesting, contract }) => ({
    writeDisposition: "append",
    primaryKey: keyed ? ["id"] : [],
    columns,
    ...(maxTableNesting === undefined ? {} : { maxTableNesting }),
    ...(contract === undefined ? {} : { contract }),
  }));

/** Rows with ids as places: a record that is taken out and added again has used up an id. */
function rowsOf(batches: readonly Batch[]): Record<string, Record<string, Cell>[]> {
  const places = new Map<Cell, string>();
  const tables = batches.map(({ table, ...batch }) => [table.name, batchRows({ table, ...batch })] as const);
  for (const [table, rows] of tables) {
    rows.forEach((row, at) => places.set(row[SYSTEM_COLUMNS.id] ?? null, `${table} ${at}`));
  }
  const placed = (name: string, cell: Cell) =>
    /^_sluice_(?:id|parent_id|root_id)$/.test(name) ? (places.get(cell) ?? cell) : cell;
  return Object.fromEntries(
    tables.map(([table, rows]) => [
      table,
      rows.map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, placed(name, cell)])),
      ),
    ]),
  );
}

/** Pages of an API: records with the same keys, some with a surprise or with too much for the program's memory. */
const apiPages = fc.array(
  fc
    .tuple(
      fc.array(regular, { minLength: 1, maxLength: 40 }),
      fc.array(fc.oneof(regular, record), { maxLength: 3 }),
    )
    .map(([items, others]) => [...items, ...others, ...items.slice(0, 20)]),
  { minLength: 1, maxLength: 3 },
);
/** When the program gets records: all of them or all but the first, at once after a surprise or later, and how many. */
const filling: fc.Arbitrary<Filling> = fc.record({
  after: fc.constantFrom(0, 0, 5),
  rest: fc.constantFrom(0, 0, 3),
  records: fc.constantFrom(1, 7, 256),
});

interface Outcome {
  readonly rows: unknown;
  readonly tables: unknown;
  readonly rejects: unknown;
  readonly count: number;
}

function load(
  bodies: readonly string[],
  how: ResourceHints,
  settled: boolean,
  read: (body: string) => Records,
  filling: Partial<Filling> = {},
) {
  const outcomes: (Outcome | string)[] = [];
  let known: Outcome["tables"] = [];
  // Two loads: what the first one makes of the schema, the second one is held to.
  for (const part of [bodies.slice(0, 1), bodies.slice(1)]) {
    const normalizer = createNormalizer({
      resource: "r",
      table: "r",
      hints: how,
      known: known as ReturnType<typeof normalizer.tables>,
      settled: settled && outcomes.length > 0,
      loadId: "1700000000.1",
      now: 1_700_000_000_000,
      random: () => 0.5,
      filling,
    });
    try {
      for (const body of part) normalizer.add(read(body));
    } catch (error) {
      outcomes.push((error as Error).message);
      return outcomes;
    }
    const tables = normalizer.tables();
    known = tables;
    const { rows: count } = normalizer;
    outcomes.push({ rows: rowsOf(normalizer.take()), tables, rejects: normalizer.takeRejects(), count });
  }
  return outcomes;
}

it(
  "a document becomes the same tables as its values",
  () => {
    fc.assert(
      fc.property(pages, hints, fc.boolean(), (records, how, settled) => {
        const bodies = records.map((items) => `[${items.join(" , ")}]`);
        const values = load(bodies, how, settled, (body) => ({
          kind: "objects",
          values: parseExactJson(Buffer.from(body).toString()) as Json[],
        }));
        const keys = new Keys();
        const documents = load(
          bodies,
          how,
          settled,
          (body) => recordsAt(readDocument(Buffer.from(body), keys)!, 0)!,
        );
        expect(documents).toStrictEqual(values);
      }),
      { numRuns: RUNS },
    );
  },
  60_000 + 50 * RUNS,
);

it(
  "a document becomes the same tables as its values when a program fills the columns",
  () => {
    fc.assert(
      fc.property(
        fc.oneof(pages, apiPages),
        filling,
        hints,
        fc.boolean(),
        (records, filling, how, settled) => {
          const bodies = records.map((items) => `[${items.join(" , ")}]`);
          const values = load(bodies, how, settled, (body) => ({
            kind: "objects",
            values: parseExactJson(Buffer.from(body).toString()) as Json[],
          }));
          const keys = new Keys();
          const read = (body: string) => recordsAt(readDocument(Buffer.from(body), keys)!, 0)!;
          expect(load(bodies, how, settled, read, filling)).toStrictEqual(values);
        },
      ),
      { numRuns: 2 * RUNS },
    );
  },
  60_000 + 100 * RUNS,
);

it(
  "a document whose records were given fields, and of which some are left out, becomes the same tables as its values",
  () => {
    fc.assert(
      fc.property(pages, changes, hints, fc.boolean(), (records, changes, how, settled) => {
        const bodies = records.map((items) => `[${items.join(" , ")}]`);
        const reader = (read: (body: string) => Records) => {
          let page = 0;
          return (body: string) => changed(read(body), changes[page++ % changes.length]!);
        };
        const values = load(
          bodies,
          how,
          settled,
          reader((body) => ({ kind: "objects", values: parseExactJson(body) as Json[] })),
        );
        const keys = new Keys();
        const read = reader((body) => recordsAt(readDocument(Buffer.from(body), keys)!, 0)!);
        const documents = load(bodies, how, settled, read);
        expect(documents).toStrictEqual(values);
      }),
      { numRuns: RUNS },
    );
  },
  60_000 + 50 * RUNS,
);

/** One load whose batches are taken after some pages. There another normalizer takes over, if `moves`, in another thread. */
function loadInTwo(
  bodies: readonly string[],
  how: ResourceHints,
  { settled, after, moves }: { settled: boolean; after: number; moves: boolean },
) {
  const create = (known: ReturnType<Normalizer["tables"]>, now: number) =>
    createNormalizer({
      begun: known.map(({ name }) => name),
      resource: "r",
      table: "r",
      hints: how,
      known,
      settled,
      loadId: "1700000000.1",
      now,
      random: () => 0.5,
    });
  const told = (one: Normalizer) => ({
    rows: rowsOf(one.take()),
    tables: one.tables(),
    rejects: one.takeRejects(),
    collisions: one.takeCollisions(),
  });
  const first = create([], 1_700_000_000_000);
  const keys = new Keys();
  const sender = new RecordSender();
  const receiver = new RecordReceiver();
  try {
    const [before, rest] = [bodies.slice(0, after), bodies.slice(after)];
    const read = (body: string) => recordsAt(readDocument(Buffer.from(body), keys)!, 0)!;
    for (const body of before) first.add(read(body));
    const begun = told(first);
    // Whose a column is that two keys have asked for, only this normalizer knows (`pipeline/normalizing.ts`).
    const isMoved = moves && begun.collisions.length === 0;
    const second = isMoved ? create(structuredClone(first.tables()), first.idsAfter) : first;
    for (const body of rest) {
      const sent = sender.send(read(body), true);
      second.add(
        isMoved ? receiver.receive(structuredClone(sent.records, { transfer: sent.buffers })) : read(body),
      );
    }
    return [begun, told(second), first.rows + (isMoved ? second.rows : 0)];
  } catch (error) {
    return (error as Error).message;
  }
}

it(
  "documents of which another thread takes over at any page become the same tables",
  () => {
    fc.assert(
      fc.property(pages, hints, fc.boolean(), fc.nat(4), (records, how, settled, after) => {
        const bodies = records.map((items) => `[${items.join(" , ")}]`);
        const moved = loadInTwo(bodies, how, { settled, after, moves: true });
        expect(moved).toStrictEqual(loadInTwo(bodies, how, { settled, after, moves: false }));
      }),
      { numRuns: RUNS },
    );
  },
  60_000 + 50 * RUNS,
);

it("a declared column is meant by a key that is added, if that is the key by its very name", () => {
  const body = '[{"Name":"x"}]';
  const how: ResourceHints = {
    writeDisposition: "append",
    primaryKey: [],
    columns: [{ name: "name", dataType: "text", nullable: false }],
  };
  const named = (records: Records) => adding(records, { name: null });
  const values = load([body], how, false, () =>
    named({ kind: "objects", values: parseExactJson(body) as Json[] }),
  );
  const documents = load([body], how, false, () => named(recordsAt(readDocument(Buffer.from(body))!, 0)!));
  expect(documents).toStrictEqual(values);
});
