import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  definePipeline,
  defineResource,
  duckdb,
  exitCodeOf,
  preview,
  type Report,
  type ResourceDefinition,
  restApi,
  run,
  z,
} from "../../src/index.js";
import { startFakeApi } from "../fake-api/fake-api.js";
import { sluice } from "./cli.js";
import { query } from "./database.js";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-standard-"));
  file = join(folder, "shop.duckdb");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function load(
  records: readonly object[],
  schema: ResourceDefinition["schema"],
  more: Partial<ResourceDefinition> = {},
): Promise<Report> {
  const source = defineResource({ name: "orders", read: () => [records as never], ...more, schema: schema! });
  return run({ pipeline: "shop", source, destination: duckdb(file) });
}

const columnsOf = async (table: string) =>
  Object.fromEntries(
    (
      await query(
        file,
        `select column_name, data_type, is_nullable from information_schema.columns where table_name = '${table}' and column_name not like '\\_sluice%' escape '\\'`,
      )
    ).map((row) => [
      row["column_name"],
      String(row["data_type"]) + (row["is_nullable"] === "NO" ? " NOT NULL" : ""),
    ]),
  );

it("loads what the schema makes of each record, in the columns that it declares", async () => {
  const schema = z.object({
    id: z.int(),
    day: z.iso.date(),
    price: z.coerce.number(),
    note: z.string().nullish(),
    seen: z.coerce.date(),
    lines: z.array(z.object({ due: z.iso.date(), n: z.number() })),
  });
  const report = await load(
    [
      { id: 1, day: "2026-01-02", price: "5", seen: 0, lines: [{ due: "2026-01-03", n: 1 }], extra: "gone" },
      { id: 2, day: "2026-01-02", price: 2.5, seen: 1000, lines: [] },
    ],
    schema,
  );
  expect(report).toMatchObject({ status: "ok", tables: { orders: { inserted: 2 } } });
  expect(await columnsOf("orders")).toEqual({
    id: "BIGINT NOT NULL",
    day: "DATE NOT NULL",
    price: "DOUBLE NOT NULL",
    note: "VARCHAR",
    seen: "TIMESTAMP WITH TIME ZONE NOT NULL",
  });
  expect(await columnsOf("orders__lines")).toEqual({ due: "DATE", n: "DOUBLE" });
  expect(
    await query(file, "select id::int as id, price, epoch(seen) as seen from shop.orders order by id"),
  ).toEqual([
    { id: 1, price: 5, seen: 0 },
    { id: 2, price: 2.5, seen: 1 },
  ]);
});

it("sets aside what the schema refuses: reason and path without the value; the run is a failure of data", async () => {
  const schema = v.object({
    id: v.pipe(v.number(), v.integer()),
    lines: v.array(v.object({ "the code": v.pipe(v.string(), v.minLength(2)) })),
  });
  const report = await load(
    [
      { id: 1, lines: [] },
      { id: "ROME", lines: 5 },
      { id: 3, lines: [{ "the code": "ok" }, { "the code": "R" }] },
    ],
    schema,
  );
  expect(report).toMatchObject({ resources: { orders: { error: { code: "data/rejected" } } } });
  expect(exitCodeOf(report)).toBe(5);
  expect(await query(file, "select id::int as id from shop.orders")).toEqual([{ id: 1 }]);
  const rejects = await query(
    file,
    "select reason, path, value, record from shop._sluice_rejects order by path",
  );
  expect(rejects).toEqual([
    {
      reason:
        "schema-invalid: the record does not fit the resource's schema (number, expected number, and 1 more)",
      path: "$.id",
      value: '"ROME"',
      record: '{"id":"ROME","lines":5}',
    },
    {
      reason: "schema-invalid: the record does not fit the resource's schema (min_length, expected >=2)",
      path: '$.lines[1]["the code"]',
      value: '"R"',
      record: '{"id":3,"lines":[{"the code":"ok"},{"the code":"R"}]}',
    },
  ]);
  expect(JSON.stringify(report)).not.toContain("ROME");
});

it("max_rejected and the contract's data_type decide what becomes of them", async () => {
  const schema = z.object({ id: z.int() });
  const bad = [{ id: 1 }, { id: "ROME" }];
  const evolve = { tables: "evolve", columns: "evolve" } as const;
  expect((await load(bad, schema, { maxRejected: 0 })).resources["orders"]).toMatchObject({
    status: "failed",
    error: { code: "data/too-many-rejects" },
  });
  const frozen = await load(bad, schema, { contract: { ...evolve, dataType: "freeze" } });
  expect(frozen.resources["orders"]).toMatchObject({ status: "failed", error: { code: "data/contract" } });
  expect(JSON.stringify(frozen)).not.toContain("ROME");
  const discarded = await load(bad, schema, { contract: { ...evolve, dataType: "discard_row" } });
  expect(discarded).toMatchObject({ status: "ok", tables: { orders: { inserted: 1, rejected: 1 } } });
  expect(exitCodeOf(discarded)).toBe(0);
});

it("validators may be async; one that throws fails its resource, and does not quote the record", async () => {
  const slow = z.object({ id: z.int().refine(async (id) => id !== 2) });
  const report = await load([{ id: 1 }, { id: 2 }], slow);
  expect(report).toMatchObject({ tables: { orders: { inserted: 1, rejected: 1 } } });
  const broken = z.object({
    id: z.string().refine((id) => {
      throw new Error(`no ${id}`);
    }),
  });
  const failed = await load([{ id: "ROME" }], broken);
  expect(failed.resources["orders"]).toMatchObject({ status: "failed", error: { code: "schema/failed" } });
  expect(JSON.stringify(failed)).not.toContain("ROME");
});

it("a REST resource is validated after its processing steps, and previewed so", async () => {
  const api = await startFakeApi();
  api.route("/orders", { records: [{ id: 1 }, { id: 2 }] });
  try {
    const source = restApi({
      client: { base_url: api.url },
      resources: [
        {
          name: "orders",
          processing_steps: [{ map: { id: "{{ record.id }}", twice: "{{ record.id * 2 }}" } }],
          schema: v.pipe(
            v.object({ id: v.number(), twice: v.number() }),
            v.transform(({ id, twice }) => ({ id, thrice: id + twice })),
          ),
        },
      ],
    });
    const config = { pipeline: "shop", source, destination: duckdb(file) };
    const shown = await preview(definePipeline(config), "orders");
    expect(Object.keys(shown.rows["orders"]![0]!)).toEqual(["_sluice_id", "_sluice_load_id", "id", "thrice"]);
    expect((await run(config)).status).toBe("ok");
    expect(await query(file, "select id::int as id, thrice::int as t from shop.orders order by 1")).toEqual([
      { id: 1, t: 3 },
      { id: 2, t: 6 },
    ]);
  } finally {
    await api.close();
  }
});

it("in YAML or of another kind it is refused with a word on what it must be", async () => {
  await writeFile(
    join(folder, "shop.yaml"),
    "client: { base_url: 'https://h/' }\nresources: [{ name: a, schema: { type: object } }]\n",
  );
  const { code, stderr } = await sluice(["check", "shop.yaml"], { cwd: folder });
  expect(code).toBe(2);
  expect(stderr).toContain("schema: must be a schema of zod 4, valibot or another library");
  expect(() => defineResource({ name: "a", schema: {} as never, read: () => [] })).toThrow("Standard Schema");
});
