import { z } from "zod";
import { parseLinkHeader } from "../../http/link-header.js";
import { definePaginator } from "../paginator.js";
import { pageSizeOf, pageSizeOptions } from "./page-size.js";
import { followLink } from "./page-value.js";

/** Follows the `next` link of the `Link` header (RFC 8288), as dlt's `header_link`. It ends where there is none. */
export const headerLinkPaginator = definePaginator({
  type: "header_link",
  summary: "Follows the `next` link in the response's Link header, as GitHub and many others send it.",
  options: z.strictObject({
    links_next_key: z.string().min(1).default("next").describe("Relation type of the link to the next page."),
    ...pageSizeOptions,
  }),
  create(options) {
    const withPageSize = pageSizeOf(options);
    const rel = options.links_next_key.toLowerCase();
    return {
      needs: "head",
      first: withPageSize,
      next(page) {
        const link = parseLinkHeader(page.head.headers["link"], page.head.url)[rel];
        return link === undefined ? { end: "proved", why: `no ${rel} link` } : followLink(page, link.url);
      },
    };
  },
  examples: [
    {
      title: "the next link, byte for byte",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          headers: { link: '<https://api.example.com/items?after=a%2Fb&sig=x+y>; rel="next"' },
          records: 2,
          next: "https://api.example.com/items?after=a%2Fb&sig=x+y",
        },
        { headers: { link: '<https://api.example.com/items>; rel="first"' }, records: 1, end: "proved" },
      ],
    },
    {
      title: "another relation type, a relative target, and a page size",
      options: { links_next_key: "Older", limit: 50, limit_param: "per_page" },
      first: "https://api.example.com/items?per_page=50",
      steps: [
        {
          headers: { link: '</items?page=2&per_page=50>; title="a, b"; rel="older last"' },
          records: 50,
          next: "https://api.example.com/items?page=2&per_page=50",
        },
        { records: 10, end: "proved" },
      ],
    },
  ],
});
