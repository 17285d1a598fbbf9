import { isObject, type Json, type JsonObject } from "../model/json.js";
import { plainName } from "./paginators/envelope.js";

/** A list that could be the records, and what speaks for it. */
export interface Candidate {
  readonly path: readonly string[];
  readonly size: number;
  readonly score: number;
  readonly reasons: readonly string[];
}

/** Names that APIs give to the list of records; dlt 1.26 has the same ones. */
const USUAL_NAMES = new Set([
  "data",
  "items",
  "results",
  "entries",
  "records",
  "rows",
  "entities",
  "payload",
  "content",
  "objects",
  "values",
]);

/** Lists of objects that tell of the response; they are records only where data_selector says so. */
const NO_RECORDS = new Set(["errors", "error", "warnings", "links", "link"]);

/** May tell of the response as well, but are what a mail or chat API is asked for: records where there is no other list. */
const SELDOM_RECORDS = new Set(["messages"]);

/** Keys that stand beside the records of a page. */
const PAGING =
  /^(?:total|count$|page|paging|pagination|next|prev|cursors?$|offset$|limit$|hasmore|hasnext|ismore)/;

const MAX_DEPTH = 3;
/** How much better than the second the best must be. Size alone decides nothing. */
const LEAD = 2;

/**
 * The lists in a body that could be its records, the best first. A list counts if all its items are objects, up to three
 * keys deep; an empty one only under a usual name or the resource's; one without such a name that stands beside an `id`
 * is part of a record. For a list speak the resource's name (5), a usual name (4), paging keys beside it (2), that it is
 * not empty (1) and the longest (1).
 */
export function candidatesIn(body: JsonObject, resource: string): readonly Candidate[] {
  const lists = withoutSeldom(listsIn(body, [], plainName(resource)), plainName(resource));
  const longest = Math.max(0, ...lists.map(({ size }) => size));
  const isLongest = (size: number) =>
    size === longest && lists.filter((list) => list.size === size).length === 1;
  return lists
    .map((list): Candidate => ({ ...list, score: list.score + (isLongest(list.size) ? 1 : 0) }))
    .sort((one, other) => other.score - one.score);
}

/** The one that is meant, if the best leads clearly. */
export function clearlyBest([best, second]: readonly Candidate[]): Candidate | undefined {
  if (best === undefined || second === undefined) return best;
  return best.score - second.score >= LEAD ? best : undefined;
}

function withoutSeldom(lists: readonly Candidate[], resource: string): readonly Candidate[] {
  const others = lists.filter(({ path }) => {
    const name = plainName(path.at(-1) ?? "");
    return name === resource || !SELDOM_RECORDS.has(name);
  });
  return others.length === 0 ? lists : others;
}

function listsIn(body: Json, path: readonly string[], resource: string): readonly Candidate[] {
  if (!isObject(body) || path.length >= MAX_DEPTH) return [];
  const keys = Object.keys(body);
  const hasPaging = keys.some((key) => PAGING.test(plainName(key)) && !Array.isArray(body[key]));
  return Object.entries(body).flatMap(([key, value]) => {
    if (!Array.isArray(value)) return listsIn(value, [...path, key], resource);
    const list = value as readonly Json[];
    const name = plainName(key);
    const isOwn = name === resource && name !== "";
    const isUsual = USUAL_NAMES.has(key.toLowerCase());
    const isNamed = isOwn || isUsual;
    if (NO_RECORDS.has(name) && !isOwn) return [];
    if (!isNamed && (list.length === 0 || keys.includes("id"))) return [];
    if (!list.every((item) => isObject(item))) return [];
    const signs: readonly (readonly [boolean, number, string])[] = [
      [isOwn, 5, "it has the resource's name"],
      [isUsual, 4, "it has a usual name"],
      [hasPaging, 2, "paging keys stand beside it"],
      [list.length > 0, 1, "it is not empty"],
    ];
    const found = signs.filter(([holds]) => holds);
    const score = found.reduce((sum, [, points]) => sum + points, 0);
    return [{ path: [...path, key], size: list.length, score, reasons: found.map(([, , reason]) => reason) }];
  });
}
