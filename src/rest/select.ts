import { type JsonPath, parsePath } from "../expression/path.js";
import { SluiceError } from "../model/error.js";
import { isObject, type Json } from "../model/json.js";

/** Finds the records in a decoded body. `firstPage`: a place that does not exist is an error there, and empty later. */
export type Select = ((body: Json | undefined, firstPage: boolean) => readonly Json[]) & {
  /** Where the records were last found, and why there; for people. */
  readonly why?: () => string;
};

function explained(select: Select, why: () => string): Select {
  return Object.assign((body: Json | undefined, firstPage: boolean) => select(body, firstPage), { why });
}

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
 * @throws SluiceError response/no-records when the first page has no such place.
 */
export function selectByPath(selector: string, resource: string): Select {
  const path: JsonPath = parsePath(selector);
  const select: Select = (body, firstPage) => {
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
    return matches.flatMap((match) => (Array.isArray(match) ? match : match === null ? [] : [match]));
  };
  return explained(select, () => `at ${selector}, which data_selector says`);
}

/** The whole body is the record, or the list of records. */
export const selectWhole: Select = explained(
  (body) => {
    if (body === undefined || body === null) return [];
    return Array.isArray(body) ? body : [body];
  },
  () => "the whole body, as the path names one record",
);

/**
 * Detects the list of records on the first page that has one, and stays with its place. A body that is a list is the
 * records. Otherwise the lists of objects up to three keys deep are candidates: one with a usual name (data, items …)
 * wins, else the only one. Without a list the body is one record.
 *
 * @throws SluiceError response/ambiguous when two lists could be meant.
 */
export function selectByDetection(resource: string): Select {
  let place: readonly string[] | undefined;
  let why = "nowhere: the body is empty";
  const select: Select = (body) => {
    if (!isObject(body)) {
      if (body !== undefined) why = "the whole body, as it is a list";
      return selectWhole(body, true);
    }
    if (place === undefined) {
      const lists = candidates(body, [], 3);
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
        if (Object.keys(body).length === 0) return [];
        why = "the whole body, as it is an object that holds no list of objects";
        return [body];
      }
      why = `at ${place.join(".")}, ${named.length > 0 ? "a usual name for the list of records" : "the only list of objects"}`;
    }
    let value: Json | undefined = body;
    for (const key of place) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    return value === undefined ? [] : selectWhole(value, false);
  };
  return explained(select, () => why);
}

function candidates(body: Json, path: readonly string[], depth: number): (readonly string[])[] {
  if (!isObject(body) || depth === 0) return [];
  return Object.entries(body).flatMap(([key, value]) => {
    if (!Array.isArray(value)) return candidates(value, [...path, key], depth - 1);
    const isRecords = value.every((item) => isObject(item)) && (value.length > 0 || RECORD_KEYS.has(key));
    return isRecords ? [[...path, key]] : [];
  });
}
