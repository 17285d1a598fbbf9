import { z } from "zod";
import { definePaginator } from "../paginator.js";
import { pageSizeOf, pageSizeOptions } from "./page-size.js";
import { cursorPlaceOptions, placeOf } from "./place.js";

/**
 * Sends a token of a response header back, as dlt's `header_cursor`. The next request leaves before the body is read.
 * An empty header ends the walk (dlt goes on for ever).
 */
export const headerCursorPaginator = definePaginator({
  type: "header_cursor",
  summary: "Reads a token from a response header and sends it back as a query parameter.",
  options: z.strictObject({
    cursor_key: z
      .string()
      .min(1)
      .default("next")
      .describe("Response header that holds the next token, in any case."),
    ...cursorPlaceOptions,
    ...pageSizeOptions,
  }),
  create(options) {
    const header = options.cursor_key;
    const place = placeOf(
      ["cursor_param", "cursor_body_path"],
      options.cursor_param,
      options.cursor_body_path,
      "cursor",
    );
    const withPageSize = pageSizeOf(options);
    return {
      needs: "head",
      first: (request) => withPageSize(place.check(request)),
      next({ request, head }) {
        const token = head.headers[header.toLowerCase()];
        // A header that is not there may be a mistake in the configuration, so it proves nothing.
        if (token === undefined) return { end: "likely", why: `no header ${header}` };
        if (token.trim() === "") return { end: "proved", why: `the header ${header} is empty` };
        return { request: place.set(request, token) };
      },
    };
  },
  examples: [
    {
      title: "a token, until the header is empty",
      options: { cursor_key: "X-Next-Cursor", cursor_param: "after", limit: 2 },
      first: "https://api.example.com/items?limit=2",
      steps: [
        {
          headers: { "x-next-cursor": "b&c" },
          records: 2,
          next: "https://api.example.com/items?limit=2&after=b%26c",
        },
        { headers: { "x-next-cursor": "" }, records: 1, end: "proved" },
      ],
    },
    {
      title: "the defaults, until the header is missing",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        { headers: { next: "2" }, records: 2, next: "https://api.example.com/items?cursor=2" },
        { records: 1, end: "likely" },
      ],
    },
    {
      title: "a token in the body",
      options: { cursor_body_path: "page.after" },
      body: { q: "x" },
      first: "https://api.example.com/items",
      firstBody: { q: "x" },
      steps: [
        {
          headers: { next: "t2" },
          records: 2,
          next: "https://api.example.com/items",
          nextBody: { q: "x", page: { after: "t2" } },
        },
        { headers: { next: "" }, records: 1, end: "proved" },
      ],
    },
  ],
});
