import type { Json } from "../model/json.js";
import type { DataType } from "../model/table.js";
import { isTimestamp } from "./timestamp.js";

/** A type with what belongs to it: digits, for decimals. */
export interface ColumnType {
  readonly type: DataType;
  readonly precision?: number;
  readonly scale?: number;
}

/** Most digits that a decimal column holds. */
export const MAX_PRECISION = 38;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const BIG_LIMIT = 10n ** BigInt(MAX_PRECISION);
const TEXT: ColumnType = { type: "text" };
const BIGINT: ColumnType = { type: "bigint" };
const DOUBLE: ColumnType = { type: "double" };
const BOOL: ColumnType = { type: "bool" };
const TIMESTAMP: ColumnType = { type: "timestamp" };
const BINARY: ColumnType = { type: "binary" };
const JSON_TYPE: ColumnType = { type: "json" };
const BIG_INTEGER: ColumnType = { type: "decimal", precision: MAX_PRECISION, scale: 0 };

/**
 * The type a column gets from its first value; undefined for null, which says nothing.
 *
 * Integers are `bigint` as far as 64 bits go, then `decimal(38, 0)`, then `text`. A number that is not an integer, or
 * one that was written like `1e20`, is `double`. NaN and the infinities, which JSON does not have but a generator may
 * yield, are `text`. A string is `timestamp` if it is an ISO date-time (dlt's only detection that is on by default),
 * otherwise `text`: dates alone, numbers and booleans in quotes stay text. What is not unpacked is `json`.
 */
export function inferType(value: Json): ColumnType | undefined {
  switch (typeof value) {
    case "string":
      return isTimestamp(value) ? TIMESTAMP : TEXT;
    case "number":
      if (Number.isSafeInteger(value)) return BIGINT;
      return Number.isFinite(value) ? DOUBLE : TEXT;
    case "bigint":
      if (fitsInt64(value)) return BIGINT;
      return fitsDecimal(value) ? BIG_INTEGER : TEXT;
    case "boolean":
      return BOOL;
    default:
      if (value === null || value === undefined) return undefined;
      // Bytes are no JSON, but a generator may yield them.
      return (value as unknown) instanceof Uint8Array ? BINARY : JSON_TYPE;
  }
}

export function fitsInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

/** True if an integer has at most 38 digits. */
export function fitsDecimal(value: bigint): boolean {
  return value > -BIG_LIMIT && value < BIG_LIMIT;
}
