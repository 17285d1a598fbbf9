import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  definePipeline,
  duckdb,
  type Event,
  exitCodeOf,
  type Json,
  type JsonObject,
  type Page,
  type PipelineConfig,
  type Report,
  type Resource,
  type ResourceHints,
  readState,
  resetState,
  run,
  SluiceError,
  systemRuntime,
} from "../../src/index.js";
import { query } from "./database.js";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-whole-"));
  file = join(folder, "own.duckdb");
});
afterEach(() => rm(folder, { recursive: true }));

interface Source {
  readonly records: readonly Json[];
  readonly hints?: Partial<ResourceHints>;
  readonly fingerprint?: string;
  /** The page that can't be had; it ends the walk as the API would. */
  readonly breaksAt?: number;
  readonly error?: SluiceError;
  readonly completeness?: Page["completeness"];
  /** Default: each page says how far it has come. */
  readonly hasCursor?: false;
  /** Told which pages are read. */
  readonly reads?: number[];
}

/** One record a page, each of which can be gone on after. */
function source(given: Source): Resource {
  const { records, hints, fingerprint = "f", breaksAt, error, reads, completeness, hasCursor } = given;
  return {
    name: "t",
    table: "t",
    fingerprint,
    hints: { writeDisposition: "replace", primaryKey: [], columns: [], ...hints },
    async *read(from, io) {
      for (let n = Number(from?.["next"] ?? 0); n < records.length; n++) {
        if (n === breaksAt) throw error ?? new SluiceError("http/network", "gone");
        io.signal.throwIfAborted();
        reads?.push(n);
        const isLast = n === records.length - 1;
        yield {
          records: { kind: "objects", values: [records[n]!] },
          bytes: 0,
          ...(hasCursor === false ? {} : { cursor: { n } }),
          ...(isLast ? { completeness: completeness ?? "proved" } : { resume: { next: n + 1 } }),
        } satisfies Page;
      }
    },
  };
}

interface Options {
  readonly fullRefresh?: boolean;
  readonly stopAt?: number;
  readonly now?: () => number;
  readonly onEvent?: (event: Event) => void;
}

function load(given: Source, { fullRefresh = false, stopAt, now, onEvent }: Options = {}): Promise<Report> {
  const stop = new AbortController();
  let pages = 0;
  const config: PipelineConfig = {
    pipeline: "own",
    source: source(given),
    destination: duckdb(file),
    checkpoint: { rows: 2 },
  };
  const running = run(config, {
    fullRefresh,
    signal: stop.signal,
    ...(now === undefined ? {} : { runtime: { ...systemRuntime, now } }),
    onEvent(event) {
      onEvent?.(event);
      if (event.type !== "page") return;
      pages += 1;
      if (pages === stopAt) stop.abort();
    },
  });
  return Promise.resolve(running);
}

const ids = async () =>
  (await query(file, "select id::int as id from own.t order by 1")).map(({ id }) => id as number);
const parts = async () =>
  (
    await query(
      file,
      "select table_name as name from information_schema.tables where table_name like '\\_sluice\\_part%' escape '\\'",
    )
  ).length;
const state = async () => (await readState(pipelineOf()))?.resources["t"];
const pipelineOf = () =>
  definePipeline({ pipeline: "own", source: source({ records: [] }), destination: duckdb(file) });

const upTo = (count: number, more: JsonObject = {}): Json[] =>
  Array.from({ length: count }, (_, n) => ({ id: n + 1, tags: [`t${n}`], ...more }));

describe("a replace that was stopped", () => {
  it("leaves the old rows, goes on after the last page, and shows everything at once", async () => {
    await load({ records: [{ id: 100, tags: ["old"] }] });
    const reads: number[] = [];
    const cut = await load({ records: upTo(7), reads }, { stopAt: 5 });
    expect(cut.resources["t"]).toMatchObject({ status: "interrupted", rows: 5 });
    expect(cut.tables["t"]).toMatchObject({ inserted: 0 });
    expect([await ids(), await parts()]).toEqual([[100], 2]);
    expect(await state()).toMatchObject({ status: "running", position: { next: 5 }, cursor: { n: 0 } });

    const rest = await load({ records: upTo(7), reads });
    expect(rest).toMatchObject({ status: "ok", load_id: cut.load_id });
    expect(rest.tables["t"]).toMatchObject({ inserted: 7, deleted: 1 });
    expect(reads).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([await ids(), await parts()]).toEqual([[1, 2, 3, 4, 5, 6, 7], 0]);
    const done = await state();
    expect(done).toMatchObject({ status: "done", cursor: { n: 6 } });
    expect(done).not.toHaveProperty("held");
    expect(await query(file, "select count(*)::int as n from own.t__tags")).toEqual([{ n: 7 }]);
    expect(
      await query(
        file,
        `select status, rows::int as rows from own._sluice_loads where load_id = '${rest.load_id}' order by package`,
      ),
    ).toEqual([
      { status: "staged", rows: 0 },
      { status: "staged", rows: 0 },
      { status: "staged", rows: 0 },
      { status: "committed", rows: 7 },
    ]);
  });

  it("has no table before it is complete, and makes it as all of its records want it", async () => {
    const records = [{ id: 1 }, { id: 2, v: 1 }, { id: 3 }, { id: 4, v: 1.5 }, { id: 5, w: "x" }];
    await load({ records }, { stopAt: 3 });
    expect((await readState(pipelineOf()))?.tables).toEqual([]);
    await expect(ids()).rejects.toThrow("does not exist");
    const report = await load({ records });
    expect(report.schema_changes).toEqual(["t: create table with 5 columns"]);
    expect(await query(file, "select id::int as id, v, w from own.t order by id")).toEqual([
      { id: 1, v: null, w: null },
      { id: 2, v: 1, w: null },
      { id: 3, v: null, w: null },
      { id: 4, v: 1.5, w: null },
      { id: 5, v: null, w: "x" },
    ]);
  });

  it.each([
    ["a configuration that has changed", { fingerprint: "other" }, {}],
    ["--full-refresh", {}, { fullRefresh: true }],
    ["another write disposition", { hints: { writeDisposition: "append" } }, {}],
  ] satisfies [string, Partial<Source>, Options][])(
    "starts again for %s",
    async (_name, changed, options) => {
      await load({ records: [{ id: 100 }] });
      await load({ records: upTo(7) }, { stopAt: 5 });
      const reads: number[] = [];
      const report = await load({ records: upTo(4), reads, ...changed }, options);
      expect([report.status, reads]).toEqual(["ok", [0, 1, 2, 3]]);
      const old = "hints" in changed ? [100] : [];
      expect([await ids(), await parts()]).toEqual([[1, 2, 3, 4, ...old], 0]);
    },
  );

  it("starts again after a reset of its state, which leaves nothing of it", async () => {
    await load({ records: upTo(7) }, { stopAt: 5 });
    await resetState(pipelineOf(), ["t"]);
    expect(await parts()).toBe(0);
    await load({ records: upTo(3) });
    expect(await ids()).toEqual([1, 2, 3]);
  });

  it("fails rather than lose rows if what was kept was removed by hand", async () => {
    await load({ records: [{ id: 100 }] });
    await load({ records: upTo(7) }, { stopAt: 5 });
    await query(file, "delete from own._sluice_state where resource like '@parts/%'");
    const failed = await load({ records: upTo(7) });
    expect(failed.resources["t"]?.error?.message).toContain("rows of a walk that was cut short are gone");
    expect(await ids()).toEqual([100]);
    expect((await load({ records: upTo(7) }, { fullRefresh: true })).status).toBe("ok");
    expect(await ids()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("in the middle of a changed walk never mixes it with the one before", async () => {
    await load({ records: upTo(7) }, { stopAt: 5 });
    await load({ records: upTo(7), fingerprint: "other" }, { stopAt: 3 });
    await load({ records: upTo(4), fingerprint: "other" });
    expect([await ids(), await parts()]).toEqual([[1, 2, 3, 4], 0]);
  });
});

describe("a replace that the API broke off", () => {
  it("goes on in the next load", async () => {
    await load({ records: [{ id: 100 }] });
    const reads: number[] = [];
    const failed = await load({ records: upTo(7), breaksAt: 3, reads });
    expect(failed.resources["t"]).toMatchObject({ status: "failed", rows: 3 });
    expect(await state()).toMatchObject({ status: "failed", position: { next: 3 } });
    expect(await ids()).toEqual([100]);
    // Nothing more came: what is kept stays.
    await load({ records: upTo(7), breaksAt: 3, reads });
    expect((await load({ records: upTo(7), reads })).status).toBe("ok");
    expect(reads).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([await ids(), await parts()]).toEqual([[1, 2, 3, 4, 5, 6, 7], 0]);
  });

  it("starts again where the end was no end: what is missing may be anywhere", async () => {
    await load({ records: [{ id: 100 }] });
    const short = await load({ records: upTo(5), completeness: "short" });
    expect(short.resources["t"]?.error?.code).toBe("paginator/short");
    expect([await ids(), await parts()]).toEqual([[100], 0]);
    const reads: number[] = [];
    await load({ records: upTo(5), reads });
    expect(reads).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("a merge that speaks of all rows", () => {
  it("takes the last of repeated keys, whenever its run began", async () => {
    const merge = { writeDisposition: "merge", primaryKey: ["id"], merge: { mergeKey: ["day"] } } as const;
    const records = Array.from({ length: 40 }, (_, n) => ({ id: 1, day: "mon", n }));
    // Every run begins in the same second, so that nothing but the walk itself tells what came later.
    for (let pages = 0; pages < 36; pages += 3)
      await load({ records, hints: merge }, { stopAt: 3, now: () => 1_700_000_000_000 });
    await load({ records, hints: merge }, { now: () => 1_700_000_000_000 });
    expect(await query(file, "select n::int as n from own.t")).toEqual([{ n: 39 }]);
  });

  it("begins all versions of a walk at one time, also when it goes on in another load", async () => {
    const hints = { writeDisposition: "merge", primaryKey: ["id"], merge: { strategy: "scd2" } } as const;
    const at = (n: number) => ({ now: () => Date.UTC(2026, 0, n) });
    await load({ records: upTo(4, { v: "old" }), hints }, at(1));
    await load({ records: upTo(4, { v: "new" }), hints, breaksAt: 3 }, at(2));
    await load({ records: upTo(4, { v: "new" }), hints }, at(3));
    expect(
      await query(
        file,
        "select v, _sluice_valid_from::date::text as since, _sluice_valid_to::date::text as until, count(*)::int as n from own.t group by all order by 1",
      ),
    ).toEqual([
      { v: "new", since: "2026-01-02", until: null, n: 4 },
      { v: "old", since: "2026-01-01", until: "2026-01-02", n: 4 },
    ]);
  });

  it("keeps the cursor where it was until the rows are in sight", async () => {
    const hints = { writeDisposition: "merge", merge: { mergeKey: ["id"] } } as const;
    await load({ records: upTo(2), hints });
    await load({ records: upTo(7), hints }, { stopAt: 5 });
    expect(await state()).toMatchObject({ cursor: { n: 1 }, held: { cursor: { n: 4 } } });
    await load({ records: upTo(7), hints, fingerprint: "other", breaksAt: 0 });
    expect((await state())?.cursor).toEqual({ n: 1 });
  });

  it("deletes nothing if a record was set aside before it was stopped", async () => {
    const hints: Partial<ResourceHints> = {
      writeDisposition: "merge",
      primaryKey: ["id"],
      merge: { deleteMissing: "hard" },
    };
    const snapshot = { hints, hasCursor: false } as const;
    await load({ records: upTo(3), ...snapshot });
    const records = [{ id: 1 }, { id: null }, { id: 4 }, { id: 5 }, { id: 6 }];
    const warnings: string[] = [];
    await load({ records, ...snapshot }, { stopAt: 3 });
    expect(await state()).toMatchObject({ rejects: { all: 1, discarded: 0 } });
    const report = await load(
      { records, ...snapshot },
      { onEvent: (event) => event.type === "warning" && warnings.push(event.message) },
    );
    expect(await ids()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(warnings).toEqual([expect.stringContaining("records were set aside")]);
    // The run that set it aside could not say so at its end.
    expect(report.resources["t"]?.error?.message).toContain("1 record was set aside");
    expect(exitCodeOf(report)).toBe(5);
    expect((await state())?.rejects).toBeUndefined();
    await load({ records: upTo(5), ...snapshot }, { stopAt: 3 });
    await load({ records: upTo(5), ...snapshot });
    expect(await ids()).toEqual([1, 2, 3, 4, 5]);
  });

  it("counts what is set aside through its runs", async () => {
    const hints: Partial<ResourceHints> = { primaryKey: ["id"], maxRejected: 1 };
    const records = [{ id: null }, { id: 1 }, { id: 2 }, { id: null }, { id: 3 }];
    await load({ records, hints }, { stopAt: 3 });
    const report = await load({ records, hints });
    expect(report.resources["t"]?.error?.code).toBe("data/too-many-rejects");
    expect((await load({ records, hints: { primaryKey: ["id"] } })).tables["t"]).toMatchObject({
      inserted: 3,
    });
  });
});
