import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  definePipeline,
  defineResource,
  duckdb,
  type PipelineConfig,
  type ResourceConfig,
  restApi,
  run,
  systemRuntime,
} from "../../src/index.js";
import { query } from "./database.js";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-dispositions-"));
  file = join(folder, "own.duckdb");
});
afterEach(() => rm(folder, { recursive: true }));

const pipeline = (resource: Omit<ResourceConfig, "name">): PipelineConfig => ({
  pipeline: "own",
  source: restApi({ client: { base_url: "http://127.0.0.1:1/" }, resources: [{ name: "t", ...resource }] }),
  destination: duckdb(file),
});
const rows = () => query(file, "select id::int as id, v from own.t order by 1, 2");

it("merges by merge_key, whose keys pass through naming and must be there", async () => {
  const load = (...records: object[]) =>
    run(pipeline({ records, write_disposition: "merge", merge_key: ["DayOf"] }));
  await load(
    { id: 1, DayOf: "mon", v: "a" },
    { id: 2, DayOf: "mon", v: "b" },
    { id: 3, DayOf: "tue", v: "c" },
  );
  const report = await load({ id: 4, DayOf: "mon", v: "d" }, { id: 5, DayOf: null, v: "e" });
  expect(report.tables["t"]).toMatchObject({ inserted: 1, deleted: 2, rejected: 1 });
  expect(await rows()).toEqual([
    { id: 3, v: "c" },
    { id: 4, v: "d" },
  ]);
});

it("goes by dedup_sort and hard_delete of declared columns", async () => {
  const load = (...records: object[]) =>
    run(
      pipeline({
        records,
        primary_key: "id",
        write_disposition: { disposition: "merge", strategy: "upsert" },
        columns: { Lsn: { dedup_sort: "desc" }, Deleted: { hard_delete: true, data_type: "bool" } },
      }),
    );
  await load({ id: 1, v: "new", Lsn: 5 }, { id: 1, v: "old", Lsn: 4 }, { id: 2, v: "b", Lsn: 1 });
  expect(await rows()).toEqual([
    { id: 1, v: "new" },
    { id: 2, v: "b" },
  ]);
  const records = [
    { id: 2, v: "b", Lsn: 3, Deleted: true },
    { id: 2, v: "b", Lsn: 2 },
    { id: 7, v: "x", Lsn: 1, Deleted: true },
  ];
  expect((await load(...records)).tables["t"]).toMatchObject({ inserted: 0, updated: 0, deleted: 1 });
  expect(await rows()).toEqual([{ id: 1, v: "new" }]);
});

it("deletes what a complete walk no longer brings, and nothing when a record was set aside", async () => {
  const load = (...records: object[]) =>
    run(
      pipeline({
        records,
        primary_key: "id",
        write_disposition: { disposition: "merge", delete_missing: "hard" },
      }),
    );
  await load({ id: 1, v: "a" }, { id: 2, v: "b" });
  await load({ id: 1, v: "a2" }, { id: null, v: "b2" });
  expect(await rows()).toEqual([
    { id: 1, v: "a2" },
    { id: 2, v: "b" },
  ]);
  await load({ id: 1, v: "a3" });
  expect(await rows()).toEqual([{ id: 1, v: "a3" }]);
});

it("marks what a complete walk no longer brings, from the first load on, and takes the mark away again", async () => {
  const load = (...records: object[]) =>
    run(
      pipeline({
        records,
        primary_key: "id",
        write_disposition: { disposition: "merge", delete_missing: "soft" },
      }),
    );
  const marked = () => query(file, "select id::int as id from own.t where _sluice_deleted_at is not null");
  await load({ id: 1, v: "a" }, { id: 2, v: "b" });
  expect(await marked()).toEqual([]);
  expect((await load({ id: 1, v: "a" })).tables["t"]).toMatchObject({ updated: 1, deleted: 1 });
  expect(await marked()).toEqual([{ id: 2 }]);
  await load({ id: 2, v: "b2" }, { id: null });
  expect(await marked()).toEqual([]);
  expect(await rows()).toEqual([
    { id: 1, v: "a" },
    { id: 2, v: "b2" },
  ]);
});

it("deletes nothing when it is not known whether the walk was complete, and says so", async () => {
  const warnings: string[] = [];
  const load = (...records: { id: number; v: string }[]) =>
    run(
      {
        pipeline: "own",
        source: defineResource({
          name: "t",
          primaryKey: ["id"],
          writeDisposition: "merge",
          merge: { deleteMissing: "hard" },
          read: () => [records],
        }),
        destination: duckdb(file),
      },
      { onEvent: (event) => event.type === "warning" && warnings.push(event.code) },
    );
  await load({ id: 1, v: "a" }, { id: 2, v: "b" });
  await load({ id: 1, v: "c" });
  expect(await rows()).toHaveLength(2);
  expect(warnings).toContain("data/not-deleted");
});

it("keeps versions with strategy scd2, and ends what a complete walk no longer brings", async () => {
  const load = (day: number, ...records: object[]) =>
    run(
      pipeline({
        records,
        primary_key: "Id",
        write_disposition: {
          disposition: "merge",
          strategy: "scd2",
          boundary_timestamp: `2026-01-0${day}T00:00:00+01:00`,
        },
      }),
    );
  const history = () =>
    query(
      file,
      `select id::int as id, v, strftime(_sluice_valid_from, '%d') as a, strftime(_sluice_valid_to, '%d') as b
       from own.t order by id, a`,
    );
  await load(2, { Id: 1, v: "a", list: [1] }, { Id: 2, v: "b" });
  const report = await load(3, { Id: 1, list: [1], v: "a", more: null }, { Id: 3, v: "c" });
  expect(report.tables).toMatchObject({
    t: { inserted: 1, updated: 0, deleted: 1 },
    t__list: { inserted: 0, deleted: 0 },
  });
  await load(4, { Id: 1, v: "a", list: [2] }, { Id: 2, v: "b" }, { Id: 3, v: "c" });
  expect(await history()).toEqual([
    { id: 1, v: "a", a: "01", b: "03" },
    { id: 1, v: "a", a: "03", b: null },
    { id: 2, v: "b", a: "01", b: "02" },
    { id: 2, v: "b", a: "03", b: null },
    { id: 3, v: "c", a: "02", b: null },
  ]);
  expect(await load(1, { Id: 1, v: "z" })).toMatchObject({
    status: "failed",
    resources: { t: { error: { code: "data/history" } } },
  });
  const other = await run(pipeline({ records: [{ Id: 1 }], primary_key: "Id", write_disposition: "merge" }));
  expect(other.resources["t"]?.error?.code).toBe("data/history");
  expect(await history()).toHaveLength(5);
});

it("begins versions when the load began, also where it is continued later", async () => {
  let now = Date.UTC(2026, 0, 1);
  const stop = new AbortController();
  const resources = (broken: boolean) => [
    defineResource({ name: "first", read: () => [[{ id: 1 }]] }),
    defineResource({
      name: "t",
      primaryKey: ["id"],
      writeDisposition: "merge",
      merge: { strategy: "scd2" },
      *read() {
        if (broken) stop.abort();
        yield [{ id: 1, v: "a" }];
      },
    }),
  ];
  const runtime = { ...systemRuntime, now: () => now };
  const load = (broken: boolean, signal: AbortSignal) =>
    run(
      { pipeline: "own", concurrency: 1, source: resources(broken), destination: duckdb(file) },
      { runtime, signal },
    );
  expect((await load(true, stop.signal)).resources["t"]?.status).toBe("interrupted");
  now += 3_600_000;
  expect((await load(false, new AbortController().signal)).status).toBe("ok");
  const began = () => query(file, "select v, _sluice_valid_from::varchar as a from own.t");
  expect(await began()).toEqual([{ v: "a", a: "2026-01-01 00:00:00+00" }]);
});

it.each([
  [{ write_disposition: { disposition: "append", strategy: "upsert" } }, /for merge, not for append/],
  [{ write_disposition: { disposition: "merge", strategy: "upsert" } }, /upsert can't do without/],
  [
    { primary_key: "id", merge_key: "d", write_disposition: { disposition: "merge", strategy: "upsert" } },
    /goes by primary_key alone/,
  ],
  [
    {
      primary_key: "id",
      write_disposition: "merge",
      columns: { a: { hard_delete: true }, b: { hard_delete: true } },
    },
    /only one column can have hard_delete/,
  ],
  [
    {
      primary_key: "id",
      write_disposition: { disposition: "merge", strategy: "insert-only", delete_missing: "hard" },
    },
    /insert-only never removes/,
  ],
  [
    {
      primary_key: "id",
      write_disposition: { disposition: "merge", strategy: "scd2", delete_missing: "hard" },
    },
    /scd2 ends rows that a complete walk does not bring/,
  ],
  [
    {
      primary_key: "id",
      write_disposition: { disposition: "merge", boundary_timestamp: "2026-01-01T00:00:00Z" },
    },
    /boundary_timestamp is for strategy scd2/,
  ],
  [
    { primary_key: "id", write_disposition: "merge", columns: { id: { nullable: true } } },
    /a part of the primary key that may be null needs a data_type/,
  ],
  [
    { write_disposition: { disposition: "merge", strategy: "scd2", boundary_timestamp: "2026-01-01" } },
    /expected a date and time with a time zone/,
  ],
  [
    {
      write_disposition: {
        disposition: "merge",
        strategy: "scd2",
        row_version_column_name: "v",
      } as unknown as ResourceConfig["write_disposition"] & object,
    },
    /versions are told apart by the content/,
  ],
] satisfies [Omit<ResourceConfig, "name">, RegExp][])("refuses %j", (resource, message) => {
  expect(() => definePipeline(pipeline({ records: [], ...resource }))).toThrow(message);
});
