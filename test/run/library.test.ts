import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  check,
  definePipeline,
  defineResource,
  duckdb,
  type Event,
  exitCodeOf,
  type PipelineConfig,
  preview,
  type Resource,
  readState,
  resetState,
  restApi,
  run,
  SluiceError,
  type YieldedPage,
} from "../../src/index.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { query } from "./database.js";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-library-"));
  file = join(folder, "own.duckdb");
});
afterEach(() => rm(folder, { recursive: true }));

function own(name: string, pages: readonly YieldedPage[], rest: object = {}): PipelineConfig {
  return {
    pipeline: "own",
    source: defineResource({ name, ...rest, read: () => pages }),
    destination: duckdb(file),
  };
}

describe("a user's generator", () => {
  it("is a resource like any other: typed, with child tables", async () => {
    const report = await run({
      pipeline: "own",
      source: defineResource({
        name: "Temperatures",
        primaryKey: ["at"],
        writeDisposition: "merge",
        async *read() {
          yield [{ at: "2026-01-01T00:00:00+01:00", celsius: 3.5, tags: ["cold", "dry"] }];
          yield [{ at: "2026-01-02T00:00:00Z", celsius: -1, big: 9007199254740993n, tags: [] }];
        },
      }),
      destination: duckdb(file),
    });
    expect(report).toMatchObject({
      status: "ok",
      tables: { temperatures: { inserted: 2 }, temperatures__tags: { inserted: 2 } },
    });
    expect(
      await query(file, 'select epoch_ms("at")::bigint as ms, celsius, big from own.temperatures order by 1'),
    ).toEqual([
      { ms: String(Date.parse("2025-12-31T23:00:00Z")), celsius: 3.5, big: null },
      { ms: String(Date.parse("2026-01-02T00:00:00Z")), celsius: -1, big: "9007199254740993" },
    ]);
  });

  it("that throws fails alone", async () => {
    const report = await run({
      pipeline: "own",
      source: [
        defineResource({ name: "good", read: () => [[{ a: 1 }]] }),
        defineResource({
          name: "bad",
          read: () => ({
            [Symbol.asyncIterator]: () => ({
              next: () => Promise.reject(new Error("the disk of the scanner is full")),
            }),
          }),
        }),
      ],
      destination: duckdb(file),
    });
    expect(report).toMatchObject({
      status: "partial",
      resources: { good: { status: "ok", rows: 1 }, bad: { status: "failed" } },
    });
    expect(report.resources["bad"]?.error?.message).toContain("the disk of the scanner is full");
  });

  it("resumes after the last committed page if it says how", async () => {
    const seen: unknown[] = [];
    const source = (fail: boolean) =>
      defineResource({
        name: "numbers",
        async *read(from) {
          seen.push(from);
          for (let n = Number(from?.["next"] ?? 0); n < 4; n++) {
            if (fail && n === 2) throw Object.assign(new Error("gone"));
            yield { records: [{ n }], resume: { next: n + 1 } };
          }
        },
      });
    const config = (fail: boolean): PipelineConfig => ({
      pipeline: "own",
      source: source(fail),
      destination: duckdb(file),
      checkpoint: { rows: 1 },
    });
    expect((await run(config(true))).status).toBe("failed");
    expect((await run(config(false))).status).toBe("ok");
    expect(seen).toEqual([undefined, { next: 2 }]);
    expect(await query(file, "select n::int as n from own.numbers order by n")).toEqual(
      [0, 1, 2, 3].map((n) => ({ n })),
    );
  });
});

describe("a cursor", () => {
  const events = (seen: unknown[], rows: readonly number[], disposition: "append" | "replace" = "append") =>
    defineResource({
      name: "events",
      writeDisposition: disposition,
      async *read(_, io) {
        seen.push(io.cursor);
        const after = Number(io.cursor?.["n"] ?? -1);
        for (const n of rows.filter((row) => row > after)) {
          if (n === 13) throw new SluiceError("http/network", "gone");
          yield { records: [{ n }], resume: { n }, cursor: { n } };
        }
      },
    });
  const load = (source: Resource, options: { readonly fullRefresh?: boolean } = {}) =>
    run({ pipeline: "own", source, destination: duckdb(file), checkpoint: { rows: 1 } }, options);

  it("is what the last committed page left, also when the walk broke off after it", async () => {
    const seen: unknown[] = [];
    expect((await load(events(seen, [1, 2, 13]))).status).toBe("failed");
    expect((await load(events(seen, [1, 2, 3]))).status).toBe("ok");
    expect((await load(events(seen, [1, 2, 3]))).status).toBe("ok");
    expect((await load(events(seen, [1, 2, 3]), { fullRefresh: true })).status).toBe("ok");
    expect(seen).toEqual([undefined, { n: 2 }, { n: 3 }, undefined]);
    expect(
      await query(file, "select n::int as n, count(*)::int as times from own.events group by n order by n"),
    ).toEqual([1, 2, 3].map((n) => ({ n, times: 2 })));
  });

  it("is not used where each load replaces the table", async () => {
    const seen: unknown[] = [];
    await load(events(seen, [1, 2], "replace"));
    await load(events(seen, [1, 2, 3], "replace"));
    expect(seen).toEqual([undefined, undefined]);
    expect(await query(file, "select n::int as n from own.events order by n")).toEqual(
      [1, 2, 3].map((n) => ({ n })),
    );
  });
});

describe("events", () => {
  it("can be iterated and awaited at once, and end with the report", async () => {
    const running = run(own("things", [[{ a: 1 }], [{ a: 2 }]]));
    const events: Event[] = [];
    for await (const event of running) events.push(event);
    const report = await running;
    expect(events.map(({ type }) => type)).toEqual([
      "run-started",
      "load-started",
      "resource-started",
      "page",
      "page",
      "schema-change",
      "commit",
      "resource-finished",
      "run-finished",
    ]);
    expect(events.at(-1)).toEqual({ type: "run-finished", report });
  });
});

describe("a load that was cut short", () => {
  const numbers = (name: string, reads: string[]) =>
    defineResource({
      name,
      async *read(from) {
        reads.push(name);
        for (let n = Number(from?.["next"] ?? 0); n < 3; n++)
          yield { records: [{ n }], resume: { next: n + 1 } };
      },
    });
  const pipeline = (reads: string[], ...more: Resource[]): PipelineConfig => ({
    pipeline: "own",
    source: [numbers("first", reads), ...more],
    destination: duckdb(file),
    concurrency: 1,
  });
  const rowsOf = async (table: string) =>
    (await query(file, `select n::int as n from own.${table} order by n`)).map(({ n }) => n);

  it("by a stop goes on under its own id, and reads nothing twice", async () => {
    const reads: string[] = [];
    const stop = new AbortController();
    const config = pipeline(reads, numbers("second", reads));
    const cut = await run(config, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === "page" && event.resource === "second") stop.abort();
      },
    });
    expect(cut.resources).toMatchObject({ first: { status: "ok" }, second: { status: "interrupted" } });
    const rest = await run(config);
    expect(rest).toMatchObject({
      status: "ok",
      load_id: cut.load_id,
      resources: { first: { status: "ok", requests: 0, rows: 0 }, second: { rows: 2 } },
    });
    expect(reads).toEqual(["first", "second", "second"]);
    expect(await rowsOf("first")).toEqual([0, 1, 2]);
    expect(await rowsOf("second")).toEqual([0, 1, 2]);

    const next = await run(config);
    expect(next.load_id).not.toBe(cut.load_id);
    expect(await rowsOf("first")).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it("by a failing source is over: the next run is a new load, in which the failed walk goes on", async () => {
    const reads: string[] = [];
    let fail = true;
    const flaky = defineResource({
      name: "flaky",
      async *read(from) {
        for (let n = Number(from?.["next"] ?? 0); n < 3; n++) {
          if (fail && n === 2) throw new SluiceError("http/network", "gone");
          yield { records: [{ n }], resume: { next: n + 1 } };
        }
      },
    });
    const config = pipeline(reads, flaky);
    const failed = await run(config);
    expect(failed).toMatchObject({ status: "partial", resources: { flaky: { status: "failed", rows: 2 } } });
    fail = false;
    const next = await run(config);
    expect(next.load_id).not.toBe(failed.load_id);
    expect(next.resources).toMatchObject({ first: { rows: 3 }, flaky: { rows: 1 } });
    expect(await rowsOf("flaky")).toEqual([0, 1, 2]);
  });

  it("is not continued by --full-refresh or by a selection that was complete in it", async () => {
    const reads: string[] = [];
    const stop = new AbortController();
    const config = pipeline(reads, numbers("second", reads));
    const cut = await run(config, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === "page" && event.resource === "second") stop.abort();
      },
    });
    expect((await run(config, { select: ["first"] })).load_id).not.toBe(cut.load_id);
    expect(await rowsOf("first")).toEqual([0, 0, 1, 1, 2, 2]);
    expect((await run(config, { fullRefresh: true })).resources["second"]).toMatchObject({ rows: 3 });
  });
});

describe("stopping", () => {
  it("an aborted run commits what it has, says so, and goes on from there", async () => {
    const stop = new AbortController();
    const source = defineResource({
      name: "numbers",
      async *read(from) {
        for (let n = Number(from?.["next"] ?? 0); n < 5; n++)
          yield { records: [{ n }], resume: { next: n + 1 } };
      },
    });
    const config: PipelineConfig = { pipeline: "own", source, destination: duckdb(file) };
    const report = await run(config, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === "page") stop.abort();
      },
    });
    expect(report.resources["numbers"]).toMatchObject({
      status: "interrupted",
      rows: 1,
      error: { code: "run/interrupted" },
    });
    expect(exitCodeOf(report)).toBe(130);
    expect((await run(config)).status).toBe("ok");
    expect(await query(file, "select n::int as n from own.numbers order by n")).toEqual(
      [0, 1, 2, 3, 4].map((n) => ({ n })),
    );
  });
});

describe("write dispositions", () => {
  it("append adds, replace replaces, merge merges by the primary key", async () => {
    const load = (writeDisposition: string, ...records: object[]) =>
      run(
        own(writeDisposition, [records as never], {
          writeDisposition,
          primaryKey: writeDisposition === "merge" ? ["id"] : [],
        }),
      );
    for (const disposition of ["append", "replace", "merge"]) {
      await load(disposition, { id: 1, v: "a", l: [1, 2] }, { id: 2, v: "b", l: [3] });
      await load(disposition, { id: 2, v: "c", l: [] }, { id: 3, v: "d" });
    }
    const ids = async (table: string) =>
      (await query(file, `select id::int as id, v from own."${table}" order by 1, 2`)).map(
        ({ id, v }) => `${String(id)}${String(v)}`,
      );
    expect(await ids("append")).toEqual(["1a", "2b", "2c", "3d"]);
    expect(await ids("replace")).toEqual(["2c", "3d"]);
    expect(await ids("merge")).toEqual(["1a", "2c", "3d"]);
    const items = async (table: string) =>
      (await query(file, `select value::int as v from own."${table}__l" order by 1`)).map(({ v }) => v);
    expect(await items("append")).toEqual([1, 2, 3]);
    expect(await items("replace")).toEqual([]);
    expect(await items("merge")).toEqual([1, 2]);
  });

  it("a failed replace leaves the old rows", async () => {
    await run(own("snapshot", [[{ n: 1 }]], { writeDisposition: "replace" }));
    const failing: PipelineConfig = {
      pipeline: "own",
      source: defineResource({
        name: "snapshot",
        writeDisposition: "replace",
        async *read() {
          yield [{ n: 2 }];
          throw new Error("gone");
        },
      }),
      destination: duckdb(file),
      checkpoint: { rows: 1 },
    };
    expect((await run(failing)).status).toBe("failed");
    expect(await query(file, "select n::int as n from own.snapshot")).toEqual([{ n: 1 }]);
  });
});

describe("a schema that grows", () => {
  it("adds columns, widens types, keeps what is there", async () => {
    await run(own("things", [[{ a: 1, b: "2026-01-01" }]]));
    const report = await run(own("things", [[{ a: 2.5, b: "x", c: true, d: { e: 1 } }]]));
    expect(report.schema_changes).toEqual(
      expect.arrayContaining([
        expect.stringContaining("widen column a"),
        expect.stringContaining("add column c bool"),
        expect.stringContaining("d__e"),
      ]),
    );
    expect(await query(file, "select a, b, c, d__e::int as e from own.things order by a")).toEqual([
      { a: 1, b: "2026-01-01", c: null, e: null },
      { a: 2.5, b: "x", c: true, e: 1 },
    ]);
  });

  it("declared columns exist even when nothing arrives", async () => {
    const columns = [
      { name: "id", dataType: "bigint" },
      { name: "at", dataType: "timestamp" },
    ];
    expect((await run(own("empty", [[]], { columns }))).status).toBe("ok");
    expect(
      await query(
        file,
        "select column_name as name, data_type as type from information_schema.columns where table_name = 'empty' and column_name not like '\\_%' escape '\\' order by 1",
      ),
    ).toEqual([
      { name: "at", type: "TIMESTAMP WITH TIME ZONE" },
      { name: "id", type: "BIGINT" },
    ]);
  });

  it("a table dropped by hand is made again", async () => {
    await run(own("things", [[{ a: 1 }]]));
    await query(file, "drop table own.things");
    expect((await run(own("things", [[{ a: 2 }]]))).status).toBe("ok");
    expect(await query(file, "select a::int as a from own.things")).toEqual([{ a: 2 }]);
  });
});

it("records that break the declared schema are set aside, the others are committed, the exit code is 5", async () => {
  const columns = [{ name: "id", dataType: "bigint", nullable: false }];
  const report = await run(
    own("things", [[{ id: 1 }, { id: null, v: "kept aside" }, { v: "too" }, { id: 4 }]], { columns }),
  );
  expect(report).toMatchObject({ status: "partial", tables: { things: { inserted: 2, rejected: 2 } } });
  expect(exitCodeOf(report)).toBe(5);
  const rejects = await query(
    file,
    "select resource, reason, record from own._sluice_rejects order by record",
  );
  expect(rejects).toEqual([
    {
      resource: "things",
      reason: expect.stringContaining("null-in-not-null"),
      record: '{"id":null,"v":"kept aside"}',
    },
    { resource: "things", reason: expect.stringContaining("null-in-not-null"), record: '{"v":"too"}' },
  ]);
});

describe("one writer", () => {
  it("a second run of the pipeline is refused with exit code 7 while the first is at work", async () => {
    let second: Awaited<ReturnType<typeof run>> | undefined;
    const slow: PipelineConfig = {
      pipeline: "own",
      source: defineResource({
        name: "slow",
        async *read() {
          second = await run(own("other", [[{ a: 1 }]]));
          yield [{ a: 1 }];
        },
      }),
      destination: duckdb(file),
    };
    expect((await run(slow)).status).toBe("ok");
    expect(second).toMatchObject({ status: "failed", error: { code: "destination/locked", kind: "locked" } });
    expect(second !== undefined && exitCodeOf(second)).toBe(7);
    expect((await run(own("other", [[{ a: 1 }]]))).status).toBe("ok");
  });
});

describe("without loading", () => {
  let api: FakeApi;
  beforeEach(async () => {
    api = await startFakeApi();
    api.route("/rows", {
      records: Array.from({ length: 25 }, (_, id) => ({ id, at: "2026-01-01T00:00:00Z" })),
      paging: "link-header",
      pageSize: 10,
      envelope: "items",
    });
  });
  afterEach(() => api.close());

  const pipelineFor = () =>
    definePipeline({
      pipeline: "own",
      source: restApi({
        client: { base_url: api.url, auth: { type: "api_key", api_key: "canary-7711" } },
        resources: [
          { name: "rows", primary_key: "id", endpoint: { data_selector: "items", paginator: "header_link" } },
        ],
      }),
      destination: duckdb(file),
    });

  it("preview shows requests, tables, types and first rows, and writes nothing", async () => {
    const shown = await preview(pipelineFor(), "rows", { pages: 2 });
    expect(shown.requests).toHaveLength(2);
    expect(shown.pages).toEqual([
      expect.objectContaining({ records: 10, next: expect.stringContaining("page=2") }),
      expect.objectContaining({ records: 10 }),
    ]);
    expect(shown.tables[0]?.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(
      expect.arrayContaining(["id bigint", "at timestamp"]),
    );
    expect(shown.rows["rows"]?.[0]).toMatchObject({ id: 0, at: "2026-01-01T00:00:00.000Z" });
    expect(JSON.stringify(shown)).not.toContain("canary");
    await expect(query(file, "select 1 from own.rows")).rejects.toThrow();
  });

  it("check with connect reaches the API and the destination", async () => {
    expect(await check(pipelineFor())).toMatchObject({ ok: true, resources: [{ name: "rows" }] });
    expect(api.requests).toEqual([]);
    expect(await check(pipelineFor(), { connect: true })).toMatchObject({
      ok: true,
      resources: [{ name: "rows", records: 10 }],
      destination: { reached: true },
    });
  });

  it("state can be read and reset", async () => {
    const pipeline = pipelineFor();
    expect(await readState(pipeline)).toBeUndefined();
    await run(pipeline);
    expect((await readState(pipeline))?.resources["rows"]).toMatchObject({ status: "done" });
    await resetState(pipeline, ["rows"]);
    expect((await readState(pipeline))?.resources).toEqual({});
    expect(await query(file, "select count(*)::int as n from own.rows")).toEqual([{ n: 25 }]);
  });
});
