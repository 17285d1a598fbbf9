import { z } from "zod";
import { type JsonPath, parsePath } from "../../expression/path.js";
import type { HttpRequest } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import type { JsonObject } from "../../model/json.js";
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

/** Where a page stands among those that are counted. */
export interface RangePosition {
  readonly current: number;
  /** The position after this page; on an empty page that of the page itself, since nothing was gained. */
  readonly after: number;
  /** The number of the first page or record. */
  readonly base: number;
  readonly unit: string;
}

/**
 * The end after this page, or undefined to go on.
 *
 * What an API says of its total is believed with care:
 * - a total that ends before this page, which has records, is wrong: it counts as missing
 * - a total that has shrunk since an earlier page: records were deleted meanwhile, which moves others to pages that
 *   were read already, so the end is `likely` and not proved
 * - a total that is reached although the API says that there is more: the end is `short`
 */
export function rangeEnd(page: PageView, rules: RangeRules, position: RangePosition): Next | undefined {
  const hasMore = flagAt(page, rules.hasMore);
  const total = believedTotal(page, rules, position);
  if (rules.total !== undefined && total === undefined && !endsWithoutTotal(rules)) {
    throw new SluiceError(
      "paginator/value",
      `the response has no total at ${rules.total.source}, or one that its own records contradict, and nothing else ends the walk`,
      {
        hint: "Correct total_path, or set has_more_path, a maximum, or stop_after_empty_page: true.",
      },
    );
  }
  const { after, base, unit } = position;
  const largest = largestTotal(page.memo);
  const hasShrunk = total !== undefined && largest !== undefined && total < largest;
  const shrunk = hasShrunk ? `, which was ${largest} on an earlier page` : "";
  if (hasMore === false)
    return {
      end: hasShrunk ? "likely" : "proved",
      why: `${rules.hasMore?.source} is false${hasShrunk ? `; the total is ${total}${shrunk}` : ""}`,
    };
  if (total !== undefined && after >= total + base) {
    const why = `total of ${total} ${unit} reached${shrunk}`;
    if (hasMore === true) return { end: "short", why: `${why}, but ${rules.hasMore?.source} is true` };
    return { end: hasShrunk ? "likely" : "proved", why };
  }
  if (rules.stopAfterEmptyPage && page.records?.length === 0) return { end: "likely", why: "empty page" };
  if (rules.maximum !== undefined && after >= rules.maximum)
    return { end: "unknown", why: `maximum of ${rules.maximum} reached` };
  return undefined;
}

/** What the next step must know of the totals so far: the largest one. */
export function rangeMemo(page: PageView, rules: RangeRules, position: RangePosition): { memo?: JsonObject } {
  const totals = [largestTotal(page.memo), believedTotal(page, rules, position)].filter(
    (total) => total !== undefined,
  );
  return totals.length === 0 ? {} : { memo: { total: Math.max(...totals) } };
}

/** The requests after the next one that the total, or the maximum, says exist: every `step` from `after` on. */
export function rangeAhead(
  page: PageView,
  rules: RangeRules,
  position: RangePosition,
  step: number,
  requestAt: (position: number) => HttpRequest,
  count: number,
): readonly HttpRequest[] {
  const total = believedTotal(page, rules, position);
  const end = Math.min(
    total === undefined ? Number.POSITIVE_INFINITY : total + position.base,
    rules.maximum ?? Number.POSITIVE_INFINITY,
  );
  // Without a total, a maximum does not say that there are pages up to it.
  if (total === undefined || step <= 0) return [];
  const requests: HttpRequest[] = [];
  for (let at = position.after + step; at < end && requests.length < count; at += step) {
    requests.push(requestAt(at));
  }
  return requests;
}

function believedTotal(
  page: PageView,
  rules: RangeRules,
  { current, base }: RangePosition,
): number | undefined {
  const total = totalAt(page, rules.total);
  if (total === undefined) return undefined;
  const hasRecords = (page.records?.length ?? 0) > 0;
  const end = total + base;
  return current > end || (current === end && hasRecords) ? undefined : total;
}

function largestTotal(memo: JsonObject | undefined): number | undefined {
  return typeof memo?.["total"] === "number" ? memo["total"] : undefined;
}

/** The number that the page's request asked for; it is the whole state of the walk. */
export function positionOf(page: PageView, place: Place, start: number): number {
  const asked = place.get(page.request);
  return asked !== undefined && /^-?\d+$/.test(asked) ? Number(asked) : start;
}

function endsWithoutTotal(rules: RangeRules): boolean {
  return rules.hasMore !== undefined || rules.maximum !== undefined || rules.stopAfterEmptyPage;
}
