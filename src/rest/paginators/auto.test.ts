import { describe, expect, test } from "vitest";
import type { HttpRequest } from "../../http/message.js";
import { isObject, type Json, type JsonObject } from "../../model/json.js";
import type { Next } from "../paginator.js";
import { autoPaginator } from "./auto.js";
import { cursorPaginator } from "./cursor.js";
import { headerCursorPaginator } from "./header-cursor.js";
import { pageNumberPaginator } from "./page-number.js";

const context = { config: {}, parameters: {}, secrets: {} };
const auto = autoPaginator.create({}, context);

/** What auto makes of a first page; its two records are under `rows`. */
function first(
  body: Json,
  more: { url?: string; headers?: Record<string, string>; records?: Json[] } = {},
): Next {
  const url = more.url ?? "https://api.test/rows";
  const records = more.records ?? [{ id: 1 }, { id: 2 }];
  const whole = isObject(body) ? { rows: records, ...body } : body;
  const head = { status: 200, url, headers: more.headers ?? {} };
  return auto.next({ request: { method: "GET", url, headers: {} }, head, body: whole, records });
}

function typeOf(next: Next): Json | undefined {
  return "request" in next ? next.memo?.["type"] : undefined;
}

const urlOf = (next: Next): string | undefined => ("request" in next ? next.request.url : undefined);

describe("detects", () => {
  test.each<[JsonObject, string, string]>([
    [{ next: "https://api.test/rows?p=2" }, "json_link", "?p=2"],
    [{ next_url: "/rows?p=2" }, "json_link", "?p=2"],
    [{ nextPageUrl: "rows?p=2" }, "json_link", "?p=2"],
    [{ links: { next: "?p=2" } }, "json_link", "?p=2"],
    [{ links: { nextPage: "/rows?p=2" } }, "json_link", "?p=2"],
    [{ links: { next: { href: "/rows?p=2" } } }, "json_link", "?p=2"],
    [{ _links: { self: { href: "/rows" }, next: { href: "/rows?p=2" } } }, "json_link", "?p=2"],
    [{ paging: { next: "https://api.test/rows?p=2" } }, "json_link", "?p=2"],
    [{ paging: { next: { after: "x", link: "https://api.test/rows?p=2" } } }, "json_link", "?p=2"],
    [{ info: { next: "https://api.test/rows?p=2" } }, "json_link", "?p=2"],
    [{ "@odata.nextLink": "?p=2" }, "json_link", "?p=2"],
    [{ meta: { "@odata.nextLink": "?p=2" } }, "json_link", "?p=2"],
    [{ "paging info": { "next.url": "?p=2" } }, "json_link", "?p=2"],
    [{ nextRecordsUrl: "/rows?p=2", done: false, totalSize: 9 }, "json_link", "?p=2"],
    [{ links: [{ rel: "next", href: "/rows?p=2" }] }, "json_link", "?p=2"],
    [{ link: [{ relation: "self" }, { relation: "next", url: "/rows?p=2" }] }, "json_link", "?p=2"],
    [{ next_cursor: "t" }, "cursor", "?cursor=t"],
    [{ response_metadata: { next_cursor: "t=" } }, "cursor", "?cursor=t%3D"],
    [{ nextPageToken: "t" }, "cursor", "?pageToken=t"],
    [{ next_page_token: "t" }, "cursor", "?page_token=t"],
    [{ NextMarker: "t" }, "cursor", "?Marker=t"],
    [{ cursors: { next: "t" } }, "cursor", "?cursor=t"],
    [{ paging: { cursors: { before: "a", after: "t" } } }, "cursor", "?after=t"],
    [{ continuationToken: "t" }, "cursor", "?continuationToken=t"],
    [{ cursor: "t", has_more: true }, "cursor", "?cursor=t"],
    [{ next_offset: 2 }, "cursor", "?offset=2"],
    [{ next_page: 2 }, "cursor", "?page=2"],
    [{ page: 1, total_pages: 3 }, "page_number", "?page=2"],
    [{ page: 0, total_pages: 3 }, "page_number", "?page=1"],
    [{ page: { number: 0, size: 2, totalPages: 3 } }, "page_number", "?page=1"],
    [{ meta: { current_page: 1, last_page: 3 } }, "page_number", "?page=2"],
    [{ pagination: { pageIndex: 0, pageCount: 3 } }, "page_number", "?pageIndex=1"],
    [{ page: 1, next_page: 2, total_pages: 3 }, "page_number", "?page=2"],
    [{ page: 1, has_more: true }, "page_number", "?page=2"],
    [{ page: 1, per_page: 2, total: 5 }, "page_number", "?page=2"],
    [{ number: 0, last: false }, "page_number", "?page=1"],
    [{ offset: 0, limit: 2, total: 5 }, "offset", "?offset=2"],
    [{ skip: 0, total: 5 }, "offset", "?skip=2"],
    [{ startAt: 0, maxResults: 2, total: 5 }, "offset", "?startAt=2"],
    // The page's own count says nothing, so an empty page must.
    [{ offset: 0, limit: 2, count: 2 }, "offset", "?offset=2"],
  ])("%j", (body, type, query) => {
    const next = first(body);
    expect([typeOf(next), urlOf(next)]).toEqual([type, `https://api.test/rows${query}`]);
  });

  test("headers before the body", () => {
    const body = { next: "?p=9" };
    expect(urlOf(first(body, { headers: { link: "<?p=2>; rel=next" } }))).toBe("https://api.test/rows?p=2");
    expect(urlOf(first(body, { headers: { "x-next-page": "2" } }))).toBe("https://api.test/rows?page=2");
  });

  test("a token by a parameter that the request has", () => {
    const url = "https://api.test/rows?next_token=&n=2";
    expect(urlOf(first({ next_token: "t" }, { url }))).toBe("https://api.test/rows?next_token=t&n=2");
  });

  test("where pages start by the request, and goes on from a page that is not the first", () => {
    const at = (page: number): Next =>
      first({ total_pages: 3 }, { url: `https://api.test/rows?page=${page}` });
    expect(urlOf(at(0))).toContain("page=1");
    expect(urlOf(at(1))).toContain("page=2");
    expect(urlOf(at(2))).toContain("page=3");
    expect(at(3)).toMatchObject({ end: "proved" });
  });
});

describe("ends", () => {
  test.each<[JsonObject, string]>([
    [{}, "unknown"],
    [{ status: "ok", took: 12 }, "unknown"],
    [{ stats: { total: 99 } }, "unknown"],
    [{ next: null }, "proved"],
    [{ next_cursor: "" }, "proved"],
    [{ count: 2, next: null, previous: null }, "proved"],
    [{ has_more: false }, "proved"],
    [{ last: true, number: 0 }, "proved"],
    [{ total: 2 }, "proved"],
    [{ offset: 0, limit: 50, total: 2 }, "proved"],
    [{ page: 1, total_pages: 1 }, "proved"],
    [{ total_pages: 1 }, "proved"],
    [{ page: 1, per_page: 2, total: 2 }, "proved"],
    [{ total: 99.5 }, "unknown"],
  ])("%j with %s", (body, end) => {
    expect(first(body)).toMatchObject({ end });
  });

  test("a bare list by its headers", () => {
    expect(first([])).toMatchObject({ end: "unknown" });
    expect(first([], { headers: { link: "<?p=1>; rel=first" } })).toMatchObject({ end: "proved" });
  });
});

describe("refuses to end where there is more", () => {
  test.each<[JsonObject, string]>([
    [{ has_more: true }, "has_more is true"],
    [{ pageInfo: { hasNextPage: true, endCursor: "e" } }, "pageInfo.hasNextPage is true"],
    [{ isLast: false }, "isLast is false"],
    [{ total: 3 }, "total is 3, with 2 records"],
    [{ meta: { total_count: "300" } }, "meta.total_count is 300"],
    [{ count: 30, next: null }, "count is 30"],
    [{ next: "opaque-4711" }, "next has a value"],
    [{ next_token: "opaque-4711" }, "next_token has a value"],
    [{ page: 7, total_pages: 9 }, "total_pages is more than 1"],
  ])("%j", (body, saw) => {
    const error = errorOf(() => first(body));
    expect(error).toMatchObject({ code: "paginator/undetected" });
    expect(error.message).toContain(saw);
    expect(error.hint).toContain("endpoint.paginator");
    expect(error.message + String(error.hint)).not.toContain("4711");
  });

  test("a page that is as full as was asked for, and says nothing else", () => {
    const at = (query: string, body: Json = []) => first(body, { url: `https://api.test/rows?${query}` });
    const error = errorOf(() => at("per_page=2"));
    expect(error).toMatchObject({ code: "paginator/undetected" });
    expect(error.message).toContain("per_page=2 was asked for, and 2 records came");
    expect(error.hint).toContain('limit_param: "per_page"');
    expect(at("per_page=3")).toMatchObject({ end: "unknown" });
    expect(at("per_page=1")).toMatchObject({ end: "unknown" });
    expect(at("per_page=2", { next: null })).toMatchObject({ end: "proved" });
  });

  test("a list whose header has a larger total", () => {
    expect(errorOf(() => first([], { headers: { "x-total-count": "9" } })).message).toContain(
      "x-total-count",
    );
    expect(first([], { headers: { "x-total-count": "2" } })).toMatchObject({ end: "unknown" });
  });
});

describe("places in the body", () => {
  const paginator = pageNumberPaginator.create(
    pageNumberPaginator.options.parse({ page_body_path: "page", total_path: null }),
    context,
  );
  const request = { method: "POST", url: "https://api.test/rows", headers: {} };

  test.each<[string, HttpRequest["body"] & object]>([
    ["form", { kind: "form", pairs: [["q", "x"]] }],
    ["raw", { kind: "raw", text: "q" }],
  ])("a %s body can't hold one: the same page would come for ever", (_, body) => {
    expect(errorOf(() => paginator.first({ ...request, body }))).toMatchObject({ code: "paginator/value" });
    const byHeader = headerCursorPaginator.create(
      headerCursorPaginator.options.parse({ cursor_body_path: "c" }),
      context,
    );
    expect(errorOf(() => byHeader.first({ ...request, body }))).toMatchObject({ code: "paginator/value" });
  });

  test("a request without a body gets one", () => {
    expect(paginator.first(request).body).toEqual({ kind: "json", value: { page: 0 } });
  });

  test("a pointer's escapes, and keys that objects inherit", () => {
    const at = (cursor_body_path: string): unknown => {
      const cursor = cursorPaginator.create(
        cursorPaginator.options.parse({ cursor_body_path, initial_cursor: 7 }),
        context,
      );
      const body = cursor.first(request).body;
      return body?.kind === "json" ? JSON.stringify(body.value) : undefined;
    };
    expect(at("/a~1b/c~0d.e")).toBe('{"a/b":{"c~d.e":7}}');
    expect(at("toString.x")).toBe('{"toString":{"x":7}}');
    expect(at("__proto__.x")).toBe('{"__proto__":{"x":7}}');
  });
});

function errorOf(run: () => unknown): { code: string; message: string; hint?: string } {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string; hint?: string };
  }
  throw new Error("expected an error");
}
