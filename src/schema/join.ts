import type { Json } from "../model/json.js";
import type { ColumnSchema, DataType } from "../model/table.js";
import { parseDecimal, sameDecimal } from "./decimal.js";
import { type ColumnType, fitsDecimal, fitsInt64, inferType, MAX_PRECISION } from "./infer.js";
import { jsonText } from "./json-text.js";
import { epochSeconds, isTimestamp, parseDate, parseTime, parseTimestamp } from "./timestamp.js";

/**
 * A value in the form its column stores: text and json as string, bigint as number or bigint, double as number,
 * decimal as unscaled bigint, bool as boolean, timestamp as microseconds since 1970, date as days since 1970, time as
 * microseconds of the day, binary as bytes.
 */
export type Stored = boolean | number | bigint | string | Uint8Array;

/**
 * How a value gets into a table: into its column, which perhaps is another one afterwards (widened, or marked as
 * `beyondDouble`), or into a variant column of the named type.
 */
export type Joined =
  | { readonly column: ColumnSchema; readonly stored: Stored }
  | { readonly variant: ColumnType };

/** Any value but null. */
export type Present = Exclude<Json, null>;

/**
 * What happens when a value meets a column:
 *
 * 1. It is stored, if the column's type holds it without loss. A column that was inferred takes integers into double
 *    and decimal, and any scalar into text as its JSON text; a json column takes everything. A declared column takes
 *    text that says exactly a value of its type (`"12"`, `"true"`, `"2024-01-02"`), and seconds since 1970 into a
 *    timestamp (as dlt does).
 * 2. The column widens, if it was inferred and a wider type holds both: bigint to double as long as no value was
 *    beyond 2^53, bigint to decimal(38, 0), date to timestamp.
 * 3. The value goes to a variant column. Truthiness is no conversion: 2 does not become true.
 */
export function join(column: ColumnSchema, value: Present): Joined {
  const stored = INTO[column.type](value, column);
  if (stored !== undefined) return { column: marked(column, stored), stored };
  const wider = widened(column, value);
  const converted = wider === undefined ? undefined : INTO[wider.type](value, wider);
  if (wider !== undefined && converted !== undefined) return { column: wider, stored: converted };
  return { variant: inferType(value) ?? { type: "text" } };
}

/** True if every value of `from` has an equal one in `to`, so that a column can change in place. */
export function widens(from: ColumnType & { readonly beyondDouble?: true }, to: ColumnType): boolean {
  if (from.type === "bigint" && to.type === "double") return from.beyondDouble !== true;
  if (from.type === "bigint" && to.type === "decimal") return wholeDigits(to) >= 19;
  if (from.type === "date") return to.type === "timestamp";
  if (from.type !== "decimal" || to.type !== "decimal") return false;
  const grows = wholeDigits(to) >= wholeDigits(from) && scaleOf(to) >= scaleOf(from);
  return grows && (precisionOf(to) !== precisionOf(from) || scaleOf(to) !== scaleOf(from));
}

/** A column with another type; everything else stays. */
export function withType(column: ColumnSchema, to: ColumnType): ColumnSchema {
  const { precision: _precision, scale: _scale, beyondDouble: _beyondDouble, ...rest } = column;
  return {
    ...rest,
    type: to.type,
    ...(to.precision === undefined ? {} : { precision: to.precision }),
    ...(to.scale === undefined ? {} : { scale: to.scale }),
  };
}

export function precisionOf(column: ColumnType): number {
  return column.precision ?? MAX_PRECISION;
}

export function scaleOf(column: ColumnType): number {
  return column.scale ?? 0;
}

function wholeDigits(type: ColumnType): number {
  return precisionOf(type) - scaleOf(type);
}

function widened(column: ColumnSchema, value: Present): ColumnSchema | undefined {
  if (column.declared === true || column.variantOf !== undefined) return undefined;
  const type = inferType(value);
  return type !== undefined && widens(column, type) ? withType(column, type) : undefined;
}

function marked(column: ColumnSchema, stored: Stored): ColumnSchema {
  if (column.type !== "bigint" || column.beyondDouble === true) return column;
  return isBeyondDouble(stored) ? { ...column, beyondDouble: true } : column;
}

function isBeyondDouble(stored: Stored): boolean {
  return typeof stored === "bigint" && !Number.isSafeInteger(Number(stored));
}

const INTO: Readonly<Record<DataType, (value: Present, column: ColumnSchema) => Stored | undefined>> = {
  text: (value) => {
    if (typeof value === "string") return value;
    if (typeof value === "object") return undefined;
    return typeof value === "number" && !Number.isFinite(value) ? String(value) : jsonText(value);
  },

  bigint: (value, column) => {
    if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
    const integer = declaredInteger(value, column);
    return integer !== undefined && fitsInt64(integer) ? integer : undefined;
  },

  double: (value, column) => {
    if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
    const convertible = typeof value === "bigint" || (typeof value === "string" && column.declared === true);
    if (!convertible) return undefined;
    const number = Number(value);
    // By its text, not its bits: 2^60 is a double, but one that reads 1152921504606847000.
    const same = Number.isFinite(number) && sameDecimal(value.toString(), String(number));
    return same ? number : undefined;
  },

  decimal: (value, column) => {
    const scale = scaleOf(column);
    if (typeof value === "bigint" && !fitsDecimal(value)) return undefined;
    const exact =
      typeof value === "number" ||
      typeof value === "bigint" ||
      (typeof value === "string" && column.declared === true);
    return exact ? parseDecimal(value.toString(), precisionOf(column), scale) : undefined;
  },

  bool: (value, column) => {
    if (typeof value === "boolean") return value;
    if (column.declared !== true) return undefined;
    return value === "true" ? true : value === "false" ? false : undefined;
  },

  timestamp: (value, column) => {
    if (typeof value === "string") {
      const instant = parseTimestamp(value);
      if (instant !== undefined || column.declared !== true) return instant;
      const days = parseDate(value);
      return days === undefined ? undefined : BigInt(days) * DAY_MICROS;
    }
    return typeof value === "number" && column.declared === true ? epochSeconds(value) : undefined;
  },

  date: (value, column) => {
    if (typeof value !== "string") return undefined;
    const days = parseDate(value);
    if (days !== undefined || column.declared !== true || !isTimestamp(value)) return days;
    const instant = parseTimestamp(value) ?? 1n;
    return instant % DAY_MICROS === 0n ? Number(instant / DAY_MICROS) : undefined;
  },

  time: (value) => (typeof value === "string" ? parseTime(value) : undefined),

  binary: (value) =>
    (value as unknown) instanceof Uint8Array
      ? (value as unknown as Uint8Array)
      : typeof value === "string"
        ? bytesOf(value)
        : undefined,

  json: (value) => {
    if (typeof value === "number" && !Number.isFinite(value)) return undefined;
    return (value as unknown) instanceof Uint8Array ? undefined : jsonText(value);
  },
};

const DAY_MICROS = 86_400_000_000n;

function declaredInteger(value: Present, column: ColumnSchema): bigint | undefined {
  if (typeof value === "bigint") return value;
  const digits = typeof value === "string" && column.declared === true && /^-?\d{1,40}$/.test(value);
  return digits ? BigInt(value) : undefined;
}

/** The bytes of `0x` and hexadecimal digits, or of base64 in its canonical form (the two that dlt reads). */
function bytesOf(text: string): Uint8Array | undefined {
  if (/^0x(?:[0-9a-fA-F]{2})*$/.test(text)) return new Uint8Array(Buffer.from(text.slice(2), "hex"));
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? new Uint8Array(bytes) : undefined;
}
