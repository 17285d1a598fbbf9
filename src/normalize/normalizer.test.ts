import { describe, expect, it } from "vitest";
import type { Batch } from "../model/batch.js";
import type { Json } from "../model/json.js";
import type { ResourceHints } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import type { NormalizerOptions } from "./load.js";
import { createNormalizer, type Normalizer } from "./normalizer.js";
import { batchRows, type Cell } from "./rows.js";

const NO_HINTS: ResourceHints = { writeDisposition: "append", primaryKey: [], columns: [] };
const MICROS = 1_000_000n;

function start(hints: Partial<ResourceHints> = {}, more: Partial<NormalizerOptions> = {}): Normalizer {
  return createNormalizer({
    resource: "t",
    table: "t",
    hints: { ...NO_HINTS, ...hints },
    known: [],
    loadId: "1700000000.5",
    now: Date.parse("2024-01-01T00:00:00Z"),
    ...more,
  });
}

function add(normalizer: Normalizer, ...values: Json[]): void {
  normalizer.add({ kind: "objects", values });
}

/** The rows of each table without nulls and system columns. */
function data(batches: readonly Batch[]): Record<string, Record<string, Cell>[]> {
  return Object.fromEntries(
    batches.map((batch) => [
      batch.table.name,
      batchRows(batch).map((row) =>
        Object.fromEntries(
          Object.entries(row).filter(([name, cell]) => cell !== null && !name.startsWith("_sluice_")),
        ),
      ),
    ]),
  );
}

function normalize(values: readonly Json[], hints: Partial<ResourceHints> = {}) {
  const normalizer = start(hints);
  add(normalizer, ...values);
  return {
    ...data(normalizer.take()),
    tables: normalizer.tables(),
    rejects: normalizer.takeRejects().rejects,
  };
}

/** Name and type of every column that is not a system column. */
function columns(table: TableSchema | undefined): Record<string, string> {
  return Object.fromEntries(
    (table?.columns ?? []).filter((c) => !c.name.startsWith("_sluice_")).map((c) => [c.name, c.type]),
  );
}

function table(normalizer: Normalizer, name: string): TableSchema | undefined {
  return normalizer.tables().find((one) => one.name === name);
}

describe("unpacking", () => {
  it("makes columns of objects and tables of lists, linked by ids", () => {
    const normalizer = start();
    add(normalizer, { id: 1, name: "A", a: { b: { c: 1 } }, pets: [{ n: 1 }, { n: 2, toys: ["ball"] }] });
    const batches = normalizer.take();
    expect(data(batches)).toEqual({
      t: [{ id: 1n, name: "A", a__b__c: 1n }],
      t__pets: [{ n: 1n }, { n: 2n }],
      t__pets__toys: [{ value: "ball" }],
    });
    const [root, pets, toys] = batches.map(batchRows);
    const rootId = root![0]!["_sluice_id"];
    expect(root![0]).toMatchObject({ _sluice_load_id: "1700000000.5" });
    expect(
      pets!.map((row) => [row["_sluice_list_idx"], row["_sluice_parent_id"], row["_sluice_root_id"]]),
    ).toEqual([
      [0n, rootId, rootId],
      [1n, rootId, rootId],
    ]);
    expect(toys![0]).toMatchObject({ _sluice_parent_id: pets![1]!["_sluice_id"], _sluice_root_id: rootId });
    const ids = [...root!, ...pets!, ...toys!].map((row) => String(row["_sluice_id"]));
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(4);
    expect(ids[0]).toHaveLength(12);
  });

  it("puts system columns first and leaves child rows without a load id", () => {
    const normalizer = start();
    add(normalizer, { id: 1, l: [1] });
    expect(normalizer.tables().map((one) => one.columns.map((column) => column.name))).toEqual([
      ["_sluice_id", "_sluice_load_id", "id"],
      ["_sluice_id", "_sluice_parent_id", "_sluice_root_id", "_sluice_list_idx", "value"],
    ]);
    const system = normalizer
      .tables()
      .flatMap((one) => one.columns.filter((c) => c.name.startsWith("_sluice_")));
    expect(system.every((column) => !column.nullable && column.source === undefined)).toBe(true);
  });

  it("takes the whole object path into the name of a list's table, and keeps the sources", () => {
    const { t__obj__b__c, tables } = normalize([{ Obj: { b: { c: [{ X: { y: 1 } }] } } }]) as never as {
      t__obj__b__c: unknown;
      tables: TableSchema[];
    };
    expect(t__obj__b__c).toEqual([{ x__y: 1n }]);
    expect(tables[1]).toMatchObject({
      parent: "t",
      source: ["Obj", "b", "c"],
      resource: "t",
      primaryKey: [],
    });
    expect(tables[1]!.columns.at(-1)).toMatchObject({ name: "x__y", source: ["X", "y"] });
  });

  it("links lists in lists, and keeps every kind of item in its place", () => {
    expect(normalize([{ lst: [1, "2", null, { k: 1 }, [5, 6], [], {}] }])).toMatchObject({
      t: [{}],
      t__lst: [{ value: 1n }, { value__v_text: "2" }, {}, { k: 1n }, {}, {}, {}],
      t__lst__list: [{ value: 5n }, { value: 6n }],
    });
  });

  it("makes nothing of empty lists, empty objects and keys that only are null", () => {
    const { tables, t } = normalize([{ a: [], b: {}, c: null, d: { e: null } }]) as never as Record<
      string,
      unknown[]
    >;
    expect(t).toEqual([{}]);
    expect(tables).toHaveLength(1);
    expect(columns(tables![0] as TableSchema)).toEqual({});
  });

  it.each([[[{}]], [[null]], [[[]]]])("makes one empty child row of %j", (list) => {
    expect(normalize([{ c: list }])).toMatchObject({ t: [{}], t__c: [{}] });
  });

  it("lets a key be a scalar, an object and a list in turn", () => {
    expect(normalize([{ a: 1 }, { a: [2] }, { a: { b: 3 } }])).toMatchObject({
      t: [{ a: 1n }, {}, { a__b: 3n }],
      t__a: [{ value: 2n }],
    });
  });

  it("puts records that are not objects into the column value", () => {
    expect(normalize([1, 2, "x", null, [3], { k: 1 }])).toMatchObject({
      t: [{ value: 1n }, { value: 2n }, { value__v_text: "x" }, {}, {}, { k: 1n }],
      t__list: [{ value: 3n }],
    });
  });

  it("follows keys in any order, with gaps, and new ones in between", () => {
    expect(
      normalize([
        { a: 1, c: 3 },
        { a: 1, b: 2, c: 3 },
        { c: 3, b: 2, a: 1 },
        { b: 2 },
        { 10: 10, 2: 2, a: 1 },
      ]),
    ).toMatchObject({
      t: [
        { a: 1n, c: 3n },
        { a: 1n, b: 2n, c: 3n },
        { a: 1n, b: 2n, c: 3n },
        { b: 2n },
        { a: 1n, _2: 2n, _10: 10n },
      ],
    });
  });

  it("orders columns by first value: declared ones first", () => {
    const { tables } = normalize(
      [
        { x: null, a: 1 },
        { b: 2, x: 3 },
      ],
      {
        columns: [
          { name: "z", dataType: "text" },
          { name: "b", dataType: "double" },
        ],
      },
    );
    expect(Object.keys(columns(tables[0]))).toEqual(["z", "b", "a", "x"]);
  });

  it("takes dates of a generator as their ISO text, undefined and functions as null", () => {
    const odd = { at: new Date("2024-01-01T00:00:00.5Z"), u: undefined, f: () => 1, l: [new Date(0)] };
    expect(normalize([odd as unknown as Json])).toMatchObject({
      t: [{ at: BigInt(Date.parse("2024-01-01T00:00:00Z")) * 1000n + 500_000n }],
      t__l: [{ value: 0n }],
    });
  });
});

describe("nesting limit", () => {
  const record = { id: 1, a: { b: { c: 1 } }, l: [{ m: [2n ** 60n] }, [3]] };

  it("keeps everything whole at 0", () => {
    expect(normalize([record], { maxTableNesting: 0 })).toMatchObject({
      t: [{ id: 1n, a: '{"b":{"c":1}}', l: '[{"m":[1152921504606846976]},[3]]' }],
      tables: [{ name: "t" }],
    });
  });

  it("unpacks one level at 1", () => {
    const result = normalize([record], { maxTableNesting: 1 });
    expect(result).toMatchObject({
      t: [{ id: 1n, a__b: '{"c":1}' }],
      t__l: [{ m: "[1152921504606846976]" }, { value: "[3]" }],
    });
    expect(columns(result.tables[1])).toEqual({ m: "json", value: "json" });
  });

  it("keeps empty objects and lists where it keeps things whole", () => {
    expect(normalize([{ a: {}, b: [] }], { maxTableNesting: 0 })).toMatchObject({
      t: [{ a: "{}", b: "[]" }],
    });
  });

  it("counts the levels of known child tables the same way", () => {
    const first = start({ maxTableNesting: 2 });
    add(first, { a: { l: [{ m: [1] }] } });
    const second = start({ maxTableNesting: 2 }, { known: first.tables() });
    add(second, { a: { l: [{ m: [1] }] } });
    expect(data(second.take())).toEqual({ t: [{}], t__a__l: [{ m: "[1]" }] });
    expect(second.tables()).toEqual(first.tables());
  });

  it.each(["list", "object"])("does not overflow on a %s that is nested 100,000 deep", (kind) => {
    let value: Json = 1;
    for (let level = 0; level < 100_000; level++) value = kind === "list" ? [value] : { a: value };
    const normalizer = start();
    add(normalizer, { v: value });
    const batches = normalizer.take();
    const texts = batches.flatMap((batch) => batch.columns.filter((column) => column.schema.type === "json"));
    expect(texts).toHaveLength(1);
    expect(texts[0]!.data.length).toBeGreaterThan(99_000);
    expect(batches.length).toBeLessThanOrEqual(65);
  });

  it("keeps a declared json column whole wherever it is: object, list or scalar", () => {
    const hints = { columns: [{ name: "a__raw", dataType: "json" as const }] };
    const result = normalize(
      [{ a: { Raw: { x: [1] }, y: 2 } }, { a: { Raw: [1] } }, { a: { Raw: "s" } }],
      hints,
    );
    expect(result).toMatchObject({
      t: [{ a__raw: '{"x":[1]}', a__y: 2n }, { a__raw: "[1]" }, { a__raw: '"s"' }],
      tables: [{ name: "t" }],
    });
  });
});

describe("types", () => {
  it("detects timestamps, and nothing else in strings", () => {
    const { tables, t } = normalize([
      { ts: "2024-01-02T03:04:05.123456+01:00", d: "2024-01-02", n: "12", b: "true" },
      { ts: "n/a" },
      { ts: "" },
      { d: "2024-01-02T03:04:05Z" },
    ]) as never as { tables: TableSchema[]; t: unknown[] };
    expect(columns(tables[0])).toEqual({
      ts: "timestamp",
      d: "text",
      n: "text",
      b: "text",
      ts__v_text: "text",
    });
    expect(t).toEqual([
      {
        ts: (BigInt(Date.parse("2024-01-02T02:04:05Z")) / 1000n) * MICROS + 123_456n,
        d: "2024-01-02",
        n: "12",
        b: "true",
      },
      { ts__v_text: "n/a" },
      { ts__v_text: "" },
      { d: "2024-01-02T03:04:05Z" },
    ]);
    expect(tables[0]!.columns.at(-1)).toMatchObject({ variantOf: "ts", source: ["ts"] });
  });

  it("stores instants of every century exactly", () => {
    const instants = [
      "0001-01-01T00:00:00",
      "1969-12-31T23:59:59",
      "2255-06-05T23:47:34",
      "9999-12-31T23:59:59",
    ];
    const values = instants.map((text) => ({ at: `${text}.999999Z` }));
    expect(normalize(values)).toMatchObject({
      t: instants.map((text) => ({ at: BigInt(Date.parse(`${text}Z`)) * 1000n + 999_999n })),
    });
  });

  it("widens bigint to double with everything that is buffered", () => {
    const { tables, t } = normalize([{ n: 1 }, {}, { n: -(2 ** 40) }, { n: 2.5 }, { n: 3 }]) as never as {
      tables: TableSchema[];
      t: unknown[];
    };
    expect(columns(tables[0])).toEqual({ n: "double" });
    expect(t).toEqual([{ n: 1 }, {}, { n: -(2 ** 40) }, { n: 2.5 }, { n: 3 }]);
  });

  it("keeps integers of any size exact", () => {
    const { tables, t } = normalize([
      { n: 1 },
      { n: 2n ** 63n - 1n },
      { n: -(2n ** 63n) },
      { n: 10n ** 37n },
      { n: -7 },
      { n: 10n ** 40n },
    ]) as never as {
      tables: TableSchema[];
      t: unknown[];
    };
    expect(columns(tables[0])).toEqual({ n: "decimal", n__v_text: "text" });
    expect(t).toEqual([
      { n: "1" },
      { n: "9223372036854775807" },
      { n: "-9223372036854775808" },
      { n: `1${"0".repeat(37)}` },
      { n: "-7" },
      { n__v_text: `1${"0".repeat(40)}` },
    ]);
  });

  it("writes integers at the borders of 32 and 53 bits exactly", () => {
    const values = [
      0,
      -0,
      1,
      -1,
      2 ** 31 - 1,
      2 ** 31,
      -(2 ** 31),
      -(2 ** 31) - 1,
      2 ** 32,
      -(2 ** 32),
      2 ** 53 - 1,
      1 - 2 ** 53,
    ];
    expect(normalize(values.map((n) => ({ n })))).toMatchObject({ t: values.map((n) => ({ n: BigInt(n) })) });
  });

  it("does not make a double of a column that held more than 2^53, in this run or an earlier one", () => {
    const first = start();
    add(first, { n: 2n ** 53n + 1n });
    first.take();
    expect(table(first, "t")!.columns.at(-1)).toMatchObject({
      name: "n",
      type: "bigint",
      beyondDouble: true,
    });
    const second = start({}, { known: first.tables() });
    add(second, { n: 2.5 });
    expect(data(second.take())).toEqual({ t: [{ n__v_double: 2.5 }] });
  });

  it("does not turn 2 into true, and puts NaN and infinities from generators aside as text", () => {
    expect(
      normalize([
        { b: true, d: 1.5 },
        { b: 2, d: Number.NaN },
        { b: false, d: Number.NEGATIVE_INFINITY },
      ]),
    ).toMatchObject({
      t: [
        { b: true, d: 1.5 },
        { b__v_bigint: 2n, d__v_text: "NaN" },
        { b: false, d__v_text: "-Infinity" },
      ],
    });
  });

  it("takes scalars into a text column as their JSON text", () => {
    expect(
      normalize([{ s: "x" }, { s: 5 }, { s: true }, { s: 1.5 }, { s: "2024-01-01T00:00:00Z" }]),
    ).toMatchObject({
      t: [{ s: "x" }, { s: "5" }, { s: "true" }, { s: "1.5" }, { s: "2024-01-01T00:00:00Z" }],
    });
  });

  it("keeps NUL, replaces lone surrogates, and takes any other text as it is", () => {
    expect(normalize([{ s: "a\u0000b" }, { s: "\ud800x" }, { s: "\ufeff日本語😀" }])).toMatchObject({
      t: [{ s: "a\u0000b" }, { s: "\ufffdx" }, { s: "\ufeff日本語😀" }],
    });
  });

  it("makes a column when its first value comes, with nulls before, also in a later run", () => {
    const first = start();
    add(first, { a: 1, n: null });
    expect(columns(first.tables()[0])).toEqual({ a: "bigint" });
    first.take();
    const second = start({}, { known: first.tables() });
    add(second, { a: 2 }, { a: 3, n: "x" });
    const [batch] = second.take();
    expect(batchRows(batch!).map((row) => [row["a"], row["n"]])).toEqual([
      [2n, null],
      [3n, "x"],
    ]);
    expect(columns(batch!.table)).toEqual({ a: "bigint", n: "text" });
  });
});

describe("names", () => {
  it("keeps keys apart that fall on one name, and gives them the same names in the next run", () => {
    const record = { Id: 1, ID: 2, id: 3, a__b: 9, a: { b: 1 } };
    const first = start();
    add(first, record);
    const [row] = data(first.take())["t"]!;
    expect(Object.values(row!)).toEqual([1n, 2n, 3n, 9n, 1n]);
    expect(Object.keys(row!)).toEqual([
      "id",
      expect.stringMatching(/^id_[0-9a-f]{6}$/),
      expect.stringMatching(/^id_[0-9a-f]{6}$/),
      "a__b",
      expect.stringMatching(/^a__b_[0-9a-f]{6}$/),
    ]);
    const second = start({}, { known: first.tables() });
    add(second, { a: { b: 1 }, a__b: 9, id: 3, ID: 2, Id: 1 });
    expect(data(second.take())["t"]![0]).toEqual(row);
  });

  it("keeps data apart from system columns and variants", () => {
    const result = normalize([{ _sluice_id: "mine", p: 1 }, { p: "x" }, { p__v_text: "y" }]);
    const names = Object.keys(columns(result.tables[0]));
    expect(names).toEqual(["p", "p__v_text", expect.stringMatching(/^p__v_text_[0-9a-f]{6}$/)]);
    const own = result.tables[0]!.columns.find((column) => column.source?.[0] === "_sluice_id");
    expect(own?.name).toMatch(/^_sluice_id_[0-9a-f]{6}$/);
  });

  it("keeps child tables apart that fall on one name", () => {
    const { tables } = normalize([{ a__b: [1], a: { b: [2] }, l: [[1], { list: [2] }] }]);
    const names = tables.map((one) => one.name);
    expect(new Set(names).size).toBe(6);
    expect(names).toEqual([
      "t",
      "t__a__b",
      expect.stringMatching(/^t__a__b_[0-9a-f]{6}$/),
      "t__l",
      "t__l__list",
      expect.stringMatching(/^t__l__list_[0-9a-f]{6}$/),
    ]);
  });

  it("takes hostile keys as data", () => {
    const record = JSON.parse(
      `{"": 1, "__proto__": {"x": 2}, "constructor": 3, "hasOwnProperty": 4, "😀": 5, "${"k".repeat(400)}": 6, "a.b": 7, "a\\u0000b": 8}`,
    ) as Json;
    const { t } = normalize([record, record]) as never as { t: Record<string, Cell>[] };
    expect(t[0]).toEqual(t[1]);
    expect(Object.values(t[0]!)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, expect.anything()]);
    expect(Object.keys(t[0]!).slice(0, 5)).toEqual([
      "_empty",
      "proto__x",
      "constructor",
      "has_own_property",
      "x",
    ]);
    expect(Object.keys(t[0]!).every((name) => name.length <= 255)).toBe(true);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });

  it("normalizes the table's name, and does not take that of a system table", () => {
    expect(start({}, { table: "My Table!" }).tables()[0]!.name).toBe("my_tablex");
    expect(start({}, { table: "_sluice_loads" }).tables()[0]!.name).toMatch(/^_sluice_loads_[0-9a-f]{6}$/);
  });

  it("shortens to the destination's limit", () => {
    const normalizer = start({}, { maxIdentifier: 30 });
    add(normalizer, {
      ["k".repeat(60)]: 1,
      ["l".repeat(40)]: [{ ["m".repeat(40)]: { ["n".repeat(40)]: 1 } }],
    });
    const names = normalizer
      .tables()
      .flatMap((one) => [one.name, ...one.columns.map((column) => column.name)]);
    expect(names.every((name) => name.length <= 30)).toBe(true);
  });
});

describe("declared columns", () => {
  it("exist before anything arrives, with their types", () => {
    const normalizer = start({
      primaryKey: ["id"],
      columns: [
        { name: "id", dataType: "bigint" },
        { name: "price", dataType: "decimal" },
        { name: "Total", dataType: "decimal", precision: 10, scale: 2, nullable: false },
        { name: "note", nullable: true },
      ],
    });
    expect(normalizer.tables()).toHaveLength(1);
    expect(normalizer.take()).toEqual([]);
    expect(normalizer.tables()[0]!.columns.slice(2)).toEqual([
      { name: "id", type: "bigint", nullable: false, declared: true },
      { name: "price", type: "decimal", nullable: true, precision: 38, scale: 9, declared: true },
      { name: "total", type: "decimal", nullable: false, precision: 10, scale: 2, declared: true },
    ]);
    expect(normalizer.tables()[0]!.primaryKey).toEqual(["id"]);
  });

  it("convert without loss, and send the rest to variants", () => {
    const hints: Partial<ResourceHints> = {
      columns: [
        { name: "n", dataType: "bigint" },
        { name: "at", dataType: "timestamp" },
        { name: "day", dataType: "date" },
        { name: "ok", dataType: "bool" },
        { name: "price", dataType: "decimal", precision: 10, scale: 2 },
        { name: "raw", dataType: "binary" },
        { name: "t", dataType: "time" },
        { name: "s", dataType: "text" },
      ],
    };
    const { t, tables } = normalize(
      [
        {
          n: "12",
          at: "2024-01-02",
          day: "2024-01-02",
          ok: "true",
          price: "1.50",
          raw: "/wA=",
          t: "01:00",
          s: 5,
        },
        {
          n: 2.5,
          at: 1_700_000_000,
          day: "x",
          ok: 1,
          price: 1.005,
          raw: "?",
          t: "x",
          s: "2024-01-01T00:00:00Z",
        },
        { n: 3, price: -0.01 },
        { price: 99_999_999.99 },
        { price: 100_000_000 },
      ],
      hints,
    ) as never as { t: unknown[]; tables: TableSchema[] };
    expect(t).toEqual([
      {
        n: 12n,
        at: 1_704_153_600_000_000n,
        day: 19_724,
        ok: true,
        price: "1.50",
        raw: new Uint8Array([255, 0]),
        t: 3_600_000_000n,
        s: "5",
      },
      {
        n__v_double: 2.5,
        at: 1_700_000_000_000_000n,
        day__v_text: "x",
        ok__v_bigint: 1n,
        price__v_double: 1.005,
        raw__v_text: "?",
        t__v_text: "x",
        s: "2024-01-01T00:00:00Z",
      },
      { n: 3n, price: "-0.01" },
      { price: "99999999.99" },
      { price__v_bigint: 100_000_000n },
    ]);
    expect(columns(tables[0])["n"]).toBe("bigint");
  });

  it("are matched by raw key, by normalized name and by dotted path, and remember the source", () => {
    const { t, tables } = normalize([{ userId: 1, Name: 2, user: { id: 3 }, geo: { lat: 4 } }], {
      columns: [
        { name: "userId", dataType: "text" },
        { name: "name", dataType: "text" },
        { name: "user.id", dataType: "text" },
        { name: "geo__lat", dataType: "text" },
      ],
    }) as never as { t: unknown[]; tables: TableSchema[] };
    expect(t).toEqual([{ user_id: "1", name: "2", user__id: "3", geo__lat: "4" }]);
    expect(tables[0]!.columns.slice(2).map((column) => column.source)).toEqual([
      ["userId"],
      ["Name"],
      ["user", "id"],
      ["geo", "lat"],
    ]);
  });

  it("are filled by the very key that was written, not by a twin that comes first", () => {
    const normalizer = start({ primaryKey: ["id"] });
    add(normalizer, { ID: "twin", id: 1 }, { ID: "twin", id: 2 });
    const rows = data(normalizer.take())["t"]!;
    expect(rows.map((row) => row["id"])).toEqual([1n, 2n]);
    expect(table(normalizer, "t")!.primaryKey).toEqual(["id"]);
  });

  it("keep the name for a later run even if no value has come yet", () => {
    const columnsHint = { columns: [{ name: "x", dataType: "double" as const }] };
    const first = start(columnsHint);
    add(first, { a: 1 });
    const second = start(columnsHint, { known: first.tables() });
    add(second, { X: 1 });
    expect(data(second.take())).toEqual({ t: [{ x: 1 }] });
    const undeclared = start({}, { known: first.tables() });
    add(undeclared, { X: 1 });
    expect(data(undeclared.take())).toEqual({ t: [{ x: 1 }] });
  });

  it("take over a known column, widening it if that loses nothing", () => {
    const first = start();
    add(first, { n: 1, s: "x" });
    const second = start(
      {
        columns: [
          { name: "n", dataType: "double" },
          { name: "s", dataType: "bigint" },
          { name: "z", dataType: "bool", nullable: false },
        ],
      },
      { known: first.tables() },
    );
    add(second, { n: 2, s: 5, z: true });
    expect(columns(second.tables()[0])).toEqual({ n: "double", s: "text", z: "bool" });
    expect(second.tables()[0]!.columns.at(-1)).toMatchObject({ name: "z", nullable: true });
    expect(data(second.take())).toEqual({ t: [{ n: 2, s: "5", z: true }] });
  });
});

describe("rejects", () => {
  it("sets a record without its key aside, with its children, and keeps the others whole", () => {
    const normalizer = start({ primaryKey: ["id"] });
    add(
      normalizer,
      { id: 1, s: "é", l: ["a"], n: 1 },
      { id: null, s: "bad", l: ["b", "c"], o: { l2: [1] }, n: 2.5 },
      { s: "worse", x: 1 },
      { id: 2, s: "ok", l: ["d"] },
    );
    expect(normalizer.rows).toBe(2);
    const batches = normalizer.take();
    expect(data(batches)).toEqual({
      t: [
        { id: 1n, s: "é", n: 1 },
        { id: 2n, s: "ok" },
      ],
      t__l: [{ value: "a" }, { value: "d" }],
    });
    const [root, list] = batches.map(batchRows);
    expect(list!.map((row) => row["_sluice_parent_id"])).toEqual(root!.map((row) => row["_sluice_id"]));
    expect(normalizer.takeRejects().rejects).toEqual([
      {
        resource: "t",
        table: "t",
        path: "$.id",
        column: "id",
        reason: "null-in-not-null: id is part of the primary key and has no value",
        value: "null",
        record: '{"id":null,"s":"bad","l":["b","c"],"o":{"l2":[1]},"n":2.5}',
      },
      {
        resource: "t",
        table: "t",
        path: "$.id",
        column: "id",
        reason: "null-in-not-null: id is part of the primary key and has no value",
        record: '{"s":"worse","x":1}',
      },
    ]);
    expect(normalizer.takeRejects().rejects).toEqual([]);
  });

  it("counts a value that does not fit a declared column as missing there", () => {
    const { rejects, t } = normalize([{ a: { "odd key": "x" } }, { a: { "odd key": "5" } }], {
      columns: [{ name: "a.odd key", dataType: "bigint", nullable: false }],
    }) as never as { rejects: unknown[]; t: unknown[] };
    expect(t).toEqual([{ a__odd_key: 5n }]);
    expect(rejects).toEqual([
      {
        resource: "t",
        table: "t",
        path: '$.a["odd key"]',
        column: "a__odd_key",
        reason:
          "null-in-not-null: a.odd key is declared as not nullable and has a value that its column (bigint) can't hold",
        value: '"x"',
        record: '{"a":{"odd key":"x"}}',
      },
    ]);
  });

  it("has no primary key in the schema until every part of it has a column", () => {
    const normalizer = start({ primaryKey: ["id", "user.id"] });
    add(normalizer, { id: 1 });
    expect(normalizer.takeRejects().rejects).toHaveLength(1);
    expect(normalizer.tables()[0]!.primaryKey).toEqual([]);
    add(normalizer, { id: 1, user: { id: 2 } });
    expect(normalizer.tables()[0]!.primaryKey).toEqual(["id", "user__id"]);
    expect(
      normalizer
        .tables()[0]!
        .columns.filter((column) => !column.nullable)
        .map((column) => column.name),
    ).toEqual(["_sluice_id", "_sluice_load_id", "id", "user__id"]);
  });

  it("takes the item of scalar records as key value", () => {
    const { t, rejects } = normalize(["a", null, "b"], { primaryKey: ["value"] }) as never as Record<
      string,
      unknown[]
    >;
    expect(t).toEqual([{ value: "a" }, { value: "b" }]);
    expect(rejects).toHaveLength(1);
  });

  it("still refuses nulls where the destination's column was made not nullable", () => {
    const first = start({ primaryKey: ["id"] });
    add(first, { id: 1 });
    const second = start({}, { known: first.tables() });
    add(second, { id: null }, { id: 2 });
    expect(second.rows).toBe(1);
    expect(second.tables()[0]!.primaryKey).toEqual([]);
  });

  it("keeps at most a mebibyte of a record", () => {
    const { rejects } = normalize([{ id: null, s: "x".repeat(2_000_000) }], { primaryKey: ["id"] });
    expect(rejects[0]!.record).toHaveLength(1_048_576);
  });

  it("rolls back cleanly when the rejected record outgrew every buffer", () => {
    const normalizer = start({ primaryKey: ["id"] });
    const big = Array.from({ length: 500 }, (_, n) => ({ n, s: "é".repeat(100), b: true }));
    add(normalizer, { id: 1, l: [{ n: 1, s: "a", b: false }] }, { l: big }, { id: 2, l: [{ n: 2, s: "b" }] });
    expect(data(normalizer.take())).toEqual({
      t: [{ id: 1n }, { id: 2n }],
      t__l: [
        { n: 1n, s: "a", b: false },
        { n: 2n, s: "b" },
      ],
    });
  });
});

describe("batches", () => {
  it("hold only what came since the last take, in buffers of exact size", () => {
    const normalizer = start();
    add(normalizer, { id: 1, s: "abc", b: true, l: [1, 2] });
    expect([normalizer.rows, normalizer.bufferedRows]).toEqual([1, 3]);
    expect(normalizer.bufferedBytes).toBeGreaterThan(0);
    const first = normalizer.take();
    expect([normalizer.bufferedRows, normalizer.bufferedBytes]).toEqual([0, 0]);
    add(normalizer, { id: 2, s: null });
    const second = normalizer.take();
    expect(second.map((batch) => batch.table.name)).toEqual(["t"]);
    expect(data(second)).toEqual({ t: [{ id: 2n }] });
    expect(data(first)).toEqual({ t: [{ id: 1n, s: "abc", b: true }], t__l: [{ value: 1n }, { value: 2n }] });
    expect(normalizer.rows).toBe(2);
    for (const batch of [...first, ...second]) {
      expect(batch.columns.map((column) => column.schema)).toEqual(batch.table.columns);
      let bytes = 0;
      for (const column of batch.columns) {
        const width = { bits: 1, int32: 1, int64: 1, int128: 2, float64: 1, text: undefined }[column.kind];
        if (width !== undefined) expect(column.data).toHaveLength(width * batch.rows);
        expect(column.data.byteLength).toBe(column.data.buffer.byteLength);
        bytes += column.data.byteLength + (column.validity?.byteLength ?? 0);
        if (column.kind === "text") {
          expect(column.offsets).toHaveLength(batch.rows + 1);
          bytes += column.offsets.byteLength;
        }
      }
      expect(batch.bytes).toBe(bytes);
    }
  });

  it("say that a column has no nulls by leaving out its validity", () => {
    const normalizer = start();
    add(normalizer, ...Array.from({ length: 20 }, (_, n) => ({ a: n, b: n % 2 === 0 ? n : null })));
    const [batch] = normalizer.take();
    const validity = Object.fromEntries(
      batch!.columns.map((column) => [column.schema.name, column.validity]),
    );
    expect(validity["a"]).toBeUndefined();
    expect(validity["_sluice_id"]).toBeUndefined();
    expect(validity["b"]).toEqual(new Uint8Array([0b0101_0101, 0b0101_0101, 0b0101]));
  });

  it("share one schema value until the schema changes", () => {
    const normalizer = start();
    add(normalizer, { a: 1 });
    const [first] = normalizer.take();
    add(normalizer, { a: 2 });
    const [second] = normalizer.take();
    add(normalizer, { a: 2.5 });
    const [third] = normalizer.take();
    expect(second!.table).toBe(first!.table);
    expect(third!.table).not.toBe(first!.table);
    expect([columns(first!.table), columns(third!.table)]).toEqual([{ a: "bigint" }, { a: "double" }]);
    expect(normalizer.tables()[0]).toBe(third!.table);
  });

  it("start from the known tables, in their order, unless the table has another name now", () => {
    const first = start();
    add(first, { b: 1, l: [{ m: [1] }] });
    const again = start({}, { known: first.tables().toReversed() });
    expect(again.tables()).toEqual(first.tables());
    add(again, { a: 0, l: [{ m: [2], k: 1 }], b: 1 });
    expect(Object.keys(columns(again.tables()[0]))).toEqual(["b", "a"]);
    expect(again.take().map((batch) => batch.table.name)).toEqual(["t", "t__l", "t__l__m"]);
    expect(
      start({}, { known: first.tables(), table: "other" })
        .tables()
        .map((one) => one.name),
    ).toEqual(["other"]);
  });
});
