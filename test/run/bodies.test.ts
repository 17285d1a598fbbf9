import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  definePipeline,
  duckdb,
  type Event,
  type PipelineConfig,
  type Report,
  type ResourceConfig,
  restApi,
  run,
} from "../../src/index.js";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { query } from "./database.js";

let folder: string;
let api: FakeApi;
let events: Event[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-bodies-"));
  api = await startFakeApi();
  events = [];
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

function load(...resources: ResourceConfig[]): PromiseLike<Report> {
  const config: PipelineConfig = {
    pipeline: "bodies",
    source: restApi({ client: { base_url: api.url }, resources }),
    destination: duckdb(join(folder, "bodies.duckdb")),
  };
  return run(config, { onEvent: (event) => events.push(event) });
}

it("loads CSV with declared types, JSON Lines with exact ids, and nothing of a 204", async () => {
  const text = (type: string, body: string) => () => ({
    ...answer(200, null, { "content-type": type }),
    body: Buffer.from(body),
  });
  api.route(
    "/calls",
    text(
      "text/csv",
      'id,at,price,note\r\n9007199254740993,2026-01-02T03:04:05+02:00,9.50,"a\r\nb"\r\n2,,,\r\n',
    ),
  );
  api.route("/lines", text("application/x-ndjson", '{"id":9007199254740993}\n{"id":2,"tags":["x"]}\n'));
  api.route("/none", () => answer(204, null));
  const report = await load(
    {
      name: "calls",
      primary_key: "id",
      write_disposition: "merge",
      columns: {
        id: { data_type: "bigint" },
        at: { data_type: "timestamp" },
        price: { data_type: "decimal", precision: 10, scale: 2 },
      },
    },
    { name: "lines" },
    { name: "none" },
  );
  expect(report).toMatchObject({
    status: "ok",
    resources: { calls: { rows: 2 }, lines: { rows: 2 }, none: { rows: 0 } },
    tables: { calls: { inserted: 2, rejected: 0 }, lines: { inserted: 2 }, lines__tags: { inserted: 1 } },
  });
  const file = join(folder, "bodies.duckdb");
  expect(
    await query(
      file,
      'select id::text as id, epoch_ms("at")::text as ms, price::text as price, note from bodies.calls order by note',
    ),
  ).toEqual([
    { id: "9007199254740993", ms: String(Date.parse("2026-01-02T01:04:05Z")), price: "9.50", note: "a\r\nb" },
    { id: "2", ms: null, price: null, note: null },
  ]);
  expect(await query(file, "select max(id)::text as id from bodies.lines")).toEqual([
    { id: "9007199254740993" },
  ]);
});

it("loads XML with declared types, one element as one record, and a gzip file of CSV", async () => {
  const bytes = (type: string, body: string | Buffer) => () => ({
    ...answer(200, null, { "content-type": type }),
    body: Buffer.from(body as string),
  });
  const item = (id: string) =>
    `<item id="${id}"><title>T &amp; ${id}</title><count>12345678901234567890</count><tag>a</tag><tag>b</tag></item>`;
  api.route("/feed", bytes("application/rss+xml", `<rss><channel><n>1</n>${item("007")}</channel></rss>`));
  api.route("/none", bytes("text/xml", "<rss><channel><n>0</n></channel></rss>"));
  api.route("/rows.csv.gz", bytes("application/gzip", gzipSync("id,name\n1,Jo\n2,Lee\n")));
  const report = await load(
    {
      name: "feed",
      columns: { count: { data_type: "decimal", precision: 38, scale: 0 } },
      endpoint: { data_selector: "rss.channel.item" },
    },
    {
      name: "none",
      endpoint: {
        data_selector: "rss.channel.item",
        format: { type: "xml", force_list: ["rss.channel.item"] },
      },
    },
    { name: "rows", endpoint: { path: "rows.csv.gz", paginator: "single_page", data_selector: "$" } },
  );
  expect(report).toMatchObject({
    status: "ok",
    resources: { feed: { rows: 1 }, none: { rows: 0 }, rows: { rows: 2 } },
    tables: { feed: { inserted: 1 }, feed__tag: { inserted: 2 }, rows: { inserted: 2 } },
  });
  const file = join(folder, "bodies.duckdb");
  expect(await query(file, "select aid as id, title, count::text as count from bodies.feed")).toEqual([
    { id: "007", title: "T & 007", count: "12345678901234567890" },
  ]);
});

it("a resource whose 404 is ignored is ok and warns; one whose 200 holds an error fails", async () => {
  api.route("/busy", () => answer(200, { error: "try later", data: [] }));
  const report = await load(
    { name: "gone", endpoint: { response_actions: [{ status_code: 404, action: "ignore" }] } },
    {
      name: "busy",
      endpoint: { response_actions: [({ text }) => (text.includes('"error"') ? "raise" : undefined)] },
    },
  );
  expect(report).toMatchObject({
    status: "partial",
    resources: {
      gone: { status: "ok", rows: 0, completeness: "unknown" },
      busy: { status: "failed", error: { code: "http/status" } },
    },
  });
  expect(events.filter((event) => event.type === "warning")).toMatchObject([
    { resource: "gone", code: "response/ignored" },
  ]);
});

it("a mistake in a response action is told of the key, not of a union", () => {
  const actions = [{ status: 404, action: "ignore" }] as unknown as { action: "ignore" }[];
  const source = restApi({
    client: { base_url: api.url },
    resources: [{ name: "rows", endpoint: { response_actions: actions } }],
  });
  expect(() => definePipeline({ pipeline: "bodies", source })).toThrow(
    'response_actions[0]: unknown key "status" – did you mean "status_code"?',
  );
});
