import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  duckdb,
  type Event,
  type PipelineConfig,
  type Report,
  type ResourceConfig,
  type RestApiConfig,
  restApi,
  run,
  systemRuntime,
} from "../../src/index.js";
import {
  always,
  answer,
  asUsual,
  drip,
  endlessLoop,
  gzipped,
  html,
  linksTo,
  loopOfTwo,
  malformed,
  redirect,
  relativeLinks,
  repeatedLastPage,
  reset,
  shifted,
  status,
  tooManyRequests,
  truncated,
} from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { query } from "./database.js";

const KEY = "canary-51f0-key";
const ROWS = Array.from({ length: 25 }, (_, i) => ({
  id: i + 1,
  name: `row ${i + 1}`,
  at: "2026-01-02T03:04:05+02:00",
}));

let folder: string;
let api: FakeApi;
let waits: number[];
let events: Event[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-hostile-"));
  api = await startFakeApi();
  waits = [];
  events = [];
});

afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

function load(resource: ResourceConfig, client: Partial<RestApiConfig["client"]> = {}): PromiseLike<Report> {
  const config: PipelineConfig = {
    pipeline: "hostile",
    source: restApi({
      client: { base_url: api.url, auth: { type: "api_key", name: "X-Api-Key", api_key: KEY }, ...client },
      resources: [{ primary_key: "id", write_disposition: "merge", ...resource }],
    }),
    destination: duckdb(join(folder, "hostile.duckdb")),
  };
  return run(config, {
    runtime: {
      ...systemRuntime,
      random: () => 0,
      sleep: async (ms) => {
        waits.push(ms);
      },
    },
    onEvent: (event) => events.push(event),
  });
}

async function stored(): Promise<number[]> {
  const rows = await query(
    join(folder, "hostile.duckdb"),
    "select id::int as id from hostile.rows order by id",
  );
  return rows.map(({ id }) => Number(id));
}

const all = ROWS.map(({ id }) => id);
const withLinks: ResourceConfig = {
  name: "rows",
  endpoint: { data_selector: "items", paginator: "header_link" },
};
const withPages: ResourceConfig = {
  name: "rows",
  endpoint: {
    data_selector: "items",
    paginator: { type: "page_number", base_page: 1, total_path: "total_pages" },
  },
};

function serveLinks(): void {
  api.route("/rows", { records: ROWS, paging: "link-header", pageSize: 10, envelope: "items" });
}

describe("what is retried ends complete", () => {
  it.each([
    ["429 with Retry-After in seconds", tooManyRequests(7), [7000]],
    ["429 without", tooManyRequests(), [2000]],
    ["500", status(500), [2000]],
    ["a reset connection", reset, [2000]],
    ["a truncated body", truncated, [2000]],
    ["malformed JSON", malformed, [2000]],
    ["HTML with status 200", html, [2000]],
  ])("%s", async (_name, behaviour, expected) => {
    serveLinks();
    api.behave("/rows", asUsual, behaviour);
    const report = await load(withLinks);
    expect(report).toMatchObject({
      status: "ok",
      resources: { rows: { rows: 25, retries: 1, pages: 3, completeness: "proved" } },
    });
    expect(waits).toEqual(expected);
    expect(await stored()).toEqual(all);
  });

  it("waits 2, 4 and 8 seconds, then gives up with what it saw", async () => {
    serveLinks();
    api.behave("/rows", always(status(503)));
    const report = await load(withLinks);
    expect(waits).toEqual([2000, 4000, 8000]);
    expect(report).toMatchObject({
      status: "failed",
      resources: { rows: { status: "failed", requests: 4, error: { code: "http/status", kind: "source" } } },
    });
    expect(report.resources["rows"]?.error?.message).toContain("503");
  });

  it("keeps the pages before a failure and goes on after them in the next run", async () => {
    serveLinks();
    api.behave("/rows", asUsual, status(500), status(500), status(500), status(500));
    expect(await load(withLinks)).toMatchObject({ status: "failed", resources: { rows: { rows: 10 } } });
    expect(await stored()).toEqual(all.slice(0, 10));
    const before = api.requests.length;
    expect(await load(withLinks)).toMatchObject({
      status: "ok",
      resources: { rows: { rows: 15, pages: 2 } },
    });
    expect(api.requests.length - before).toBe(2);
    expect(await stored()).toEqual(all);
  });
});

describe("loops end with an error", () => {
  it.each([
    ["a next link that leads to itself", endlessLoop],
    ["A-B-A", loopOfTwo],
  ])("%s", async (_name, behaviour) => {
    serveLinks();
    api.behave("/rows", always(behaviour));
    const report = await load(withLinks);
    expect(report.resources["rows"]).toMatchObject({ status: "failed", error: { code: "paginator/loop" } });
    expect(api.requests.length).toBeLessThan(6);
  });

  it("a last page that is repeated for ever", async () => {
    api.route("/rows", { records: ROWS, paging: "page", pageSize: 10, envelope: "items" });
    api.behave("/rows", always(repeatedLastPage));
    const report = await load({
      ...withPages,
      endpoint: {
        data_selector: "items",
        paginator: { type: "page_number", base_page: 1, total_path: null },
      },
    });
    expect(report.resources["rows"]).toMatchObject({ status: "failed", error: { code: "paginator/loop" } });
    expect(api.requests).toHaveLength(4);
  });
});

describe("links", () => {
  it("that are relative are resolved against the request", async () => {
    serveLinks();
    api.behave("/rows", relativeLinks);
    expect(await load(withLinks)).toMatchObject({ status: "ok" });
    expect(await stored()).toEqual(all);
  });

  it("to another origin are refused, and the key does not go there", async () => {
    const other = await startFakeApi();
    other.route("/rows", { records: ROWS, paging: "link-header", pageSize: 10, envelope: "items" });
    serveLinks();
    api.behave("/rows", always(linksTo(other.url)));
    const report = await load(withLinks);
    expect(report.resources["rows"]?.error).toMatchObject({ code: "http/origin" });
    expect(report.resources["rows"]?.error?.message).toContain(new URL(other.url).host);
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it("to a listed origin are followed without the key", async () => {
    const other = await startFakeApi();
    other.route("/rows", { records: ROWS, paging: "link-header", pageSize: 10, envelope: "items" });
    serveLinks();
    api.behave("/rows", linksTo(other.url));
    const report = await load(withLinks, { allowed_origins: [other.url] });
    expect(report).toMatchObject({ status: "ok" });
    expect(other.requests.length).toBeGreaterThan(0);
    expect(JSON.stringify(other.requests)).not.toContain(KEY);
    expect(JSON.stringify(api.requests)).toContain(KEY);
    await other.close();
  });

  it("redirects within the origin are followed, with the key", async () => {
    serveLinks();
    api.behave("/old", redirect("/rows"));
    api.route("/old", { records: [] });
    expect(await load({ ...withLinks, endpoint: { path: "/old", data_selector: "items" } })).toMatchObject({
      status: "ok",
    });
    expect(await stored()).toEqual(all);
  });
});

describe("a walk that ends although more is announced fails", () => {
  const contradictory = {
    data_selector: "items",
    paginator: { type: "cursor", cursor_path: "next", has_more_path: "more" },
  } as const;

  beforeEach(() =>
    api.route("/rows", () => answer(200, { items: ROWS.slice(0, 10), more: true, next: null })),
  );

  it("and keeps what was merged", async () => {
    const report = await load({ name: "rows", endpoint: contradictory });
    expect(report).toMatchObject({
      status: "failed",
      resources: {
        rows: {
          status: "failed",
          completeness: "short",
          rows: 10,
          error: { code: "paginator/short", kind: "source" },
        },
      },
    });
    expect(await stored()).toEqual(all.slice(0, 10));
  });

  it("and leaves a replaced table as it was", async () => {
    serveLinks();
    const resource: ResourceConfig = { name: "rows", write_disposition: "replace" };
    await load({ ...resource, endpoint: { data_selector: "items", paginator: "header_link" } });
    api.route("/rows", () => answer(200, { items: [], more: true, next: null }));
    expect((await load({ ...resource, endpoint: contradictory })).resources["rows"]).toMatchObject({
      status: "failed",
    });
    expect(await stored()).toEqual(all);
  });
});

it("gzip and slow bodies arrive whole", async () => {
  serveLinks();
  api.behave("/rows", gzipped, drip(5, 5));
  expect(await load(withLinks)).toMatchObject({ status: "ok" });
  expect(await stored()).toEqual(all);
});

it("records that move to a later page while the walk goes on are neither lost nor doubled", async () => {
  api.route("/rows", { records: ROWS, paging: "page", pageSize: 10, envelope: "items" });
  api.behave("/rows", asUsual, shifted({ id: 100, name: "new", at: "2026-01-02T03:04:05Z" }));
  expect(await load(withPages)).toMatchObject({ status: "ok" });
  expect(await stored()).toEqual(all);
});

it("no key in events, report or database, though the server echoes it", async () => {
  serveLinks();
  api.behave("/rows", asUsual, always(status(418, { "x-echo": KEY })));
  const report = await load(
    { ...withLinks, endpoint: { data_selector: "items", params: { echo: KEY } } },
    {
      auth: { type: "api_key", name: "echo", api_key: KEY, location: "query" },
    },
  );
  expect(report.status).toBe("failed");
  expect(JSON.stringify(api.requests)).toContain(KEY);
  expect(JSON.stringify({ events, report })).not.toContain(KEY);
  const states = await query(
    join(folder, "hostile.duckdb"),
    "select state::varchar as state from hostile._sluice_state",
  );
  expect(JSON.stringify(states)).not.toContain(KEY);
});
