import { z } from "zod";
import { parsePath } from "../../expression/path.js";
import { withParam } from "../../http/url.js";
import { definePaginator } from "../paginator.js";
import { pageSizeOptions, withPageSize } from "./page-size.js";
import { cursorText, flagAt, isNothing, valueAt } from "./page-value.js";

/**
 * Sends a token of the body back as a query parameter, as dlt's `cursor`. Ends without a token, when `has_more_path`
 * is false, or after an empty page if asked to; whichever comes first. Beyond dlt: the number 0 is a token, and a flag
 * that promises more without giving a token ends the walk as `short` instead of asking for page one for ever.
 */
export const cursorPaginator = definePaginator({
  type: "cursor",
  summary: "Reads a token from the body and sends it back as a query parameter.",
  options: z.strictObject({
    cursor_path: z
      .string()
      .min(1)
      .default("cursors.next")
      .describe("Where the body holds the next token: a dotted path or JSONPath."),
    cursor_param: z.string().min(1).default("cursor").describe("Query parameter that carries the token."),
    initial_cursor: z
      .union([z.string(), z.number()])
      .optional()
      .describe("Token of the first request, for APIs that want one. Default: none is sent."),
    has_more_path: z
      .string()
      .min(1)
      .nullable()
      .optional()
      .describe("Where the body says whether there is another page: a dotted path or JSONPath."),
    stop_after_empty_page: z.boolean().default(false).describe("End when a page has no records."),
    ...pageSizeOptions,
  }),
  create(options) {
    const path = parsePath(options.cursor_path);
    const hasMorePath = options.has_more_path ? parsePath(options.has_more_path) : undefined;
    const { cursor_param: param, initial_cursor: initial, stop_after_empty_page: stopAfterEmpty } = options;
    return {
      needs: "body",
      first(request) {
        const sized = withPageSize(request, options);
        return initial === undefined ? sized : withParam(sized, param, initial);
      },
      next(page) {
        const hasMore = flagAt(page, hasMorePath);
        if (hasMore === false) return { end: "proved", why: `${hasMorePath?.source} is false` };
        const cursor = valueAt(page, path);
        if (isNothing(cursor)) {
          if (hasMore === true)
            return { end: "short", why: `${hasMorePath?.source} is true, but there is no cursor` };
          // A path that leads nowhere may be a mistake in the configuration, so it proves nothing.
          if (cursor === undefined) return { end: "likely", why: `the body has no ${path.source}` };
          return { end: "proved", why: `${path.source} is empty` };
        }
        if (stopAfterEmpty && page.records?.length === 0) return { end: "likely", why: "empty page" };
        return { request: withParam(page.request, param, cursorText(cursor, "cursor_path")) };
      },
    };
  },
  examples: [
    {
      title: "0 is a token; null ends",
      options: { cursor_path: "next", cursor_param: "after" },
      first: "https://api.example.com/items",
      steps: [
        { body: { next: "b&c" }, records: 2, next: "https://api.example.com/items?after=b%26c" },
        { body: { next: 0 }, records: 0, next: "https://api.example.com/items?after=0" },
        { body: { next: null }, records: 1, end: "proved" },
      ],
    },
    {
      title: "a flag, a first token and a page size",
      options: { has_more_path: "has_more", initial_cursor: "start", limit: 100 },
      first: "https://api.example.com/items?limit=100&cursor=start",
      steps: [
        {
          body: { has_more: true, cursors: { next: "c2" } },
          records: 100,
          next: "https://api.example.com/items?limit=100&cursor=c2",
        },
        { body: { has_more: false, cursors: { next: "c3" } }, records: 7, end: "proved" },
      ],
    },
    {
      title: "an empty page ends if asked to",
      options: { stop_after_empty_page: true },
      first: "https://api.example.com/items",
      steps: [{ body: { cursors: { next: "c2" } }, records: 0, end: "likely" }],
    },
    {
      title: "more is promised, but there is no token",
      options: { has_more_path: "has_more" },
      first: "https://api.example.com/items",
      steps: [{ body: { has_more: true, cursors: { next: null } }, records: 2, end: "short" }],
    },
  ],
});
