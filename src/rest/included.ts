import { parsePath } from "../expression/path.js";
import { adding } from "../json/records.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Page } from "../model/source.js";
import { attempt, type Findings } from "./finding.js";
import type { ResourceOptions } from "./options.js";
import type { Relative } from "./parents.js";

/**
 * What a parent's record gives to each of its children's records: dlt's `_<parent>_<field>`, and beyond dlt nested
 * fields (`author.id` becomes `_posts_author__id`) and names of one's own. A field that a parent does not have is null.
 */
export function planIncluded(
  fields: NonNullable<ResourceOptions["include_from_parent"]>,
  { parent = "", path }: Relative,
  findings: Findings,
): (record: Json) => JsonObject {
  const included = fields.flatMap((entry, index) => {
    const { field, as } =
      typeof entry === "string" ? { field: entry, as: `_${parent}_${entry.replaceAll(".", "__")}` } : entry;
    const place = attempt(() => parsePath(field), [...path, "include_from_parent", index], findings);
    return place === undefined ? [] : [{ as, place }];
  });
  return (record) => Object.fromEntries(included.map(({ as, place }) => [as, place.first(record) ?? null]));
}

/** The pages of one parent record's children, with what the parent gives to them. */
export async function* withIncluded(
  pages: AsyncIterable<Page>,
  included: JsonObject,
): AsyncGenerator<Page, void, undefined> {
  const isEmpty = Object.keys(included).length === 0;
  for await (const page of pages) yield isEmpty ? page : { ...page, records: adding(page.records, included) };
}
