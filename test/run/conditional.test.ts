import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { definePipeline, duckdb, type Report, restApi, run } from "../../src/index.js";
import { query } from "./database.js";

let folder: string;
let file: string;
let server: Server;
let seen: { match: string | undefined; since: string | undefined; status: number }[];
let version: number;
let validators: (version: number) => Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-conditional-"));
  file = join(folder, "shop.duckdb");
  seen = [];
  version = 1;
  validators = (n) => ({ etag: `"v${n}"`, "last-modified": `Mon, 0${n} Jan 2024 00:00:00 GMT` });
  server = createServer((request, response) => {
    const match = request.headers["if-none-match"];
    const since = request.headers["if-modified-since"];
    const current = validators(version);
    const isSame = match !== undefined && match === current["etag"];
    seen.push({ match, since, status: isSame ? 304 : 200 });
    if (isSame) response.writeHead(304, current).end();
    else response.writeHead(200, current).end(JSON.stringify([{ id: 1, version }]));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

const config = (endpoint: object = { paginator: "single_page" }, more: object = {}) => ({
  pipeline: "shop",
  destination: duckdb(file),
  source: restApi({
    client: { base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` },
    resources: [
      {
        name: "prices",
        primary_key: "id",
        write_disposition: "merge",
        ...more,
        endpoint: { conditional: true, ...endpoint },
      },
    ],
  } as never),
});

async function load(options: { fullRefresh?: boolean } = {}): Promise<Report> {
  return run(config(), options);
}

it("an unchanged answer costs no body and no rows; a changed one is loaded", async () => {
  await load();
  const same = await load();
  expect(same).toMatchObject({
    status: "ok",
    resources: {
      prices: {
        rows: 0,
        bytes: 0,
        completeness: "proved",
        completeness_reason: expect.stringContaining("304"),
      },
    },
  });
  version = 2;
  await load();
  await load();
  expect(seen).toEqual([
    { match: undefined, since: undefined, status: 200 },
    { match: '"v1"', since: "Mon, 01 Jan 2024 00:00:00 GMT", status: 304 },
    { match: '"v1"', since: "Mon, 01 Jan 2024 00:00:00 GMT", status: 200 },
    { match: '"v2"', since: "Mon, 02 Jan 2024 00:00:00 GMT", status: 304 },
  ]);
  expect(await query(file, "select version::int as version from shop.prices")).toEqual([{ version: 2 }]);
});

it("a full refresh asks for everything", async () => {
  await load();
  expect((await load({ fullRefresh: true })).resources["prices"]).toMatchObject({ rows: 1 });
  expect(seen.map(({ status }) => status)).toEqual([200, 200]);
});

it("an API without validators is read each time", async () => {
  validators = () => ({});
  await load();
  expect((await load()).resources["prices"]).toMatchObject({ rows: 1 });
});

it.each([
  ["several pages", { paginator: { type: "page_number" } }, {}, /one page/],
  ["replace", { paginator: "single_page" }, { write_disposition: "replace" }, /leave the table empty/],
])("is refused with %s", (_, endpoint, more, message) => {
  expect(() => definePipeline(config(endpoint, more))).toThrow(message);
});
