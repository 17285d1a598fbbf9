import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  definePipeline,
  duckdb,
  type EndpointConfig,
  type Event,
  type PipelineConfig,
  type Report,
  type ResourceConfig,
  type RestApiConfig,
  readState,
  restApi,
  run,
} from "../../src/index.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { sluice } from "./cli.js";
import { query } from "./database.js";

let folder: string;
let file: string;
let api: FakeApi;

const day = (n: number) => `2026-01-${String(n).padStart(2, "0")}T00:00:00Z`;
const ORDERS = Array.from({ length: 20 }, (_, n) => ({ id: n + 1, at: day(n + 1), day: `d${n + 1}` }));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-backfill-"));
  file = join(folder, "shop.duckdb");
  api = await startFakeApi();
  api.route("/orders", { records: ORDERS, paging: "link-header", pageSize: 2 });
  api.route("/users", { records: [{ id: 1 }, { id: 2 }] });
  for (const id of [1, 2])
    api.route(`/users/${id}/events`, {
      records: ORDERS.map((order) => ({ ...order, id: id * 100 + order.id })),
      paging: "link-header",
      pageSize: 4,
    });
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const INCREMENTAL = { cursor_path: "at", start_param: "since", end_param: "until", initial_value: day(15) };

const orders = (
  more: Partial<ResourceConfig> = {},
  endpoint: Partial<EndpointConfig> = {},
): ResourceConfig => ({
  name: "orders",
  primary_key: "id",
  write_disposition: "merge",
  endpoint: { paginator: "header_link", incremental: INCREMENTAL, ...endpoint },
  ...more,
});
const USERS: ResourceConfig = { name: "users", primary_key: "id", write_disposition: "merge" };

function shop(...resources: RestApiConfig["resources"]): PipelineConfig {
  return {
    pipeline: "shop",
    source: restApi({ client: { base_url: api.url, retry: { max_retries: 0 } }, resources }),
    destination: duckdb(file),
    checkpoint: { rows: 2 },
  };
}

interface Options {
  readonly select?: readonly string[];
  /** Stops after so many pages with records. */
  readonly stopAt?: number;
  readonly warnings?: string[];
}

function backfill(
  config: PipelineConfig,
  from: number | string,
  to: number | string,
  { select, stopAt, warnings }: Options = {},
): Promise<Report> {
  const stop = new AbortController();
  let pages = 0;
  const running = run(config, {
    backfill: {
      from: typeof from === "number" ? day(from) : from,
      to: typeof to === "number" ? day(to) : to,
    },
    ...(select === undefined ? {} : { select }),
    signal: stop.signal,
    onEvent(event: Event) {
      if (event.type === "warning") warnings?.push(event.code);
      if (event.type === "page" && event.rows > 0 && ++pages === stopAt) stop.abort();
    },
  });
  return Promise.resolve(running);
}

const ids = async (table = "orders") =>
  (await query(file, `select id::int as id from shop.${table} order by 1`)).map(({ id }) => id as number);
const states = async (config: PipelineConfig) => (await readState(definePipeline(config)))?.resources;
/** What each request asked for. */
const bounds = () =>
  api.requests.map(({ url }) => {
    const { searchParams } = new URL(url, api.url);
    return [searchParams.get("since"), searchParams.get("until")];
  });
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

describe("a backfill", () => {
  it("reads from one value to another, and leaves what is remembered as it is", async () => {
    const config = shop(orders());
    await run(config);
    expect(await ids()).toEqual(range(15, 20));
    const before = await states(config);
    const report = await backfill(config, "2026-01-05", "2026-01-09");
    expect(report).toMatchObject({ status: "ok", tables: { orders: { inserted: 4 } } });
    expect(await ids()).toEqual([...range(5, 8), ...range(15, 20)]);
    expect(await states(config)).toEqual(before);
    expect(bounds()).toContainEqual([day(5), day(9)]);
    // The next run goes on where the one before the backfill had come to.
    api.route("/orders", { records: [{ id: 21, at: day(21), day: "d21" }] });
    await run(config);
    expect((await states(config))?.["orders"]?.cursor).toMatchObject({ value: day(21) });
    expect(bounds().at(-1)?.[0]).toBe(day(20));
  });

  it("before the first run leaves the first run at its start", async () => {
    const config = shop(orders());
    await backfill(config, 1, 4);
    expect(await ids()).toEqual([1, 2, 3]);
    expect((await states(config))?.["orders"]).not.toHaveProperty("cursor");
    await run(config);
    expect(await ids()).toEqual([1, 2, 3, ...range(15, 20)]);
  });

  it("merges rows that are there, and says that it repeats appended ones", async () => {
    const merged = shop(orders());
    await run(merged);
    await backfill(merged, 14, 17);
    expect(await ids()).toEqual(range(14, 20));
    await rm(file);
    const appended = shop(orders({ write_disposition: "append" }));
    await run(appended);
    const warnings: string[] = [];
    await backfill(appended, 14, 17, { warnings });
    expect(await ids()).toEqual([14, 15, 15, 16, 16, ...range(17, 20)]);
    expect(warnings).toContain("backfill/append");
  });

  it("reads step by step where the resource does", async () => {
    const config = shop(orders({}, { incremental: { ...INCREMENTAL, step: "P2D" } }));
    await backfill(config, 1, 6);
    expect(await ids()).toEqual(range(1, 5));
    expect([...new Set(bounds().map(([since]) => since))]).toEqual([day(1), day(3), day(5)]);
  });

  it("visits all parents of a child, whatever it remembers of them", async () => {
    const events: ResourceConfig = {
      name: "events",
      primary_key: "id",
      write_disposition: "merge",
      endpoint: {
        path: "users/{resources.users.id}/events",
        paginator: "header_link",
        incremental: INCREMENTAL,
      },
    };
    const config = shop(USERS, events);
    await run(config);
    const before = await states(config);
    await backfill(config, 2, 4, { select: ["events"] });
    expect(await ids("events")).toEqual([102, 103, ...range(115, 120), 202, 203, ...range(215, 220)]);
    expect(await states(config)).toEqual(before);
  });
});

describe("a backfill that was cut short", () => {
  it.each([
    ["append", orders({ write_disposition: "append" })],
    ["merge", orders()],
    ["merge with a merge_key, whose rows are kept back", orders({ merge_key: "day" })],
  ])("goes on where it was, and a run in between disturbs neither: %s", async (_name, resource) => {
    const config = shop(resource);
    await run(config);
    const cut = await backfill(config, 1, 13, { stopAt: 3 });
    expect(cut.resources["orders"]?.status).toBe("interrupted");
    const { backfill: open, ...rest } = (await states(config))?.["orders"] ?? {};
    expect(open).toHaveProperty("position");
    expect(rest).toMatchObject({ status: "done", cursor: { value: day(20) } });
    if (resource.merge_key === undefined) await run(config);
    const before = api.requests.length;
    await backfill(config, 1, 13);
    expect(await ids()).toEqual([...range(1, 12), ...range(15, 20)]);
    expect(api.requests.length - before).toBeLessThan(10);
    expect((await states(config))?.["orders"]).not.toHaveProperty("backfill");
  });

  it("starts again for another range", async () => {
    const config = shop(orders());
    await backfill(config, 1, 13, { stopAt: 3 });
    const warnings: string[] = [];
    await backfill(config, 8, 13, { warnings });
    expect(warnings).toContain("state/restarted");
    expect(await ids()).toEqual(expect.arrayContaining(range(8, 12)));
  });

  it("never drops the rows of a walk that was cut short", async () => {
    const config = shop(orders({ merge_key: "day" }));
    const stop = new AbortController();
    await run(config, {
      signal: stop.signal,
      onEvent: (event) => event.type === "page" && event.rows > 0 && stop.abort(),
    });
    const before = await states(config);
    expect(before?.["orders"]).toHaveProperty("held");
    const refused = await backfill(config, 1, 3);
    expect(refused.resources["orders"]?.error?.code).toBe("state/unfinished");
    expect(await states(config)).toEqual(before);
    await run(config);
    expect(await ids()).toEqual(range(15, 20));
  });
});

describe("the command line", () => {
  const replaced = orders({ name: "replaced", write_disposition: "replace" }, { path: "orders" });

  it.each([
    ["users", 5, 7, {}, "users can't be read between two values"],
    ["replaced", 5, 7, {}, "take the place of the whole table"],
    ["orders", 5, 3, {}, "ends before it starts"],
    ["orders", "soon", 3, {}, "is no value of at"],
    ["orders", 5, 7, { fullRefresh: true }, "are two things"],
  ])("refuses %s from %s to %s with %j", (name, from, to, more, message) => {
    const text = (value: number | string) => (typeof value === "number" ? day(value) : value);
    const range = { from: text(from), to: text(to) };
    expect(() => run(shop(orders(), USERS, replaced), { backfill: range, select: [name], ...more })).toThrow(
      message,
    );
  });

  it("reads the range, which has a start and an end", async () => {
    const config = { client: { base_url: api.url }, resources: [orders(), USERS] };
    await writeFile(join(folder, "shop.json"), JSON.stringify(config));
    const command = (...flags: readonly string[]) =>
      sluice(["run", "shop.json", "--json", ...flags], { cwd: folder });
    const half = await command("--from", "2026-01-05", "--select", "orders");
    expect([half.code, half.stderr]).toEqual([2, expect.stringContaining("--from and --to")]);
    const { code, stdout, stderr } = await command(
      "--from",
      "2026-01-05",
      "--to",
      "2026-01-07",
      "--select",
      "orders",
    );
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ tables: { orders: { inserted: 2 } } });
  });
});
