import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Batch } from "../model/batch.js";
import type { Json, JsonObject } from "../model/json.js";
import type { ResourceHints } from "../model/source.js";
import { SYSTEM_COLUMNS, type TableSchema } from "../model/table.js";
import { parseTimestamp } from "../schema/timestamp.js";
import { createNormalizer, type Normalizer } from "./normalizer.js";
import { batchRows, type Cell } from "./rows.js";

/*
 * What a record means, apart from how it is written. Two records are the same if they are equal after this: nulls,
 * empty lists and empty objects are gone (but an item of a list stays as a place), keys have no order, a number is its
 * decimal value, a timestamp its instant, and a scalar is the same as its text.
 */
type Meaning =
  | string
  | { readonly list: readonly Meaning[] }
  | { readonly object: readonly [string, Meaning][] };
const NOTHING = "(nothing)";

function meaning(value: Json | undefined): Meaning | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) {
    return value.length === 0 ? undefined : { list: value.map((item: Json) => meaning(item) ?? NOTHING) };
  }
  if (typeof value !== "object") return scalarMeaning(String(value));
  return objectMeaning(Object.keys(value).map((key) => [key, meaning((value as JsonObject)[key])]));
}

function objectMeaning(entries: readonly (readonly [string, Meaning | undefined])[]): Meaning | undefined {
  const present = entries.filter((entry): entry is [string, Meaning] => entry[1] !== undefined);
  return present.length === 0 ? undefined : { object: present.sort(([a], [b]) => (a < b ? -1 : 1)) };
}

function scalarMeaning(text: string): string {
  const instant = parseTimestamp(text);
  if (instant !== undefined) return `@${instant}`;
  const number = numberMeaning(text);
  if (number !== undefined) return number;
  return `"${new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text))}`;
}

/** The digits of a number and its power of ten. */
function numberMeaning(text: string): string | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const significant = (whole + fraction).replace(/^0+/, "");
  const digits = significant.replace(/0+$/, "");
  if (digits === "") return "#0";
  return `#${sign}${digits}e${Number(exponent) - fraction.length + significant.length - digits.length}`;
}

function cellMeaning(type: string, cell: Exclude<Cell, null>): Meaning | undefined {
  if (type === "timestamp") return `@${String(cell)}`;
  if (type === "json") return meaning(JSON.parse(String(cell)) as Json);
  return scalarMeaning(String(cell));
}

/** The records that batches hold, put together from root and child tables by the sources of their columns. */
function readBack(batches: readonly Batch[], root: string): Meaning[] {
  interface Row {
    readonly table: TableSchema;
    readonly cells: Record<string, Cell>;
    readonly children: Row[];
  }
  const rows = batches.flatMap((batch) =>
    batchRows(batch).map((cells): Row => ({ table: batch.table, cells, children: [] })),
  );
  const byId = new Map(rows.map((row) => [row.cells[SYSTEM_COLUMNS.id], row]));
  expect(byId.size).toBe(rows.length);
  for (const row of rows) {
    if (row.table.parent === undefined) continue;
    const parent = byId.get(row.cells[SYSTEM_COLUMNS.parentId] ?? null);
    expect(parent?.table.name).toBe(row.table.parent);
    expect(byId.get(row.cells[SYSTEM_COLUMNS.rootId] ?? null)?.table.name).toBe(root);
    parent?.children.push(row);
  }

  function put(into: Map<string, unknown>, path: readonly string[], value: Meaning): void {
    const [key = "", ...rest] = path;
    if (rest.length === 0) {
      expect(into.has(key)).toBe(false);
      into.set(key, value);
      return;
    }
    const next = (into.get(key) ?? new Map()) as Map<string, unknown>;
    into.set(key, next);
    put(next, rest, value);
  }

  function close(value: unknown): Meaning | undefined {
    if (!(value instanceof Map)) return value as Meaning;
    return objectMeaning([...(value as Map<string, unknown>)].map(([key, item]) => [key, close(item)]));
  }

  function recordOf(row: Row): Meaning {
    const found = new Map<string, unknown>();
    let whole: Meaning | undefined;
    const place = (source: readonly string[], value: Meaning | undefined): void => {
      if (value === undefined) return;
      if (source.length === 0) whole = value;
      else put(found, source, value);
    };
    for (const column of row.table.columns) {
      const cell = row.cells[column.name] ?? null;
      if (column.source !== undefined && cell !== null) place(column.source, cellMeaning(column.type, cell));
    }
    const lists = new Map<readonly string[], Row[]>();
    for (const child of row.children) {
      const source = child.table.source ?? [];
      lists.set(source, [...(lists.get(source) ?? []), child]);
    }
    for (const [source, items] of lists) {
      expect(items.map((item) => item.cells[SYSTEM_COLUMNS.listIdx])).toEqual(
        items.map((_, at) => BigInt(at)),
      );
      place(source, { list: items.map(recordOf) });
    }
    return whole ?? close(found) ?? NOTHING;
  }

  return rows.filter((row) => row.table.parent === undefined).map(recordOf);
}

/** An object as JSON.parse makes it: `__proto__` is a key like any other. */
function objectOf(entries: readonly (readonly [string, Json])[]): JsonObject {
  const object = {};
  for (const [key, value] of entries) {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "c", "id", "value", "list") },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "",
      "A",
      "a__b",
      "a_b",
      "aB",
      "ID",
      "Id",
      "__proto__",
      "constructor",
      "toString",
      "😀",
      "%",
      "1",
      "0",
      "_sluice_id",
      "_sluice_load_id",
      "_sluice_parent_id",
      "a__v_text",
      "a__v_bigint",
      "x".repeat(200),
      "y".repeat(300),
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 8 }) },
);

const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(
    "2024-01-02T03:04:05.123456Z",
    "9999-12-31 23:59:59",
    "2024-01-02",
    "12",
    "true",
    "",
    "1e5",
  ),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.string({ maxLength: 6 }),
);
const bigScalar = fc.oneof(
  scalar,
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
);

function records(leaf: fc.Arbitrary<Json>): fc.Arbitrary<Json[]> {
  const { value } = fc.letrec<{ value: Json; object: JsonObject; list: Json[] }>((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, tie("object"), tie("list")),
    object: fc
      .uniqueArray(fc.tuple(key, tie("value")), { selector: ([name]) => name, maxLength: 5 })
      .map((entries) => objectOf(entries as [string, Json][])),
    list: fc.array(tie("value"), { maxLength: 4 }) as fc.Arbitrary<Json[]>,
  }));
  const record = fc
    .uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, maxLength: 8 })
    .map(objectOf);
  return fc.array(fc.oneof({ weight: 9, arbitrary: record }, { weight: 1, arbitrary: value }), {
    maxLength: 8,
  });
}

const RUNS = { numRuns: 150 };

function start(hints: Partial<ResourceHints> = {}, known: readonly TableSchema[] = []): Normalizer {
  return createNormalizer({
    resource: "t",
    table: "t",
    hints: { writeDisposition: "append", primaryKey: [], columns: [], ...hints },
    known,
    loadId: "1",
    now: 0,
    random: () => 0,
  });
}

function load(normalizer: Normalizer, values: readonly Json[]): Batch[] {
  normalizer.add({ kind: "objects", values });
  return normalizer.take();
}

describe("normalizing any records", () => {
  it("loses nothing: the records read back from the tables mean the same", () => {
    fc.assert(
      fc.property(records(bigScalar), (values) => {
        const batches = load(start(), values);
        expect(readBack(batches, "t")).toEqual(values.map((value) => meaning(value) ?? NOTHING));
      }),
      RUNS,
    );
  });

  it("loses nothing below a nesting limit, nor beside declared columns of any type", () => {
    const hints = fc.record({
      maxTableNesting: fc.nat(3),
      columns: fc.uniqueArray(
        fc.record({
          name: fc.constantFrom("a", "id", "a__b", "value", "list.a"),
          dataType: fc.constantFrom(
            "text",
            "bigint",
            "double",
            "decimal",
            "bool",
            "timestamp",
            "json",
            "time",
          ),
        }),
        { selector: (hint) => hint.name, maxLength: 3 },
      ),
    }) as fc.Arbitrary<Partial<ResourceHints>>;
    // Seconds as timestamps and times of day are conversions that this reading back does not undo.
    const plain = scalar.filter((value) => typeof value !== "number" || Number.isSafeInteger(value));
    fc.assert(
      fc.property(records(plain), hints, (values, limits) => {
        const columns = (limits.columns ?? []).filter((hint) => hint.dataType !== "timestamp");
        const normalizer = start({ ...limits, columns });
        expect(readBack(load(normalizer, values), "t")).toEqual(
          values.map((value) => meaning(value) ?? NOTHING),
        );
      }),
      RUNS,
    );
  });

  it("gives the same batches however records are cut into pages", () => {
    fc.assert(
      fc.property(records(bigScalar), fc.array(fc.nat(3)), (values, cuts) => {
        const whole = start();
        const parts = start();
        for (const page of pagesOf(values, cuts)) parts.add({ kind: "objects", values: page });
        expect(isDeepStrictEqual(parts.take(), load(whole, values))).toBe(true);
        expect(parts.tables()).toEqual(whole.tables());
      }),
      RUNS,
    );
  });

  it("gives the same tables and records however often batches are taken", () => {
    fc.assert(
      fc.property(records(bigScalar), fc.array(fc.nat(3)), (values, cuts) => {
        const whole = start();
        load(whole, values);
        const parts = start();
        const taken = pagesOf(values, cuts).flatMap((page) => load(parts, page));
        expect(parts.tables()).toEqual(whole.tables());
        expect(readBack(taken, "t")).toEqual(values.map((value) => meaning(value) ?? NOTHING));
      }),
      RUNS,
    );
  });

  it("gives the same tables and rows again in a later run, whatever the order of records", () => {
    fc.assert(
      fc.property(records(bigScalar), (values) => {
        const first = start();
        load(first, values);
        const again = start({}, first.tables());
        const reversed = values.toReversed();
        const batches = load(again, reversed);
        expect(again.tables()).toEqual(first.tables());
        expect(readBack(batches, "t")).toEqual(reversed.map((value) => meaning(value) ?? NOTHING));
      }),
      RUNS,
    );
  });

  it("never gives two columns or two tables one name", () => {
    fc.assert(
      fc.property(records(bigScalar), (values) => {
        const normalizer = start();
        load(normalizer, values);
        const tables = normalizer.tables();
        expect(new Set(tables.map((table) => table.name.toLowerCase())).size).toBe(tables.length);
        for (const table of tables) {
          const names = table.columns.map((column) => column.name.toLowerCase());
          expect(new Set(names).size).toBe(names.length);
          expect(names.every((name) => /^[a-z_][a-z0-9_]*$/.test(name) && name.length <= 255)).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it("keeps exactly the records that have their key", () => {
    fc.assert(
      fc.property(records(scalar), (values) => {
        const normalizer = start({ primaryKey: ["id"], columns: [{ name: "id", dataType: "text" }] });
        const batches = load(normalizer, values);
        const hasKey = (value: Json): boolean =>
          typeof value === "object" &&
          value !== null &&
          !Array.isArray(value) &&
          Object.hasOwn(value, "id") &&
          (value as JsonObject)["id"] !== null &&
          typeof (value as JsonObject)["id"] !== "object";
        // Without `id` itself, a twin such as `ID` may be taken for it, so only records with the key are compared.
        const kept = values.filter(hasKey);
        const { rejects } = normalizer.takeRejects();
        expect(normalizer.rows + rejects.length).toBe(values.length);
        if (values.every((value) => hasKey(value) || !hasTwin(value))) {
          expect(readBack(batches, "t")).toEqual(kept.map((value) => meaning(value)));
        }
      }),
      RUNS,
    );
  });
});

function hasTwin(value: Json): boolean {
  return (
    typeof value === "object" && value !== null && (Object.hasOwn(value, "ID") || Object.hasOwn(value, "Id"))
  );
}

function pagesOf(values: readonly Json[], cuts: readonly number[]): Json[][] {
  const pages: Json[][] = [];
  let at = 0;
  for (const size of cuts) {
    pages.push(values.slice(at, at + size));
    at += size;
  }
  return [...pages, values.slice(at)];
}
