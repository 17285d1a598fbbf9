import { z } from "zod";
import { parsePath } from "../../expression/path.js";
import { definePaginator } from "../paginator.js";
import { pageSizeOf, pageSizeOptions } from "./page-size.js";
import { cursorText, flagAt, isNothing, valueAt } from "./page-value.js";
import { cursorPlaceOptions, placeOf } from "./place.js";

/**
 * Sends a token of the body back, as dlt's `cursor`, in a query parameter or in the JSON body. Ends without a token, when `has_more_path`
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
    ...cursorPlaceOptions,
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
    const place = placeOf(
      ["cursor_param", "cursor_body_path"],
      options.cursor_param,
      options.cursor_body_path,
      "cursor",
    );
    const withPageSize = pageSizeOf(options);
    const { initial_cursor: initial, stop_after_empty_page: stopAfterEmpty } = options;
    return {
      needs: "body",
      first(request) {
        const sized = withPageSize(place.check(request));
        return initial === undefined ? sized : place.set(sized, initial);
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
        // A number stays a number where the body can hold it; one that is too long for that goes as text.
        const value = typeof cursor === "number" ? cursor : cursorText(cursor, "cursor_path");
        return { request: place.set(page.request, value) };
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
      title: "a token in the JSON body, whose other keys stay",
      options: {
        cursor_path: "next",
        cursor_body_path: "page.after",
        limit: 2,
        limit_body_path: "page.size",
      },
      body: { q: "x", page: { sort: "id" } },
      first: "https://api.example.com/items",
      firstBody: { q: "x", page: { sort: "id", size: 2 } },
      steps: [
        {
          body: { next: "c2" },
          records: 2,
          next: "https://api.example.com/items",
          nextBody: { q: "x", page: { sort: "id", size: 2, after: "c2" } },
        },
        { body: { next: null }, records: 1, end: "proved" },
      ],
    },
    {
      title: "more is promised, but there is no token",
      options: { has_more_path: "has_more" },
      first: "https://api.example.com/items",
      steps: [{ body: { has_more: true, cursors: { next: null } }, records: 2, end: "short" }],
    },
  ],
});
