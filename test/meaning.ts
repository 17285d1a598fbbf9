import { type Json, type JsonObject, type TableSchema } from "../src/index.js";
import { parseExactJson } from "../src/json/exact.js";
import { parseTimestamp } from "../src/schema/timestamp.js";
import type { StoredRow } from "./databases.js";

/*
 * What a record means, apart from how it is written. Two records are the same if they are equal after this: nulls,
 * empty lists and empty objects are gone (but an item of a list stays as a place), keys have no order, a number is its
 * decimal value, a timestamp its instant, and a scalar is the same as its text. It knows nothing of how Sluice stores
 * them.
 */
export type Meaning =
  | string
  | { readonly list: readonly Meaning[] }
  | { readonly object: readonly (readonly [string, Meaning])[] };
export const NOTHING = "(nothing)";

/** The meaning of a record or value. `text` is what becomes of each text on its way into a database. */
export function meaning(value: Json | undefined, text: (text: string) => string = same): Meaning | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) {
    if (value.length === 0) return undefined;
    return { list: value.map((item: Json) => meaning(item, text) ?? NOTHING) };
  }
  if (typeof value !== "object") return scalarMeaning(text(String(value)));
  return objectMeaning(Object.keys(value).map((key) => [key, meaning((value as JsonObject)[key], text)]));
}

const same = (text: string) => text;

function objectMeaning(entries: readonly (readonly [string, Meaning | undefined])[]): Meaning | undefined {
  const present = entries.filter((entry): entry is [string, Meaning] => entry[1] !== undefined);
  return present.length === 0 ? undefined : { object: present.sort(([a], [b]) => (a < b ? -1 : 1)) };
}

function scalarMeaning(text: string): string {
  const instant = parseTimestamp(text);
  return instant === undefined ? (numberMeaning(text) ?? `"${text.toWellFormed()}"`) : `@${instant}`;
}

/** The digits of a number and its power of ten. */
function numberMeaning(text: string): string | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const significant = (whole + fraction).replace(/^0+/, "");
  const digits = significant.replace(/0+$/, "");
  if (digits === "") return "#0";
  return `#${sign}${digits}e${Number(exponent) - fraction.length + significant.length - digits.length}`;
}

/** A table with its rows as a database gives them. */
export interface StoredTable {
  readonly schema: TableSchema;
  readonly rows: readonly StoredRow[];
}

interface Node {
  readonly schema: TableSchema;
  readonly row: StoredRow;
  readonly children: Node[];
}

/**
 * The records that tables hold, put together from root and child tables by the sources of their columns, in the order
 * of arrival.
 *
 * @throws Error for tables that hold no records: a row without its parent, two values at one place, a list with a gap.
 */
export function recordsIn(tables: readonly StoredTable[]): Meaning[] {
  const nodes = tables.flatMap(({ schema, rows }) =>
    rows.map((row): Node => ({ schema, row, children: [] })),
  );
  const byId = new Map(nodes.map((node) => [node.row["_sluice_id"], node]));
  if (byId.size !== nodes.length) throw new Error("two rows have one id");
  for (const node of nodes) {
    if (node.schema.parent === undefined) continue;
    const parent = byId.get(node.row["_sluice_parent_id"]);
    const root = byId.get(node.row["_sluice_root_id"]);
    if (parent?.schema.name !== node.schema.parent)
      throw new Error(`a row of ${node.schema.name} has no parent`);
    if (root === undefined || root.schema.parent !== undefined) throw new Error("a row has no root");
    parent.children.push(node);
  }
  return nodes
    .filter((node) => node.schema.parent === undefined)
    .sort((a, b) => (String(a.row["_sluice_id"]) < String(b.row["_sluice_id"]) ? -1 : 1))
    .map(recordOf);
}

function recordOf({ schema, row, children }: Node): Meaning {
  const found = new Map<string, unknown>();
  let whole: Meaning | undefined;
  const place = (source: readonly string[], value: Meaning | undefined): void => {
    if (value === undefined) return;
    if (source.length > 0) put(found, source, value);
    else if (whole === undefined) whole = value;
    else throw new Error("an item has two values");
  };
  for (const { name, source, type } of schema.columns) {
    const cell = row[name] ?? null;
    if (source !== undefined && cell !== null) place(source, cellMeaning(type, cell));
  }
  const lists = new Map<string, Node[]>();
  for (const child of children) {
    const key = JSON.stringify(child.schema.source ?? []);
    lists.set(key, [...(lists.get(key) ?? []), child]);
  }
  for (const [source, items] of lists) {
    const sorted = items.sort((a, b) => indexOf(a) - indexOf(b));
    if (sorted.some((item, index) => indexOf(item) !== index))
      throw new Error(`the list ${source} has a gap`);
    place(JSON.parse(source) as string[], { list: sorted.map(recordOf) });
  }
  return whole ?? close(found) ?? NOTHING;
}

const indexOf = ({ row }: Node) => Number(row["_sluice_list_idx"]);

function cellMeaning(type: string, cell: unknown): Meaning | undefined {
  if (type === "json") return meaning(parseExactJson(String(cell)));
  if (cell instanceof Uint8Array) return scalarMeaning(Buffer.from(cell).toString("base64"));
  return scalarMeaning(String(cell));
}

function put(into: Map<string, unknown>, path: readonly string[], value: Meaning): void {
  const [key = "", ...rest] = path;
  if (rest.length === 0) {
    if (into.has(key)) throw new Error(`two values at ${key}`);
    into.set(key, value);
    return;
  }
  const next = into.get(key) ?? new Map<string, unknown>();
  if (!(next instanceof Map)) throw new Error(`two values at ${key}`);
  into.set(key, next);
  put(next, rest, value);
}

function close(value: unknown): Meaning | undefined {
  if (!(value instanceof Map)) return value as Meaning;
  return objectMeaning([...(value as Map<string, unknown>)].map(([key, item]) => [key, close(item)]));
}
