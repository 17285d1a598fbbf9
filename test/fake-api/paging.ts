import type { Json, JsonObject } from "../../src/model/json.js";

/**
 * How a route spreads its records over pages. All but `none` cut pages of the route's page size.
 * - `link-header` `Link: <…?page=2>; rel="next"`
 * - `next-url`    `{ "next": "…?after=100" }` in the body, null at the end
 * - `cursor`      `{ "next_cursor": "b64" }` in the body, sent back as `?cursor=`
 * - `page`        `?page=2`, body with `total_pages`
 * - `offset`      `?offset=100`, body with `total`
 */
export type Paging = "none" | "link-header" | "next-url" | "cursor" | "page" | "offset";

/** A page before it becomes a response; behaviours change it. */
export interface FakePage {
  /** Index of the first record. */
  readonly offset: number;
  /** Records per page. */
  readonly size: number;
  readonly records: readonly Json[];
  /** Index of the first record of the following page, or undefined at the end. */
  readonly next: number | undefined;
  readonly total: number;
  /** What links begin with: an origin, or nothing for relative links. */
  readonly linkBase: string;
}

interface PagingRules {
  readonly param: string;
  readonly offsetOf: (value: string, size: number) => number;
  readonly valueOf: (offset: number, size: number) => string;
  readonly headers?: (nextUrl: string | undefined, firstUrl: string) => Record<string, string>;
  readonly body?: (
    page: FakePage,
    next: { url: string | undefined; value: string | undefined },
  ) => JsonObject;
}

const plain = { offsetOf: Number, valueOf: String };
const pages = {
  offsetOf: (value: string, size: number) => (Number(value) - 1) * size,
  valueOf: (offset: number, size: number) => String(Math.floor(offset / size) + 1),
};
const tokens = {
  offsetOf: (value: string) => Number(Buffer.from(value, "base64url").toString().slice(2)),
  valueOf: (offset: number) => Buffer.from(`o:${offset}`).toString("base64url"),
};

const RULES: Readonly<Record<Paging, PagingRules>> = {
  none: { param: "", ...plain },
  "link-header": {
    param: "page",
    ...pages,
    headers: (next, first) => ({
      link: [`<${first}>; rel="first"`, ...(next === undefined ? [] : [`<${next}>; rel="next"`])].join(", "),
    }),
  },
  "next-url": { param: "after", ...plain, body: (_page, { url }) => ({ next: url ?? null }) },
  cursor: { param: "cursor", ...tokens, body: (_page, { value }) => ({ next_cursor: value ?? null }) },
  page: {
    param: "page",
    ...pages,
    body: ({ offset, size, total }) => ({
      page: Math.floor(offset / size) + 1,
      total_pages: Math.ceil(total / size),
    }),
  },
  offset: { param: "offset", ...plain, body: ({ offset, total }) => ({ offset, total }) },
};

/** Which page a URL asks for. `?per_page=` and `?limit=` make pages smaller, never larger. */
export function pageAt(paging: Paging, records: readonly Json[], url: URL, pageSize: number): FakePage {
  const { param, offsetOf } = RULES[paging];
  const total = records.length;
  const asked = Number(url.searchParams.get("per_page") ?? url.searchParams.get("limit") ?? pageSize);
  const size = paging === "none" ? Math.max(1, total) : Math.max(1, Math.min(pageSize, asked));
  const value = url.searchParams.get(param);
  const offset = value === null ? 0 : Math.max(0, offsetOf(value, size));
  const next = offset + size < total ? offset + size : undefined;
  return { offset, size, records: records.slice(offset, offset + size), next, total, linkBase: url.origin };
}

/** The page as headers and body. Without an envelope, and with nothing else to say, the body is the bare list. */
export function renderPage(
  paging: Paging,
  page: FakePage,
  url: URL,
  envelope: string | undefined,
): { readonly headers: Record<string, string>; readonly body: Json } {
  const rules = RULES[paging];
  const urlOf = (offset: number): string => {
    const target = new URL(url);
    target.searchParams.set(rules.param, rules.valueOf(offset, page.size));
    return page.linkBase + target.pathname + target.search;
  };
  const next = {
    url: page.next === undefined ? undefined : urlOf(page.next),
    value: page.next === undefined ? undefined : rules.valueOf(page.next, page.size),
  };
  const extra = rules.body?.(page, next);
  const isBare = envelope === undefined && extra === undefined;
  return {
    headers: rules.headers?.(next.url, urlOf(0)) ?? {},
    body: isBare ? page.records : { ...extra, [envelope ?? "data"]: page.records },
  };
}
