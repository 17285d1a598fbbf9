import { type JsonPath, parsePath } from "../expression/path.js";
import { SluiceError } from "../model/error.js";
import { isObject, type Json } from "../model/json.js";
import { isErrorKey, refuseErrorBody } from "./error-body.js";

/** Finds the records in a decoded body. `firstPage`: a place that does not exist is an error there, and empty later. */
export type Select = (body: Json | undefined, firstPage: boolean) => readonly Json[];

/** Names that APIs give to the list of records; dlt 1.26 has the same ones. */
const RECORD_KEYS = new Set([
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

/**
 * Selects by a dotted path or JSONPath. One match that is a list gives its items, one that is anything else is the
 * record; several matches are all records, lists among them unpacked, so that one and many have the same shape.
 *
 * @throws SluiceError response/no-records when the first page has no such place; response/error-body when a later one
 *   has no records and says that something went wrong.
 */
export function selectByPath(selector: string, resource: string): Select {
  const path: JsonPath = parsePath(selector);
  return (body, firstPage) => {
    if (body === undefined) return [];
    const matches = path.find(body);
    if (matches.length === 0 && firstPage) {
      throw new SluiceError(
        "response/no-records",
        `data_selector "${selector}" finds nothing in the first page`,
        {
          at: { resource },
          hint: isObject(body)
            ? `The body has the keys ${Object.keys(body).slice(0, 20).join(", ")}.`
            : "The body is not an object.",
        },
      );
    }
    const records = matches.flatMap((match) =>
      Array.isArray(match) ? match : match === null ? [] : [match],
    );
    if (records.length === 0) refuseErrorBody(body, resource);
    return records;
  };
}

/** The whole body is the record, or the list of records. */
export const selectWhole: Select = (body) => {
  if (body === undefined || body === null) return [];
  return Array.isArray(body) ? body : [body];
};

/**
 * Detects the list of records on the first page that has one, and stays with its place. A body that is a list is the
 * records. Otherwise the lists of objects up to three keys deep are candidates: one with a usual name (data, items …)
 * wins, else the only one. Without a list the body is one record.
 *
 * @throws SluiceError response/ambiguous when two lists could be meant; response/error-body when there are no records and
 *   the body says that something went wrong.
 */
export function selectByDetection(resource: string): Select {
  let place: readonly string[] | undefined;
  return (body) => {
    if (!isObject(body)) return selectWhole(body, true);
    if (place === undefined) {
      const lists = candidates(body, [], 3).filter((path) => !isErrorKey(path.at(-1) ?? ""));
      const named = lists.filter((path) => RECORD_KEYS.has(path.at(-1) ?? ""));
      const choice = named.length > 0 ? named : lists;
      if (choice.length > 1) {
        throw new SluiceError(
          "response/ambiguous",
          `the body has several lists that could be the records: ${choice.map((path) => path.join(".")).join(", ")}`,
          { at: { resource }, hint: "Set endpoint.data_selector to the one you mean." },
        );
      }
      place = choice[0];
      if (place === undefined) {
        refuseErrorBody(body, resource);
        return Object.keys(body).length === 0 ? [] : [body];
      }
    }
    let value: Json | undefined = body;
    for (const key of place) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    const records = value === undefined ? [] : selectWhole(value, false);
    if (records.length === 0) refuseErrorBody(body, resource);
    return records;
  };
}

function candidates(body: Json, path: readonly string[], depth: number): (readonly string[])[] {
  if (!isObject(body) || depth === 0) return [];
  return Object.entries(body).flatMap(([key, value]) => {
    if (!Array.isArray(value)) return candidates(value, [...path, key], depth - 1);
    const isRecords = value.every((item) => isObject(item)) && (value.length > 0 || RECORD_KEYS.has(key));
    return isRecords ? [[...path, key]] : [];
  });
}
