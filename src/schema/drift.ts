import {
  type ColumnSchema,
  type FoundColumn,
  type FoundTable,
  SYSTEM_COLUMNS,
  SYSTEM_PREFIX,
  type TableSchema,
} from "../model/table.js";
import type { ColumnType } from "./infer.js";
import { precisionOf, scaleOf, widens, withType } from "./join.js";

/** One way in which the tables of a destination are not what was committed there. */
export type Drift =
  /** The table is gone. */
  | { readonly kind: "table-missing"; readonly table: string }
  /** A column is gone. */
  | { readonly kind: "column-missing"; readonly table: string; readonly column: string }
  /** A column is gone by which the rows that are there are found. */
  | { readonly kind: "key-missing"; readonly table: string; readonly column: string }
  /** A column has become narrower, and can be widened again without loss. */
  | {
      readonly kind: "narrowed";
      readonly table: string;
      readonly column: string;
      readonly there: string;
      readonly expected: string;
    }
  /** A column has become text or json, which hold the values too, in another form. */
  | {
      readonly kind: "taken";
      readonly table: string;
      readonly column: string;
      readonly there: string;
      readonly expected: string;
    }
  /** Rows would not fit. */
  | {
      readonly kind: "unfit";
      readonly table: string;
      readonly column?: string;
      readonly there: string;
      readonly expected: string;
    };

/** What rows are found by: without these the rows that are there have lost their children, or their parents. */
const LINKS: ReadonlySet<string> = new Set([
  SYSTEM_COLUMNS.id,
  SYSTEM_COLUMNS.parentId,
  SYSTEM_COLUMNS.rootId,
]);

/**
 * Compares tables as they were committed (or are to be) with those that are there. What `diffTables` puts right is told
 * as such; `unfit` is what it can't.
 *
 * @example
 * findDrift([calls], []); // [{ kind: "table-missing", table: "calls" }]
 */
export function findDrift(known: readonly TableSchema[], found: readonly FoundTable[]): readonly Drift[] {
  const there = new Map(found.map((table) => [table.name.toLowerCase(), table]));
  return known.flatMap((table) => {
    const match = there.get(table.name.toLowerCase());
    return match === undefined
      ? [{ kind: "table-missing" as const, table: table.name }]
      : tableDrift(table, match);
  });
}

/**
 * The tables with those columns as text or json that were made so by hand: from now on their values are stored in that
 * form.
 */
export function takeFound(
  known: readonly TableSchema[],
  drifts: readonly Drift[],
  found: readonly FoundTable[],
): readonly TableSchema[] {
  const taken = new Set(
    drifts.flatMap((drift) => (drift.kind === "taken" ? [JSON.stringify([drift.table, drift.column])] : [])),
  );
  if (taken.size === 0) return known;
  return known.map((table) => {
    const match = found.find((other) => other.name.toLowerCase() === table.name.toLowerCase());
    const columns = table.columns.map((column) => {
      const there = match === undefined ? undefined : columnIn(match, column.name);
      const isTaken = there !== undefined && taken.has(JSON.stringify([table.name, column.name]));
      return isTaken ? withType(column, { type: there.type }) : column;
    });
    return { ...table, columns };
  });
}

function tableDrift(known: TableSchema, found: FoundTable): Drift[] {
  const { name: table } = known;
  if (found.standIn !== undefined)
    return [{ kind: "unfit", table, there: `a ${found.standIn}`, expected: "a table" }];
  return [
    ...known.columns.flatMap((column) => columnDrift(known, column, columnIn(found, column.name))),
    ...found.columns.flatMap((column) => strangerDrift(known, column)),
  ];
}

function columnDrift(known: TableSchema, column: ColumnSchema, found: FoundColumn | undefined): Drift[] {
  const { name: table } = known;
  if (found === undefined) {
    const isLink = LINKS.has(column.name) || known.primaryKey.includes(column.name);
    return [{ kind: isLink ? "key-missing" : "column-missing", table, column: column.name }];
  }
  const place = { table, column: column.name, there: foundText(found), expected: typeText(column) };
  const isHeld =
    isSameType(found, column) || widens(column, found) || (column.type === "json" && found.type === "text");
  if (found.narrower === undefined && isHeld) return [];
  if (isWidenable(found, column)) return [{ kind: "narrowed", ...place }];
  const isTaken =
    holdsAnything(found) && column.variantOf === undefined && !column.name.startsWith(SYSTEM_PREFIX);
  return [{ kind: isTaken ? "taken" : "unfit", ...place }];
}

/** A column that no row of ours fills has to do without. */
function strangerDrift(known: TableSchema, found: FoundColumn): Drift[] {
  if (found.nullable || found.hasDefault === true || columnIn(known, found.name) !== undefined) return [];
  const there = `${foundText(found)} that takes no null and has no default`;
  return [{ kind: "unfit", table: known.name, column: found.name, there, expected: "no such column" }];
}

/**
 * Whether the column can become `wanted` in place, without loss. Whether a value beyond 2^53 was there is known to the one
 * who wants the wider type, not to the database.
 */
export function isWidenable(found: FoundColumn, wanted: ColumnSchema): boolean {
  const { beyondDouble: _beyondDouble, ...plain } = found;
  return widens(plain, wanted) || (found.narrower !== undefined && isSameType(found, wanted));
}

function holdsAnything({ type, narrower }: FoundColumn): boolean {
  return narrower === undefined && (type === "text" || type === "json");
}

/** Whether two columns hold the same values. */
export function isSameType(left: ColumnType, right: ColumnType): boolean {
  if (left.type !== right.type) return false;
  if (left.type !== "decimal") return true;
  return precisionOf(left) === precisionOf(right) && scaleOf(left) === scaleOf(right);
}

function columnIn<Column extends ColumnSchema>(
  table: { readonly columns: readonly Column[] },
  name: string,
): Column | undefined {
  const folded = name.toLowerCase();
  return (
    table.columns.find((column) => column.name === name) ??
    table.columns.find((column) => column.name.toLowerCase() === folded)
  );
}

function foundText(found: FoundColumn): string {
  return found.narrower ?? typeText(found);
}

/** A type for people: `decimal(38, 9)`. */
export function typeText(column: ColumnType): string {
  return column.type === "decimal" ? `decimal(${precisionOf(column)}, ${scaleOf(column)})` : column.type;
}
