import { parsePlaceholders } from "../expression/placeholder.js";

/** A field of a parent's record, as `{resources.posts.author.id}` names it. */
export interface ParentReference {
  readonly parent: string;
  /** A dotted path into the record. */
  readonly field: string;
}

/** Whether a placeholder's name speaks of a parent, rightly or not. */
export function isParentField(name: string): boolean {
  return name === "resources" || name.startsWith("resources.");
}

/** Whether a placeholder's name speaks of incremental loading, as in `{incremental.start_value}`. */
export function isIncrementalField(name: string): boolean {
  return name.startsWith("incremental.");
}

/** The part after `incremental.`. */
export function incrementalName(name: string): string {
  return name.slice("incremental.".length);
}

/** Whether a placeholder is bound when a walk starts, not when the configuration is planned. */
export function isBoundLater(name: string): boolean {
  return isParentField(name) || isIncrementalField(name);
}

/** A planned request's URL for people: what is bound later stands there as it was written. */
export function withReadablePlaceholders(url: string): string {
  return url.replaceAll(/%7B((?:resources|incremental)\.[\w.-]+)%7D/gi, "{$1}");
}

/** Cut at the first two dots, as dlt does: `resources.a.b.c` is field `b.c` of `a`. Undefined without a field. */
export function parseReference(name: string): ParentReference | undefined {
  const [, parent, field] = /^resources\.([^.]+)\.([^.]+(?:\.[^.]+)*)$/.exec(name) ?? [];
  return parent === undefined || field === undefined ? undefined : { parent, field };
}

/**
 * Whether a path answers with one record: its last segment is made from a parent's field, as in
 * `posts/{resources.posts.id}`. dlt has this rule too, but also goes by static placeholders and by the query, which
 * takes lists for records; here the path counts alone, after its static placeholders are bound.
 */
export function isSingleRecord(path: string): boolean {
  const [address = ""] = path.split(/[?#]/);
  const last = address.split("/").findLast((segment) => segment !== "") ?? "";
  return parsePlaceholders(last).some((part) => typeof part !== "string" && isParentField(part.name));
}
