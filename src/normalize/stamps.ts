import { hash } from "node:crypto";
import type { Json } from "../model/json.js";
import type { ResourceHints } from "../model/source.js";
import { type DataType, SYSTEM_COLUMNS } from "../model/table.js";
import { jsonText } from "../schema/json-text.js";
import { columnName, type Naming } from "../schema/naming.js";
import { ColumnBuilder } from "./column-builder.js";

/** System columns that the root table of a resource has beside those that every root table has. */
export interface Stamps {
  readonly columns: readonly ColumnBuilder[];
  /** Fills them for a record that stays. */
  stamp(row: number, record: () => Json): void;
}

/** What stamps depend on beside the hints. */
export interface StampsPlan {
  /** Milliseconds since 1970. */
  readonly boundary: number;
  /** Levels of objects and lists that are unpacked. */
  readonly maxLevel: number;
  readonly naming: Naming;
}

/** The stamps of a resource; undefined for the most, which need none. */
export function stampsOf(hints: ResourceHints, plan: StampsPlan): Stamps | undefined {
  const { merge, writeDisposition } = hints;
  if (writeDisposition !== "merge") return undefined;
  if (merge?.strategy === "scd2") return versionStamps(hints, plan);
  if (merge?.deleteMissing !== "soft") return undefined;
  // A row that arrives is there: nothing is filled in.
  return { columns: [stampColumn(SYSTEM_COLUMNS.deletedAt, "timestamp")], stamp: () => undefined };
}

function versionStamps({ columns }: ResourceHints, plan: StampsPlan): Stamps {
  const validFrom = stampColumn(SYSTEM_COLUMNS.validFrom, "timestamp");
  const validTo = stampColumn(SYSTEM_COLUMNS.validTo, "timestamp");
  const rowHashes = stampColumn(SYSTEM_COLUMNS.rowHash, "text");
  const seconds = Math.floor(plan.boundary / 1000);
  const micros = (plan.boundary - seconds * 1000) * 1000;
  const whole = columns.filter(({ dataType }) => dataType === "json").map(({ name }) => name);
  const unpacked = { ...plan, whole: new Set(whole) };
  return {
    columns: [validFrom, validTo, rowHashes],
    stamp(row, record) {
      validFrom.setInstant(row, seconds, micros);
      rowHashes.setText(row, rowHash(record(), unpacked));
    },
  };
}

/** Nullable: rows from before the resource was loaded in this way have nothing in it. */
function stampColumn(name: string, type: DataType): ColumnBuilder {
  return new ColumnBuilder({ name, type, nullable: true });
}

/** How much of a record becomes columns and rows; the rest is kept as JSON. */
export interface Unpacked {
  readonly maxLevel: number;
  /** Names of declared columns of type json. */
  readonly whole: ReadonlySet<string>;
  readonly naming: Naming;
}

/** More levels of one record than this are compared as they are written, with the keys in their order. */
const MAX_SORTED = 500;

/**
 * A hash of what a record says: 32 characters, of SHA-256. Neither the order of keys nor what leaves no trace in the
 * tables (null, an empty object or list under a key) counts; the order of lists does. What is kept as JSON counts as it
 * is, but for the order of its keys.
 *
 * @example
 * rowHash({ id: 1, name: null }, unpacked) === rowHash({ id: 1 }, unpacked); // true
 */
export function rowHash(record: Json, unpacked: Unpacked): string {
  const path = unpacked.whole.size === 0 ? undefined : [];
  return hash("sha256", said(record, 0, path, unpacked) ?? "", "base64url").slice(0, 32);
}

/** A value as text; undefined for one that leaves no trace. `path`: keys from the record to here, none in a list. */
function said(
  value: Json | undefined,
  level: number,
  path: readonly string[] | undefined,
  unpacked: Unpacked,
): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || (value as object) instanceof Date) return jsonText(value);
  if (level > unpacked.maxLevel || isWhole(path, unpacked)) return written(value, level);
  if (Array.isArray(value)) {
    const items = value.map((item: Json) => said(item, level + 1, undefined, unpacked) ?? emptyOf(item));
    return items.length === 0 ? undefined : `[${items.join(",")}]`;
  }
  const object = value as { readonly [key: string]: Json };
  let text = "";
  for (const key of Object.keys(object).sort()) {
    const one = said(object[key], level + 1, path && [...path, key], unpacked);
    if (one !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${one}`;
  }
  return text === "" ? undefined : `{${text}}`;
}

/** An item of a list makes a row even if there is nothing in it. */
function emptyOf(item: Json | undefined): string {
  if (typeof item !== "object" || item === null) return "null";
  return Array.isArray(item) ? "[]" : "{}";
}

function isWhole(path: readonly string[] | undefined, { whole, naming }: Unpacked): boolean {
  if (whole.size === 0 || path === undefined || path.length === 0) return false;
  return whole.has(path.join(".")) || whole.has(columnName(path, naming));
}

/** Everything, with the keys of objects in order. */
function written(value: Json | undefined, level: number): string {
  if (typeof value !== "object" || value === null || (value as object) instanceof Date)
    return jsonText(value ?? null);
  if (level > MAX_SORTED) return jsonText(value);
  if (Array.isArray(value)) return `[${value.map((item: Json) => written(item, level + 1)).join(",")}]`;
  const object = value as { readonly [key: string]: Json };
  const keys = Object.keys(object)
    .sort()
    .filter((key) => object[key] !== undefined);
  return `{${keys.map((key) => `${JSON.stringify(key)}:${written(object[key], level + 1)}`).join(",")}}`;
}
