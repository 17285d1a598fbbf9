import { z } from "zod";
import { type JsonPath, parsePath } from "../../expression/path.js";
import { SluiceError } from "../../model/error.js";
import type { Next, PageView } from "../paginator.js";
import { flagAt, totalAt } from "./page-value.js";
import type { Place } from "./place.js";

/** Options that paginators which count (pages, offsets) have in common. */
export const rangeOptions = {
  stop_after_empty_page: z.boolean().default(true).describe("End when a page has no records."),
  has_more_path: z
    .string()
    .min(1)
    .nullable()
    .optional()
    .describe("Where the body says whether there is another page: a dotted path or JSONPath."),
};

/** When counting ends. The rules are or-ed: the first that applies ends the walk. */
export interface RangeRules {
  readonly total: JsonPath | undefined;
  readonly hasMore: JsonPath | undefined;
  readonly maximum: number | undefined;
  readonly stopAfterEmptyPage: boolean;
}

interface RangeRuleOptions {
  readonly total_path: string | null;
  readonly has_more_path?: string | null | undefined;
  readonly stop_after_empty_page: boolean;
}

/**
 * @param maximum the exclusive upper bound, if there is one.
 * @throws SluiceError `config/invalid` when no rule would ever end the walk.
 */
export function rangeRules(options: RangeRuleOptions, maximum: number | null | undefined): RangeRules {
  const path = (text: string | null | undefined) =>
    text === null || text === undefined ? undefined : parsePath(text);
  const rules = {
    total: path(options.total_path),
    hasMore: path(options.has_more_path),
    maximum: maximum ?? undefined,
    stopAfterEmptyPage: options.stop_after_empty_page,
  };
  if (rules.total === undefined && !endsWithoutTotal(rules)) {
    throw new SluiceError("config/invalid", "the paginator would never end", {
      hint: "Set total_path, has_more_path, a maximum, or stop_after_empty_page: true.",
    });
  }
  return rules;
}

/**
 * The end after this page, or undefined to go on.
 *
 * @param reached the position after this page, with a total to compare it to; on an empty page the position of the page
 *   itself, since nothing was gained.
 */
export function rangeEnd(
  page: PageView,
  rules: RangeRules,
  position: { readonly after: number; readonly base: number; readonly unit: string },
): Next | undefined {
  const hasMore = flagAt(page, rules.hasMore);
  const total = totalAt(page, rules.total);
  if (rules.total !== undefined && total === undefined && !endsWithoutTotal(rules)) {
    throw new SluiceError(
      "paginator/value",
      `the response has no total at ${rules.total.source}, and nothing else ends the walk`,
      {
        hint: "Correct total_path, or set has_more_path, a maximum, or stop_after_empty_page: true.",
      },
    );
  }
  const { after, base, unit } = position;
  if (hasMore === false) return { end: "proved", why: `${rules.hasMore?.source} is false` };
  if (total !== undefined && after >= total + base) {
    const why = `total of ${total} ${unit} reached`;
    return hasMore === true
      ? { end: "short", why: `${why}, but ${rules.hasMore?.source} is true` }
      : { end: "proved", why };
  }
  if (rules.stopAfterEmptyPage && page.records?.length === 0) return { end: "likely", why: "empty page" };
  if (rules.maximum !== undefined && after >= rules.maximum)
    return { end: "unknown", why: `maximum of ${rules.maximum} reached` };
  return undefined;
}

/** The number that the page's request asked for; it is the whole state of the walk. */
export function positionOf(page: PageView, place: Place, start: number): number {
  const asked = place.get(page.request);
  return asked !== undefined && /^-?\d+$/.test(asked) ? Number(asked) : start;
}

function endsWithoutTotal(rules: RangeRules): boolean {
  return rules.hasMore !== undefined || rules.maximum !== undefined || rules.stopAfterEmptyPage;
}
