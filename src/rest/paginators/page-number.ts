import { z } from "zod";
import { definePaginator, type PageView } from "../paginator.js";
import { bodyPathOption, placeOf } from "./place.js";
import {
  positionOf,
  type RangePosition,
  rangeAhead,
  rangeEnd,
  rangeMemo,
  rangeOptions,
  rangeRules,
} from "./range.js";

/**
 * Counts pages, as dlt's `page_number`. Ends at the total of pages, at `maximum_page` (exclusive), when the body says
 * that there is no more, or after an empty page; whichever comes first. Beyond dlt: a missing total is an error only
 * where nothing else ends the walk, and `has_more_path` does not switch the other rules off.
 */
export const pageNumberPaginator = definePaginator({
  type: "page_number",
  summary: "Asks for page 0, 1, 2 … by a query parameter or a place in the body.",
  options: z.strictObject({
    base_page: z.int().min(0).default(0).describe("Number that the API gives to its first page: 0 or 1."),
    page: z.int().min(0).optional().describe("First page to ask for. Default: base_page."),
    page_param: z
      .string()
      .min(1)
      .nullable()
      .optional()
      .describe('Query parameter that carries the page number. Default "page", or page_body_path.'),
    page_body_path: bodyPathOption("the page number"),
    total_path: z
      .string()
      .min(1)
      .nullable()
      .default("total")
      .describe("Where the body holds the total number of pages; null: nowhere."),
    maximum_page: z
      .int()
      .min(1)
      .nullable()
      .optional()
      .describe("Page number at which to end; it is not asked for."),
    ...rangeOptions,
  }),
  create(options) {
    const { base_page: base } = options;
    const place = placeOf(
      ["page_param", "page_body_path"],
      options.page_param,
      options.page_body_path,
      "page",
    );
    const start = options.page ?? base;
    const rules = rangeRules(options, options.maximum_page);
    return {
      needs: "body",
      first: (request) => place.set(request, start),
      next(page) {
        const at = standing(page);
        return (
          rangeEnd(page, rules, at) ?? {
            request: place.set(page.request, at.current + 1),
            ...rangeMemo(page, rules, at),
          }
        );
      },
      ahead: (page, count) =>
        rangeAhead(page, rules, standing(page), 1, (number) => place.set(page.request, number), count),
    };
    function standing(page: PageView): RangePosition {
      const current = positionOf(page, place, start);
      const isEmpty = page.records?.length === 0;
      const after = isEmpty && rules.stopAfterEmptyPage ? current : current + 1;
      return { current, after, base, unit: "pages" };
    }
  },
  examples: [
    {
      title: "a total of pages, the first of which is 1",
      options: { base_page: 1, total_path: "meta.total_pages" },
      first: "https://api.example.com/items?page=1",
      steps: [
        { body: { meta: { total_pages: 2 } }, records: 2, next: "https://api.example.com/items?page=2" },
        { body: { meta: { total_pages: "2" } }, records: 1, end: "proved" },
      ],
    },
    {
      title: "no total: an empty page ends",
      options: { page_param: "p" },
      first: "https://api.example.com/items?p=0",
      steps: [
        { body: [1, 2], records: 2, next: "https://api.example.com/items?p=1" },
        { body: [], records: 0, end: "likely" },
      ],
    },
    {
      title: "a maximum, which is exclusive",
      options: { page: 3, maximum_page: 5 },
      first: "https://api.example.com/items?page=3",
      steps: [
        { body: {}, records: 2, next: "https://api.example.com/items?page=4" },
        { body: {}, records: 2, end: "unknown" },
      ],
    },
    {
      title: "the number in the JSON body, created on the way",
      options: { base_page: 1, page_body_path: "paging.page", total_path: "pages" },
      body: { q: "x" },
      first: "https://api.example.com/items",
      firstBody: { q: "x", paging: { page: 1 } },
      steps: [
        {
          body: { pages: 2 },
          records: 2,
          next: "https://api.example.com/items",
          nextBody: { q: "x", paging: { page: 2 } },
        },
        { body: { pages: 2 }, records: 1, end: "proved" },
      ],
    },
    {
      title: "a flag",
      options: { has_more_path: "more", total_path: null, stop_after_empty_page: false },
      first: "https://api.example.com/items?page=0",
      steps: [
        { body: { more: true }, records: 0, next: "https://api.example.com/items?page=1" },
        { body: { more: "no" }, records: 2, end: "proved" },
      ],
    },
  ],
});
