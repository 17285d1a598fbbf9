import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  definePipeline,
  duckdb,
  type PipelineConfig,
  type RestApiConfig,
  readState,
  restApi,
  run,
  setLastValue,
  systemRuntime,
} from "../../src/index.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { sluice } from "./cli.js";
import { query } from "./database.js";

let folder: string;
let file: string;
let api: FakeApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-state-"));
  file = join(folder, "shop.duckdb");
  api = await startFakeApi();
  api.route("/orders", { records: ORDERS, paging: "link-header", pageSize: 2 });
  api.route("/users", { records: [{ id: 1 }] });
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const day = (n: number) => `2026-01-${String(n).padStart(2, "0")}T00:00:00Z`;
const ORDERS = Array.from({ length: 9 }, (_, n) => ({ id: n + 1, at: day(n + 1) }));

const RESOURCES = (disposition: "merge" | "append" | "replace" = "merge"): RestApiConfig["resources"] => [
  {
    name: "orders",
    primary_key: "id",
    write_disposition: disposition,
    endpoint: {
      paginator: "header_link",
      incremental: { cursor_path: "at", start_param: "since", end_param: "until", initial_value: day(3) },
    },
  },
  { name: "users", primary_key: "id", write_disposition: "merge" },
];
const shop = (resources: RestApiConfig["resources"] = RESOURCES()): PipelineConfig => ({
  pipeline: "shop",
  source: restApi({ client: { base_url: api.url, retry: { max_retries: 0 } }, resources }),
  destination: duckdb(file),
  checkpoint: { rows: 2 },
});
const pipeline = (disposition?: "merge" | "append" | "replace") =>
  definePipeline(shop(RESOURCES(disposition)));
const cursor = async () => (await readState(pipeline()))?.resources["orders"]?.cursor;
const ids = async () =>
  (await query(file, "select id::int as id from shop.orders order by 1")).map(({ id }) => id);
/** The values of `since` in all requests for orders. */
const since = () => api.requests.flatMap(({ url }) => new URL(url, api.url).searchParams.get("since") ?? []);

describe("state set", () => {
  it("makes the next run start there, and is stored with nothing else changed", async () => {
    await run(shop());
    const before = await readState(pipeline());
    const moved = await setLastValue(pipeline(), "orders", "2026-01-06");
    expect(moved).toMatchObject({ before: { value: day(9) }, after: { value: day(6) } });
    const { orders, users } = (await readState(pipeline()))?.resources ?? {};
    expect(users).toEqual(before?.resources["users"]);
    expect(orders).toEqual({
      ...before?.resources["orders"],
      cursor: { cursor_path: "at", last_value_func: "max", value: day(6) },
      committedAt: expect.any(Number) as number,
    });
    await query(file, "delete from shop.orders");
    await run(shop());
    expect(since().at(-1)).toBe(day(6));
    expect(await ids()).toEqual([6, 7, 8, 9]);
    expect((await cursor())?.["value"]).toBe(day(9));
  });

  it("before the first run, and several times", async () => {
    await setLastValue(pipeline(), "orders", day(4));
    await setLastValue(pipeline(), "orders", day(7));
    await run(shop());
    expect(await ids()).toEqual([7, 8, 9]);
  });

  it("ends a walk that was cut short, which would go on to a value of its own", async () => {
    const stop = new AbortController();
    await run(shop(), {
      signal: stop.signal,
      onEvent: (event) =>
        event.type === "page" && event.resource === "orders" && event.rows > 0 && stop.abort(),
    });
    expect((await readState(pipeline()))?.resources["orders"]).toHaveProperty("position");
    await setLastValue(pipeline(), "orders", day(8));
    await query(file, "delete from shop.orders");
    await run(shop());
    expect(await ids()).toEqual([8, 9]);
  });

  it("leaves the load of other resources open", async () => {
    const stop = new AbortController();
    const config = { ...shop(), concurrency: 1 };
    const cut = await run(config, {
      signal: stop.signal,
      onEvent: (event) => event.type === "resource-started" && event.resource === "users" && stop.abort(),
    });
    expect(cut.resources["users"]?.status).toBe("interrupted");
    await setLastValue(pipeline(), "orders", day(8));
    expect((await run(config)).load_id).toBe(cut.load_id);
  });

  it.each([
    ["users", "1", "not incremental"],
    ["orders", "seven", "is no value of at"],
    ["nothing", "1", "no resource is named nothing"],
  ])("refuses %s %s", async (resource, value, message) => {
    await run(shop());
    const before = await readState(pipeline());
    await expect(setLastValue(pipeline(), resource, value)).rejects.toThrow(message);
    expect(await readState(pipeline())).toEqual(before);
  });

  it("refuses a table that each load replaces, and warns of one that is appended to", async () => {
    await expect(setLastValue(pipeline("replace"), "orders", day(5))).rejects.toThrow("replaces its table");
    expect((await setLastValue(pipeline("append"), "orders", day(5))).warning).toContain("twice");
  });

  it("is refused while a run writes", async () => {
    const attempts: Promise<unknown>[] = [];
    await run(shop(), {
      onEvent: (event) => {
        if (event.type === "load-started")
          attempts.push(setLastValue(pipeline(), "orders", day(5)).catch((error: unknown) => error));
      },
    });
    expect(await Promise.all(attempts)).toEqual([expect.objectContaining({ code: "destination/locked" })]);
  });
});

describe("the command line", () => {
  const command = (...args: readonly string[]) => sluice(["state", ...args], { cwd: folder });

  beforeEach(async () => {
    await writeFile(
      join(folder, "shop.json"),
      JSON.stringify({ client: { base_url: api.url }, resources: RESOURCES() }),
    );
    await run(shop());
  });

  it("sets, rewinds and shows", async () => {
    const refused = await command("rewind", "orders", "shop.json", "--by", "3d");
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("--yes")]);
    expect((await cursor())?.["value"]).toBe(day(9));
    const rewound = await command("rewind", "shop.json", "orders", "--by", "3d", "--yes");
    expect([rewound.code, rewound.stdout]).toEqual([0, `orders: at ${day(9)} -> at ${day(6)}\n`]);
    const forward = await command("rewind", "orders", "shop.json", "--to", "2026-01-07", "--yes");
    expect([forward.code, forward.stderr]).toEqual([2, expect.stringContaining("lies beyond")]);
    const set = await command("set", "orders", "shop.json", "--cursor", "2026-01-08", "--yes", "--json");
    expect(JSON.parse(set.stdout)).toMatchObject({
      resource: "orders",
      before: { value: day(6) },
      after: { value: day(8) },
    });
    expect((await command("show", "shop.json")).stdout).toContain(`at ${day(8)}`);
    const unclear = await command("rewind", "orders", "shop.json", "--yes");
    expect([unclear.code, unclear.stderr]).toEqual([2, expect.stringContaining("--to or --by")]);
  }, 60_000);
});

describe("history", () => {
  const loads = async () =>
    (await query(file, "select count(*)::int as n from shop._sluice_loads")).map(({ n }) => n as number);
  const at = (n: number) => ({ runtime: { ...systemRuntime, now: () => Date.UTC(2026, 0, n) } });

  it("is kept for ever, or as long as keep_history says, and then the state is as it was", async () => {
    for (const n of [1, 2, 3]) await run(shop(), at(n));
    const all = await loads();
    await run({ ...shop(), keep_history: "36h" }, at(4));
    const [left] = await loads();
    expect(left).toBeLessThan(all[0] ?? 0);
    expect(await query(file, "select min(started_at)::date::text as first from shop._sluice_loads")).toEqual([
      { first: "2026-01-03" },
    ]);
    expect((await readState(pipeline()))?.tables.map(({ name }) => name).toSorted()).toEqual([
      "orders",
      "users",
    ]);
    expect(() => definePipeline({ ...shop(), keep_history: "long" })).toThrow("no duration");
  });

  it("is forgotten by hand, with the rows kept back of a resource that is no longer configured", async () => {
    const stop = new AbortController();
    await run(shop(RESOURCES("replace")), {
      signal: stop.signal,
      onEvent: (event) =>
        event.type === "page" && event.resource === "orders" && event.rows > 0 && stop.abort(),
    });
    expect((await readState(pipeline()))?.resources["orders"]).toHaveProperty("held");
    const rest = RESOURCES().slice(1);
    await writeFile(
      join(folder, "shop.json"),
      JSON.stringify({ client: { base_url: api.url }, resources: rest }),
    );
    const { code, stdout } = await sluice(["state", "prune", "shop.json", "--older-than", "1d"], {
      cwd: folder,
    });
    expect([code, stdout]).toEqual([
      0,
      "forgot 0 load records, 0 rejects and 0 schema versions; rows and state stay\nforgot orders, which the configuration no longer has\n",
    ]);
    const parts =
      "select 1 from information_schema.tables where table_name like '%sluice\\_part\\_%' escape '\\'";
    expect(await query(file, parts)).toEqual([]);
    const wrong = await sluice(["state", "prune", "shop.json", "--older-than", "7"], { cwd: folder });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("no duration")]);
  });
});

describe("--full-refresh with --select", () => {
  it("starts these anew and leaves the others as they are", async () => {
    await run(shop());
    const before = await readState(pipeline());
    await run(shop(), { fullRefresh: true, select: ["orders"] });
    expect(new Set(since())).toEqual(new Set([day(3)]));
    expect(since().length % 2).toBe(0);
    expect((await readState(pipeline()))?.resources["users"]).toEqual(before?.resources["users"]);
  });
});
