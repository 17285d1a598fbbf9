import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HttpRequest, ResponseHead } from "../../http/message.js";
import type { Json } from "../../model/json.js";
import type { Next, PageView, Paginator, PaginatorDefinition } from "../paginator.js";
import { cursorPaginator } from "./cursor.js";
import { type CursorContext, cursorExpressionPaginator } from "./cursor-expression.js";
import { headerLinkPaginator } from "./header-link.js";
import { jsonLinkPaginator } from "./json-link.js";
import { offsetPaginator } from "./offset.js";
import { pageNumberPaginator } from "./page-number.js";

// The ordinary walks are in the definitions' examples, which test/laws runs; here is what examples can't say.

const request: HttpRequest = {
  method: "POST",
  url: "https://api.test/v1/items?sig=a%2Fb+c",
  headers: { accept: "application/json" },
  body: { kind: "json", value: { q: 1 } },
};

function create(definition: unknown, options: unknown): Paginator {
  const paginator = definition as PaginatorDefinition;
  return paginator.create(paginator.options.parse(options), {
    config: { team: "blue" },
    parameters: { kind: "call" },
    secrets: { token: "s3cret-9" },
  });
}

function page(content: {
  body?: Json;
  records?: readonly Json[];
  headers?: Record<string, string>;
  url?: string;
}): PageView {
  const head: ResponseHead = { status: 200, url: content.url ?? request.url, headers: content.headers ?? {} };
  return {
    request,
    head,
    records: content.records ?? [{ id: 1 }],
    ...(content.body === undefined ? {} : { body: content.body }),
  };
}

const urlOf = (next: Next): string | undefined => ("request" in next ? next.request.url : undefined);
const endOf = (next: Next): string | undefined => ("request" in next ? undefined : next.end);

function errorOf(run: () => unknown): { code: string; message: string; hint?: string } {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string; hint?: string };
  }
  throw new Error("expected an error");
}

describe("links", () => {
  test("are resolved against the URL that answered, and bring their own parameters", () => {
    const next = create(jsonLinkPaginator, {}).next(
      page({ body: { next: "more?p=2" }, url: "https://eu.api.test/v2/items" }),
    );
    expect(next).toEqual({ request: { ...request, url: "https://eu.api.test/v2/more?p=2" } });
  });

  test.each([null, "", false])("%j is no link", (next) => {
    expect(endOf(create(jsonLinkPaginator, {}).next(page({ body: { next } })))).toBe("proved");
  });

  test("anything but a text is an error without the value", () => {
    const error = errorOf(() => create(jsonLinkPaginator, {}).next(page({ body: { next: 4711 } })));
    expect(error.code).toBe("paginator/value");
    expect(error.message).not.toContain("4711");
  });

  test("a body that is no object has no link", () => {
    expect(endOf(create(jsonLinkPaginator, {}).next(page({})))).toBe("likely");
    expect(endOf(create(jsonLinkPaginator, {}).next(page({ body: "text" })))).toBe("likely");
  });

  test("a signed link of a header is followed byte for byte", () => {
    const printable = fc.string({ unit: fc.constantFrom(..."abz019-._~!$&'()*+,;=:@/?%[]".split("")) });
    const paginator = create(headerLinkPaginator, {});
    fc.assert(
      fc.property(printable, (query) => {
        const url = `https://api.test/v1/items?x=${query.replaceAll("%", "%25")}`;
        expect(urlOf(paginator.next(page({ headers: { link: `<${url}>; rel=next` } })))).toBe(url);
      }),
    );
  });
});

describe("page_number and offset", () => {
  test.each<[string, unknown]>([
    ["page_number", { total_path: null, stop_after_empty_page: false }],
    ["offset", { limit: 2, total_path: null, stop_after_empty_page: false }],
  ])("%s that would never end is refused", (type, options) => {
    const definition = type === "offset" ? offsetPaginator : pageNumberPaginator;
    expect(errorOf(() => create(definition, options)).code).toBe("config/invalid");
  });

  test("a missing total is an error only where nothing else ends the walk", () => {
    const strict = create(pageNumberPaginator, { stop_after_empty_page: false });
    expect(errorOf(() => strict.next(page({ body: {} }))).code).toBe("paginator/value");
    expect(urlOf(create(pageNumberPaginator, {}).next(page({ body: {} })))).toContain("page=1");
  });

  test.each<Json>(["many", {}, 1.5, true])("a total of %j is an error without the value", (total) => {
    const error = errorOf(() => create(offsetPaginator, { limit: 2 }).next(page({ body: { total } })));
    expect(error.code).toBe("paginator/value");
    expect(error.message).not.toContain("many");
  });

  test.each<[Json, string | undefined]>([
    [true, undefined],
    ["YES", undefined],
    ["t", undefined],
    [1, undefined],
    [false, "proved"],
    ["No", "proved"],
    ["0", "proved"],
    [null, undefined],
  ])("has_more of %j ends with %s", (more, end) => {
    const paginator = create(pageNumberPaginator, { has_more_path: "more", total_path: null });
    expect(endOf(paginator.next(page({ body: { more } })))).toBe(end);
  });

  test("has_more that is no flag is an error", () => {
    const paginator = create(pageNumberPaginator, { has_more_path: "more" });
    expect(errorOf(() => paginator.next(page({ body: { more: "perhaps" } }))).code).toBe("paginator/value");
  });

  test("has_more does not switch the other rules off", () => {
    const more = { body: { more: true, total: 1 } };
    const paginator = create(pageNumberPaginator, {
      has_more_path: "more",
      total_path: null,
      maximum_page: 1,
    });
    expect(endOf(paginator.next(page(more)))).toBe("unknown");
    expect(endOf(create(pageNumberPaginator, { has_more_path: "more" }).next(page(more)))).toBe("short");
  });

  test("an empty page before the total proves nothing", () => {
    expect(
      endOf(create(offsetPaginator, { limit: 100 }).next(page({ body: { total: 50 }, records: [] }))),
    ).toBe("likely");
    expect(
      endOf(create(offsetPaginator, { limit: 100 }).next(page({ body: { total: 0 }, records: [] }))),
    ).toBe("proved");
  });

  test("whatever the API's own page size, offsets cover every record once", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        (total, limit, cap, tells) => {
          const rows = Array.from({ length: total }, (_, id) => ({ id }));
          const paginator = create(offsetPaginator, { limit });
          const seen: Json[] = [];
          let at: Next = { request: paginator.first(request) };
          while ("request" in at) {
            const query = new URL(at.request.url).searchParams;
            const offset = Number(query.get("offset"));
            const records = rows.slice(offset, offset + Math.min(cap, Number(query.get("limit"))));
            seen.push(...records);
            at = paginator.next({
              request: at.request,
              head: page({}).head,
              records,
              body: tells ? { total } : {},
            });
          }
          expect(seen).toEqual(rows);
          expect(at.end).toBe(tells ? "proved" : "likely");
        },
      ),
    );
  });
});

describe("cursor (path)", () => {
  test("big tokens are exact, and other kinds are an error", () => {
    const paginator = create(cursorPaginator, { cursor_path: "next" });
    expect(urlOf(paginator.next(page({ body: { next: 9007199254740993n } })))).toBe(
      `${request.url}&cursor=9007199254740993`,
    );
    expect(errorOf(() => paginator.next(page({ body: { next: ["x"] } }))).code).toBe("paginator/value");
    expect(endOf(paginator.next(page({ body: { next: [] } })))).toBe("proved");
    expect(endOf(paginator.next(page({ body: {} })))).toBe("likely");
  });

  test("keys of the other form are refused", () => {
    expect(cursorPaginator.options.safeParse({ cursor_value: "{{ response.x }}" }).success).toBe(false);
    expect(cursorExpressionPaginator.options.safeParse({ cursor_value: "x", cursor_path: "y" }).success).toBe(
      false,
    );
  });
});

describe("cursor (expression)", () => {
  const expression = (options: object): Paginator => create(cursorExpressionPaginator, options);

  test.each<[object, "head" | "body"]>([
    [{ cursor_value: "{{ headers['x-next'] }}", cursor_param: "c" }, "head"],
    [
      { cursor_value: "{{ headers.link.next.url }}", stop_condition: "{{ config.x == parameters.y }}" },
      "head",
    ],
    [{ cursor_value: "{{ headers['x-next'] }}", stop_condition: "{{ not response.more }}" }, "body"],
    [{ cursor_value: "{{ last_record.id }}" }, "body"],
    [{ cursor_value: "{{ last_page_size }}" }, "body"],
    [{ cursor_value: () => "x" }, "body"],
  ])("%j needs the %s", (options, needs) => {
    expect(expression(options).needs).toBe(needs);
  });

  test.each(["x-next", "X-Next", "X-NEXT"])("header names have any case: %s", (name) => {
    const paginator = expression({ cursor_value: `{{ headers['${name}'] }}`, cursor_param: "c" });
    expect(urlOf(paginator.next(page({ headers: { "x-next": "t1" } })))).toBe(`${request.url}&c=t1`);
  });

  test.each(["headers.link.next.url", "headers['Link']['next'].url", "headers['link']['next']['url']"])(
    "%s",
    (value) => {
      const paginator = expression({
        cursor_value: `{{ ${value} }}`,
        stop_condition: "{{ 'next' not in headers['Link'] }}",
      });
      expect(urlOf(paginator.next(page({ headers: { link: '</v1/items?p=2>; rel="NEXT"' } })))).toBe(
        "https://api.test/v1/items?p=2",
      );
      expect(endOf(paginator.next(page({})))).toBe("proved");
      expect(endOf(paginator.next(page({ headers: { link: "garbage <" } })))).toBe("proved");
    },
  );

  test.each<[Json, string | undefined]>([
    ["https://other.test/x?a=1&b", "https://other.test/x?a=1&b"],
    ["/x?a", "https://api.test/x?a"],
    ["?p=2", "https://api.test/v1/items?p=2"],
    ["./x", "https://api.test/v1/x"],
  ])("%j is followed", (next, url) => {
    expect(
      urlOf(expression({ cursor_value: "{{ response.next }}", limit: 5 }).next(page({ body: { next } }))),
    ).toBe(url);
  });

  test("a link is sent as a parameter where one is named", () => {
    const paginator = expression({ cursor_value: "{{ response.next }}", cursor_param: "after" });
    expect(urlOf(paginator.next(page({ body: { next: "/a=" } })))).toBe(`${request.url}&after=%2Fa%3D`);
  });

  test("a token without a place to go says what to set, and not the token", () => {
    const error = errorOf(() =>
      expression({ cursor_value: "{{ response.next }}" }).next(page({ body: { next: "tok-4711" } })),
    );
    expect(error.code).toBe("paginator/value");
    expect(error.hint).toContain("cursor_param");
    expect(error.message).not.toContain("4711");
  });

  test.each<[Json, string | undefined]>([
    [null, "likely"],
    ["", "proved"],
    [false, "proved"],
    [[], "proved"],
    [0, undefined],
  ])("a cursor of %j ends with %s", (next, end) => {
    const paginator = expression({ cursor_value: "{{ response.next }}", cursor_param: "c" });
    expect(endOf(paginator.next(page({ body: { next } })))).toBe(end);
  });

  test("no cursor although the stop_condition says to go on is not proved", () => {
    const paginator = expression({
      cursor_value: "{{ response.next }}",
      stop_condition: "{{ not response.more }}",
    });
    expect(endOf(paginator.next(page({ body: { more: true } })))).toBe("unknown");
  });

  test("an empty page has no last record, and that is no failure", () => {
    const paginator = expression({ cursor_value: "{{ last_record.id }}", cursor_param: "after" });
    expect(endOf(paginator.next(page({ body: [], records: [] })))).toBe("likely");
  });

  test("config and parameters are there", () => {
    const paginator = expression({
      cursor_value: "{{ config.team ~ '-' ~ parameters.kind }}",
      cursor_param: "c",
    });
    expect(urlOf(paginator.next(page({})))).toContain("c=blue-call");
  });

  test("functions get the same, under camel case names", () => {
    let seen: CursorContext | undefined;
    const paginator = expression({
      cursor_value: (context: CursorContext) => {
        seen = context;
        return context.headers.link["next"]?.url;
      },
      stop_condition: ({ lastPageSize }: CursorContext) => lastPageSize === 0,
    });
    const content = {
      body: { a: 1 },
      records: [{ id: 1 }, { id: 2 }],
      headers: { link: "</p2>; rel=next", "x-a": "1" },
    };
    expect(urlOf(paginator.next(page(content)))).toBe("https://api.test/p2");
    expect(seen).toMatchObject({
      response: { a: 1 },
      lastRecord: { id: 2 },
      lastPageSize: 2,
      config: { team: "blue" },
      parameters: { kind: "call" },
    });
    expect(seen?.headers["x-a"]).toBe("1");
    expect(endOf(paginator.next(page({ ...content, records: [] })))).toBe("proved");
  });

  test.each([
    { cursor_value: "response.next" },
    { cursor_value: "{{ respons.next }}" },
    { cursor_value: "{{ response.next" },
    { cursor_value: "{{ response.x }}", stop_condition: "true" },
  ])("%j is a mistake that is found at once", (options) => {
    expect(errorOf(() => expression(options)).code).toBe("config/invalid");
  });

  test("secrets are available, for APIs that sign their cursors", () => {
    const paginator = expression({
      cursor_value: "{{ response.next ~ secrets.token }}",
      cursor_param: "after",
    });
    expect(urlOf(paginator.next(page({ body: { next: "n-" } })))).toContain("after=n-s3cret-9");
  });

  test("limit is sent on the first request, by the name that is asked for", () => {
    const cursor_value = "{{ response.next }}";
    expect(expression({ cursor_value, limit: 100 }).first(request).url).toBe(`${request.url}&limit=100`);
    expect(expression({ cursor_value, limit: 100, limit_param: "per_page" }).first(request).url).toBe(
      `${request.url}&per_page=100`,
    );
    expect(expression({ cursor_value, limit: 100, limit_param: null }).first(request).url).toBe(request.url);
    expect(expression({ cursor_value }).first(request).url).toBe(request.url);
  });
});
