import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  duckdb,
  type Event,
  type PipelineConfig,
  type RestApiConfig,
  restApi,
  run,
} from "../../src/index.js";
import { always, answer, drip, malformed, status } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { query } from "./database.js";

let folder: string;
let file: string;
let api: FakeApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-rates-"));
  file = join(folder, "shop.duckdb");
  api = await startFakeApi();
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const records = Array.from({ length: 10 }, (_, id) => ({ id }));

function shop(client: object, resources: RestApiConfig["resources"] = ["orders"]): PipelineConfig {
  return {
    pipeline: "shop",
    source: restApi({ client: { base_url: api.url, retry: { max_retries: 0 }, ...client }, resources }),
    destination: duckdb(file),
  };
}

const notes = () =>
  query(file, "select resource from shop._sluice_state where resource like '@note/%' order by 1");

describe("client.rate_limit", () => {
  it("holds for all resources together, is told, and counted as waiting", async () => {
    api.route("/orders", { records, paging: "link-header", pageSize: 2 });
    api.route("/users", { records, paging: "link-header", pageSize: 2 });
    const arrived: number[] = [];
    const events: Event[] = [];
    const report = await run(shop({ rate_limit: { requests: 4, interval: 0.3 } }, ["orders", "users"]), {
      onEvent(event) {
        events.push(event);
        if (event.type === "request") arrived.push(performance.now());
      },
    });
    expect(report).toMatchObject({ status: "ok", resources: { orders: { rows: 10 }, users: { rows: 10 } } });
    const gaps = arrived.slice(4).map((at, index) => at - (arrived[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(290);
    expect(events).toContainEqual({
      type: "wait",
      resource: expect.any(String) as string,
      origin: api.url,
      waitMs: expect.any(Number) as number,
      reason: "rate limit of 4 per 0.3 s (rate_limit)",
    });
    const waited = (report.resources["orders"]?.wait_ms ?? 0) + (report.resources["users"]?.wait_ms ?? 0);
    expect(waited).toBeGreaterThan(400);
    // Windows this short are over before another run begins.
    expect(await notes()).toEqual([]);
  });

  it("is still spent in the next run, and a stop ends the wait", async () => {
    api.route("/orders", { records });
    const config = shop({
      rate_limit: [
        { requests: 2, interval: 3600 },
        { requests: 9, interval: 1 },
      ],
    });
    expect((await run(config)).status).toBe("ok");
    expect((await run(config)).status).toBe("ok");
    expect(await notes()).toEqual([{ resource: `@note/rate-limit ${api.url}` }]);
    const abort = new AbortController();
    const report = await run(config, {
      signal: abort.signal,
      onEvent: (event) => event.type === "wait" && event.waitMs > 3_000_000 && abort.abort(),
    });
    expect(report.resources["orders"]?.status).toBe("interrupted");
    expect(api.requests).toHaveLength(2);
  });

  it("of an endpoint is its own", async () => {
    api.route("/orders", { records });
    api.route("/users", { records });
    const limited = { name: "orders", endpoint: { rate_limit: { requests: 1, interval: 3600 } } };
    expect((await run(shop({}, [limited, "users"]))).status).toBe("ok");
    const abort = new AbortController();
    const report = await run(shop({}, [limited, "users"]), {
      signal: abort.signal,
      onEvent: (event) => event.type === "wait" && abort.abort(),
    });
    expect(report.resources["orders"]?.status).toBe("interrupted");
  });

  it("counts the requests of an auth method, too", async () => {
    api.route("/orders", { records });
    api.route("/token", () => answer(200, { access_token: "t", expires_in: 3600 }));
    const oauth = {
      type: "oauth2_client_credentials",
      access_token_url: `${api.url}/token`,
      client_id: "a",
      client_secret: "b",
    } as const;
    const started = performance.now();
    const report = await run(
      shop({ auth: oauth, max_concurrency: 1, rate_limit: { requests: 1, interval: 0.3 } }),
    );
    expect(report.status).toBe("ok");
    expect(api.requests.map(({ url }) => url)).toEqual(["/token", "/orders"]);
    expect(performance.now() - started).toBeGreaterThan(300);
  });

  it("that makes no sense is told before the first request", async () => {
    const wrong = async () => run(shop({ rate_limit: { requests: 0, interval: 1 } }));
    await expect(wrong()).rejects.toMatchObject({ code: "config/invalid" });
  });
});

it("retries and requests that run ahead do not wait for each other where only one may be under way", async () => {
  api.route("/orders", { records, paging: "link-header", pageSize: 2 });
  // The second page is asked for before the body of the first one turns out to be damaged.
  api.behave("/orders", status(503), malformed, status(429));
  const report = await run(
    shop({ max_concurrency: 1, retry: { max_retries: 3, backoff_factor: 0.01 } }, [
      { name: "orders", endpoint: { paginator: "header_link" } },
    ]),
  );
  expect(report).toMatchObject({ status: "ok", resources: { orders: { rows: 10, retries: 3 } } });
});

it("children are complete where only one request may be under way", async () => {
  api.route("/orders", { records, paging: "link-header", pageSize: 5 });
  for (const { id } of records)
    api.route(`/orders/${id}/items`, { records, paging: "link-header", pageSize: 5 });
  const items = {
    name: "items",
    endpoint: { path: "orders/{resources.orders.id}/items", paginator: "header_link" },
  } as const;
  const report = await run(shop({ max_concurrency: 1 }, ["orders", items]));
  expect(report).toMatchObject({ status: "ok", resources: { items: { rows: 100 } } });
});

describe("endpoint.timeout", () => {
  it("limits the pauses of its endpoint, and no others", async () => {
    api.route("/orders", { records });
    api.route("/users", { records });
    // The HTTP library looks at its timers twice a second.
    api.behave("/orders", always(drip(2, 1300)));
    api.behave("/users", always(drip(2, 1300)));
    const report = await run(
      shop({}, [
        { name: "orders", endpoint: { timeout: 0.1 } },
        { name: "users", endpoint: {} },
      ]),
    );
    expect(report.resources).toMatchObject({
      orders: { status: "failed", error: { code: "http/timeout" } },
      users: { status: "ok" },
    });
    expect(report.resources["orders"]?.error?.message).toContain("no data for 0.1 s");
  });

  it("may say each limit on its own", async () => {
    api.route("/orders", { records });
    api.behave("/orders", always(drip(2, 300)));
    const timeout = { connect: 5, headers: 0.05 };
    const report = await run(shop({}, [{ name: "orders", endpoint: { timeout } }]));
    expect(report.status).toBe("ok");
  });
});

it("a Link header that can't be read is warned of, once for each walk", async () => {
  const link = { link: "next: /orders?page=2" };
  api.route("/orders", ({ url }) => answer(200, url.includes("page=3") ? [] : records, link));
  const warnings: string[] = [];
  await run(
    shop({}, [
      { name: "orders", endpoint: { paginator: { type: "page_number", base_page: 1, total_path: null } } },
    ]),
    {
      onEvent: (event) => event.type === "warning" && warnings.push(event.code),
    },
  );
  expect(api.requests.length).toBeGreaterThan(1);
  expect(warnings).toEqual(["response/link"]);
});
