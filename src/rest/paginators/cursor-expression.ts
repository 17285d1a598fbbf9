import { z } from "zod";
import { isTemplate, parseTemplate, type Template } from "../../expression/template.js";
import { isTruthy } from "../../expression/truth.js";
import { type Links, parseLinkHeader } from "../../http/link-header.js";
import type { ResponseHead } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import type { Json, JsonObject } from "../../model/json.js";
import { definePaginator, type PageView, type PaginatorContext } from "../paginator.js";
import { pageSizeOf, pageSizeOptions } from "./page-size.js";
import { cursorText, followLink, isNothing } from "./page-value.js";
import { bodyPathOption, type Place, placeOf } from "./place.js";

/** What `cursor_value` and `stop_condition` may look at when they are functions. */
export interface CursorContext {
  /** By names in lower case; `link` is the parsed Link header (RFC 8288), empty without one. */
  readonly headers: { readonly link: Links; readonly [name: string]: string | Links | undefined };
  /** The decoded body; undefined when it is empty. */
  readonly response: Json | undefined;
  /** The last record that the selector found, before any filter. */
  readonly lastRecord: Json | undefined;
  readonly lastPageSize: number;
  readonly config: JsonObject;
  readonly parameters: JsonObject;
}

type CursorFunction = (context: CursorContext) => unknown;

const ROOTS = ["headers", "response", "last_record", "last_page_size", "config", "parameters", "secrets"];
/** What is known before the body is read. */
const HEAD_ROOTS = new Set(["headers", "config", "parameters", "secrets"]);

const cursorFunction = z.custom<CursorFunction>(
  (value) => typeof value === "function",
  "must be a template or a function",
);

/**
 * The cursor by an expression, as in Airbyte's `CursorPagination`: first `stop_condition`, then `cursor_value`. A value
 * that is a URL (absolute, or starting with `/`, `?` or `./`) is followed as it is, with its own parameters; with
 * `cursor_param` the value is sent as that query parameter instead.
 *
 * Where both expressions look at nothing but headers, the next request leaves before the body is read.
 *
 * @throws SluiceError `paginator/value` for a cursor that is neither a URL nor has a parameter to be sent in.
 */
export const cursorExpressionPaginator = definePaginator({
  type: "cursor",
  selectedBy: "cursor_value",
  summary: "Takes the next link or token from an expression on headers, body or last record.",
  options: z.strictObject({
    cursor_value: z
      .union([z.string().min(1), cursorFunction])
      .describe(
        "Gives the next page's link or token, e.g. {{ headers['link']['next']['url'] }}; nothing ends the walk.",
      ),
    stop_condition: z
      .union([z.string().min(1), cursorFunction])
      .optional()
      .describe(
        "Looked at before cursor_value: when it is true, the walk ends. E.g. {{ not response.has_more }}.",
      ),
    cursor_param: z
      .string()
      .min(1)
      .nullable()
      .optional()
      .describe(
        "Query parameter that carries the cursor. It or cursor_body_path is needed unless the cursor is a link.",
      ),
    cursor_body_path: bodyPathOption("the cursor"),
    ...pageSizeOptions,
  }),
  create(options, context) {
    const cursorValue = readerOf("cursor_value", options.cursor_value, context);
    const stopCondition =
      options.stop_condition === undefined
        ? undefined
        : readerOf("stop_condition", options.stop_condition, context);
    const withPageSize = pageSizeOf(options);
    const place = placeOrLink(options);
    const headOnly = cursorValue.headOnly && (stopCondition?.headOnly ?? true);
    return {
      needs: headOnly ? "head" : "body",
      first: (request) => withPageSize(place?.check(request) ?? request),
      next(page) {
        if (stopCondition !== undefined && isTruthy(stopCondition.read(page))) {
          return { end: "proved", why: "stop_condition is true" };
        }
        const cursor = cursorValue.read(page);
        if (isNothing(cursor)) return endWithoutCursor(cursor, stopCondition !== undefined);
        const text = cursorText(cursor, "cursor_value");
        if (place !== undefined) return { request: place.set(page.request, text) };
        if (isLink(text)) return followLink(page, text);
        throw new SluiceError(
          "paginator/value",
          "cursor_value gives a token that is no URL, and no parameter to send it in is set",
          {
            hint: "Set cursor_param to the query parameter that carries the token, for example cursor_param: cursor.",
          },
        );
      },
    };
  },
  examples: [
    {
      title: "the next link of the headers, until there is none",
      options: {
        limit: 100,
        cursor_value: "{{ headers['link']['next']['url'] }}",
        stop_condition: "{{ 'next' not in headers['link'] }}",
      },
      first: "https://api.example.com/items?limit=100",
      steps: [
        {
          headers: { link: '<https://api.example.com/items?after=a%2Fb&limit=100>; rel="next"' },
          records: 100,
          next: "https://api.example.com/items?after=a%2Fb&limit=100",
        },
        { headers: { link: '<https://api.example.com/items>; rel="first"' }, records: 3, end: "proved" },
      ],
    },
    {
      title: "a token of the body in a parameter; 0 is a token",
      options: {
        cursor_value: "{{ response.meta.next }}",
        cursor_param: "after",
        stop_condition: "{{ not response.meta.has_more }}",
        limit: 2,
        limit_param: "per_page",
      },
      first: "https://api.example.com/items?per_page=2",
      steps: [
        {
          body: { meta: { next: 0, has_more: true } },
          records: 2,
          next: "https://api.example.com/items?per_page=2&after=0",
        },
        { body: { meta: { next: "x", has_more: false } }, records: 1, end: "proved" },
      ],
    },
    {
      title: "the last record's id, until a page is not full",
      options: {
        cursor_value: "{{ last_record.id }}",
        cursor_param: "since",
        stop_condition: "{{ last_page_size < 2 }}",
        limit: 2,
        limit_param: null,
      },
      first: "https://api.example.com/items",
      steps: [
        { body: [], records: 2, next: "https://api.example.com/items?since=2" },
        { body: [], records: 1, end: "proved" },
      ],
    },
    {
      title: "a relative link of the body, without a stop_condition",
      options: { cursor_value: "{{ response.next_page }}" },
      first: "https://api.example.com/items",
      steps: [
        { body: { next_page: "?page=2" }, records: 2, next: "https://api.example.com/items?page=2" },
        { body: { next_page: "" }, records: 2, end: "proved" },
      ],
    },
    {
      title: "the last record's id in the body",
      options: { cursor_value: "{{ last_record.id }}", cursor_body_path: "/filter/id.after" },
      body: { filter: { kind: "call" } },
      first: "https://api.example.com/items",
      firstBody: { filter: { kind: "call" } },
      steps: [
        {
          body: [],
          records: 2,
          next: "https://api.example.com/items",
          nextBody: { filter: { kind: "call", "id.after": "2" } },
        },
        { body: [], records: 0, end: "likely" },
      ],
    },
  ],
});

/** Where the cursor goes; undefined when it is a link, which is followed. */
function placeOrLink(options: {
  readonly cursor_param?: string | null | undefined;
  readonly cursor_body_path?: string | null | undefined;
}): Place | undefined {
  const { cursor_param: param, cursor_body_path: bodyPath } = options;
  if ((param ?? bodyPath) === undefined || (param ?? bodyPath) === null) return undefined;
  return placeOf(["cursor_param", "cursor_body_path"], param, bodyPath, "cursor");
}

/** An option, ready to be read on a page. */
interface Reader {
  readonly headOnly: boolean;
  read(page: PageView): unknown;
}

function readerOf(option: string, value: string | CursorFunction, context: PaginatorContext): Reader {
  if (typeof value === "function") {
    return { headOnly: false, read: (page) => value(functionContext(page, context)) };
  }
  if (!isTemplate(value)) {
    throw new SluiceError("config/invalid", `${option} is the same for every page: it holds no {{ … }}`, {
      hint: `Write an expression, for example ${option}: "{{ ${value.trim()} }}".`,
    });
  }
  const template = parseTemplate(value, ROOTS);
  return {
    headOnly: template.roots.every((root) => HEAD_ROOTS.has(root)),
    read: (page) => template.evaluate(templateContext(page, context, template)),
  };
}

function functionContext(page: PageView, { config, parameters }: PaginatorContext): CursorContext {
  return {
    headers: { ...page.head.headers, link: linksOf(page.head) },
    response: page.body,
    lastRecord: page.records?.at(-1),
    lastPageSize: page.records?.length ?? 0,
    config,
    parameters,
  };
}

function templateContext(
  page: PageView,
  context: PaginatorContext,
  template: Template,
): Record<string, unknown> {
  return {
    headers: template.roots.includes("headers") ? headersFor(page.head, template) : undefined,
    response: page.body,
    last_record: page.records?.at(-1),
    last_page_size: page.records?.length ?? 0,
    config: context.config,
    parameters: context.parameters,
    secrets: context.secrets,
  };
}

/** Header names are in lower case, and also in whatever case the template writes them. */
function headersFor(head: ResponseHead, template: Template): Record<string, unknown> {
  const headers: Record<string, unknown> = { ...head.headers, link: linksOf(head) };
  const asked = template.keys.get("headers") ?? "all";
  for (const name of asked === "all" ? ["Link"] : asked) {
    const lower = name.toLowerCase();
    if (Object.hasOwn(headers, lower)) headers[name] = headers[lower];
  }
  return headers;
}

function linksOf(head: ResponseHead): Links {
  return parseLinkHeader(head.headers["link"], head.url);
}

function endWithoutCursor(
  cursor: unknown,
  hasStopCondition: boolean,
): { end: "proved" | "likely" | "unknown"; why: string } {
  // The stop_condition said to go on, so the two contradict each other.
  if (hasStopCondition)
    return { end: "unknown", why: "cursor_value gives nothing, although stop_condition is false" };
  if (cursor === undefined) return { end: "likely", why: "cursor_value gives nothing" };
  return { end: "proved", why: "the cursor is empty" };
}

/** RFC 3986 §4.1, as far as cursors are concerned: a bare word is a token, not a relative path. */
function isLink(text: string): boolean {
  return /^(?:https?:\/\/|\/|\?|\.\/)/i.test(text);
}
