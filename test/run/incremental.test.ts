import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  check,
  definePipeline,
  duckdb,
  type EndpointConfig,
  type PipelineConfig,
  type RestApiConfig,
  readState,
  restApi,
  run,
  type SluiceError,
  systemRuntime,
} from "../../src/index.js";
import type { Json } from "../../src/model/json.js";
import { answer, asUsual, status } from "../fake-api/behaviours.js";
import { type FakeApi, type SeenRequest, startFakeApi } from "../fake-api/fake-api.js";
import { query } from "./database.js";

let folder: string;
let file: string;
let api: FakeApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-incremental-"));
  file = join(folder, "shop.duckdb");
  api = await startFakeApi();
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

function shop(resources: RestApiConfig["resources"], rest: Partial<PipelineConfig> = {}): PipelineConfig {
  return {
    pipeline: "shop",
    source: restApi({ client: { base_url: api.url, retry: { max_retries: 0 } }, resources }),
    destination: duckdb(file),
    ...rest,
  };
}

/** One resource that is merged by its id. */
function orders(endpoint: EndpointConfig, rest: Record<string, unknown> = {}): RestApiConfig["resources"] {
  return [{ name: "orders", write_disposition: "merge", primary_key: "id", endpoint, ...rest }];
}

type IncrementalConfig = NonNullable<EndpointConfig["incremental"]>;

const ids = async (table = "orders") =>
  (await query(file, `select id from shop.${table} order by all`)).map((row) => Number(row["id"]));

/** The queries sent since the last call. */
let seen = 0;
beforeEach(() => {
  seen = 0;
});
function queries(): string[] {
  const fresh = api.requests.slice(seen);
  seen = api.requests.length;
  return fresh.map(({ url }) => decodeURIComponent(url.slice(url.indexOf("?") + 1).replace(/^\/.*/, "")));
}

interface Order {
  readonly id: number;
  readonly at: string | number;
  readonly [key: string]: Json;
}

/** Serves the orders between `since` and `until`, both inclusive as APIs tend to have it, two a page. */
function serve(
  path: string,
  records: () => readonly Order[],
  order: (one: Order, other: Order) => number = () => 0,
): void {
  api.route(path, ({ url }: SeenRequest) => {
    const params = new URL(url, api.url).searchParams;
    const [since, until, page] = [params.get("since"), params.get("until"), Number(params.get("page") ?? 1)];
    const at = (order: Order) => (typeof order.at === "number" ? order.at : Date.parse(order.at));
    const bound = (text: string) => (/^\d+$/.test(text) ? Number(text) : Date.parse(text));
    const found = records()
      .filter((order) => since === null || at(order) >= bound(since))
      .filter((order) => until === null || at(order) <= bound(until))
      .toSorted(order);
    return answer(200, { data: found.slice(page * 2 - 2, page * 2), total: found.length });
  });
}

const PAGES = { type: "page_number", base_page: 1, page_param: "page", total_path: null } as const;

describe("an incremental resource", () => {
  it("asks for what is new, takes a changed record, and knows the others at the boundary again", async () => {
    let records: Order[] = [1, 2, 3, 4].map((id) => ({ id, at: `2026-01-0${id}T00:00:00Z`, total: id }));
    serve("/orders", () => records);
    const config = shop(
      orders({
        data_selector: "data",
        paginator: PAGES,
        incremental: { cursor_path: "at", initial_value: "2026-01-02T00:00:00Z", start_param: "since" },
      }),
    );
    expect((await run(config)).resources["orders"]).toMatchObject({ status: "ok", rows: 3 });
    expect(queries()[0]).toBe("since=2026-01-02T00:00:00Z&page=1");
    expect(await ids()).toEqual([2, 3, 4]);

    expect((await run(config)).resources["orders"]).toMatchObject({ status: "ok", rows: 0 });
    expect(queries()[0]).toBe("since=2026-01-04T00:00:00Z&page=1");

    // Later in the same second.
    records = [...records, { id: 5, at: "2026-01-04T00:00:00Z", total: 5 }];
    records[3] = { id: 4, at: "2026-01-04T00:00:00Z", total: 40 };
    expect((await run(config)).resources["orders"]).toMatchObject({ status: "ok", rows: 2 });
    expect(await query(file, "select id, total from shop.orders where id > 3 order by id")).toEqual([
      { id: "4", total: "40" },
      { id: "5", total: "5" },
    ]);
  });

  it("goes back to where the newest one was in an API that sends the newest first, and no further", async () => {
    let records: Order[] = Array.from({ length: 20 }, (_, id) => ({ id, at: id }));
    serve(
      "/orders",
      () => records,
      (one, other) => Number(other.at) - Number(one.at),
    );
    const config = shop(
      orders({
        data_selector: "data",
        paginator: PAGES,
        incremental: { cursor_path: "at", row_order: "desc" },
      }),
    );
    expect((await run(config)).resources["orders"]).toMatchObject({ status: "ok", rows: 20 });
    queries();
    records = [...records, ...[20, 21, 22].map((id) => ({ id, at: id }))];
    // Two pages of news, the second one with 19 and the first that is older than it.
    expect((await run(config)).resources["orders"]).toMatchObject({
      rows: 3,
      requests: 3,
      completeness: "proved",
    });
    expect(await ids()).toEqual(Array.from({ length: 23 }, (_, id) => id));
  });

  it("reads step by step up to the start of the run, and goes on there after a stop in between", async () => {
    const records = Array.from({ length: 12 }, (_, month) => ({
      id: month,
      at: new Date(Date.UTC(2025, month, 15)).toISOString(),
    }));
    serve("/orders", () => records);
    const config = shop(
      orders(
        {
          data_selector: "data",
          paginator: "single_page",
          incremental: {
            cursor_path: "at",
            initial_value: "2025-01-01T00:00:00Z",
            start_param: "since",
            end_param: "until",
            step: "P1M",
          },
        },
        { write_disposition: "append" },
      ),
      { checkpoint: { rows: 1 } },
    );
    const at = (now: string) => ({ runtime: { ...systemRuntime, now: () => Date.parse(now) } });
    const months: string[] = [];
    api.behave("/orders", asUsual, asUsual, asUsual, status(500));
    expect((await run(config, at("2025-06-20T00:00:00Z"))).status).toBe("failed");
    months.push(...queries());
    expect(await ids()).toEqual([0, 1, 2]);
    expect((await run(config, at("2025-07-20T00:00:00Z"))).status).toBe("ok");
    months.push(...queries());
    expect(await ids()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(months.map((query) => query.replaceAll(/-01T00:00:00Z/g, ""))).toEqual([
      "since=2025-01&until=2025-02",
      "since=2025-02&until=2025-03",
      "since=2025-03&until=2025-04",
      "since=2025-04&until=2025-05",
      "since=2025-04&until=2025-05",
      "since=2025-05&until=2025-06",
      "since=2025-06&until=2025-06-20T00:00:00Z",
    ]);
    expect((await run(config, at("2026-02-01T00:00:00Z"))).status).toBe("ok");
    expect(queries()[0]).toBe("since=2025-06-15T00:00:00Z&until=2025-07-15T00:00:00Z");
    expect(await ids()).toEqual(records.map(({ id }) => id));
  });
});

describe("bounds in a request", () => {
  const range = { cursor_path: "id", initial_value: 1, end_value: 10 } as const;
  const toDate = (value: unknown) => new Date(Number(value) * 86_400_000).toISOString().slice(0, 10);

  it.each<[string, EndpointConfig, string]>([
    [
      "start_param and end_param beside other parameters",
      { params: { sort: "id" }, incremental: { ...range, start_param: "since", end_param: "until" } },
      "GET ?sort=id&since=1&until=10",
    ],
    [
      "a parameter of type incremental",
      { params: { since: { type: "incremental", cursor_path: "id", initial_value: 1 }, sort: "id" } },
      "GET ?sort=id&since=1",
    ],
    [
      "placeholders in path, parameters and headers",
      {
        path: "orders/{incremental.initial_value}",
        params: { range: "{incremental.start_value}..{incremental.end_value}" },
        headers: { "x-last": "{incremental.last_value}" },
        incremental: range,
      },
      "GET /1?range=1..10 x-last=1",
    ],
    [
      "numbers in a JSON body",
      {
        method: "POST",
        json: {
          initial: "{incremental.initial_value}",
          list: ["{incremental.end_value}", "{ not: one }"],
          text: "from {incremental.start_value}",
        },
        incremental: range,
      },
      'POST {"initial":1,"list":[10,"{ not: one }"],"text":"from 1"}',
    ],
    [
      "a form",
      { method: "POST", data: { since: "{incremental.start_value}" }, incremental: range },
      "POST since=1",
    ],
    [
      "convert as a function",
      {
        params: { range: "{incremental.start_value}/{incremental.lag}" },
        incremental: { ...range, lag: 3, start_param: "since", end_param: "until", convert: toDate },
      },
      "GET ?range=1970-01-02/3&since=1970-01-02&until=1970-01-11",
    ],
    [
      "convert as a template that cuts",
      {
        params: { since: "{incremental.start_value}" },
        incremental: {
          cursor_path: "at",
          initial_value: "2026-01-31T08:00:00Z",
          convert: "{{ value[:10] }}",
        },
      },
      "GET ?since=2026-01-31",
    ],
    [
      "convert as a template",
      { incremental: { ...range, start_param: "since", convert: "{{ value * 1000 }}" } },
      "GET ?since=1000",
    ],
    [
      "nothing where there is no value, and convert not asked",
      {
        headers: { "x-last": "{incremental.last_value}" },
        incremental: {
          cursor_path: "id",
          start_param: "since",
          end_param: "until",
          convert: () => {
            throw new Error("called with null");
          },
        },
      },
      "GET ",
    ],
    [
      "null in a JSON body",
      { method: "POST", json: { since: "{incremental.last_value}" }, incremental: { cursor_path: "id" } },
      'POST {"since":null}',
    ],
  ])("%s", async (_, endpoint, expected) => {
    api.route("/orders", () => answer(200, []));
    api.route("/orders/1", () => answer(200, []));
    const report = await run(shop(orders({ data_selector: "$", paginator: "single_page", ...endpoint })));
    expect(report.status).toBe("ok");
    const [request] = api.requests;
    if (request === undefined) throw new Error("nothing was requested");
    const { method, url, body, headers } = request;
    const last = headers["x-last"] === undefined ? "" : ` x-last=${headers["x-last"]}`;
    const address = decodeURIComponent(url.replace("/orders", ""));
    expect(`${method} ${address}${body}${last}`).toBe(expected);
  });

  it("are shown by check as the first run will send them", async () => {
    const config = shop(orders({ incremental: { ...range, start_param: "since", end_param: "until" } }));
    const { resources } = await check(definePipeline(config));
    expect(resources.map(({ request }) => request)).toEqual([
      expect.stringContaining("/orders?since=1&until=10"),
    ]);
  });

  it("are part of the state as the next run will use them", async () => {
    serve("/orders", () => [{ id: 1, at: 1 }]);
    const config = shop(
      orders({ data_selector: "data", paginator: PAGES, incremental: { cursor_path: "at" } }),
    );
    await run(config);
    const state = await readState(definePipeline(config));
    expect(state?.resources["orders"]?.cursor).toMatchObject({
      cursor_path: "at",
      last_value_func: "max",
      value: 1,
    });
  });
});

describe("a mistake in an incremental", () => {
  const incremental = { cursor_path: "at", initial_value: "2026-01-01" };
  const inParams = { type: "incremental", ...incremental };

  it.each<[string, EndpointConfig, string]>([
    [
      "two of them",
      { incremental, params: { since: inParams } },
      "params.since: an endpoint has one incremental, and this one has incremental and params.since",
    ],
    [
      "two parameters",
      { params: { since: inParams, from: inParams } },
      "params: an endpoint has one incremental, and this one has params.since and params.from",
    ],
    [
      "an end in a parameter",
      { params: { since: { ...inParams, end_value: "2026-02-01" } } },
      "params.since.end_value: end_value has no place in an incremental parameter",
    ],
    [
      "an unknown key in a parameter",
      { params: { since: { ...inParams, cursor: "x" } } },
      'params.since: unknown key "cursor"',
    ],
    [
      "an end without a start",
      { incremental: { cursor_path: "at", end_value: 5 } },
      "incremental.end_value: end_value needs initial_value",
    ],
    [
      "an end before the start",
      { incremental: { ...incremental, end_value: "2025-01-01" } },
      "incremental.end_value: the range ends before it starts",
    ],
    [
      "bounds of two types",
      { incremental: { ...incremental, end_value: 5 } },
      "incremental.end_value: the cursor values at at can't be compared: one is a date, the other a number",
    ],
    [
      "an unknown placeholder",
      { incremental, headers: { x: "{incremental.start}" } },
      "headers.x: {incremental.start} is nothing that an incremental has",
    ],
    [
      "a placeholder without an incremental",
      { json: { a: ["{incremental.last_value}"] } },
      "json.a[0]: {incremental.last_value} needs endpoint.incremental, and there is none",
    ],
    [
      "a path without a value",
      { incremental: { cursor_path: "at" }, path: "orders/{incremental.last_value}" },
      "path: {incremental.last_value} has no value in the first run",
    ],
    [
      "a lag that is none",
      { incremental: { ...incremental, lag: "soon" } },
      "incremental.lag: this is neither a number nor a duration",
    ],
    [
      "a convert that is none",
      { incremental: { ...incremental, convert: "value" } },
      "incremental.convert: convert is a template or a function",
    ],
    [
      "a path that is none",
      { incremental: { ...incremental, cursor_path: "a[" } },
      "incremental.cursor_path: ",
    ],
    [
      "steps without a start",
      { incremental: { cursor_path: "at", step: "P1D", start_param: "a", end_param: "b" } },
      "incremental.step: steps need initial_value",
    ],
    [
      "steps that nobody sends",
      { incremental: { ...incremental, step: "P1D", start_param: "a" } },
      "incremental.step: steps need a request that says where each one starts and ends",
    ],
    [
      "hours between dates",
      { incremental: { ...incremental, step: "PT6H", start_param: "a", end_param: "b" } },
      "incremental.step: steps from date to date are whole days",
    ],
    [
      "steps over numbers without an end",
      { incremental: { cursor_path: "at", initial_value: 1, step: 5, start_param: "a", end_param: "b" } },
      "incremental.step: it is not clear where steps over these numbers end",
    ],
    [
      "steps that go down",
      {
        incremental: {
          ...incremental,
          last_value_func: "min",
          step: "P1D",
          start_param: "a",
          end_param: "b",
        },
      },
      "incremental.step: steps go from small to large values",
    ],
    [
      "a scheduler",
      { incremental: { ...incremental, allow_external_schedulers: true as never } },
      "incremental.allow_external_schedulers",
    ],
  ])("is found before the first request: %s", async (_, endpoint, message) => {
    const error = await (async () => run(shop(orders(endpoint))))().then(
      () => undefined,
      (error: SluiceError) => error,
    );
    const places = error?.problems.map(({ at, message }) => `${at.path}: ${message}`) ?? [];
    expect(places.join("\n")).toContain(message);
    expect(api.requests).toEqual([]);
  });
});

describe("an incremental child", () => {
  /** Posts of five a page, and comments that are older the later their post comes. */
  const posts = Array.from({ length: 12 }, (_, id) => ({ id, at: 100 + id }));
  let comments: (Order & { post: number })[];

  beforeEach(() => {
    comments = posts.flatMap(({ id }) => [{ id: id * 10, post: id, at: 1000 - id }]);
    serve("/posts", () => posts);
    for (const { id } of posts)
      serve(`/posts/${id}/comments`, () => comments.filter(({ post }) => post === id));
  });

  function blog(
    child: Partial<IncrementalConfig>,
    disposition = "append",
    parent?: EndpointConfig,
  ): PipelineConfig {
    const shared = { data_selector: "data", paginator: PAGES };
    return shop([
      { name: "posts", write_disposition: "merge", primary_key: "id", endpoint: { ...shared, ...parent } },
      {
        name: "comments",
        write_disposition: disposition as "append",
        primary_key: "id",
        endpoint: {
          ...shared,
          path: "posts/{resources.posts.id}/comments",
          incremental: { cursor_path: "at", start_param: "since", ...child },
        },
      },
    ]);
  }

  it.each(["parent", "global"] as const)(
    "keeps all rows of the first run, its parents being on several pages: %s",
    async (scope) => {
      expect((await run(blog({ scope }))).resources["comments"]).toMatchObject({ rows: 12 });
      expect(await ids("comments")).toEqual(posts.map(({ id }) => id * 10));
      expect((await run(blog({ scope }))).resources["comments"]).toMatchObject({ rows: 0 });
    },
  );

  it("has a last value for each parent, and begins anew with a new one", async () => {
    await run(blog({}));
    queries();
    // Older than what other posts have had for long.
    comments = [...comments, { id: 91, post: 9, at: 991 }];
    posts.push({ id: 12, at: 112 });
    try {
      serve("/posts/12/comments", () => [{ id: 120, at: 1 }]);
      expect((await run(blog({}))).resources["comments"]).toMatchObject({ rows: 2 });
      const asked = queries().filter((query) => query.includes("since"));
      expect(asked).toContain("since=991&page=1");
      expect(asked).toContain("since=1000&page=1");
      expect((await ids("comments")).slice(-3)).toEqual([100, 110, 120]);
      const state = await readState(definePipeline(blog({})));
      expect(state?.resources["comments"]?.cursor).toMatchObject({
        own: { newer: { "[9]": { value: 991 }, "[12]": { value: 1 } } },
      });
    } finally {
      posts.pop();
    }
  });

  it("starts at initial_value, with all values at least that", async () => {
    comments = posts.flatMap(({ id }) =>
      Array.from({ length: 6 }, (_, n) => ({ id: id * 10 + n, post: id, at: 40 + n * 2 })),
    );
    expect((await run(blog({ cursor_path: "at", initial_value: 45 }))).status).toBe("ok");
    expect(
      await query(file, 'select min("at")::int as least, count(*)::int as n from shop.comments'),
    ).toEqual([{ least: 46, n: 36 }]);
  });

  it("does not miss the parents that came while it failed, for it reads them by itself", async () => {
    const parent: EndpointConfig = { incremental: { cursor_path: "at", start_param: "since" } };
    const config = blog({}, "append", parent);
    expect((await run(config)).resources).toMatchObject({ posts: { rows: 12 }, comments: { rows: 12 } });
    queries();

    posts.push({ id: 12, at: 112 });
    api.behave("/posts/12/comments", status(500));
    serve("/posts/12/comments", () => [{ id: 120, at: 5 }]);
    try {
      const report = await run(config);
      expect(report.resources).toMatchObject({
        posts: { status: "ok", rows: 1 },
        comments: { status: "failed", rows: 0 },
      });
      // The parents that are new since the last time, and no others.
      expect(queries().filter((query) => query.startsWith("page="))).toEqual(["page=1"]);

      expect((await run(config)).resources).toMatchObject({
        posts: { status: "ok", rows: 0 },
        comments: { status: "ok", rows: 1 },
      });
      expect((await ids("comments")).at(-1)).toBe(120);
      expect((await run(config)).resources["comments"]).toMatchObject({ status: "ok", rows: 0 });
    } finally {
      posts.pop();
    }
  });

  it("of parents that are read step by step keeps what each step brought, and goes on in the middle of one", async () => {
    const step: EndpointConfig = {
      incremental: {
        cursor_path: "at",
        start_param: "since",
        end_param: "until",
        initial_value: 100,
        end_value: 112,
        step: 5,
      },
    };
    const config = { ...blog({}, "append", step), checkpoint: { rows: 1 } };
    api.behave("/posts/6/comments", status(500));
    expect((await run(config)).resources["comments"]).toMatchObject({ status: "failed" });
    expect((await run(config)).resources["comments"]).toMatchObject({ status: "ok" });
    expect(await ids("comments")).toEqual(posts.map(({ id }) => id * 10));
  });
});
