import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answer } from "../../test/fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../../test/fake-api/fake-api.js";
import { mistakesIn, readRest } from "../../test/read-rest.js";
import type { Json } from "../model/json.js";
import type { EndpointConfig, ResourceConfig } from "./config.js";

let api: FakeApi;
beforeEach(async () => {
  api = await startFakeApi();
});
afterEach(() => api.close());

const lines = (endpoint: EndpointConfig, rest: Partial<ResourceConfig> = {}) => ({
  client: { base_url: api.url },
  resources: [
    { name: "orders", selected: false },
    { name: "lines", endpoint: { paginator: "single_page" as const, ...endpoint }, ...rest },
  ],
});
const asked = (path: string) => api.requests.filter(({ url }) => url.startsWith(path));
const echo = ({ url }: { readonly url: string }) => answer(200, [{ url }]);

describe("a batch", () => {
  beforeEach(() => {
    api.route("/orders", {
      records: [1, 2, 3, 4, 5, 5, 4, 6].map((id) => ({ id, of: { code: `c${id}` } })),
      paging: "link-header",
      pageSize: 7,
    });
    api.route("/lines", echo);
  });

  it.each<[string, EndpointConfig, (string | Json)[]]>([
    [
      "joined in a parameter",
      {
        path: "lines",
        params: { ids: "{resources.orders.id}", "page[size]": 9 },
        batch: { size: 2, join: "," },
      },
      [
        "/lines?ids=1%2C2&page%5Bsize%5D=9",
        "/lines?ids=3%2C4&page%5Bsize%5D=9",
        "/lines?ids=5&page%5Bsize%5D=9",
        "/lines?ids=6&page%5Bsize%5D=9",
      ],
    ],
    [
      "as repeated keys, of a nested field",
      { path: "lines", params: { code: "{resources.orders.of.code}" }, batch: { size: 3 } },
      ["/lines?code=c1&code=c2&code=c3", "/lines?code=c4&code=c5", "/lines?code=c6"],
    ],
    [
      "joined within a text",
      {
        path: "lines",
        params: { q: "id:({resources.orders.id})" },
        batch: { size: 100, join: " OR " },
      },
      ["/lines?q=id%3A%281+OR+2+OR+3+OR+4+OR+5%29", "/lines?q=id%3A%286%29"],
    ],
  ])("of values %s", async (_, endpoint, urls) => {
    const { records } = await readRest(lines(endpoint), "lines");
    expect(records).toEqual(urls.map((url) => ({ url })));
  });

  it("in the path is no single record", async () => {
    for (const ids of ["1%2C2%2C3%2C4%2C5", "6"])
      api.route(`/lines/${ids}`, () => answer(200, { count: 2, lines: [{ n: 1 }, { n: 2 }] }));
    const config = lines({ path: "lines/{resources.orders.id}", batch: { size: 9, join: "," } });
    expect((await readRest(config, "lines")).records).toHaveLength(4);
  });

  it("is a list of values in a JSON body", async () => {
    await readRest(
      lines({
        path: "lines",
        method: "POST",
        json: { filter: { ids: "{resources.orders.id}" } },
        batch: { size: 4 },
      }),
      "lines",
    );
    expect(asked("/lines").map(({ body }) => JSON.parse(body) as unknown)).toEqual([
      { filter: { ids: [1, 2, 3, 4] } },
      { filter: { ids: [5] } },
      { filter: { ids: [6] } },
    ]);
  });

  it("covers every value once and resumes after any page with what is left", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(20), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 7 }),
        fc.nat(),
        async (ids, size, chosen) => {
          api.route("/orders", { records: ids.map((id) => ({ id })), paging: "link-header", pageSize: 100 });
          const config = lines({
            path: "lines",
            params: { ids: "{resources.orders.id}" },
            batch: { size, join: "," },
          });
          const all = await readRest(config, "lines");
          const idsOf = (records: readonly Json[]) =>
            records.flatMap((record) =>
              new URL((record as { url: string }).url, api.url).searchParams
                .get("ids")!
                .split(",")
                .map(Number),
            );
          expect(idsOf(all.records)).toEqual([...new Set(ids)]);
          expect(all.records).toHaveLength(Math.ceil(new Set(ids).size / size));
          const cut = chosen % all.pages.length;
          const from = all.pages[cut]?.resume;
          if (from === undefined) return;
          const rest = await readRest(config, "lines", {
            from: JSON.parse(JSON.stringify(from)) as typeof from,
          });
          expect([...all.records.slice(0, cut + 1), ...rest.records]).toEqual(all.records);
        },
      ),
      { numRuns: 15 },
    );
  });

  it.each<[string, EndpointConfig, Partial<ResourceConfig>, string]>([
    ["no parent", { path: "lines" }, {}, "batch: a batch needs a field of a parent"],
    [
      "two fields",
      { path: "{resources.orders.a}/{resources.orders.b}" },
      {},
      "batch: a batch stands for the values of one field, and the request refers to a and b",
    ],
    [
      "a text without join",
      { path: "lines/{resources.orders.id}" },
      {},
      "batch: without join a batch is a list, and {resources.….id} stands in a text",
    ],
    [
      "include_from_parent",
      { path: "lines", params: { ids: "{resources.orders.id}" } },
      { include_from_parent: ["id"] },
      "batch: batch and include_from_parent can't stand side by side",
    ],
  ])("is refused with %s", (_, endpoint, rest, message) => {
    expect(mistakesIn(lines({ ...endpoint, batch: { size: 2 } }, rest))).toEqual([
      `resources.1.endpoint.${message}`,
    ]);
  });

  it.each<[Json, string]>([
    [{ id: "a,b" }, "holds the text that joins the batch"],
    [{ id: null }, "is null, which can't be part of a batch"],
    [{ id: [1] }, "is no plain value, so it can't be part of a batch"],
    [{ id: "" }, "is empty text, which can't be part of a batch"],
    [{}, "is missing"],
  ])("can't hold the value of %j", async (record, problem) => {
    api.route("/orders", { records: [{ id: 1 }, record] });
    const config = lines({
      path: "lines",
      params: { ids: "{resources.orders.id}" },
      batch: { size: 9, join: "," },
    });
    await expect(readRest(config, "lines")).rejects.toMatchObject({
      code: "parent/value",
      message: `record 2 on page 1 of its parent "orders": field id ${problem}`,
      at: { resource: "lines" },
    });
  });
});

describe("a parent's null", () => {
  beforeEach(() => {
    api.route("/orders", { records: [{ id: 1 }, { id: null }, { id: 2 }, { id: null }] });
    for (const id of [1, 2]) api.route(`/orders/${id}/lines`, { records: [{ of: id }] });
  });
  const path = "orders/{resources.orders.id}/lines";

  it("fails by default", async () => {
    await expect(readRest(lines({ path }), "lines")).rejects.toMatchObject({ code: "parent/value" });
  });

  it("is passed over with one warning", async () => {
    const { records, warnings } = await readRest(lines({ path, on_parent_null: "skip" }), "lines");
    expect(records).toEqual([{ of: 1 }, { of: 2 }]);
    expect(warnings).toEqual([
      {
        type: "warning",
        resource: "lines",
        code: "parent/null",
        message: '2 records of "orders" with null for id had no request, as on_parent_null says',
      },
    ]);
  });

  it("is no part of a batch, and a field that is missing is still an error", async () => {
    api.route("/lines", echo);
    const config = lines({
      path: "lines",
      params: { ids: "{resources.orders.id}" },
      on_parent_null: "skip",
      batch: { size: 9, join: "," },
    });
    expect((await readRest(config, "lines")).records).toEqual([{ url: "/lines?ids=1%2C2" }]);
    api.route("/orders", { records: [{ id: null }, { key: 1 }] });
    await expect(readRest(config, "lines")).rejects.toMatchObject({ code: "parent/value" });
  });
});

it("tells ignored responses of children once, with their count", async () => {
  api.route("/orders", { records: [1, 2, 3].map((id) => ({ id })) });
  api.route("/orders/2/lines", { records: [{ n: 1 }] });
  const config = lines({
    path: "orders/{resources.orders.id}/lines",
    response_actions: [{ status_code: 404, action: "ignore" }],
  });
  const { records, warnings } = await readRest(config, "lines");
  expect(records).toEqual([{ n: 1 }]);
  expect(warnings).toMatchObject([
    {
      code: "response/ignored",
      message: expect.stringMatching(
        /^2 responses for records of "orders" were ignored.*the first: 404 Not Found was ignored.*\/orders\/1\/lines$/,
      ) as string,
    },
  ]);
});
