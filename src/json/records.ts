import type { JsonDocument } from "../model/document.js";
import { isObject, type Json, type JsonObject } from "../model/json.js";
import type { DocumentRecords, Records } from "../model/source.js";
import { LIST, VALUE_WORDS } from "./document.js";
import { valueAt } from "./values.js";

/** The list at a place in a document's tape as records; undefined if no list is there. */
export function recordsAt(document: JsonDocument, list: number): DocumentRecords | undefined {
  const { tape } = document;
  if (tape[list] !== LIST) return undefined;
  const end = tape[list + 3]!;
  const places: number[] = [];
  for (let at = list + VALUE_WORDS; at < end; at = tape[at + 3]!) places.push(at);
  return documentRecords(document, places, undefined, () => valueAt(document, list) as readonly Json[]);
}

/** Those records of a page that stay, by their index in it; the page itself if all do. */
export function staying(records: Records, stays: (index: number) => boolean): Records {
  if (records.kind === "objects")
    return { kind: "objects", values: records.values.filter((_, index) => stays(index)) };
  const places = records.places.filter((_, index) => stays(index));
  return places.length === records.places.length
    ? records
    : documentRecords(records.document, places, records.added);
}

/** The records of a page, each with these fields besides. */
export function adding(records: Records, fields: JsonObject): Records {
  if (records.kind === "objects")
    return { kind: "objects", values: records.values.map((record) => withAdded(record, fields)) };
  return documentRecords(records.document, records.places, { ...records.added, ...fields });
}

/** A record with fields besides, which count over its own. One that is no object becomes an object, as its `value`. */
export function withAdded(record: Json, fields: JsonObject | undefined): Json {
  if (fields === undefined) return record;
  return isObject(record) ? { ...record, ...fields } : { value: record, ...fields };
}

/** Records at these places of a document's tape. `make` gives all of their values; default: one by one. */
export function documentRecords(
  document: JsonDocument,
  places: readonly number[],
  added: JsonObject | undefined,
  make: () => readonly Json[] = () => places.map((place) => withAdded(valueAt(document, place), added)),
): DocumentRecords {
  let values: readonly Json[] | undefined;
  return {
    kind: "document",
    document,
    places,
    ...(added === undefined ? {} : { added }),
    get values() {
      values ??= make();
      return values;
    },
  };
}

/** How many records a page has. */
export function countOf(records: Records): number {
  return records.kind === "document" ? records.places.length : records.values.length;
}

/** One record alone, by its index; -1 is the last. Undefined if there is none. */
export function recordAt(records: Records, index: number): Json | undefined {
  if (records.kind === "objects") return records.values.at(index);
  const place = records.places.at(index);
  return place === undefined ? undefined : withAdded(valueAt(records.document, place), records.added);
}
