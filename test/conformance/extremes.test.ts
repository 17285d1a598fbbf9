/** Values and records at the edge of what databases hold, each through a whole load into each database. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineResource, type Json, type Report, type ResourceHints, restApi, run } from "../../src/index.js";
import { dataOf, openDatabases, type StoredRow, type TestDatabase } from "../databases.js";
import { answer } from "../fake-api/behaviours.js";
import { startFakeApi } from "../fake-api/fake-api.js";

let databases: TestDatabase[];
let datasets = 0;

beforeAll(async () => {
  databases = await openDatabases();
});
afterAll(async () => {
  for (const database of databases) await database.close();
});

interface Loaded {
  readonly report: Report;
  /** Without system columns and nulls, in the order of arrival. */
  readonly rows: readonly StoredRow[];
  readonly columns: Readonly<Record<string, string>>;
  /** Rows of another table of the load. */
  readonly table: (name: string) => Promise<StoredRow[]>;
}

async function load(
  database: TestDatabase,
  records: readonly unknown[],
  hints: Partial<ResourceHints> = {},
): Promise<Loaded> {
  datasets += 1;
  const dataset = `d${datasets}`;
  const source = defineResource({ name: "t", read: () => [records as Json[]], ...hints });
  const report = await run({ pipeline: "extremes", dataset, source, destination: database.destination });
  return {
    report,
    rows: (await database.rows(dataset, "t")).map(dataOf),
    columns: await database.columns(dataset, "t"),
    table: (name) => database.rows(dataset, name),
  };
}

const TEXT = { duckdb: "VARCHAR", postgres: "text" } as const;
const DECIMAL = { duckdb: "DECIMAL(38,0)", postgres: "numeric" } as const;

describe.each(["duckdb", "postgres"] as const)("%s", (name) => {
  const database = () => databases.find((one) => one.name === name)!;
  const stored = async (records: readonly unknown[], hints?: Partial<ResourceHints>) => {
    const { report, rows } = await load(database(), records, hints);
    expect(report).toMatchObject({ status: "ok" });
    return rows;
  };
  const values = async (list: readonly unknown[], hints?: Partial<ResourceHints>) =>
    stored(
      list.map((v) => ({ v })),
      hints,
    );

  it("a key that only ever is null makes no column, and gets one with its first value", async () => {
    const { columns, rows } = await load(database(), [
      { a: 1, b: null },
      { a: null, b: null },
    ]);
    expect(Object.keys(columns)).toEqual(["a"]);
    expect(rows).toEqual([{ a: 1n }, {}]);
    expect(await stored([{ b: null }, { b: null }, { b: 1.5 }])).toEqual([{}, {}, { b: 1.5 }]);
  });

  it("NaN and the infinities of a generator are text", async () => {
    expect(await values([1.5, Number.NaN, Infinity, -Infinity])).toEqual([
      { v: 1.5 },
      { v__v_text: "NaN" },
      { v__v_text: "Infinity" },
      { v__v_text: "-Infinity" },
    ]);
    expect(await values([Number.NaN, 1.5])).toEqual([{ v: "NaN" }, { v: "1.5" }]);
  });

  it("doubles are exact to the last bit", async () => {
    const doubles = [5e-324, -5e-324, Number.MAX_VALUE, 0.1 + 0.2, 1e21, -0.5];
    expect(await values(doubles)).toEqual(doubles.map((v) => ({ v })));
  });

  it("integers around 2^63 and 2^64 are exact, in a column that grows in place", async () => {
    const integers = [1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, 2n ** 64n, -(2n ** 64n), 10n ** 38n - 1n];
    const { columns, rows } = await load(
      database(),
      integers.map((v) => ({ v })),
    );
    expect(columns["v"]).toBe(DECIMAL[name]);
    expect(rows).toEqual(integers.map((v) => ({ v: String(v) })));
    expect(await values([2n ** 63n - 1n, -(2n ** 63n)])).toEqual([
      { v: 2n ** 63n - 1n },
      { v: -(2n ** 63n) },
    ]);
  });

  it("integers beyond 38 digits, and beyond PostgreSQL's numeric, are text beside the column", async () => {
    const huge = [10n ** 38n, -(10n ** 38n), 10n ** 140_000n];
    const { report, rows } = await load(
      database(),
      [7n, 2n ** 64n, ...huge].map((v) => ({ v })),
    );
    expect(report.status).toBe("ok");
    expect(rows).toEqual([
      { v: "7" },
      { v: String(2n ** 64n) },
      ...huge.map((v) => ({ v__v_text: String(v) })),
    ]);
  });

  it("declared decimals keep every digit, or go beside the column", async () => {
    const wide = { columns: [{ name: "v", dataType: "decimal", precision: 38, scale: 20 }] } as const;
    expect(await values(["1.23456789012345678901", "-0.00000000000000000001", "1e-21"], wide)).toEqual([
      { v: "1.23456789012345678901" },
      { v: "-0.00000000000000000001" },
      { v__v_text: "1e-21" },
    ]);
    const money = { columns: [{ name: "v", dataType: "decimal", precision: 10, scale: 2 }] } as const;
    expect(await values([12.34, "12.340", 12.345, 123_456_789.01, true], money)).toEqual([
      { v: "12.34" },
      { v: "12.34" },
      { v__v_double: 12.345 },
      { v__v_double: 123_456_789.01 },
      { v__v_bool: true },
    ]);
  });

  it("a number in a column of booleans does not become true", async () => {
    expect(await values([true, 2, 1, 0, "true"])).toEqual([
      { v: true },
      { v__v_bigint: 2n },
      { v__v_bigint: 1n },
      { v__v_bigint: 0n },
      { v__v_text: "true" },
    ]);
  });

  it("values that do not fit are placed by type_conflict", async () => {
    const list = [1, "x", true, 1.5, 2n ** 70n];
    expect(await values(list)).toEqual([
      { v: 1 },
      { v__v_text: "x" },
      { v__v_bool: true },
      { v: 1.5 },
      { v__v_decimal: String(2n ** 70n) },
    ]);
    expect(await values(list, { typeConflict: "text" })).toEqual([
      { v: 1 },
      { v__v_text: "x" },
      { v__v_text: "true" },
      { v: 1.5 },
      { v__v_text: String(2n ** 70n) },
    ]);
    const rejected = await load(database(), [...list.map((v) => ({ v, l: [v] })), { v: 2, l: [1, "y", 3] }], {
      typeConflict: "reject",
    });
    expect(rejected.rows).toEqual([{ v: 1 }, { v: 1.5 }, { v: 2 }]);
    expect((await rejected.table("t__l")).map(dataOf)).toEqual([
      { value: 1 },
      { value: 1.5 },
      { value: 1 },
      { value: 3 },
    ]);
    const rejects = await rejected.table("_sluice_rejects");
    expect(rejected.report.resources["t"]?.error).toMatchObject({ code: "data/rejected" });
    expect(rejected.report.resources["t"]?.error?.message).toContain("4 records");
    const reasons = ["text", "bool", "decimal"].map(
      (type) =>
        `type-conflict: column "v" is ${type === "text" || type === "bool" ? "bigint" : "double"} and can't hold ${type}, and type_conflict is reject`,
    );
    expect(rejects).toHaveLength(4);
    expect(rejects.map(({ reason }) => reason)).toEqual(expect.arrayContaining(reasons));
    expect(rejects.find(({ table }) => table === "t__l")).toMatchObject({
      path: "$.l[*]",
      value: '"y"',
    });
  });

  it("64 levels of objects are a column, and what is deeper is json; lists likewise", async () => {
    const nested = (levels: number, leaf: Json): Json =>
      levels === 0 ? leaf : { a: nested(levels - 1, leaf) };
    const deep = await load(database(), [{ d: nested(63, 7) }]);
    expect(Object.values(deep.rows[0]!)).toEqual([7n]);
    const deeper = await load(database(), [{ d: nested(2000, 7) }]);
    const [text] = Object.values(deeper.rows[0]!);
    expect(String(text).replaceAll(" ", "")).toBe(`${'{"a":'.repeat(1936)}7${"}".repeat(1936)}`);
    const list = (levels: number): Json => (levels === 0 ? 7 : [list(levels - 1)]);
    const lists = await load(database(), [{ l: list(100) }]);
    expect(lists.report.status).toBe("ok");
    const tables = Object.keys(lists.report.tables);
    expect(tables).toHaveLength(65);
    const [leaf] = (await lists.table(tables.at(-1)!)).map(dataOf);
    expect(String(leaf?.["value"]).replaceAll(" ", "")).toBe(`${"[".repeat(36)}7${"]".repeat(36)}`);
  });

  it("keys that are one name after naming have a column each", async () => {
    const record = {
      "a b": 1,
      "a-b": 2,
      a_b: 3,
      aB: 4,
      "A B": 5,
      "": 6,
      "   ": 7,
      "😀": 8,
      "😁": 9,
      "\0": 10,
    };
    const [row] = await stored([record]);
    expect(
      Object.values(row!)
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("reserved words, names of 200 bytes and names of system columns", async () => {
    const long = "x".repeat(200);
    const record = {
      select: 1,
      table: 2,
      order: 3,
      user: 4,
      [long]: 5,
      [`${long}y`]: 6,
      _sluice_id: 7,
      _sluice_load_id: 8,
    };
    const { rows, table } = await load(database(), [record]);
    // Those under the system's names have other ones, which dataOf leaves out.
    expect(Object.values(rows[0]!)).toEqual([1n, 2n, 3n, 4n, 5n, 6n]);
    const [row] = await table("t");
    expect(Object.values(row!).slice(2)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]);
  });

  it("a text of 10 MB", async () => {
    const texts = ["x".repeat(10 * 1024 * 1024), `${"é".repeat(5 * 1024 * 1024)}!`];
    const rows = await values(texts);
    expect(rows.map(({ v }) => v === texts[0] || v === texts[1])).toEqual([true, true]);
  });

  it("instants: to the microsecond, in UTC, in the years 1 to 9999; what is none stays text", async () => {
    const hints = {};
    expect(
      await values(
        [
          "2024-01-31T12:00:00.123456789+02:00",
          "0001-01-01T00:00:00Z",
          "9999-12-31T23:59:59.999999Z",
          "1969-12-31T23:59:59.999999Z",
          "2016-12-31T23:59:60Z",
          "0000-01-01T00:00:00Z",
          "10000-01-01T00:00:00Z",
          "0001-01-01T00:00:00+00:01",
          "2023-02-29T00:00:00Z",
          "2024-01-31",
        ],
        hints,
      ),
    ).toEqual([
      { v: "2024-01-31T10:00:00.123456Z" },
      { v: "0001-01-01T00:00:00.000000Z" },
      { v: "9999-12-31T23:59:59.999999Z" },
      { v: "1969-12-31T23:59:59.999999Z" },
      { v__v_text: "2016-12-31T23:59:60Z" },
      { v__v_text: "0000-01-01T00:00:00Z" },
      { v__v_text: "10000-01-01T00:00:00Z" },
      { v__v_text: "0001-01-01T00:00:00+00:01" },
      { v__v_text: "2023-02-29T00:00:00Z" },
      { v__v_text: "2024-01-31" },
    ]);
  });

  it("declared dates, times and seconds since 1970", async () => {
    const columns = [
      { name: "d", dataType: "date" },
      { name: "t", dataType: "time" },
      { name: "s", dataType: "timestamp" },
    ] as const;
    const rows = await stored(
      [
        { d: "2024-02-29", t: "23:59:59.999999", s: 0.5 },
        { d: "0001-01-01", t: "00:00", s: "2024-01-02" },
        { d: "9999-12-31", t: "12:30:00", s: -62_135_596_800 },
        { d: "2024-01-02T10:00:00Z", t: "24:00:00", s: 1e12 },
      ],
      { columns },
    );
    expect(rows).toEqual([
      { d: "2024-02-29", t: "23:59:59.999999", s: "1970-01-01T00:00:00.500000Z" },
      { d: "0001-01-01", t: "00:00:00.000000", s: "2024-01-02T00:00:00.000000Z" },
      { d: "9999-12-31", t: "12:30:00.000000", s: "0001-01-01T00:00:00.000000Z" },
      {
        d__v_timestamp: "2024-01-02T10:00:00.000000Z",
        t__v_text: "24:00:00",
        s__v_bigint: 1_000_000_000_000n,
      },
    ]);
  });

  it("bytes of a generator are binary, and text that is declared so", async () => {
    const bytes = new Uint8Array([0, 255, 10]);
    expect(await values([bytes, Buffer.from([1]), new Uint8Array()])).toEqual([
      { v: bytes },
      { v: new Uint8Array([1]) },
      { v: new Uint8Array() },
    ]);
    const columns = [{ name: "v", dataType: "binary" }] as const;
    expect(await values(["AP8K", "0x00ff0A", "no base64"], { columns })).toEqual([
      { v: bytes },
      { v: bytes },
      { v__v_text: "no base64" },
    ]);
    expect(await stored([{ l: [bytes] }, { v: "x" }, { v: bytes }], { typeConflict: "text" })).toEqual([
      {},
      { v: "x" },
      { v__v_text: "AP8K" },
    ]);
  });

  it("what else a generator yields is taken as JSON has it", async () => {
    class Money {
      readonly amount = 5;
    }
    const rows = await stored([
      {
        at: new Date(0),
        map: new Map([["k", 1]]),
        set: new Set([1, 2]),
        money: new Money(),
        url: new URL("https://h/"),
        nothing: new Date(Number.NaN),
        missing: undefined,
      },
    ]);
    expect(rows).toEqual([
      { at: "1970-01-01T00:00:00.000000Z", map__k: 1n, money__amount: 5n, url: "https://h/" },
    ]);
    const records = await load(database(), [new Map([["v", 1]]), new Money()]);
    expect(records.rows).toEqual([{ v: 1n }, { amount: 5n }]);
  });

  it("json by declaration and by nesting limit keeps every digit", async () => {
    const v = { n: 2n ** 70n, list: [1, [2]], "": null };
    const [row] = await values([v], { columns: [{ name: "v", dataType: "json" }] });
    expect(String(row?.["v"]).replaceAll(" ", "")).toMatch(/"n":1180591620717411303424[,}]/);
    const [limited] = await stored([{ v: { w: v } }], { maxTableNesting: 1 });
    expect(String(limited?.["v__w"]).replaceAll(" ", "")).toContain("1180591620717411303424");
  });

  it("NUL and half a surrogate pair", async () => {
    const rows = await values(["a\0b", "\ud800x"]);
    expect(rows).toEqual([{ v: name === "postgres" ? "a\ufffdb" : "a\0b" }, { v: "\ufffdx" }]);
  });

  it("2,000 columns: kept, or refused in words before anything has changed", async () => {
    const wide = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`c${index}`, index % 2 === 0]),
    );
    const { report, rows, columns } = await load(database(), [wide]);
    if (name === "duckdb") {
      expect(report.status).toBe("ok");
      expect(rows).toEqual([wide]);
    } else {
      expect(report.resources["t"]?.error).toMatchObject({
        code: "destination/failed",
        message: "table t would have 2002 columns, and a PostgreSQL table holds 1600",
      });
      expect(report.resources["t"]?.error?.hint).toContain("max_table_nesting");
      expect(columns).toEqual({});
    }
    const whole = await load(database(), [{ id: 1, wide }], { maxTableNesting: 0 });
    expect(whole.report.status).toBe("ok");
  });

  it("a row that is larger than a page of PostgreSQL's", async () => {
    const row = Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`c${index}`, index]));
    const { report, rows, columns } = await load(database(), [row]);
    if (name === "duckdb") {
      expect(rows).toHaveLength(1);
      return;
    }
    expect(report.resources["t"]?.error).toMatchObject({ code: "destination/failed" });
    expect(report.resources["t"]?.error?.message).toContain("row is too big");
    expect(report.resources["t"]?.error?.hint).toContain("max_table_nesting");
    expect(columns).toEqual({});
  });

  it("numbers of an API keep every digit; of two equal keys the last counts", async () => {
    const api = await startFakeApi();
    const body =
      '[{"d":1.2345678901234567890123,"i":18446744073709551616,"f":0.1,"n":1e999,"k":1,"k":2,"s":"\\ud800"},{"d":2,"i":1,"f":0.12345678901234567890}]';
    api.route("/t", () => ({ ...answer(200, []), body: Buffer.from(body) }));
    datasets += 1;
    const dataset = `d${datasets}`;
    try {
      const source = restApi({
        client: { base_url: api.url },
        resources: [{ name: "t", columns: { d: { data_type: "decimal", precision: 38, scale: 22 } } }],
      });
      const { destination } = database();
      expect(await run({ pipeline: "extremes", dataset, source, destination })).toMatchObject({
        status: "ok",
      });
    } finally {
      await api.close();
    }
    expect((await database().rows(dataset, "t")).map(dataOf)).toEqual([
      { d: "1.2345678901234567890123", i: "18446744073709551616", f: 0.1, n: "1e999", k: 2n, s: "\ufffd" },
      { d: "2.0000000000000000000000", i: "1", f__v_text: "0.12345678901234567890" },
    ]);
  });

  it("column types are the database's own", async () => {
    const { columns } = await load(database(), [{ v: "x" }]);
    expect(columns).toEqual({ v: TEXT[name] });
  });
});
