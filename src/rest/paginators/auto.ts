import { z } from "zod";
import { parsePath } from "../../expression/path.js";
import { getParam } from "../../http/url.js";
import { SluiceError } from "../../model/error.js";
import { isObject, type JsonObject } from "../../model/json.js";
import {
  definePaginator,
  type Next,
  type PageView,
  type Paginator,
  type PaginatorContext,
} from "../paginator.js";
import { cursorPaginator } from "./cursor.js";
import {
  type Detected,
  detect,
  integerOf,
  recordsHash,
  sightOf,
  signOfEnd,
  signOfFullPage,
  signOfMore,
} from "./detection.js";
import { evidenceOf } from "./evidence.js";
import { headerCursorPaginator } from "./header-cursor.js";
import { headerLinkPaginator } from "./header-link.js";
import { jsonLinkPaginator } from "./json-link.js";
import { offsetPaginator } from "./offset.js";
import { pageNumberPaginator } from "./page-number.js";
import { paramPlace } from "./place.js";

/**
 * Detects the paginator on the first page, as dlt's `auto`, and goes on with it; it is stored with the position. What
 * is different from dlt: pages that count from 1 are told apart from those that count from 0, offsets and
 * `@odata.nextLink` are detected, a token is sent in a parameter only where its name tells which, and a first page
 * that says it is not the whole in a way that is not understood, or that is as full as was asked for and says nothing, is
 * an error instead of the end.
 *
 * @throws SluiceError `paginator/undetected` for such a page, or one that is not the page that was asked for.
 */
export const autoPaginator = definePaginator({
  type: "auto",
  summary:
    "Detects how the API pages on the first page; the default. In the order of trust: next links, tokens, page numbers, offsets. A page that has more after it, but does not say how to ask for it, is an error, and so is one that has as many records as the request's page size and says nothing; any other without a sign of paging ends the walk.",
  options: z.strictObject({}),
  create(_, context) {
    const next = (page: PageView): Next =>
      page.memo === undefined ? begin(page, context) : goOn(page, page.memo as unknown as Detected, context);
    return {
      needs: "body",
      first: (request) => request,
      next,
      ahead(page, count) {
        const step = next(page);
        const detected = "request" in step ? (step.memo as unknown as Detected | undefined) : undefined;
        if (detected === undefined || isProbing(detected)) return [];
        return paginatorOf(detected, context).ahead?.(seenBy(detected, page), count) ?? [];
      },
    };
  },
  examples: [
    {
      title: "the next link of the Link header",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          headers: { link: '<https://api.example.com/items?page=2>; rel="next"' },
          body: [],
          records: 2,
          next: "https://api.example.com/items?page=2",
        },
        { body: [], records: 1, end: "proved" },
      ],
    },
    {
      title: "a link of the body",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          body: { value: [], "@odata.nextLink": "/items?$skip=2" },
          records: 2,
          next: "https://api.example.com/items?$skip=2",
        },
        { body: { value: [] }, records: 1, end: "likely" },
      ],
    },
    {
      title: "a token that names its parameter",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          body: { data: [], nextPageToken: "t2" },
          records: 2,
          next: "https://api.example.com/items?pageToken=t2",
        },
        { body: { data: [], nextPageToken: "" }, records: 1, end: "proved" },
      ],
    },
    {
      title: "numbered pages: the first is 1",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          body: { data: [], page: 1, total_pages: 2 },
          records: 2,
          next: "https://api.example.com/items?page=2",
        },
        { body: { data: [], page: 2, total_pages: 2 }, records: 1, end: "proved" },
      ],
    },
    {
      title: "numbered pages: the first is 0",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          body: { content: [], number: 0, totalPages: 2 },
          records: 2,
          next: "https://api.example.com/items?page=1",
        },
        { body: { content: [], number: 1, totalPages: 2 }, records: 1, end: "proved" },
      ],
    },
    {
      title:
        "page 1 is asked for to see whether it was the first; it was, so its records are not taken twice",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        { body: { data: [], total_pages: 2 }, records: 2, next: "https://api.example.com/items?page=1" },
        { body: { data: [], total_pages: 2 }, records: 2, next: "https://api.example.com/items?page=2" },
        { body: { data: [], total_pages: 2 }, records: 1, end: "proved" },
      ],
    },
    {
      title: "an offset and a total",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          body: { data: [], offset: 0, limit: 2, total: 3 },
          records: 2,
          next: "https://api.example.com/items?offset=2",
        },
        { body: { data: [], offset: 2, limit: 2, total: 3 }, records: 1, end: "proved" },
      ],
    },
    {
      title: "no sign of paging",
      options: {},
      first: "https://api.example.com/items",
      steps: [{ body: [], records: 2, end: "unknown" }],
    },
  ],
});

function begin(page: PageView, context: PaginatorContext): Next {
  const sight = sightOf(page);
  const isRecord = isOneRecord(page);
  const detected = detect(isRecord ? { ...sight, fields: [] } : sight);
  if (detected !== undefined) return goOn(page, detected, context);
  if (isRecord) return { end: "unknown", why: "one record, without a sign of paging" };
  const more = signOfMore(sight);
  if (more !== undefined) {
    throw new SluiceError(
      "paginator/undetected",
      `there seem to be more pages (${more.saw}), but the response does not tell how to ask for them`,
      { hint: `Set endpoint.paginator, ${more.hint}; or single_page, if this page is all.` },
    );
  }
  const end = signOfEnd(sight);
  if (end !== undefined) return { end: "proved", why: end };
  const full = signOfFullPage(sight);
  if (full === undefined) return { end: "unknown", why: "no sign of paging" };
  throw new SluiceError(
    "paginator/undetected",
    `there may be more pages (${full.saw}), and the response does not tell`,
    { hint: `Set endpoint.paginator, ${full.hint}; or single_page, if this page is all.` },
  );
}

function goOn(page: PageView, detected: Detected, context: PaginatorContext): Next {
  checkEcho(page, detected);
  if (isProbing(detected)) return probe(page, detected, context);
  const next = paginatorOf(detected, context).next(seenBy(detected, page));
  if (!("request" in next)) return next;
  const { memo: _before, ...known } = detected;
  return {
    ...next,
    memo: { ...known, ...(next.memo === undefined ? {} : { memo: next.memo }) } as JsonObject,
    why: evidenceOf(detected),
  };
}

/** The page as the detected paginator sees it: with its own memo. */
function seenBy({ memo }: Detected, { memo: _stored, ...page }: PageView): PageView {
  return memo === undefined ? page : { ...page, memo };
}

type Probing = Required<Pick<Detected, "probe">>;

function isProbing(detected: Detected): detected is Detected & Probing {
  return detected.probe !== undefined;
}

/**
 * Pages without numbers of their own. The answer to page 1 tells: the same records as on the first page mean that
 * counting starts there, others that it starts at 0.
 */
function probe(page: PageView, detected: Detected & Probing, context: PaginatorContext): Next {
  const { probe: probing, ...known } = detected;
  if (getParam(page.request.url, probing.param) === undefined) {
    const next = paginatorOf(known, context).next(seenBy(known, page));
    if (!("request" in next)) return next;
    const request = paramPlace(probing.param).set(page.request, 1);
    return { request, memo: detected as unknown as JsonObject, why: evidenceOf(detected) };
  }
  if (recordsHash(page) !== probing.first) {
    return goOn(page, { ...known, options: { ...known.options, base_page: 0 } }, context);
  }
  const next = goOn(page, known, context);
  return "request" in next ? { ...next, repeats: true } : next;
}

/** A parameter that the API does not know gives the first page again, which its own number may show. */
function checkEcho(page: PageView, { echo }: Detected): void {
  if (echo === undefined || page.body === undefined) return;
  const asked = integerOf(getParam(page.request.url, echo.param));
  const told = integerOf(parsePath(echo.path).first(page.body));
  if (asked === undefined || told === undefined || asked === told) return;
  throw new SluiceError(
    "paginator/undetected",
    `${echo.param}=${asked} was asked for, but ${echo.path} of the response is ${told}`,
    {
      hint: "The parameter that asks for a page was guessed. Set endpoint.paginator to page_number or offset with the API's own name in page_param or offset_param.",
    },
  );
}

/** The body is the record itself, and no page whose list is empty. */
function isOneRecord({ body, records = [] }: PageView): boolean {
  if (records.length !== 1 || records.at(0) !== body || !isObject(body)) return false;
  return !Object.values(body).some((value) => Array.isArray(value) && value.length === 0);
}

type Make = (options: JsonObject, context: PaginatorContext) => Paginator;

const PAGINATORS: Readonly<Record<Detected["type"], Make>> = {
  header_link: (options, context) =>
    headerLinkPaginator.create(headerLinkPaginator.options.parse(options), context),
  header_cursor: (options, context) =>
    headerCursorPaginator.create(headerCursorPaginator.options.parse(options), context),
  json_link: (options, context) =>
    jsonLinkPaginator.create(jsonLinkPaginator.options.parse(options), context),
  cursor: (options, context) => cursorPaginator.create(cursorPaginator.options.parse(options), context),
  page_number: (options, context) =>
    pageNumberPaginator.create(pageNumberPaginator.options.parse(options), context),
  offset: (options, context) => offsetPaginator.create(offsetPaginator.options.parse(options), context),
};

function paginatorOf({ type, options }: Detected, context: PaginatorContext): Paginator {
  return PAGINATORS[type](options, context);
}
