import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { queryDuckdb } from "../../src/destinations/duckdb.js";
import {
  type Destination,
  defineResource,
  duckdb,
  type Json,
  type PipelineConfig,
  postgres,
  type Report,
  type ResourceConfig,
  restApi,
  run,
} from "../../src/index.js";
import { queryOf } from "../conformance/mock-api.js";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { emptyDatabase, type PostgresServer, queryPostgres, startPostgres } from "../postgres-server.js";
import { itemsPipeline, type KilledLoad } from "./killed-load.js";

// Nineteen things that dlt 1.26 does wrong, measured there, and what is right instead: whole runs from a real API into
// real databases, each in both.

type Row = Record<string, unknown>;

interface Database {
  readonly name: string;
  /** An empty one, for one test. */
  open(): Promise<void>;
  destination(): Destination;
  /** As `KilledLoad.destination`. */
  place(): string;
  /** Runs any statement. */
  query(sql: string): Promise<Row[]>;
}

let server: PostgresServer;
let folder: string;
let uri: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-better-"));
  server = await startPostgres();
  uri = await server.newDatabase();
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const file = () => join(folder, `db${files}.duckdb`);
const databases: readonly Database[] = [
  {
    name: "duckdb",
    open: async () => void (files += 1),
    destination: () => duckdb(file()),
    place: file,
    query: (sql) => queryDuckdb(file(), sql),
  },
  {
    name: "postgres",
    open: () => emptyDatabase(uri),
    destination: () => postgres(uri),
    place: () => uri,
    query: (sql) => queryPostgres(uri, sql),
  },
];

let api: FakeApi;
beforeEach(async () => {
  api = await startFakeApi();
});
afterEach(() => api.close());

describe.each(databases)("in $name", (database) => {
  beforeEach(() => database.open());

  type Items = Omit<ResourceConfig, "name" | "endpoint">;

  /** Loads the resource `items`, for which the API answers with these records. */
  function load(resource: Items, records: Json, more: Partial<PipelineConfig> = {}): Promise<Report> {
    const path = `/items/${more.pipeline ?? "p"}`;
    api.route(path, () => answer(200, records));
    return loadFrom({ ...resource, endpoint: { path, paginator: "single_page" } }, more);
  }

  async function loadFrom(
    resource: Omit<ResourceConfig, "name">,
    more: Partial<PipelineConfig> = {},
  ): Promise<Report> {
    return run({
      pipeline: "p",
      source: restApi({
        client: { base_url: api.url, retry: { max_retries: 0 } },
        resources: [{ name: "items", ...resource }],
      }),
      destination: database.destination(),
      ...more,
    });
  }

  /** The rows of a table without system columns, by their first column. */
  async function rows(table = "items", order = "id"): Promise<Row[]> {
    const found = await database.query(`SELECT * FROM p.${table} ORDER BY ${order}`);
    return found.map((row) =>
      Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith("_sluice_"))),
    );
  }
  const count = async (what: string): Promise<number> =>
    Number((await database.query(`SELECT count(*) AS n FROM p.${what}`))[0]?.["n"]);

  const ok = (report: Report) =>
    expect(report.status, JSON.stringify([report.error, report.resources])).toBe("ok");
  const errorOf = (report: Report) => report.resources["items"]?.error;

  const merge: Items = { primary_key: "id", write_disposition: "merge" };
  const upsert: Items = {
    primary_key: "id",
    write_disposition: { disposition: "merge", strategy: "upsert" },
  };
  const scd2: Items = { primary_key: "id", write_disposition: { disposition: "merge", strategy: "scd2" } };

  it("B1 a merge whose INSERT fails: the table is as it was", async () => {
    ok(
      await load(merge, [
        { id: 1, v: "a" },
        { id: 2, v: "b" },
      ]),
    );
    await database.query("CREATE UNIQUE INDEX by_hand ON p.items (v)");
    const report = await load(merge, [
      { id: 1, v: "b" },
      { id: 3, v: "c" },
    ]);
    expect([report.status, errorOf(report)?.kind]).toEqual(["failed", "destination"]);
    expect(await rows()).toEqual([
      { id: 1n, v: "a" },
      { id: 2n, v: "b" },
    ]);
    expect(await count("_sluice_loads")).toBe(1);

    await database.query("DROP INDEX p.by_hand");
    ok(
      await load(merge, [
        { id: 1, v: "b" },
        { id: 3, v: "c" },
      ]),
    );
    expect(await rows()).toEqual([
      { id: 1n, v: "b" },
      { id: 2n, v: "b" },
      { id: 3n, v: "c" },
    ]);
  });

  it("B2 a replace whose INSERT fails: root and child tables are as they were", async () => {
    const replace: Items = { write_disposition: "replace" };
    ok(
      await load(replace, [
        { id: 1, tags: ["x"] },
        { id: 2, tags: ["y"] },
      ]),
    );
    await database.query("CREATE UNIQUE INDEX by_hand ON p.items__tags (value)");
    const report = await load(replace, [
      { id: 3, tags: ["z"] },
      { id: 4, tags: ["z"] },
    ]);
    expect([report.status, errorOf(report)?.kind]).toEqual(["failed", "destination"]);
    expect(await rows()).toEqual([{ id: 1n }, { id: 2n }]);
    expect(await rows("items__tags", "value")).toEqual([{ value: "x" }, { value: "y" }]);

    await database.query("DROP INDEX p.by_hand");
    ok(
      await load(replace, [
        { id: 3, tags: ["z"] },
        { id: 4, tags: ["z"] },
      ]),
    );
    expect(await rows()).toEqual([{ id: 3n }, { id: 4n }]);
  });

  it("B3 an incremental load whose commit fails in one table: the next run brings every row once", async () => {
    const events: { id: number; at: string; tags: string[] }[] = [];
    const add = (id: number, tag: string) => events.push({ id, at: `2026-01-0${id}T00:00:00Z`, tags: [tag] });
    api.route("/events", (request) => {
      const since = queryOf(request).get("since") ?? "";
      return answer(
        200,
        events.filter(({ at }) => at >= since),
      );
    });
    const loadEvents = () =>
      loadFrom({
        primary_key: "id",
        endpoint: {
          path: "events",
          paginator: "single_page",
          incremental: { cursor_path: "at", start_param: "since" },
        },
      });
    add(1, "x");
    ok(await loadEvents());
    await database.query("CREATE UNIQUE INDEX by_hand ON p.items__tags (value)");
    add(2, "z");
    add(3, "z");
    expect((await loadEvents()).status).toBe("failed");
    expect(await rows()).toHaveLength(1);

    await database.query("DROP INDEX p.by_hand");
    add(4, "w");
    ok(await loadEvents());
    expect((await rows()).map(({ id }) => id)).toEqual([1n, 2n, 3n, 4n]);
    expect((await rows("items__tags", "value")).map(({ value }) => value)).toEqual(["w", "x", "z", "z"]);
    add(5, "v");
    ok(await loadEvents());
    expect((await rows()).map(({ id }) => id)).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  async function killed(commit: number): Promise<void> {
    const load: KilledLoad = { destination: database.place(), url: api.url, commit };
    const args = ["scripts/run-ts.mjs", "test/run/killed-load.ts", JSON.stringify(load)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const [, signal] = (await once(child, "close")) as [number | null, string | null];
    expect(signal, errors).toBe("SIGKILL");
  }
  const loads = () => database.query("SELECT load_id, package, rows FROM p._sluice_loads ORDER BY package");

  it("B4 killed right after the database committed a part of an append: its rows once, its records once", async () => {
    const records = [1, 2, 3, 4].map((id) => ({ id }));
    api.route("/items", { records, paging: "link-header", pageSize: 1 });
    await killed(2);
    expect(await rows()).toEqual([{ id: 1n }, { id: 2n }]);
    ok(await run(itemsPipeline(database.destination(), api.url)));
    expect(await rows()).toEqual([{ id: 1n }, { id: 2n }, { id: 3n }, { id: 4n }]);
    const packages = await loads();
    expect(packages.map((row) => row["rows"])).toEqual([1n, 1n, 1n, 1n]);
    expect(new Set(packages.map((row) => row["package"])).size).toBe(4);
    expect(new Set(packages.map((row) => row["load_id"])).size).toBe(1);
    expect(await count("_sluice_state")).toBe(1);
    expect(api.requests.map(({ url }) => url).filter((url) => url === "/items")).toHaveLength(1);
  }, 60_000);

  it("B5 killed after the load was recorded as complete: still one record of it", async () => {
    api.route("/items", { records: [{ id: 1 }], paging: "link-header" });
    await killed(1);
    const before = await loads();
    expect(before).toHaveLength(1);
    // Nothing is left to go on with: the next run is a load of its own.
    ok(await run(itemsPipeline(database.destination(), api.url)));
    const after = await loads();
    expect(after.filter((row) => row["load_id"] === before[0]?.["load_id"])).toEqual(before);
    expect(new Set(after.map((row) => row["load_id"])).size).toBe(2);
    expect(await count("_sluice_state")).toBe(1);
  }, 60_000);

  it("B6 a record that breaks a frozen schema, then a good run: the first says what, the second succeeds", async () => {
    const frozen: Items = { ...merge, schema_contract: { columns: "freeze" } };
    ok(await load(frozen, [{ id: 1, v: "a" }]));
    const report = await load(frozen, [
      { id: 2, v: "b" },
      { id: 3, v: "c", extra: true },
    ]);
    expect(errorOf(report)).toMatchObject({ code: "data/contract", at: { table: "items" } });
    expect(errorOf(report)?.message).toContain('at $.extra: column "extra" would be new');
    expect(await rows()).toEqual([{ id: 1n, v: "a" }]);
    ok(
      await load(frozen, [
        { id: 2, v: "b" },
        { id: 3, v: "c" },
      ]),
    );
    expect(await rows()).toEqual([
      { id: 1n, v: "a" },
      { id: 2n, v: "b" },
      { id: 3n, v: "c" },
    ]);
  });

  it("B7 upsert with a repeated key: one row, the last or by dedup_sort", async () => {
    ok(
      await load(upsert, [
        { id: 1, v: "a", tags: ["a"] },
        { id: 1, v: "b", tags: ["b"] },
      ]),
    );
    expect(await rows()).toEqual([{ id: 1n, v: "b" }]);
    expect(await rows("items__tags", "value")).toEqual([{ value: "b" }]);
    const sorted: Items = { ...upsert, columns: { lsn: { dedup_sort: "desc" } } };
    ok(
      await load(sorted, [
        { id: 1, v: "c", lsn: 2 },
        { id: 1, v: "d", lsn: 1 },
      ]),
    );
    expect(await rows()).toEqual([{ id: 1n, v: "c", lsn: 2n }]);
  });

  it("B8 upsert with hard_delete on an unknown key: no row", async () => {
    const deleting: Items = { ...upsert, columns: { gone: { hard_delete: true, data_type: "bool" } } };
    ok(
      await load(deleting, [
        { id: 1, gone: true, tags: ["x"] },
        { id: 2, gone: false },
      ]),
    );
    expect(await rows()).toEqual([{ id: 2n, gone: false }]);
    expect(await rows("items__tags", "value").catch(() => [])).toEqual([]);
  });

  it("B9 a key that is null, twice, in two runs: set aside with the reason", async () => {
    const records = [
      { id: null, v: "a" },
      { id: null, v: "b" },
      { id: 1, v: "c" },
    ];
    for (const runs of [1, 2]) {
      const report = await load(merge, records);
      expect(errorOf(report)?.code).toBe("data/rejected");
      expect(report.tables["items"]?.rejected).toBe(2);
      expect(await rows()).toEqual([{ id: 1n, v: "c" }]);
      expect(await count("_sluice_rejects")).toBe(2 * runs);
    }
    const [reject] = await database.query("SELECT reason FROM p._sluice_rejects");
    expect(reject?.["reason"]).toBe("null-in-not-null: id is part of the primary key and has no value");
  });

  it("B9 a key that is null, twice, in two runs, and is declared as nullable: one row", async () => {
    const nullable: Items = { ...merge, columns: { id: { data_type: "bigint", nullable: true } } };
    for (const v of ["b", "c"]) {
      ok(
        await load(nullable, [
          { id: null, v: "a" },
          { v, tags: [v] },
          { id: 1, v: "d" },
        ]),
      );
      expect(await rows("items", "v")).toEqual([
        { id: null, v },
        { id: 1n, v: "d" },
      ]);
      expect(await rows("items__tags", "value")).toEqual([{ value: v }]);
    }
    // Nothing else passes for null.
    const report = await load(nullable, [
      { id: "x", v: "e" },
      { id: [], v: "f" },
    ]);
    expect([errorOf(report)?.code, report.tables["items"]?.rejected]).toEqual(["data/rejected", 2]);
    expect(await count("items")).toBe(2);

    // A table whose key was made without null goes on without.
    const strict = { table_name: "strict" };
    ok(await load({ ...merge, ...strict }, [{ id: 1 }]));
    expect(errorOf(await load({ ...nullable, ...strict }, [{ id: null }]))?.code).toBe("data/rejected");
  });

  it("B10 2^63, 2^64, a number beyond decimal(38), NaN, NUL: kept or set aside with a reason, and loaded", async () => {
    const digits = ["9223372036854775808", "18446744073709551616", `1${"0".repeat(40)}7`];
    const text = `[{"id": 1, "n": 5}, ${digits.map((n, index) => `{"id": ${index + 2}, "n": ${n}}`).join(", ")}, {"id": 5, "n": "x\\u0000y"}]`;
    api.route("/items", () => ({ ...answer(200, []), body: Buffer.from(text) }));
    ok(await loadFrom({ endpoint: { path: "items", paginator: "single_page" } }));
    const stored = (await rows()).map((row) =>
      Object.values(row)
        .slice(1)
        .filter((value) => value !== null),
    );
    expect(stored.slice(0, 4).map(String)).toEqual(["5", ...digits]);
    // No text of PostgreSQL holds NUL.
    expect(stored[4]).toEqual([database.name === "postgres" ? "x\uFFFDy" : "x\0y"]);

    const numbers = defineResource({
      name: "numbers",
      read: () => [
        [
          { id: 1, v: 1.5 },
          { id: 2, v: Number.NaN },
          { id: 3, v: Number.POSITIVE_INFINITY },
        ],
      ],
    });
    ok(await run({ pipeline: "p", source: numbers, destination: database.destination() }));
    const doubles = (await rows("numbers")).map((row) =>
      Object.values(row)
        .slice(1)
        .filter((v) => v !== null),
    );
    expect(doubles.map(String)).toEqual(["1.5", "NaN", "Infinity"]);
  });

  it("B11 the number 2 in a column of booleans: not true", async () => {
    ok(
      await load({}, [
        { id: 1, v: true },
        { id: 2, v: 2 },
      ]),
    );
    expect(await rows()).toEqual([
      { id: 1n, v: true, v__v_bigint: null },
      { id: 2n, v: null, v__v_bigint: 2n },
    ]);
  });

  it("B12 a decimal with 15 digits after the point: exact", async () => {
    const exact: Items = { columns: { v: { data_type: "decimal", precision: 38, scale: 15 } } };
    ok(
      await load(exact, [
        { id: 1, v: "12345678901234567890123.123456789012345" },
        { id: 2, v: 0.1 },
      ]),
    );
    expect((await rows()).map(({ v }) => v)).toEqual([
      "12345678901234567890123.123456789012345",
      "0.100000000000000",
    ]);
  });

  it("B13 from append to merge with children: they follow their parent", async () => {
    const append: Items = { ...merge, write_disposition: "append" };
    ok(
      await load(append, [
        { id: 1, tags: ["a"] },
        { id: 2, tags: ["b"] },
      ]),
    );
    ok(
      await load(append, [
        { id: 1, tags: ["a"] },
        { id: 3, tags: ["c"] },
      ]),
    );
    expect(await count("items")).toBe(4);
    ok(await load(merge, [{ id: 1, tags: ["x", "y"] }, { id: 3 }]));
    expect(await rows()).toEqual([{ id: 1n }, { id: 2n }, { id: 3n }]);
    expect(await rows("items__tags", "value")).toEqual([{ value: "b" }, { value: "x" }, { value: "y" }]);
  });

  const PRESENT = "items WHERE _sluice_valid_to IS NULL";

  it("B13 a primary key that changes between runs: rows go by the new one", async () => {
    ok(
      await load(merge, [
        { id: 1, day: 1, v: "a", tags: ["a"] },
        { id: 2, v: "b" },
      ]),
    );
    const byDay: Items = { ...merge, primary_key: ["id", "day"] };
    ok(
      await load(byDay, [
        { id: 1, day: 1, v: "c" },
        { id: 1, day: 2, v: "d" },
        { id: 2, day: 1, v: "e" },
      ]),
    );
    expect(await rows("items", "id, day")).toEqual([
      { id: 1n, day: 1n, v: "c" },
      { id: 1n, day: 2n, v: "d" },
      { id: 2n, day: 1n, v: "e" },
      { id: 2n, day: null, v: "b" },
    ]);
    expect(await count("items__tags")).toBe(0);
    const byCode: Items = { ...merge, primary_key: "code" };
    ok(
      await load(byCode, [
        { code: "x", id: 1 },
        { code: "y", id: 1 },
      ]),
    );
    ok(await load(byCode, [{ code: "x", id: 9 }]));
    const coded = await database.query("SELECT code, id FROM p.items WHERE code IS NOT NULL ORDER BY code");
    expect(coded).toEqual([
      { code: "x", id: 9n },
      { code: "y", id: 1n },
    ]);
    // The table was made with an id in each row, and goes on so.
    expect(errorOf(await load(byCode, [{ code: "z" }]))?.code).toBe("data/rejected");
  });

  it("B14 scd2 and the same record twice in a load: one version", async () => {
    const keyless: Items = { write_disposition: { disposition: "merge", strategy: "scd2" } };
    for (const resource of [keyless, scd2]) {
      const name = resource.primary_key === undefined ? "keyless" : "keyed";
      const twice = [
        { id: 1, v: "a", tags: ["x"] },
        { tags: ["x"], v: "a", id: 1 },
      ];
      const table = { ...resource, table_name: name };
      ok(await load(table, twice));
      ok(await load(table, twice));
      expect([await count(name), await count(`${name}__tags`)]).toEqual([1, 1]);
    }
  });

  it("B15 two pipelines merge into one dataset at the same time: the rows of both, once", async () => {
    const records = (from: number, turn: number) =>
      Array.from({ length: 300 }, (_, n) => ({ id: from + n, turn, tags: [`${from + n}`] }));
    for (const turn of [1, 2, 3]) {
      const reports = await Promise.all(
        ["one", "two"].map((pipeline, index) =>
          load(merge, records(index * 1000, turn), { pipeline, dataset: "p" }),
        ),
      );
      reports.forEach(ok);
    }
    expect([await count("items"), await count("items__tags"), await count("items WHERE turn = 3")]).toEqual([
      600, 600, 600,
    ]);
    const [distinct] = await database.query("SELECT count(DISTINCT id) AS n FROM p.items");
    expect(distinct).toEqual({ n: 600n });
  });

  it("B16 what a load counts: rows, not cells", async () => {
    const records = Array.from({ length: 20 }, (_, id) => ({ id, a: 1, b: 2, c: 3, tags: [1, 2] }));
    const report = await load({}, records);
    expect(report.resources["items"]?.rows).toBe(20);
    expect(report.tables).toMatchObject({ items: { inserted: 20 }, items__tags: { inserted: 40 } });
    expect((await loads()).map((row) => row["rows"])).toEqual([20n]);
  });

  it("B17 keys that become one name: a column each", async () => {
    ok(await load({}, [{ id: 1, userName: "a", UserName: "b", user_name: "c" }]));
    const [row] = await rows();
    expect(Object.keys(row ?? {})).toEqual([
      "id",
      "user_name",
      expect.stringMatching(/^user_name_[0-9a-f]{6}$/),
      expect.stringMatching(/^user_name_[0-9a-f]{6}$/),
    ]);
    expect(Object.values(row ?? {})).toEqual([1n, "a", "b", "c"]);
  });

  it("B18 tables dropped by hand: made again", async () => {
    const records = [
      { id: 1, tags: ["a"] },
      { id: 2, tags: ["b"] },
    ];
    ok(await load(merge, records));
    await database.query("DROP TABLE p.items");
    ok(await load(merge, records));
    expect(await rows()).toEqual([{ id: 1n }, { id: 2n }]);
    await database.query("DROP TABLE p.items__tags");
    ok(await load(merge, records));
    expect(await rows("items__tags", "value")).toEqual([{ value: "a" }, { value: "b" }]);
  });

  it("B19 scd2 and a record that gains a key with null: no new version", async () => {
    ok(await load(scd2, [{ id: 1, v: "a", o: { x: 1 } }]));
    ok(await load(scd2, [{ more: null, o: { y: null, x: 1 }, v: "a", id: 1 }]));
    expect(await count("items")).toBe(1);
    ok(await load(scd2, [{ id: 1, v: "a", o: { x: 2 } }]));
    expect([await count("items"), await count(PRESENT)]).toEqual([2, 1]);
  });
});
