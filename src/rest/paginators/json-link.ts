import { z } from "zod";
import { parsePath } from "../../expression/path.js";
import { SluiceError } from "../../model/error.js";
import { definePaginator } from "../paginator.js";
import { pageSizeOf, pageSizeOptions } from "./page-size.js";
import { followLink, isNothing, valueAt } from "./page-value.js";

/**
 * Follows a link in the body, as dlt's `json_link`. A relative one is resolved against the URL that answered. Null, an
 * empty text and false mean that there is no next page (dlt follows the last two).
 */
export const jsonLinkPaginator = definePaginator({
  type: "json_link",
  summary: "Follows the URL of the next page that the body holds.",
  options: z.strictObject({
    next_url_path: z
      .string()
      .min(1)
      .default("next")
      .describe("Where the body holds the link: a dotted path or JSONPath."),
    ...pageSizeOptions,
  }),
  create(options) {
    const withPageSize = pageSizeOf(options);
    const path = parsePath(options.next_url_path);
    return {
      needs: "body",
      first: withPageSize,
      next(page) {
        const link = valueAt(page, path);
        // A path that leads nowhere may be a mistake in the configuration, so it proves nothing.
        if (link === undefined) return { end: "likely", why: `the body has no ${path.source}` };
        if (isNothing(link)) return { end: "proved", why: `${path.source} is empty` };
        if (typeof link === "string") return followLink(page, link);
        throw new SluiceError(
          "paginator/value",
          "next_url_path gives a value that is no text; a link is expected",
          {
            hint: "For a token instead of a link, use the paginator type cursor.",
          },
        );
      },
    };
  },
  examples: [
    {
      title: "null ends",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          body: { next: "https://api.example.com/items?p=2" },
          records: 2,
          next: "https://api.example.com/items?p=2",
        },
        { body: { next: null }, records: 1, end: "proved" },
      ],
    },
    {
      title: "a relative link, a key with a dot, and a page size",
      options: { next_url_path: "@odata.nextLink", limit: 2, limit_param: "$top" },
      first: "https://api.example.com/items?%24top=2",
      steps: [
        {
          body: { "@odata.nextLink": "?$top=2&$skip=2" },
          records: 2,
          next: "https://api.example.com/items?$top=2&$skip=2",
        },
        { body: { value: [] }, records: 0, end: "likely" },
      ],
    },
    {
      title: "an empty text is no link",
      options: { next_url_path: "meta.next" },
      first: "https://api.example.com/items",
      steps: [{ body: { meta: { next: "" } }, records: 2, end: "proved" }],
    },
  ],
});
