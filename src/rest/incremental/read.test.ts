import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json, JsonObject } from "../../model/json.js";
import { memoryNotes } from "../../model/notes.js";
import { Redactor } from "../../model/secret.js";
import type { Io, Page } from "../../model/source.js";
import type { Position } from "../../model/state.js";
import { expandResource } from "../defaults.js";
import { Findings } from "../finding.js";
import type { Incremental } from "./incremental.js";
import type { IncrementalOptions } from "./options.js";
import { planIncremental } from "./plan.js";
import { readIncremental, usableCursor } from "./read.js";

type Options = Partial<IncrementalOptions>;

function planned(options: Options, disposition: "append" | "merge" = "merge"): Incremental {
  const findings = new Findings();
  const entry = {
    name: "orders",
    write_disposition: disposition,
    endpoint: { incremental: { cursor_path: "at", start_param: "since", end_param: "until", ...options } },
  };
  const env = {
    variables: {},
    variable: () => ({ tried: [] }),
    secret: () => ({ tried: [] }),
    conceal: () => {},
    redactor: new Redactor(),
    userAgent: "test",
  };
  const { incremental } = planIncremental(expandResource(entry, undefined), env, [], findings);
  expect(findings.all).toEqual([]);
  if (incremental === undefined) throw new Error("not planned");
  return incremental;
}

type Bound = string | number | null;

interface Order extends JsonObject {
  readonly id: number;
  readonly at: number | string;
}

/** What an API has, how it is paged, and what it was asked. */
interface Api {
  records: readonly Order[];
  readonly pageSize: number;
  /** An API may ignore the bounds, or understand both as inclusive. */
  readonly filters: boolean;
  now: number;
  readonly asked: { readonly since: Bound; readonly until: Bound }[];
  readonly warnings: string[];
  pages: number;
}

const api = (records: readonly Order[], more: Partial<Api> = {}): Api => ({
  records,
  pageSize: 2,
  filters: true,
  now: Date.parse("2026-03-15T12:00:00Z"),
  asked: [],
  warnings: [],
  pages: 0,
  ...more,
});

/** What a destination holds. Like a lane, it commits rows, position and cursor together or not at all. */
interface Store {
  rows: Order[];
  state: string;
}
const empty = (): Store => ({ rows: [], state: "{}" });

class Killed extends Error {}

/** One run: `commits` says after which pages there is a commit, `killAfter` after how many pages the process dies. */
async function load(
  incremental: Incremental,
  source: Api,
  store: Store,
  { commitEvery = Number.POSITIVE_INFINITY, killAfter = Number.POSITIVE_INFINITY } = {},
): Promise<void> {
  const state = JSON.parse(store.state) as { position?: Position; cursor?: JsonObject };
  const io: Io = {
    ...(state.cursor === undefined ? {} : { cursor: state.cursor }),
    notes: memoryNotes(),
    signal: new AbortController().signal,
    runtime: { now: () => source.now, sleep: async () => {}, random: () => 0 },
    emit: (event) => void (event.type === "warning" && source.warnings.push(event.code)),
  };
  let { cursor } = state;
  let staged: Order[] = [];
  const commit = (position: Position | undefined) => {
    store.rows = [...store.rows, ...staged];
    store.state = JSON.stringify({ position, cursor });
    staged = [];
  };
  const pages = readIncremental(
    {
      resource: "orders",
      incremental,
      cursor: usableCursor(incremental, io.cursor, "orders", io),
      maxPages: undefined,
      walk: ({ values, end }, from) => end(walk(source, values, from)),
    },
    state.position,
    io,
  );
  let count = 0;
  let isOver = false;
  for await (const page of pages) {
    count += 1;
    staged.push(...(page.records.values as Order[]));
    cursor = page.cursor ?? cursor;
    if (page.resume !== undefined && count % commitEvery === 0) commit(page.resume);
    if (count >= killAfter) throw new Killed();
    isOver = page.completeness !== undefined;
  }
  expect(isOver).toBe(true);
  commit(undefined);
}

async function* walk(
  source: Api,
  values: JsonObject,
  from: Position | undefined,
): AsyncGenerator<Page, void, undefined> {
  const { start_value: since, end_value: until } = (from === undefined ? values : from["asked"]) as {
    start_value: Bound;
    end_value: Bound;
  };
  if (from === undefined) source.asked.push({ since, until });
  const number = (value: Json) => (typeof value === "string" ? Date.parse(value) : Number(value));
  const found = source.records.filter(
    ({ at }) =>
      !source.filters ||
      ((since === null || number(at) >= number(since)) && (until === null || number(at) <= number(until))),
  );
  for (let offset = Number(from?.["offset"] ?? 0); ; offset += source.pageSize) {
    source.pages += 1;
    const next = offset + source.pageSize;
    const asked = { start_value: since, end_value: until };
    yield {
      records: { kind: "objects", values: found.slice(offset, next) },
      bytes: 1,
      ...(next >= found.length ? { completeness: "likely" } : { resume: { offset: next, asked } }),
    };
    if (next >= found.length) return;
  }
}

/** Runs to the end, as often as it takes. */
async function loadThrough(
  incremental: Incremental,
  source: Api,
  store: Store,
  kills: readonly number[],
): Promise<void> {
  for (const killAfter of kills) {
    try {
      await load(incremental, source, store, { commitEvery: 1 + (killAfter % 2), killAfter });
      return;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }
  await load(incremental, source, store);
}

const text = (rows: readonly Json[]) => rows.map((row) => JSON.stringify(row)).sort();
const day = (n: number) => `2026-01-${String(n).padStart(2, "0")}T00:00:00Z`;
const cursorOf = (store: Store) => (JSON.parse(store.state) as { cursor?: JsonObject }).cursor;

describe("readIncremental", () => {
  const sizes = fc.integer({ min: 1, max: 4 });
  const kills = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
  /** What happens at the API between two runs: records appear or change, each at this far beyond the newest. */
  const changes = fc.array(
    fc.array(fc.record({ id: fc.nat(12), ahead: fc.nat(2), content: fc.nat(2) }), { maxLength: 6 }),
    { minLength: 1, maxLength: 4 },
  );
  const shuffles = fc.integer();
  const orderings = fc.constantFrom<IncrementalOptions["row_order"][]>(undefined, "asc", "desc");

  /** The API after a change: an id that is there is an update. */
  function changed(
    records: readonly Order[],
    change: readonly { id: number; ahead: number; content: number }[],
    back = 0,
  ): Order[] {
    const newest = Math.max(10, ...records.map(({ at }) => Number(at)));
    const byId = new Map(records.map((record) => [record.id, record]));
    for (const { id, ahead, content } of change) {
      byId.set(id, { id, at: Math.max(10, newest + ahead - back), content });
    }
    return [...byId.values()];
  }
  function arranged(
    records: readonly Order[],
    order: IncrementalOptions["row_order"],
    seed: number,
  ): Order[] {
    const rank = ({ id }: Order) => (id * 7919 + seed) % 31;
    const sign = order === "desc" ? -1 : 1;
    return [...records].sort((one, other) =>
      order == null
        ? rank(one) - rank(other)
        : sign * (Number(one.at) - Number(other.at)) || rank(one) - rank(other),
    );
  }

  it("leaves the merged table as one full read would, whatever happens on the way", () =>
    fc.assert(
      fc.asyncProperty(
        changes,
        sizes,
        kills,
        shuffles,
        orderings,
        fc.boolean(),
        async (runs, pageSize, kills, seed, row_order, filters) => {
          const incremental = planned({ row_order, initial_value: 10 });
          const source = api([], { pageSize, filters });
          const store = empty();
          for (const change of runs) {
            source.records = arranged(changed(source.records, change), row_order, seed);
            await loadThrough(incremental, source, store, kills);
            const merged = new Map(store.rows.map((row) => [row.id, row]));
            expect(text([...merged.values()])).toEqual(text(source.records));
          }
          expect(source.warnings).toEqual([]);
        },
      ),
      { numRuns: 120 },
    ));

  it("appends every version of a record once, ties at the boundary included", () =>
    fc.assert(
      fc.asyncProperty(
        changes,
        sizes,
        kills,
        shuffles,
        orderings,
        async (runs, pageSize, kills, seed, row_order) => {
          const incremental = planned({ row_order }, "append");
          const source = api([], { pageSize });
          const store = empty();
          const versions = new Set<string>();
          for (const change of runs) {
            source.records = arranged(changed(source.records, change), row_order, seed);
            for (const record of source.records) versions.add(JSON.stringify(record));
            await loadThrough(incremental, source, store, kills);
            expect(text(store.rows)).toEqual([...versions].sort());
          }
        },
      ),
      { numRuns: 120 },
    ));

  it("finds what comes late, up to the lag", () =>
    fc.assert(
      fc.asyncProperty(
        changes,
        sizes,
        kills,
        shuffles,
        fc.nat(3),
        async (runs, pageSize, kills, seed, back) => {
          const incremental = planned({ initial_value: 10, ...(back === 0 ? {} : { lag: back }) });
          const source = api([], { pageSize });
          const store = empty();
          for (const change of runs) {
            source.records = arranged(changed(source.records, change, back), undefined, seed);
            await loadThrough(incremental, source, store, kills);
            const merged = new Map(store.rows.map((row) => [row.id, row]));
            expect(text([...merged.values()])).toEqual(text(source.records));
          }
        },
      ),
      { numRuns: 100 },
    ));

  it("reads steps as it would read the whole, each record in one of them", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.record({ at: fc.nat(40), hour: fc.nat(3) }), { maxLength: 8 }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.constantFrom<string | number>("P7D", "1d", "PT10H", "P1M", 86_400),
        fc.constantFrom<"open" | "closed">("open", "closed"),
        sizes,
        kills,
        fc.boolean(),
        async (runs, step, range_end, pageSize, kills, filters) => {
          const incremental = planned({ initial_value: "2026-01-01T00:00:00Z", step, range_end }, "append");
          const source = api([], { pageSize, filters });
          const store = empty();
          let from = 0;
          for (const run of runs) {
            const instant = (n: number, hour: number) => Date.UTC(2026, 0, 1 + n, hour * 6);
            const fresh = run.map(({ at, hour }, index): Order => {
              const time = instant(from + at, hour);
              return { id: source.records.length + index, at: new Date(time).toISOString() };
            });
            source.records = [...source.records, ...fresh];
            from = Math.max(from, ...run.map(({ at }) => from + at)) + 1;
            source.now = instant(from, 0);
            await loadThrough(incremental, source, store, kills);
            expect(text(store.rows)).toEqual(text(source.records));
          }
          const asked = source.asked.map(({ since, until }) => `${String(since)}..${String(until)}`);
          expect(asked.every((range) => /^.{19}Z\.\..{19}Z$/.test(range))).toBe(true);
        },
      ),
      { numRuns: 100 },
    ));

  it("goes on with the same bounds after a stop, whatever the clock says by then", async () => {
    const incremental = planned({ initial_value: day(1), step: "P10D" });
    const source = api([], { now: Date.parse(day(25)), pageSize: 1 });
    source.records = [1, 5, 12, 24].map((n) => ({ id: n, at: day(n) }));
    const store = empty();
    await expect(load(incremental, source, store, { commitEvery: 1, killAfter: 2 })).rejects.toThrow(Killed);
    // The first step is complete, and the next run knows without it.
    expect(cursorOf(store)).toMatchObject({ cursor_path: "at", value: day(11) });
    source.now = Date.parse(day(31));
    source.records = [...source.records, { id: 28, at: day(28) }];
    await load(incremental, source, store);
    expect(source.asked).toEqual([
      { since: day(1), until: day(11) },
      { since: day(11), until: day(21) },
      { since: day(21), until: day(25) },
    ]);
    expect(store.rows.map(({ id }) => id)).toEqual([1, 5, 12, 24]);
    await load(incremental, source, store);
    expect(source.asked.at(-1)).toEqual({ since: day(24), until: day(31) });
    expect(store.rows.map(({ id }) => id)).toEqual([1, 5, 12, 24, 28]);
  });

  it.each<[string, Options, number, string[]]>([
    [
      "dates, the end being tomorrow",
      { initial_value: "2026-01-30", step: "P1M" },
      15,
      ["2026-01-30..2026-02-28", "2026-02-28..2026-03-16"],
    ],
    [
      "closed dates, which do not overlap",
      { initial_value: "2026-03-01", step: "P7D", range_end: "closed" },
      15,
      ["2026-03-01..2026-03-07", "2026-03-08..2026-03-14", "2026-03-15..2026-03-15"],
    ],
    ["seconds", { initial_value: 1_773_500_000, step: "1d" }, 15, ["1773500000..1773576000"]],
    [
      "milliseconds",
      { initial_value: 1_773_400_000_000, step: "1d" },
      15,
      ["1773400000000..1773486400000", "1773486400000..1773572800000", "1773572800000..1773576000000"],
    ],
    ["numbers", { initial_value: 1, end_value: 10, step: 4 }, 15, ["1..5", "5..9", "9..10"]],
    [
      "local time",
      { initial_value: "2026-03-15 13:00:00+02:00", step: "6h" },
      15,
      ["2026-03-15 13:00:00+02:00..2026-03-15 14:00:00+02:00"],
    ],
    ["nothing, before the range begins", { initial_value: "2027-01-01", step: "P1M" }, 15, []],
  ])("asks in steps of %s", async (_, options, _date, ranges) => {
    const source = api([]);
    await load(planned(options), source, empty());
    expect(source.asked.map(({ since, until }) => `${String(since)}..${String(until)}`)).toEqual(ranges);
  });

  it("does not move past steps without records, but for the last one", async () => {
    const incremental = planned({ initial_value: "2026-01-01", step: "P1M" });
    const source = api([{ id: 1, at: "2026-01-05" }], { now: Date.parse("2026-03-15T12:00:00Z") });
    const store = empty();
    await load(incremental, source, store);
    expect(cursorOf(store)).toEqual({ cursor_path: "at", last_value_func: "max", value: "2026-03-01" });
    await load(incremental, source, store);
    expect(source.asked.at(-1)).toEqual({ since: "2026-03-01", until: "2026-03-16" });
  });

  it("does not grow its state by runs that bring nothing new", async () => {
    const incremental = planned({});
    const source = api([1, 2, 2, 2].map((at, id) => ({ id, at })));
    const store = empty();
    await load(incremental, source, store);
    const { state } = store;
    for (let run = 0; run < 20; run++) await load(incremental, source, store);
    expect(store.state).toBe(state);
    expect(store.rows).toHaveLength(4);
  });

  it("tells of more ties than it remembers, and takes them all again", async () => {
    const incremental = planned({});
    const records = Array.from({ length: 10_001 }, (_, id) => ({ id, at: 1 }));
    const source = api(records, { pageSize: 5000 });
    const store = empty();
    await load(incremental, source, store);
    expect(source.warnings).toEqual(["incremental/ties"]);
    expect(cursorOf(store)).toEqual({ cursor_path: "at", last_value_func: "max", value: 1, crowded: true });
    await load(incremental, source, store);
    expect(store.rows).toHaveLength(20_002);
    source.records = [...records, { id: -1, at: 2 }];
    await load(incremental, source, store);
    await load(incremental, source, store);
    expect(store.rows).toHaveLength(30_004);
  });

  it.each<[string, Options, readonly unknown[], readonly number[]]>([
    [
      "the greatest of several values",
      { cursor_path: "items[*].at", initial_value: 5 },
      [[1, 5], [4], [9, null]],
      [0, 2],
    ],
    [
      "the smallest of several for min",
      { cursor_path: "items[*].at", last_value_func: "min", initial_value: 5 },
      [[1, 9], [6], [5]],
      [0, 2],
    ],
    ["an open start", { initial_value: 5, range_start: "open" }, [4, 5, 6], [2]],
    ["an open end", { initial_value: 5, end_value: 7 }, [4, 5, 6, 7], [1, 2]],
    ["a closed end", { initial_value: 5, end_value: 7, range_end: "closed" }, [5, 7, 8], [0, 1]],
    [
      "a closed day",
      { initial_value: "2026-01-01", end_value: "2026-01-02", range_end: "closed" },
      ["2026-01-02T23:59:59.999Z", "2026-01-03T00:00:00Z", "2026-01-03T00:30:00+01:00"],
      [0, 2],
    ],
    [
      "no value, to be included",
      { initial_value: 5, on_cursor_value_missing: "include" },
      [null, 5, undefined],
      [0, 1, 2],
    ],
    [
      "no value, to be excluded",
      { initial_value: 5, on_cursor_value_missing: "exclude" },
      [null, 5, undefined],
      [1],
    ],
    [
      "other offsets",
      { initial_value: "2026-01-01T00:00:00Z" },
      ["2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00-01:00"],
      [1],
    ],
    [
      "bigints",
      { initial_value: 9_007_199_254_740_993n as never },
      [9_007_199_254_740_992, 9_007_199_254_740_994n],
      [1],
    ],
  ])("takes records with %s", async (_, options, values, taken) => {
    const records = values.map((value, id) =>
      Array.isArray(value)
        ? { id, items: value.map((at: Json) => ({ at })) }
        : { id, ...(value === undefined ? {} : { at: value }) },
    );
    const store = empty();
    await load(planned(options), api(records as never, { filters: false }), store);
    expect(store.rows.map(({ id }) => id)).toEqual(taken);
  });

  it.each<[string, Options, unknown, string]>([
    ["incremental/missing", {}, null, "a record has no value at at"],
    ["incremental/types", {}, true, "the cursor value at at is a boolean"],
    ["incremental/types", {}, [1], "the cursor value at at is a list"],
    ["incremental/types", { initial_value: 1 }, "2026-01-01", "one is a date, the other a number"],
  ])("fails with %s", async (code, options, at, message) => {
    await expect(
      load(planned(options), api([{ id: 1, at } as never], { filters: false }), empty()),
    ).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  it("remembers nothing of a range with an end, and does not look at what is remembered", async () => {
    const source = api(
      [1, 5, 9].map((at, id) => ({ id, at })),
      { filters: false },
    );
    const store = empty();
    await load(planned({}), source, store);
    const { state } = store;
    await load(planned({ initial_value: 2, end_value: 9, lag: 1 }), source, store);
    expect(store.state).toBe(state);
    expect(store.rows.map(({ at }) => at)).toEqual([1, 5, 9, 5]);
    expect(source.asked.at(-1)).toEqual({ since: 2, until: 9 });
  });

  it("starts from initial_value with a warning when it is configured by another path", async () => {
    const source = api(
      [1, 2].map((at, id) => ({ id, at, changed: at })),
      { filters: false },
    );
    const store = empty();
    await load(planned({}), source, store);
    await load(planned({ cursor_path: "changed", initial_value: 2 }), source, store);
    expect(source.warnings).toEqual(["incremental/changed"]);
    expect(store.rows.map(({ id }) => id)).toEqual([0, 1, 1]);
  });

  it("does not go before initial_value for the lag", async () => {
    const source = api([10, 12].map((at, id) => ({ id, at })));
    const store = empty();
    const incremental = planned({ initial_value: 10, lag: 5 });
    await load(incremental, source, store);
    await load(incremental, source, store);
    source.records = [...source.records, { id: 9, at: 20 }];
    await load(incremental, source, store);
    await load(incremental, source, store);
    expect(source.asked.map(({ since }) => since)).toEqual([10, 10, 10, 15]);
  });

  it.each<["asc" | "desc", Options, number]>([
    // Ten pages of two, of which 16 and 17 are in range, and the page after them shows it.
    ["desc", { initial_value: 16 }, 3],
    ["asc", { initial_value: -1, end_value: 6 }, 4],
  ])("asks for no page after the first one out of range: %s", async (row_order, options, pages) => {
    const numbers = Array.from({ length: 20 }, (_, id) => ({ id, at: id }));
    const source = api(row_order === "desc" ? numbers.toReversed() : numbers, { filters: false });
    await load(planned({ ...options, row_order }), source, empty());
    expect(source.pages).toBe(pages);
  });

  it("reads all pages when they are not sorted as promised, and says so", async () => {
    const source = api(
      [9, 10, 3, 7].map((at, id) => ({ id, at })),
      { filters: false },
    );
    const store = empty();
    await load(planned({ row_order: "desc", initial_value: 5 }), source, store);
    expect(store.rows.map(({ at }) => at)).toEqual([9, 10, 7]);
    expect(source.warnings).toEqual(["incremental/order"]);
  });
});
