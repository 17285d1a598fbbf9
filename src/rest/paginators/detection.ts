import { createHash } from "node:crypto";
import { parseLinkHeader } from "../../http/link-header.js";
import { getParam } from "../../http/url.js";
import { isObject, type Json, type JsonObject } from "../../model/json.js";
import type { PageView } from "../paginator.js";
import { envelopeOf, type Field, plainName } from "./envelope.js";
import { isNothing } from "./page-value.js";

/** A paginator that a page shows, as plain data: it is stored with the position. */
export interface Detected {
  readonly type: "header_link" | "header_cursor" | "json_link" | "cursor" | "page_number" | "offset";
  readonly options: JsonObject;
  /** Where the body says which page or offset it is, and the parameter that asked for it: the two must agree. */
  readonly echo?: { readonly path: string; readonly param: string };
  /** The first page's records, hashed: page 1 is asked for, in `param`, to see whether it was that page. */
  readonly probe?: { readonly param: string; readonly first: string };
  /** What the paginator itself wants to know with the next page. */
  readonly memo?: JsonObject;
}

/** What a page shows beside its records. */
export interface Sight {
  readonly page: PageView;
  readonly fields: readonly Field[];
  readonly rows: number;
}

export function sightOf(page: PageView): Sight {
  return { page, fields: envelopeOf(page), rows: page.records?.length ?? 0 };
}

const LINKS = new Set([
  "next",
  "nexturl",
  "nexturi",
  "nextlink",
  "nexthref",
  "nextpage",
  "nextpageurl",
  "nextpageuri",
  "nextpagelink",
  "odatanextlink",
  "nextrecordsurl",
  "nextresultsurl",
]);
/** Where an object under one of those names holds the link itself. */
const LINK_PARTS = new Set(["href", "url", "uri", "link"]);
/** Lists of links: the key of the relation, and that of the address (`links` of many APIs, `link` of FHIR). */
const LINK_LISTS = [
  ["rel", "href"],
  ["rel", "url"],
  ["relation", "url"],
] as const;

/** Tokens whose parameter is known by convention: the field's name without `next`, in the field's own spelling. */
const TOKENS = new Set([
  "nextcursor",
  "nextpagetoken",
  "nextoffset",
  "nextskip",
  "nextmarker",
  "nextstart",
  "nextcontinuationtoken",
  "cursor",
  "continuationtoken",
]);
/** Tokens that a key above tells apart: `cursors.next`, `paging.cursors.after`, `paging.next.after`. */
const NESTED_TOKENS: readonly { readonly parent: string; readonly name: string; readonly param: string }[] = [
  { parent: "cursors", name: "next", param: "cursor" },
  { parent: "cursor", name: "next", param: "cursor" },
  { parent: "cursors", name: "after", param: "after" },
  { parent: "cursor", name: "after", param: "after" },
  { parent: "next", name: "after", param: "after" },
];
/** Whatever else looks like the way to a next page. */
const NEXT_LIKE =
  /^next(?:(?:page|cursor|token|link|url|uri|href|offset|marker|key|id|start|skip|batch|record|result|set|scroll|continuation)[a-z]*)?$/;

const PAGE_COUNTS = new Set([
  "totalpages",
  "totalpage",
  "pages",
  "pagecount",
  "pagestotal",
  "numpages",
  "nbpages",
  "lastpage",
]);
const PAGE_NUMBERS = new Set([
  "page",
  "p",
  "pageno",
  "pagenum",
  "pagenumber",
  "pageindex",
  "currentpage",
  "number",
]);
/** Of those, the ones that are no names of parameters: what carries the number is then called `page`. */
const SPOKEN_PAGE_NUMBERS = new Set(["currentpage", "number"]);
const OFFSETS = new Set(["offset", "skip", "start", "startat", "from"]);
const LIMITS = new Set(["limit", "take", "maxresults", "pagesize", "perpage", "size"]);
/** Totals of records, the clearest first; `count` last, for it may be that of the page. */
const TOTALS = [
  "totalcount",
  "totalitems",
  "totalrecords",
  "totalresults",
  "totalrows",
  "totalelements",
  "totalsize",
  "totalhits",
  "numfound",
  "total",
  "count",
];
const MORE_FLAGS = new Set([
  "hasmore",
  "hasnext",
  "hasnextpage",
  "hasmoreitems",
  "moreavailable",
  "istruncated",
  "more",
]);
const LAST_FLAGS = new Set(["last", "islast", "islastpage", "done"]);

/** Ways of paging in the order of trust: a link needs no guess; a token names its parameter; counting needs its start. */
const RULES: readonly ((sight: Sight) => Detected | undefined)[] = [
  linkHeader,
  pageHeader,
  bodyLink,
  linkList,
  token,
  pageCount,
  nextNumber,
  pageNumber,
  offset,
];

/** The paginator that the first page of a walk shows, or undefined. */
export function detect(sight: Sight): Detected | undefined {
  for (const rule of RULES) {
    const detected = rule(sight);
    if (detected !== undefined) return detected;
  }
  return undefined;
}

function linkHeader({ page }: Sight): Detected | undefined {
  const links = parseLinkHeader(page.head.headers["link"], page.head.url);
  return links["next"] === undefined ? undefined : { type: "header_link", options: {} };
}

function pageHeader({ page }: Sight): Detected | undefined {
  if (!/^\d+$/.test(page.head.headers["x-next-page"] ?? "")) return undefined;
  const param = askedParam(page, PAGE_NUMBERS) ?? "page";
  return { type: "header_cursor", options: { cursor_key: "x-next-page", cursor_param: param } };
}

function bodyLink({ fields }: Sight): Detected | undefined {
  const link = fields.find(
    ({ name, parent, value }) =>
      (LINKS.has(name) || (LINKS.has(parent) && LINK_PARTS.has(name))) && isLink(value),
  );
  return link && { type: "json_link", options: { next_url_path: link.path } };
}

function linkList({ fields }: Sight): Detected | undefined {
  for (const { name, path, value } of fields) {
    if (!Array.isArray(value) || !/^links?$/.test(name)) continue;
    const part = LINK_LISTS.find(([relation, address]) =>
      value.some((item) => isObject(item) && item[relation] === "next" && typeof item[address] === "string"),
    );
    if (part === undefined) continue;
    const base = path.startsWith("$") ? path : `$.${path}`;
    return { type: "json_link", options: { next_url_path: `${base}[?@.${part[0]}=='next'].${part[1]}` } };
  }
  return undefined;
}

function token({ page, fields }: Sight): Detected | undefined {
  for (const field of fields) {
    if (isNothing(field.value) || !isScalar(field.value)) continue;
    const param = tokenParam(field, page);
    if (param !== undefined) return cursorBy(field, param, fields);
  }
  return undefined;
}

function tokenParam({ key, name, parent }: Field, page: PageView): string | undefined {
  const nested = NESTED_TOKENS.find((known) => known.name === name && known.parent === parent);
  const own = key.replace(/^next[_-]?/i, "");
  const stripped = /^next[A-Z]/.test(key) ? own.charAt(0).toLowerCase() + own.slice(1) : own;
  if (nested !== undefined) return nested.param;
  if (TOKENS.has(name)) return stripped;
  // A parameter of that name in the request says that there is one.
  if (!NEXT_LIKE.test(name) || name === "next" || name === "nextpage") return undefined;
  return askedParam(page, new Set([name, plainName(stripped)]));
}

function cursorBy(field: Field, param: string, fields: readonly Field[]): Detected {
  const more = flag(fields, MORE_FLAGS);
  return {
    type: "cursor",
    options: {
      cursor_path: field.path,
      cursor_param: param,
      // Some APIs count on for ever; an opaque token's empty page may be followed by others.
      stop_after_empty_page: integerOf(field.value) !== undefined,
      ...(more === undefined ? {} : { has_more_path: more.path }),
    },
  };
}

/** A number of pages. Without the page's own number, page 1 is asked for to see whether it was the first. */
function pageCount(sight: Sight): Detected | undefined {
  const { page, fields } = sight;
  const count = fields.find(({ name, value }) => PAGE_COUNTS.has(name) && integerOf(value) !== undefined);
  if (count === undefined) return undefined;
  const at =
    pageAt(
      sight,
      fields.filter((field) => field.parent === count.parent),
    ) ?? pageAt(sight, fields);
  const total = { total_path: count.path };
  if (at !== undefined) return pageBy(at, total);
  if (fields.some(({ name, value }) => PAGE_NUMBERS.has(name) && integerOf(value) !== undefined))
    return undefined;
  const param = askedParam(page, PAGE_NUMBERS);
  const asked = param === undefined ? undefined : integerOf(getParam(page.request.url, param));
  if (param !== undefined && asked !== undefined) return pageBy({ param, number: asked }, total);
  const guess = param ?? "page";
  return {
    type: "page_number",
    options: { base_page: 1, page: 1, page_param: guess, ...total },
    probe: { param: guess, first: recordsHash(page) },
  };
}

/** `next_page: 2`, where no number of pages is told. */
function nextNumber({ page, fields }: Sight): Detected | undefined {
  const next = fields.find(
    ({ name, value }) => (name === "nextpage" || name === "nextpagenumber") && integerOf(value) !== undefined,
  );
  return next && cursorBy(next, askedParam(page, PAGE_NUMBERS) ?? "page", fields);
}

/** The page's own number, with a flag, a total of records or neither: an empty page ends. */
function pageNumber(sight: Sight): Detected | undefined {
  // A bare `number` may be anything; with a flag for the last page it is the page's.
  const isSlice = flag(sight.fields, LAST_FLAGS) !== undefined;
  const at = pageAt(
    sight,
    sight.fields.filter(({ name }) => isSlice || name !== "number"),
  );
  if (at === undefined || isWhole(sight)) return undefined;
  // The page says that it is the last, and nothing contradicts it.
  if (signOfEnd(sight) !== undefined && signOfMore(sight) === undefined) return undefined;
  const more = flag(sight.fields, MORE_FLAGS);
  return pageBy(at, { total_path: null, ...(more === undefined ? {} : { has_more_path: more.path }) });
}

function offset(sight: Sight): Detected | undefined {
  const { page, fields, rows } = sight;
  const echo = fields.find(({ key, name, value }) => {
    const number = integerOf(value);
    return (
      OFFSETS.has(name) &&
      number !== undefined &&
      number === (integerOf(getParam(page.request.url, key)) ?? 0)
    );
  });
  if (echo === undefined || rows === 0) return undefined;
  const total = totalOf(sight);
  const more = flag(fields, MORE_FLAGS);
  const limits = fields.filter(({ name, parent }) => LIMITS.has(name) && parent === echo.parent);
  return {
    type: "offset",
    options: {
      limit: Math.max(rows, ...limits.map(({ value }) => integerOf(value) ?? 0)),
      limit_param: null,
      offset: integerOf(echo.value) ?? 0,
      offset_param: echo.key,
      total_path: total?.path ?? null,
      ...(more === undefined ? {} : { has_more_path: more.path }),
    },
    echo: { path: echo.path, param: echo.key },
  };
}

interface PageAt {
  readonly param: string;
  readonly number: number;
  readonly path?: string;
}

/** The page's number, if it can be that of the page that was asked for. */
function pageAt({ page }: Sight, fields: readonly Field[]): PageAt | undefined {
  for (const { key, name, path, value } of fields) {
    const number = integerOf(value);
    if (number === undefined || !PAGE_NUMBERS.has(name)) continue;
    const asked = askedParam(page, PAGE_NUMBERS);
    const wanted = asked === undefined ? undefined : integerOf(getParam(page.request.url, asked));
    if (wanted === undefined ? number > 1 : number !== wanted) continue;
    return { param: asked ?? (SPOKEN_PAGE_NUMBERS.has(name) ? "page" : key), number, path };
  }
  return undefined;
}

/** A first page that is numbered 0 says that counting starts there; from a later one, 1 is the safe guess. */
function pageBy({ param, number, path }: PageAt, end: JsonObject): Detected {
  return {
    type: "page_number",
    options: { base_page: number === 0 ? 0 : 1, page: number, page_param: param, ...end },
    ...(path === undefined ? {} : { echo: { path, param } }),
  };
}

/** Why the page can't be the whole, in words; undefined when nothing says so. */
export function signOfMore(sight: Sight): { readonly saw: string; readonly hint: string } | undefined {
  const { page, fields, rows } = sight;
  const more = flag(fields, MORE_FLAGS);
  if (more?.isTrue === true) {
    return {
      saw: `${more.path} is true`,
      hint: `for example { type: cursor, cursor_value: "{{ last_record.id }}", cursor_param: …, stop_condition: "{{ not response.${more.path} }}" }`,
    };
  }
  const last = flag(fields, LAST_FLAGS);
  if (last?.isTrue === false) {
    return {
      saw: `${last.path} is false`,
      hint: "for example { type: page_number, base_page: 1, total_path: … }",
    };
  }
  const next = fields.find(({ name, value }) => NEXT_LIKE.test(name) && isScalar(value) && !isNothing(value));
  if (next !== undefined) {
    return {
      saw: `${next.path} has a value, but not which parameter it is sent in`,
      hint: `for example { type: cursor, cursor_path: "${next.path}", cursor_param: … }`,
    };
  }
  const count = fields.find(({ name, value }) => PAGE_COUNTS.has(name) && (integerOf(value) ?? 0) > 1);
  if (count !== undefined) {
    return {
      saw: `${count.path} is more than 1`,
      hint: `for example { type: page_number, base_page: 1, total_path: "${count.path}" }`,
    };
  }
  const total = totalOf(sight);
  const counting = `for example { type: offset, limit: ${Math.max(rows, 1)}, total_path: ${total === undefined ? "null" : `"${total.path}"`} } or { type: page_number, base_page: 1, total_path: null }`;
  if (total !== undefined && total.number > rows)
    return { saw: `${total.path} is ${total.number}, with ${rows} records on the page`, hint: counting };
  const header = ["x-total-count", "x-total"].find(
    (name) => (integerOf(page.head.headers[name]) ?? 0) > rows,
  );
  if (header !== undefined)
    return { saw: `the header ${header} is larger than the ${rows} records on the page`, hint: counting };
  const pages = ["x-total-pages", "x-wp-totalpages"].find(
    (name) => (integerOf(page.head.headers[name]) ?? 0) > 1,
  );
  return pages === undefined ? undefined : { saw: `the header ${pages} is more than 1`, hint: counting };
}

/** A page with as many records as its request asks for, so that nobody knows whether there are others. */
export function signOfFullPage({
  page,
  rows,
}: Sight): { readonly saw: string; readonly hint: string } | undefined {
  const param = askedParam(page, LIMITS);
  const asked = param === undefined ? undefined : integerOf(getParam(page.request.url, param));
  if (asked === undefined || rows === 0 || rows !== asked) return undefined;
  return {
    saw: `${param}=${asked} was asked for, and ${rows} records came`,
    hint: `for example { type: offset, limit: ${asked}, limit_param: "${param}", total_path: null } or { type: page_number, base_page: 1, total_path: null }`,
  };
}

/** What says that there is no next page, or undefined. */
export function signOfEnd(sight: Sight): string | undefined {
  const { page, fields } = sight;
  const nothing = fields.find(
    ({ name, parent, value }) =>
      (LINKS.has(name) ||
        TOKENS.has(name) ||
        NESTED_TOKENS.some((known) => known.name === name && known.parent === parent)) &&
      isNothing(value),
  );
  if (nothing !== undefined) return `${nothing.path} is empty`;
  if (page.head.headers["x-next-page"] === "") return "the header x-next-page is empty";
  const more = flag(fields, MORE_FLAGS);
  if (more?.isTrue === false) return `${more.path} is false`;
  const last = flag(fields, LAST_FLAGS);
  if (last?.isTrue === true) return `${last.path} is true`;
  const total = totalOf(sight);
  if (total !== undefined && isWhole(sight)) return `total of ${total.number} records reached`;
  return Object.keys(parseLinkHeader(page.head.headers["link"], page.head.url)).some((rel) =>
    /^(?:first|last)$/.test(rel),
  )
    ? "no next link"
    : undefined;
}

/** The records of a page, by their ids where all have one: other fields may change from one answer to the next. */
export function recordsHash({ records = [] }: PageView): string {
  const all = [...records];
  const ids = all.map((record) => (isObject(record) ? record["id"] : undefined));
  const told = ids.every((id) => id !== undefined && id !== null) ? ids : all;
  const text = JSON.stringify(told, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

/** A whole number of 0 or more, also as digits. */
export function integerOf(value: unknown): number | undefined {
  if (typeof value === "string") return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/** The clearest total of records. A `count` no larger than the page is taken for the page's own. */
function totalOf({ fields, rows }: Sight): { readonly path: string; readonly number: number } | undefined {
  for (const name of TOTALS) {
    for (const field of fields) {
      const number = field.name === name ? integerOf(field.value) : undefined;
      if (number !== undefined && (name !== "count" || number > rows)) return { path: field.path, number };
    }
  }
  return undefined;
}

/** True where a total of records says that this page is all. Only a first page can be. */
function isWhole(sight: Sight): boolean {
  const total = totalOf(sight);
  return sight.rows === 0 || (total !== undefined && total.number <= sight.rows);
}

function flag(
  fields: readonly Field[],
  names: ReadonlySet<string>,
): { readonly path: string; readonly isTrue: boolean } | undefined {
  for (const { name, path, value } of fields) {
    const word = typeof value === "string" || typeof value === "boolean" ? String(value).toLowerCase() : "";
    if (names.has(name) && (word === "true" || word === "false")) return { path, isTrue: word === "true" };
  }
  return undefined;
}

/** The request's own parameter of one of these names, as it is written there. */
function askedParam({ request }: PageView, names: ReadonlySet<string>): string | undefined {
  return [...new URL(request.url).searchParams.keys()].find((key) => names.has(plainName(key)));
}

function isLink(value: Json): boolean {
  if (typeof value !== "string") return false;
  return /^(?:https?:\/\/|\/|\?|\.\/)/i.test(value) || /^[\w./-]*\?[^=\s]+=/.test(value);
}

function isScalar(value: Json): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint";
}
