import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../model/json.js";
import type { ResourceHints } from "../model/source.js";
import { DEFAULT_NAMING } from "../schema/naming.js";
import { createNormalizer } from "./normalizer.js";
import { batchRows } from "./rows.js";
import { rowHash, type Unpacked } from "./stamps.js";

const UNPACKED: Unpacked = { maxLevel: 64, whole: new Set(), naming: DEFAULT_NAMING };
const hash = (record: Json, more: Partial<Unpacked> = {}) => rowHash(record, { ...UNPACKED, ...more });
const same = (a: Json, b: Json, more?: Partial<Unpacked>) => hash(a, more) === hash(b, more);

describe("the hash of a row", () => {
  it.each<[string, Json, Json]>([
    ["the order of keys", { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
    ["a key with null", { a: 1, b: null }, { a: 1 }],
    ["null further down", { a: { b: 1, c: null } }, { a: { b: 1 } }],
    ["null in the object of a list", { a: [{ b: 1, c: null }] }, { a: [{ b: 1 }] }],
    ["an empty object or list", { a: {}, b: [], c: { d: null } }, {}],
    ["the form of an integer", { a: 5n }, { a: 5 }],
  ])("is the same whatever %s", (_, left, right) => {
    expect(same(left, right)).toBe(true);
  });

  it.each<[string, Json, Json]>([
    ["a value", { a: 1 }, { a: 2 }],
    ["a type", { a: 1 }, { a: "1" }],
    ["where a value stands", { a: "x" }, { b: "x" }],
    ["where a value ends", { a: "x", b: "yz" }, { a: "xy", b: "z" }],
    ["the order of a list", { a: [1, 2] }, { a: [2, 1] }],
    ["null in a list, which makes a row", { a: [1, null] }, { a: [1] }],
    ["an empty object in a list, which makes a row", { a: [{}] }, { a: [] }],
    ["what can't be a double", { a: 9007199254740993n }, { a: 9007199254740992n }],
    ["an object in the place of its text", { a: { b: 1 } }, { a: '{"b":1}' }],
  ])("differs by %s", (_, left, right) => {
    expect(same(left, right)).toBe(false);
  });

  it("takes in what is kept as JSON as it is, but for the order of keys", () => {
    const json = { whole: new Set(["meta", "user__extra"]) };
    expect(same({ meta: { a: null, b: 1 } }, { meta: { b: 1 } }, json)).toBe(false);
    expect(same({ meta: { a: 2, b: 1 } }, { meta: { b: 1, a: 2 } }, json)).toBe(true);
    expect(same({ user: { extra: {} } }, { user: {} }, json)).toBe(false);
    expect(same({ other: { a: null } }, {}, json)).toBe(true);
    expect(same({ a: { b: null } }, {}, { maxLevel: 0 })).toBe(false);
    expect(same({ a: { b: null } }, {}, { maxLevel: 1 })).toBe(true);
  });

  it("is the same exactly for records that say the same", () => {
    const value = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom<Json>(null, true, 0, 1, "", "a", ',"b":1'),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { noNullPrototype: true }),
      ),
    })).value;
    const record = fc.dictionary(fc.constantFrom("a", "b", "c"), value, { noNullPrototype: true });
    fc.assert(
      fc.property(record, record, (left, right) => {
        expect(same(left, right)).toBe(JSON.stringify(tidy(left)) === JSON.stringify(tidy(right)));
        expect(same(left, turned(left))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("does not mind deep records", () => {
    const deep = (levels: number): Json => (levels === 0 ? 1 : { a: deep(levels - 1) });
    expect(same(deep(3000), deep(3000))).toBe(true);
    expect(same(deep(3000), deep(2999))).toBe(false);
  });
});

/** Keys in order; without null, empty objects and empty lists under a key. */
function tidy(value: Json): Json {
  if (Array.isArray(value)) return value.map((item: Json) => tidy(item));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, tidy(one as Json)] as const);
  const said = entries.filter(
    ([, one]) => one !== null && (typeof one !== "object" || Object.keys(one).length > 0),
  );
  return Object.fromEntries(said.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The same with every object's keys the other way round, and a null added. */
function turned(value: Json): Json {
  if (Array.isArray(value)) return value.map((item: Json) => turned(item));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, turned(one as Json)] as const);
  return Object.fromEntries([["zz", null], ...entries.toReversed()]);
}

const SCD2: ResourceHints = {
  writeDisposition: "merge",
  merge: { strategy: "scd2" },
  primaryKey: ["id"],
  columns: [],
};

function normalize(hints: ResourceHints, ...records: Json[]) {
  const now = Date.parse("2024-01-01T00:00:00.123Z");
  const normalizer = createNormalizer({
    resource: "t",
    table: "t",
    hints,
    known: [],
    loadId: "l",
    now,
    boundary: now + 1000,
  });
  normalizer.add({ kind: "objects", values: records });
  const batches = normalizer.take();
  return { tables: normalizer.tables(), rows: batches.map((batch) => batchRows(batch)) };
}

describe("stamps of rows", () => {
  it("are on the root rows of scd2, also when a record before was set aside", () => {
    const { rows, tables } = normalize(SCD2, { id: null, v: "x" }, { id: 1, v: "a", list: [1] }, { id: 2 });
    expect(tables[0]?.columns.map(({ name }) => name).slice(2, 5)).toEqual([
      "_sluice_valid_from",
      "_sluice_valid_to",
      "_sluice_row_hash",
    ]);
    const stamped = { _sluice_valid_from: 1_704_067_201_123_000n, _sluice_valid_to: null };
    expect(rows[0]).toEqual([
      expect.objectContaining({ id: 1n, ...stamped, _sluice_row_hash: hash({ id: 1, v: "a", list: [1] }) }),
      expect.objectContaining({ id: 2n, ...stamped, _sluice_row_hash: hash({ id: 2 }) }),
    ]);
    expect(tables[1]?.columns.map(({ name }) => name)).not.toContain("_sluice_row_hash");
  });

  it("are empty with delete_missing: soft", () => {
    const { rows } = normalize({ ...SCD2, merge: { deleteMissing: "soft" } }, { id: 1 });
    expect(rows[0]?.[0]).toMatchObject({ id: 1n, _sluice_deleted_at: null });
  });

  it("are nowhere else", () => {
    for (const hints of [
      { ...SCD2, merge: {} },
      { ...SCD2, writeDisposition: "append" as const },
    ]) {
      expect(Object.keys(normalize(hints, { id: 1 }).rows[0]?.[0] ?? {})).toEqual([
        "_sluice_id",
        "_sluice_load_id",
        "id",
      ]);
    }
  });
});
