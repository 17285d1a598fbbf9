import { type JsonPath, parsePath } from "../expression/path.js";
import { SluiceError } from "../model/error.js";
import { isObject, type Json, type JsonObject } from "../model/json.js";
import { candidatesIn, clearlyBest } from "./detect-records.js";
import { isErrorEnvelope, tellsError, unsuccessful } from "./error-envelope.js";

/** Finds the records in a decoded body. */
export interface Select {
  /** `firstPage`: a place that does not exist is an error there, and empty later. */
  (body: Json | undefined, firstPage: boolean): readonly Json[];
  /** Where the records are and why there, in words; undefined before the first page. */
  readonly explain?: () => string | undefined;
  /** The keys that lead to the list of records, once a page has shown that they do; undefined where keys do not say it. */
  readonly place?: () => readonly string[] | undefined;
}

/** For whom records are selected. */
export interface Selection {
  readonly resource: string;
  /** Hides secrets in what an API says of an error. Default: nothing is hidden. */
  readonly redact?: (text: string) => string;
  /** A first page without the place is empty, not an error. Default false. */
  readonly allowMissing?: boolean;
}

/**
 * Selects by a dotted path or JSONPath. One match that is a list gives its items, one that is anything else is the
 * record; several matches are all records, lists among them unpacked, so that one and many have the same shape.
 *
 * @throws SluiceError response/unsuccessful when there are none and the body tells of an error, on any page;
 *   response/no-records when the first page has no such place.
 */
export function selectByPath(selector: string, selection: Selection): Select {
  const path: JsonPath = parsePath(selector);
  const keys = selector === "$" ? [] : selector.split(".");
  let leads = false;
  const select: Select = (body, firstPage) => {
    if (body === undefined) return [];
    const matches = path.find(body);
    if (matches.length === 0) refuseError(body, selection);
    leads = matches.length === 1 && Array.isArray(matches[0]) && follow(body, keys) === matches[0];
    if (matches.length === 0 && firstPage && selection.allowMissing !== true) {
      throw new SluiceError(
        "response/no-records",
        `data_selector "${selector}" finds nothing in the first page`,
        {
          at: { resource: selection.resource },
          hint: `${
            isObject(body)
              ? `The body has the keys ${Object.keys(body).slice(0, 20).join(", ")}.`
              : "The body is not an object."
          } If a page without records lacks it, set allow_missing: true.`,
        },
      );
    }
    const records = matches.flatMap((match) =>
      Array.isArray(match) ? match : match === null ? [] : [match],
    );
    if (records.length === 0) refuseError(body, selection);
    return records;
  };
  return Object.assign(select, {
    explain: () => `${selector}: as data_selector says`,
    place: () => (leads ? keys : undefined),
  });
}

/** GraphQL answers 200 with `errors`, and null for data. */
function refuseError(body: Json, { resource, redact = asIs }: Selection): void {
  if (tellsError(body)) throw unsuccessful(body, resource, redact);
}

const asIs = (text: string) => text;

/** The whole body is the record, or the list of records. */
export const selectWhole: Select = (body) => {
  if (body === undefined || body === null) return [];
  return Array.isArray(body) ? body : [body];
};

/**
 * The whole body is the record.
 *
 * @throws SluiceError response/unsuccessful when it tells of an error and nothing else.
 */
export function selectRecord({ resource, redact = asIs }: Selection): Select {
  const select: Select = (body, firstPage) => {
    if (isErrorEnvelope(body)) throw unsuccessful(body, resource, redact);
    return selectWhole(body, firstPage);
  };
  return Object.assign(select, {
    explain: () => "the body: the path ends with a parent's field, so it is one record",
  });
}

/** Where detection has found the records. */
interface Found {
  readonly place: readonly string[];
  readonly reason: string;
}

/**
 * Detects the list of records on the first page that has one, and stays with its place. A body that is a list is the
 * records; otherwise the lists of objects in it are weighed (`candidatesIn`). Without any the body is one record.
 *
 * @throws SluiceError response/ambiguous when two lists could be meant; response/unsuccessful when there is none, and
 *   the body tells of an error.
 */
export function selectByDetection(selection: Selection): Select {
  let found: Found | undefined;
  let reason: string | undefined;
  let isList = false;
  const select: Select = (body) => {
    if (!isObject(body)) {
      isList = Array.isArray(body);
      reason ??= "the body: it is a list";
      return selectWhole(body, true);
    }
    found ??= detect(body, selection);
    if (found === undefined) {
      if (isErrorEnvelope(body)) refuseError(body, selection);
      reason = "the body: it holds no list of objects, so it is one record";
      return isEmptyPage(body) ? [] : [body];
    }
    reason = `${found.place.join(".")}: ${found.reason}`;
    const value = follow(body, found.place);
    const records = value === undefined ? [] : selectWhole(value, false);
    if (records.length === 0) refuseError(body, selection);
    return records;
  };
  return Object.assign(select, { explain: () => reason, place: () => (isList ? [] : found?.place) });
}

/** What stands where the keys lead, each of them an own key of an object. */
function follow(body: Json, keys: readonly string[]): Json | undefined {
  let value: Json | undefined = body;
  for (const key of keys) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

function detect(body: JsonObject, { resource }: Selection): Found | undefined {
  const candidates = candidatesIn(body, resource);
  const best = clearlyBest(candidates);
  if (best === undefined && candidates.length > 0) {
    const names = candidates.map(({ path }) => path.join(".")).join(", ");
    throw new SluiceError(
      "response/ambiguous",
      `the body has several lists that could be the records: ${names}`,
      { at: { resource }, hint: "Set endpoint.data_selector to the one you mean." },
    );
  }
  if (best === undefined) return undefined;
  const isOnly = candidates.length === 1;
  return { place: best.path, reason: isOnly ? "the only list of objects" : best.reasons.join(", ") };
}

/** No keys at all, or null where the records would be, and nothing but paging beside it. */
function isEmptyPage(body: JsonObject): boolean {
  const entries = Object.entries(body);
  if (entries.length === 0) return true;
  const isNullList = ([key, value]: [string, Json]) =>
    value === null && /^(?:data|items|results|records|entries|rows)$/.test(key);
  return (
    entries.some(isNullList) &&
    entries.every(
      ([key, value]) => value === null || /^(?:total|count|page|next|prev|meta|links?|ok|success)/i.test(key),
    )
  );
}
