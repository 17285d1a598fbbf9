import { z } from "zod";
import { definePaginator, type PageView } from "../paginator.js";
import { pageSizeOf, pageSizePlaceOptions } from "./page-size.js";
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
 * Counts records, as dlt's `offset`. Ends at the total of records, at `maximum_offset` (exclusive), when the body says
 * that there is no more, or after an empty page; whichever comes first. Beyond dlt: when a page has fewer records than
 * asked for, the next offset follows the records that came, so an API with a smaller page size of its own loses none.
 */
export const offsetPaginator = definePaginator({
  type: "offset",
  summary: "Asks for records from an offset on, page size by page size.",
  options: z.strictObject({
    limit: z.int().positive().describe("Records a page."),
    offset: z.int().min(0).default(0).describe("First offset to ask for."),
    offset_param: z
      .string()
      .min(1)
      .nullable()
      .optional()
      .describe('Query parameter that carries the offset. Default "offset", or offset_body_path.'),
    offset_body_path: bodyPathOption("the offset"),
    ...pageSizePlaceOptions,
    total_path: z
      .string()
      .min(1)
      .nullable()
      .default("total")
      .describe("Where the body holds the total number of records; null: nowhere."),
    maximum_offset: z
      .int()
      .min(1)
      .nullable()
      .optional()
      .describe("Offset at which to end; it is not asked for."),
    ...rangeOptions,
  }),
  create(options) {
    const { limit } = options;
    const place = placeOf(
      ["offset_param", "offset_body_path"],
      options.offset_param,
      options.offset_body_path,
      "offset",
    );
    const withPageSize = pageSizeOf(options);
    const rules = rangeRules(options, options.maximum_offset);
    return {
      needs: "body",
      first: (request) => withPageSize(place.set(request, options.offset)),
      next(page) {
        const at = standing(page);
        return (
          rangeEnd(page, rules, at) ?? {
            request: place.set(page.request, at.current + stepOf(page)),
            ...rangeMemo(page, rules, at),
          }
        );
      },
      ahead: (page, count) =>
        rangeAhead(page, rules, standing(page), stepOf(page), (at) => place.set(page.request, at), count),
    };
    function stepOf({ records = [] }: PageView): number {
      return records.length > 0 && records.length < limit ? records.length : limit;
    }
    function standing(page: PageView): RangePosition {
      const current = positionOf(page, place, options.offset);
      const isEmpty = page.records?.length === 0;
      const after = isEmpty && rules.stopAfterEmptyPage ? current : current + stepOf(page);
      return { current, after, base: 0, unit: "records" };
    }
  },
  examples: [
    {
      title: "a total of records",
      options: { limit: 2 },
      first: "https://api.example.com/items?offset=0&limit=2",
      steps: [
        { body: { total: 3 }, records: 2, next: "https://api.example.com/items?offset=2&limit=2" },
        { body: { total: 3 }, records: 1, end: "proved" },
      ],
    },
    {
      title: "the API gives fewer than asked for",
      options: { limit: 100, total_path: "meta.count", offset_param: "skip", limit_param: "take" },
      first: "https://api.example.com/items?skip=0&take=100",
      steps: [
        {
          body: { meta: { count: 90 } },
          records: 50,
          next: "https://api.example.com/items?skip=50&take=100",
        },
        { body: { meta: { count: 90 } }, records: 40, end: "proved" },
      ],
    },
    {
      title: "no total: an empty page ends",
      options: { limit: 2, total_path: null, limit_param: null },
      first: "https://api.example.com/items?offset=0",
      steps: [
        { body: [1, 2], records: 2, next: "https://api.example.com/items?offset=2" },
        { body: [], records: 0, end: "likely" },
      ],
    },
    {
      title: "offset and page size in the JSON body",
      options: { limit: 2, offset_body_path: "from", limit_body_path: "size" },
      body: { query: { match_all: {} } },
      first: "https://api.example.com/_search",
      firstBody: { query: { match_all: {} }, from: 0, size: 2 },
      steps: [
        {
          body: { total: 3 },
          records: 2,
          next: "https://api.example.com/_search",
          nextBody: { query: { match_all: {} }, from: 2, size: 2 },
        },
        { body: { total: 3 }, records: 1, end: "proved" },
      ],
    },
    {
      title: "a maximum, which is exclusive",
      options: { limit: 2, maximum_offset: 4 },
      first: "https://api.example.com/items?offset=0&limit=2",
      steps: [
        { body: { total: 9 }, records: 2, next: "https://api.example.com/items?offset=2&limit=2" },
        { body: { total: 9 }, records: 2, end: "unknown" },
      ],
    },
  ],
});
