import { beforeEach, describe, expect, it } from "vitest";
import {
  defineResource,
  type Event,
  type Json,
  type Report,
  type ResourceDefinition,
  run,
  SluiceError,
} from "../../src/index.js";
import { type Place, usePlaces } from "./places.js";

const places = usePlaces();
let datasets = 0;

const FIRST: readonly Json[] = [
  { id: 1, name: "Ada", score: 1.5, tags: ["a", "b"] },
  { id: 2, name: "Bob", score: 2.5, tags: ["c"] },
];
const NEXT: readonly Json[] = [{ id: 3, name: "Cyd", score: 3.5, tags: ["d"] }];

describe.each(["duckdb", "postgres"] as const)("tables changed by hand in %s", (kind) => {
  let place: Place;
  let s: string;
  let events: Event[];

  beforeEach(() => {
    datasets += 1;
    s = `d${datasets}`;
    place = places.of[kind](s);
  });

  async function load(
    records: readonly Json[],
    resource: Partial<ResourceDefinition> = {},
    fullRefresh = false,
  ): Promise<Report> {
    events = [];
    const people = defineResource({ name: "people", read: () => [records], ...resource });
    return await run(
      { pipeline: "hand", source: people, destination: place.destination, dataset: s },
      { fullRefresh, onEvent: (event) => void events.push(event) },
    );
  }

  const warnings = () =>
    events.flatMap((event) => (event.type === "warning" ? [`${event.code}: ${event.message}`] : []));
  const ids = async (table = "people", column = "id") =>
    (await place.sql(`select "${column}" as v from ${s}.${table} order by 1`)).map(({ v }) => String(v));
  const state = () => place.sql(`select state from ${s}._sluice_state order by 1`);

  /** The second load is refused, and neither rows nor state have moved. */
  async function refused(resource: Partial<ResourceDefinition> = {}, records = NEXT): Promise<string> {
    const before = await state();
    const report = await load(records, resource);
    expect(report.status).toBe("failed");
    expect(report.resources["people"]?.error).toMatchObject({
      code: "destination/changed",
      kind: "destination",
    });
    expect(await state()).toEqual(before);
    return report.resources["people"]!.error!.message;
  }

  it("a dropped table is made again with its children, and the run says so", async () => {
    await load(FIRST);
    await place.sql(`drop table ${s}.people`);
    expect((await load(NEXT)).status).toBe("ok");
    expect(await ids()).toEqual(["3"]);
    expect(warnings()).toEqual([
      "destination/changed: table people is gone: it is made again, and this run reads the source from the start",
    ]);
    expect(await ids("people__tags", "value")).toEqual(["a", "b", "c", "d"]);
  });

  it("a dropped table of an incremental resource: the warning tells how its old rows come back", async () => {
    const incremental: Partial<ResourceDefinition> = {
      read: (_, io) => [{ records: io.cursor === undefined ? FIRST : NEXT, cursor: { id: 2 } }],
    };
    await load([], incremental);
    await place.sql(`drop table ${s}.people`);
    expect((await load([], incremental)).status).toBe("ok");
    expect(await ids()).toEqual(["3"]);
    expect(warnings()[0]).toMatch(/gets only what is new; for its old rows run with --full-refresh$/);

    await place.sql(`drop table ${s}.people`);
    await load([], incremental, true);
    expect(await ids()).toEqual(["1", "2"]);
  });

  it("a walk that was cut short starts again when the rows of its first part are gone", async () => {
    const read = (fails: boolean): ResourceDefinition["read"] =>
      async function* (from) {
        if (from === undefined) yield { records: FIRST, resume: { page: 2 } };
        if (fails) throw new SluiceError("http/network", "cut");
        yield { records: NEXT };
      };
    await load([], { read: read(true) });
    expect(await ids()).toEqual(["1", "2"]);
    await place.sql(`drop table ${s}.people`);
    await load([], { read: read(false) });
    expect(await ids()).toEqual(["1", "2", "3"]);
  });

  it("a table that goes away during a load: the load fails, and the next one starts again", async () => {
    const read = (drops: boolean): ResourceDefinition["read"] =>
      async function* (from) {
        if (from === undefined) yield { records: FIRST, resume: { page: 2 } };
        // The commit is made while the next page is read.
        if (drops) await committed.then(() => place.live(`drop table ${s}.people`));
        yield { records: NEXT };
      };
    let tell: () => void = () => {};
    const committed = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const load = (drops: boolean) =>
      run(
        {
          pipeline: "hand",
          source: defineResource({ name: "people", read: read(drops) }),
          destination: place.destination,
          dataset: s,
          checkpoint: { rows: 1 },
        },
        { onEvent: ({ type }) => (type === "commit" ? tell() : undefined) },
      );
    const report = await load(true);
    expect(report.resources["people"]?.error).toMatchObject({
      code: "destination/changed",
      message: "table people went away while the load was under way",
    });
    expect((await load(false)).status).toBe("ok");
    expect(await ids()).toEqual(["1", "2", "3"]);
  });

  it("a dropped child table is made again, and merge fills it", async () => {
    const merge = { writeDisposition: "merge", primaryKey: ["id"] } as const;
    await load(FIRST, merge);
    await place.sql(`drop table ${s}.people__tags`);
    await load([...FIRST, ...NEXT], merge);
    expect(await ids("people__tags", "value")).toEqual(["a", "b", "c", "d"]);
    expect(warnings()[0]).toContain("table people__tags is gone: it is made again");
  });

  it("a renamed table counts as dropped; the renamed one is left alone", async () => {
    await load(FIRST);
    await place.sql(`alter table ${s}.people rename to old_people`);
    await load(NEXT);
    expect(await ids()).toEqual(["3"]);
    expect(await ids("old_people")).toEqual(["1", "2"]);
  });

  it("a dropped column is added again", async () => {
    await load(FIRST);
    await place.sql(`alter table ${s}.people drop column score`);
    expect((await load(NEXT)).status).toBe("ok");
    expect(await ids("people", "score")).toEqual(["3.5", "null", "null"]);
    expect(warnings()).toEqual([
      "destination/changed: column score of table people is gone: it is added again, and rows that are there have no value in it",
    ]);
  });

  it("a dropped key column is refused, but not where all rows are replaced", async () => {
    const merge = { writeDisposition: "merge", primaryKey: ["id"] } as const;
    await load(FIRST, merge);
    await place.sql(`alter table ${s}.people drop column id`);
    expect(await refused(merge)).toBe(
      "column id of table people is gone: the rows that are there can't be found without it",
    );
    const replace = { writeDisposition: "replace", primaryKey: ["id"] } as const;
    expect((await load(NEXT, replace)).status).toBe("ok");
    expect(await ids()).toEqual(["3"]);
  });

  it("a dropped system column of the rows is refused", async () => {
    await load(FIRST);
    await place.sql(`alter table ${s}.people__tags drop column _sluice_parent_id`);
    expect(await refused()).toContain("column _sluice_parent_id of table people__tags is gone");
  });

  it("a dropped column of versions is refused, until the resource no longer keeps versions", async () => {
    const versions = {
      writeDisposition: "merge",
      primaryKey: ["id"],
      merge: { strategy: "scd2" },
    } as const;
    await load(FIRST, versions);
    await place.sql(`alter table ${s}.people drop column _sluice_valid_to`);
    expect(await refused(versions)).toContain("column _sluice_valid_to of table people is gone");
    expect((await load(NEXT, { writeDisposition: "merge", primaryKey: ["id"] })).status).toBe("ok");
    expect(await ids()).toEqual(["1", "2", "3"]);
  });

  it("a narrower type becomes again what it was", async () => {
    await load(FIRST);
    await place.sql(`alter table ${s}.people alter column id type integer`);
    expect((await load([{ id: 9_000_000_000, name: "x" }])).status).toBe("ok");
    expect(await ids()).toContain("9000000000");
    expect(warnings()).toEqual([
      `destination/changed: column id of table people was made ${kind === "duckdb" ? "INTEGER" : "integer"}: it becomes bigint again`,
    ]);
    await load(NEXT);
    expect(warnings()).toEqual([]);
  });

  it("a column made text is taken as text, once and for all", async () => {
    const merge = { writeDisposition: "merge", primaryKey: ["id"] } as const;
    await load(FIRST, merge);
    await place.sql(`alter table ${s}.people alter column id type varchar`);
    expect((await load([{ id: 2, name: "Bob 2" }, ...NEXT], merge)).status).toBe("ok");
    expect(await ids()).toEqual(["1", "2", "3"]);
    expect(await ids("people", "name")).toEqual(["Ada", "Bob 2", "Cyd"]);
    expect(warnings()[0]).toContain("its values are stored as such from now on");
    await load(NEXT, merge);
    expect(warnings()).toEqual([]);
  });

  it("a type that can't hold the values is refused by name", async () => {
    await load(FIRST);
    const using = kind === "duckdb" ? "" : " using score::bigint";
    await place.sql(`alter table ${s}.people drop column name`);
    await place.sql(`alter table ${s}.people add column name date`);
    expect(await refused()).toBe(
      "column name of table people was changed by hand: there is date, and expected is text",
    );
    await place.sql(`alter table ${s}.people drop column name`);
    await place.sql(`alter table ${s}.people alter column score type bigint${using}`);
    expect((await load(NEXT)).status).toBe("ok");
    expect(await ids("people", "score")).toContain("3.5");
  });

  it("NOT NULL added by hand does no harm until a null arrives, which is refused", async () => {
    await load(FIRST);
    await place.sql(`alter table ${s}.people alter column name set not null`);
    expect((await load(NEXT)).status).toBe("ok");
    expect(await refused({}, [{ id: 4, name: null }])).toContain(
      "column name of table people was changed by hand: it takes no null any more",
    );
    expect(await ids()).toEqual(["1", "2", "3"]);
  });

  it("extra columns stay, unless a row can't do without them", async () => {
    await load(FIRST);
    await place.sql(`alter table ${s}.people add column note varchar`);
    await place.sql(`alter table ${s}.people add column seen integer default 7`);
    expect((await load(NEXT)).status).toBe("ok");
    expect(warnings()).toEqual([]);
    await place.sql(`update ${s}.people set note = 'x'`);
    await place.sql(`alter table ${s}.people alter column note set not null`);
    expect(await refused()).toBe(
      "column note of table people was changed by hand: there is text that takes no null and has no default, and expected is no such column",
    );
  });

  it("a view in the place of a table is refused", async () => {
    await load(FIRST);
    await place.sql(`alter table ${s}.people rename to people_table`);
    await place.sql(`create view ${s}.people as select * from ${s}.people_table`);
    expect(await refused()).toBe("people was changed by hand: there is a view, and expected is a table");
  });

  it("a table of another origin keeps its columns, and the run says that it was there", async () => {
    await place.sql(`create schema ${s}`);
    await place.sql(`create table ${s}.people (id bigint primary key, name varchar not null, own date)`);
    const report = await load(FIRST);
    expect(report.resources["people"]).toMatchObject({ status: "ok" });
    expect(warnings()[0]).toMatch(/^destination\/table-found: table people was there before/);
    expect(await ids()).toEqual(["1", "2"]);
    expect(await ids("people", "name")).toEqual(["Ada", "Bob"]);
  });

  it("_sluice_state dropped: refused, and --full-refresh starts again", async () => {
    await load(FIRST);
    await place.sql(`drop table ${s}._sluice_state`);
    const report = await load(NEXT);
    expect(report.error).toMatchObject({ code: "destination/changed" });
    expect(report.error?.message).toContain("_sluice_state is gone");
    expect(await ids()).toEqual(["1", "2"]);

    expect((await load(NEXT, {}, true)).status).toBe("ok");
    expect(warnings()[0]).toContain("_sluice_state (where each resource stands");
    expect(await ids()).toEqual(["1", "2", "3"]);
    expect((await load([])).status).toBe("ok");
  });

  it("_sluice_loads, _sluice_schema and _sluice_rejects dropped: made again, with a warning", async () => {
    await load(FIRST);
    await place.sql(`drop table ${s}._sluice_loads`);
    await place.sql(`drop table ${s}._sluice_rejects`);
    expect((await load(NEXT)).status).toBe("ok");
    expect(warnings()).toEqual([
      "destination/changed: system tables were dropped, and are made again: _sluice_loads (the history of loads), _sluice_rejects (records that were set aside)",
    ]);
    await place.sql(`drop table ${s}._sluice_schema`);
    expect((await load([{ id: 4, name: 7, tags: ["e"] }])).status).toBe("ok");
    expect(warnings()[0]).toContain("_sluice_schema (which key fills which column: now by their names)");
    expect(await ids()).toEqual(["1", "2", "3", "4"]);
    expect(await ids("people", "name")).toContain("7");
    await load(NEXT);
    expect(warnings()).toEqual([]);
  });

  it("a system table without a column gets it again, unless it is nothing without it", async () => {
    await load(FIRST);
    await place.sql(`alter table ${s}._sluice_loads drop column rows`);
    expect((await load(NEXT)).status).toBe("ok");
    expect(await ids("_sluice_loads", "rows")).toEqual(["1", "null"]);
    await place.sql(`alter table ${s}._sluice_state drop column state`);
    const report = await load(NEXT);
    expect(report.error).toMatchObject({
      code: "destination/changed",
      message: "the system table _sluice_state was changed by hand: its column state is missing",
    });
    expect(await ids()).toEqual(["1", "2", "3"]);
  });

  it("a whole dataset that was dropped is made again", async () => {
    await load(FIRST);
    await place.sql(`drop schema ${s} cascade`);
    expect((await load(FIRST)).status).toBe("ok");
    expect(await ids()).toEqual(["1", "2"]);
  });
});
