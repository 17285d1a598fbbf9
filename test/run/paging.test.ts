import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../../src/model/json.js";
import { memoryNotes } from "../../src/model/notes.js";
import { systemRuntime } from "../../src/model/runtime.js";
import { Redactor } from "../../src/model/secret.js";
import type { Page } from "../../src/model/source.js";
import type { Position } from "../../src/model/state.js";
import { restApiOptions } from "../../src/rest/options.js";
import { type PlannedResource, planRestApi } from "../../src/rest/plan.js";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, type SeenRequest, startFakeApi } from "../fake-api/fake-api.js";

// Whole walks over a real connection, without a destination.

let api: FakeApi;
beforeAll(async () => {
  api = await startFakeApi();
});
afterAll(() => api.close());

function plan(endpoint: object, client: object = {}): ReturnType<typeof planRestApi> {
  const options = restApiOptions.parse({
    client: { base_url: api.url, ...client },
    resources: [{ name: "rows", endpoint: { path: "rows", ...endpoint } }],
  });
  return planRestApi(options, {
    variables: {},
    variable: () => ({ tried: [] }),
    secret: () => ({ tried: [] }),
    conceal: () => {},
    redactor: new Redactor(),
    userAgent: "test",
  });
}

async function pagesOf(endpoint: object, from?: Position, client?: object): Promise<Page[]> {
  const { resources, findings } = plan(endpoint, client);
  expect(findings).toEqual([]);
  const [{ resource }] = resources as [PlannedResource];
  const io = {
    notes: memoryNotes(),
    runtime: systemRuntime,
    signal: new AbortController().signal,
    emit: () => {},
  };
  const pages: Page[] = [];
  for await (const page of resource.read(from, io)) pages.push(page);
  return pages;
}

const idsOf = (pages: readonly Page[]): Json[] =>
  pages.flatMap(({ records }) => records.values.map((record) => (record as JsonObject)["id"] ?? null));
const endOf = (pages: readonly Page[]) => pages.at(-1)?.completeness;
const stored = (position: Position): Position => JSON.parse(JSON.stringify(position)) as Position;
const numbered = (total: number) => Array.from({ length: total }, (_, index) => ({ id: index + 1 }));
const upTo = (total: number) => Array.from({ length: total }, (_, index) => index + 1);
const paramOf = ({ url }: SeenRequest, name: string): string | null =>
  new URL(url, api.url).searchParams.get(name);

async function failure(endpoint: object): Promise<{ code: string; message: string; hint?: string }> {
  return pagesOf(endpoint).then(
    () => expect.unreachable("expected an error"),
    (error: unknown) => error as { code: string; message: string; hint?: string },
  );
}

/** 23 rows in pages of 5, by whatever the request says. */
function serve(
  render: (page: { index: number; count: number; rows: Json[] }) => JsonObject,
  indexOf: (request: SeenRequest) => number,
): void {
  const rows = numbered(23);
  api.route("/rows", (request) => {
    const index = indexOf(request);
    return answer(200, render({ index, count: 5, rows: rows.slice(index * 5, index * 5 + 5) }));
  });
}

describe("auto", () => {
  const kinds = ["link-header", "next-url", "cursor", "page", "offset"] as const;

  test.each(kinds)("reads all rows of any number of %s pages, also from any position", async (paging) => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 9 }), fc.integer({ min: 1, max: 4 }), async (total, pageSize) => {
        api.route("/rows", { records: numbered(total), paging, pageSize, envelope: "items" });
        const pages = await pagesOf({ data_selector: "items" });
        expect(idsOf(pages)).toEqual(upTo(total));
        expect(endOf(pages)).toBe("proved");
        for (const [index, { resume }] of pages.entries()) {
          if (resume === undefined) continue;
          const rest = await pagesOf({ data_selector: "items" }, stored(resume));
          expect(idsOf(rest)).toEqual(idsOf(pages.slice(index + 1)));
        }
      }),
      { numRuns: 12 },
    );
  });

  test.each([0, 1])("pages without numbers of their own, the first of which is %i", async (base) => {
    serve(
      ({ rows, count }) => ({ data: rows, total_pages: count }),
      (request) => Number(paramOf(request, "page") ?? base) - base,
    );
    const pages = await pagesOf({});
    expect(idsOf(pages)).toEqual(upTo(23));
    expect(endOf(pages)).toBe("proved");
    for (const [index, { resume }] of pages.entries()) {
      if (resume === undefined) continue;
      expect(idsOf(await pagesOf({}, stored(resume)))).toEqual(idsOf(pages.slice(index + 1)));
    }
  });

  test("a parameter of the request tells its name and where counting starts", async () => {
    serve(
      ({ rows, count }) => ({ data: rows, pages: count }),
      (request) => Number(paramOf(request, "pageNo") ?? 9) - 1,
    );
    const seen = api.requests.length;
    const pages = await pagesOf({ params: { pageNo: 1 } });
    expect(idsOf(pages)).toEqual(upTo(23));
    expect(api.requests.length - seen).toBe(5);
  });

  test("offsets follow the records that came, when the API gives fewer than it says", async () => {
    api.route("/rows", (request) => {
      const offset = Number(paramOf(request, "skip") ?? 0);
      return answer(200, {
        items: numbered(23).slice(offset, offset + 3),
        paging: { skip: offset, limit: 100, total: 23 },
      });
    });
    expect(idsOf(await pagesOf({}))).toEqual(upTo(23));
  });

  test("a token that is sent in a parameter the API ignores is an error, and no row comes twice", async () => {
    api.route("/rows", () => answer(200, { data: numbered(3), next_cursor: "t2" }));
    const error = await failure({});
    expect(error.code).toBe("paginator/loop");
  });

  test("a page that is not the one that was asked for is an error", async () => {
    api.route("/rows", () => answer(200, { data: numbered(3), page: 1, total_pages: 3 }));
    const error = await failure({});
    expect(error).toMatchObject({ code: "paginator/undetected" });
    expect(error.message).toContain("page=2 was asked for, but page of the response is 1");
  });

  test("what is not understood is an error that says what to configure, and nothing is loaded", async () => {
    api.route("/rows", () => answer(200, { data: numbered(3), has_more: true }));
    const error = await failure({});
    expect(error.code).toBe("paginator/undetected");
    expect(error.message).toContain("has_more is true");
    expect(error.hint).toContain("cursor_param");
    expect(error.hint).toContain("single_page");
    expect(endOf(await pagesOf({ paginator: "single_page" }))).toBe("likely");
  });

  test("lists and single records without a sign of paging end as unknown", async () => {
    api.route("/rows", () => answer(200, numbered(3)));
    expect(endOf(await pagesOf({}))).toBe("unknown");
    api.route("/rows", () => answer(200, { id: 7, total: 120, next: "https://other.test/8", tags: ["a"] }));
    const pages = await pagesOf({});
    expect([idsOf(pages), endOf(pages)]).toEqual([[7], "unknown"]);
  });

  test("at an endpoint it means to detect, whatever the client has", async () => {
    api.route("/rows", { records: numbered(5), paging: "page", pageSize: 2 });
    const client = { paginator: "single_page" };
    expect(idsOf(await pagesOf({ paginator: "auto" }, undefined, client))).toEqual(upTo(5));
    expect(idsOf(await pagesOf({ paginator: { type: "auto" } }, undefined, client))).toEqual(upTo(5));
    expect(idsOf(await pagesOf({}, undefined, client))).toEqual([1, 2]);
  });
});

describe("paginators by configuration", () => {
  const byHeader = (request: SeenRequest) => Number(paramOf(request, "page") ?? 1) - 1;

  test("header_cursor", async () => {
    api.route("/rows", (request) => {
      const index = byHeader(request);
      return answer(
        200,
        numbered(23).slice(index * 5, index * 5 + 5),
        index < 4 ? { "X-Next": `${index + 2}` } : {},
      );
    });
    const pages = await pagesOf({
      paginator: { type: "header_cursor", cursor_key: "x-NEXT", cursor_param: "page" },
    });
    expect(idsOf(pages)).toEqual(upTo(23));
  });

  test.each([
    [{ type: "page_number", base_page: 1, page_body_path: "q.page", total_path: "count" }, "page"],
    [{ type: "offset", limit: 5, offset_body_path: "/q/from.row", limit_body_path: "q.size" }, "from.row"],
    [{ type: "cursor", cursor_path: "next", cursor_body_path: "q.after" }, "after"],
    [{ type: "cursor", cursor_value: "{{ response.next }}", cursor_body_path: "q.after" }, "after"],
  ])("%j in the body, whose other keys stay", async (paginator, key) => {
    const asked: JsonObject[] = [];
    serve(
      ({ index, rows, count }) => ({ rows, count, total: 23, next: index < 4 ? index + 1 : null }),
      ({ body }) => {
        const { q, ...others } = JSON.parse(body) as { q: Record<string, string | number> };
        expect([others, q["sort"]]).toEqual([{ kind: "call" }, "id"]);
        asked.push(q);
        const value = Number(q[key] ?? "0");
        if (key === "page") return value - 1;
        return key === "from.row" ? value / 5 : value;
      },
    );
    const endpoint = {
      method: "POST",
      json: { kind: "call", q: { sort: "id" } },
      data_selector: "rows",
      paginator,
    };
    const pages = await pagesOf(endpoint);
    expect(idsOf(pages)).toEqual(upTo(23));
    expect(asked).toHaveLength(5);
    const resume = pages[2]?.resume;
    expect(resume).toBeDefined();
    expect(idsOf(await pagesOf(endpoint, stored(resume ?? {})))).toEqual([16, 17, 18, 19, 20, 21, 22, 23]);
  });

  test("a last page of nulls is an empty page", async () => {
    api.route("/rows", (request) => {
      const page = Number(paramOf(request, "next_token") ?? 1);
      const users = page < 3 ? [{ id: page }] : null;
      return answer(200, { users, next_token: page < 3 ? page + 1 : null });
    });
    const paginator = { type: "cursor", cursor_path: "next_token", cursor_param: "next_token" };
    const pages = await pagesOf({ data_selector: "users", paginator });
    expect(pages.map(({ records }) => records.values.length)).toEqual([1, 1, 0]);
    expect(endOf(pages)).toBe("proved");
  });

  test("a user's own parameter of the same name is overwritten, and others are kept as they are", async () => {
    serve(
      ({ rows, count }) => ({ data: rows, total_pages: count }),
      (request) => Number(paramOf(request, "page")) - 1,
    );
    const seen = api.requests.length;
    await pagesOf({
      params: { sort: "desc", locale: "", page: "100" },
      paginator: { type: "page_number", base_page: 1, total_path: "total_pages" },
    });
    const urls = api.requests.slice(seen).map(({ url }) => url);
    expect(urls).toEqual([1, 2, 3, 4, 5].map((page) => `/rows?sort=desc&locale=&page=${page}`));
  });
});

describe("mistakes at plan time", () => {
  test.each([
    [{ type: "page_number", page_param: "p", page_body_path: "p" }, {}, "page_param and page_body_path"],
    [{ type: "offset", limit: 1, offset_param: "o", offset_body_path: "o" }, {}, "offset_param and"],
    [{ type: "offset", limit: 1, limit_param: "l", limit_body_path: "l" }, {}, "limit_param and"],
    [{ type: "cursor", cursor_param: "c", cursor_body_path: "c" }, {}, "cursor_param and"],
    [{ type: "header_cursor", cursor_param: "c", cursor_body_path: "c" }, {}, "cursor_param and"],
    [{ type: "json_link", limit: 1, limit_param: "l", limit_body_path: "l" }, {}, "limit_param and"],
    [{ type: "json_link", limit_param: "l" }, {}, "limit is not set"],
    [{ type: "offset", limit: 1, offset_param: "l", limit_param: "l" }, {}, 'both be sent as \\"l\\"'],
    [{ type: "offset", limit: 1, offset_param: "limit" }, {}, 'both be sent as \\"limit\\"'],
    [{ type: "cursor", limit: 1, cursor_body_path: "a.b", limit_body_path: "a.b" }, {}, "both be sent"],
    [{ type: "cursor", cursor_body_path: "a..b" }, {}, "empty key"],
    [{ type: "cursor", cursor_body_path: "a.b" }, { json: { a: 1 } }, "no object"],
    [{ type: "page_number", page_body_path: "page" }, { json: [1] }, "no object"],
  ])("%j with %j", (paginator, endpoint, message) => {
    const { findings } = plan({ method: "POST", paginator, ...endpoint });
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ path: ["resources", 0, "endpoint", "paginator"] });
    expect(JSON.stringify(findings[0])).toContain(message);
  });
});

describe("max_pages", () => {
  const links = { data_selector: "items", paginator: "header_link", max_pages: 3 };

  test.each(["header_link", "auto"])(
    "ends a walk by %s after as many pages, and asks for no more",
    async (paginator) => {
      api.route("/rows", { records: numbered(9), paging: "link-header", pageSize: 2, envelope: "items" });
      const seen = api.requests.length;
      const pages = await pagesOf({ ...links, paginator });
      expect([idsOf(pages), endOf(pages)]).toEqual([upTo(6), "unknown"]);
      expect(api.requests.length - seen).toBe(3);
    },
  );

  test("counts the pages before a resume", async () => {
    api.route("/rows", { records: numbered(9), paging: "link-header", pageSize: 2, envelope: "items" });
    const [, second] = await pagesOf(links);
    expect(idsOf(await pagesOf(links, stored(second?.resume ?? {})))).toEqual([5, 6]);
  });

  test("leaves the verdict of an end that comes first", async () => {
    api.route("/rows", { records: numbered(5), paging: "link-header", pageSize: 2, envelope: "items" });
    expect(endOf(await pagesOf(links))).toBe("proved");
  });

  test("stops what would never end", async () => {
    api.route("/rows", (request) => {
      const page = Number(paramOf(request, "page"));
      return answer(200, { items: [{ id: page }], more: true });
    });
    const paginator = { type: "page_number", has_more_path: "more", total_path: null };
    expect(idsOf(await pagesOf({ ...links, paginator }))).toEqual([0, 1, 2]);
  });
});

// What dlt goes on with for ever (its tracker and code, 1.26): here each ends, with an error where rows may be missing.
describe("endless loops", () => {
  test("an empty header cursor", async () => {
    api.route("/rows", () => answer(200, numbered(2), { next: "" }));
    expect(endOf(await pagesOf({ paginator: "header_cursor" }))).toBe("proved");
  });

  test("has_more is true, but there is no cursor", async () => {
    api.route("/rows", () => answer(200, { data: numbered(2), more: true, next: null }));
    const paginator = { type: "cursor", cursor_path: "next", has_more_path: "more" };
    expect(endOf(await pagesOf({ paginator }))).toBe("short");
  });

  test("has_more does not override a maximum", async () => {
    api.route("/rows", (request) =>
      answer(200, { data: [{ id: Number(paramOf(request, "page")) }], more: true }),
    );
    const paginator = { type: "page_number", has_more_path: "more", total_path: null, maximum_page: 2 };
    const pages = await pagesOf({ paginator });
    expect([idsOf(pages), endOf(pages)]).toEqual([[0, 1], "unknown"]);
  });

  test("a page number under a name that the API ignores", async () => {
    api.route("/rows", () => answer(200, { data: numbered(2), next_page: 2 }));
    expect((await failure({})).code).toBe("paginator/loop");
  });

  test("links that lead in a circle", async () => {
    api.route("/rows", (request) => {
      const page = Number(paramOf(request, "p") ?? 1);
      return answer(200, { data: [{ id: page }], next: `?p=${page === 3 ? 2 : page + 1}` });
    });
    expect((await failure({})).code).toBe("paginator/loop");
  });
});
