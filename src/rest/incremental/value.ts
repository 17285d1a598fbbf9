import { SluiceError } from "../../model/error.js";
import { isObject, type Json, type JsonObject } from "../../model/json.js";
import { type Instant, parseDate, scanTimestamp } from "../../schema/timestamp.js";

/** What a record may hold as a cursor value. */
export type CursorValue = string | number | bigint;

/**
 * A cursor value, ready to be compared: numbers by size, dates and timestamps as instants (a date is its midnight in
 * UTC), other texts by code units.
 */
export interface Measured {
  readonly value: CursorValue;
  readonly type: "number" | "date" | "timestamp" | "text";
  /** The number, the text, or whole seconds since 1970. */
  readonly major: CursorValue;
  /** Nanoseconds after that: APIs of one table may write different precisions. */
  readonly nanos: number;
}

/** Says which of two values is further in the direction of the load: positive when the first one is. */
export type Order = (one: Measured, other: Measured) => number;

/** In TypeScript, beside `max` and `min`: given two values, returns the one that is further. */
export type LastValueFunction = (values: readonly CursorValue[]) => CursorValue;

const DAY_SECONDS = 86_400;
const scratch: Instant = { seconds: 0, micros: 0 };

/** Undefined for what has no order: booleans, lists and objects. */
export function measure(value: Json): Measured | undefined {
  if (typeof value === "number" || typeof value === "bigint")
    return { value, type: "number", major: value, nanos: 0 };
  if (typeof value !== "string") return undefined;
  if (scanTimestamp(value, scratch)) {
    const { seconds, micros } = scratch;
    return { value, type: "timestamp", major: seconds, nanos: micros * 1000 + belowMicros(value) };
  }
  const days = parseDate(value);
  if (days !== undefined) return { value, type: "date", major: days * DAY_SECONDS, nanos: 0 };
  return { value, type: "text", major: value, nanos: 0 };
}

/** The digits of a fraction that a timestamp of the database can't hold, but a cursor must tell apart. */
function belowMicros(text: string): number {
  const at = text.indexOf(".");
  if (at < 0) return 0;
  const digits = /^\d{6}(\d{1,3})/.exec(text.slice(at + 1))?.[1];
  return digits === undefined ? 0 : Number(digits.padEnd(3, "0"));
}

/**
 * How the values at `path` are ordered.
 *
 * @throws SluiceError incremental/types (the order does) for values of different types. The message names the types.
 */
export function orderOf(func: "max" | "min" | LastValueFunction, path: string): Order {
  if (func === "max") return (one, other) => compare(one, other, path);
  if (func === "min") return (one, other) => compare(other, one, path);
  return (one, other) => {
    if (one.value === other.value) return 0;
    return func([one.value, other.value]) === one.value ? 1 : -1;
  };
}

function compare(one: Measured, other: Measured, path: string): number {
  const isTime = (measured: Measured) => measured.type === "date" || measured.type === "timestamp";
  if (one.type !== other.type && !(isTime(one) && isTime(other))) {
    throw new SluiceError(
      "incremental/types",
      `the cursor values at ${path} can't be compared: one is a ${one.type}, the other a ${other.type}`,
      {
        hint: "initial_value, end_value and the field in all records must be of one type: numbers, ISO 8601 dates or timestamps, or other texts.",
      },
    );
  }
  if (one.major !== other.major) return one.major < other.major ? -1 : 1;
  return one.nanos - other.nanos;
}

/** A cursor value as plain JSON that survives `JSON.parse`. */
export function toStored(value: CursorValue): Json {
  return typeof value === "bigint" ? { integer: String(value) } : value;
}

/** What `toStored` gave; undefined for anything else. */
export function fromStored(stored: Json | undefined): CursorValue | undefined {
  if (typeof stored === "string" || typeof stored === "number") return stored;
  const integer = isObject(stored) ? (stored as JsonObject)["integer"] : undefined;
  return typeof integer === "string" && /^-?\d+$/.test(integer) ? BigInt(integer) : undefined;
}
