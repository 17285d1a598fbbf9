import { z } from "zod";
import { definePaginator } from "../paginator.js";

/** One request, whatever the response says about further pages (dlt's `single_page`). */
export const singlePagePaginator = definePaginator({
  type: "single_page",
  summary: "Sends one request: the endpoint has no pages.",
  options: z.strictObject({}),
  create: () => ({
    needs: "head",
    first: (request) => request,
    next: () => ({ end: "likely", why: "single page" }),
  }),
  examples: [
    {
      title: "one request",
      options: {},
      first: "https://api.example.com/items",
      steps: [{ records: 3, body: { items: [1, 2, 3] }, end: "likely" }],
    },
    {
      title: "a next link is not followed",
      options: {},
      first: "https://api.example.com/items",
      steps: [
        {
          headers: { link: '<https://api.example.com/items?page=2>; rel="next"' },
          body: { next: "https://api.example.com/items?page=2" },
          records: 2,
          end: "likely",
        },
      ],
    },
  ],
});
