import type { FoundTable, SchemaChange, TableSchema } from "../model/table.js";
import { isWidenable } from "./drift.js";

/**
 * What must change so that the tables in `have` can take rows of the tables in `want`: tables to create (parents
 * before children), columns to add at the end, columns to widen. Nothing else ever changes: a table or column that
 * only `have` knows, and a column that is wider there than wanted, stay as they are. Names are compared without case.
 *
 * @example
 * diffTables([], [calls]); // [{ op: "create-table", table: calls }]
 */
export function diffTables(
  have: readonly FoundTable[],
  want: readonly TableSchema[],
): readonly SchemaChange[] {
  const existing = new Map(have.map((table) => [table.name.toLowerCase(), table]));
  return parentsFirst(want).flatMap((table) => {
    const there = existing.get(table.name.toLowerCase());
    return there === undefined ? [{ op: "create-table" as const, table }] : diffColumns(there, table);
  });
}

function diffColumns(have: FoundTable, want: TableSchema): readonly SchemaChange[] {
  const existing = new Map(have.columns.map((column) => [column.name.toLowerCase(), column]));
  return want.columns.flatMap((column): readonly SchemaChange[] => {
    const there = existing.get(column.name.toLowerCase());
    if (there === undefined) return [{ op: "add-column", table: want.name, column }];
    return isWidenable(there, column)
      ? [{ op: "widen-column", table: want.name, column, from: there.type }]
      : [];
  });
}

function parentsFirst(tables: readonly TableSchema[]): readonly TableSchema[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const placed = new Set<TableSchema>();
  const place = (table: TableSchema): void => {
    if (placed.has(table)) return;
    const parent = table.parent === undefined ? undefined : byName.get(table.parent);
    if (parent !== undefined && parent !== table) place(parent);
    placed.add(table);
  };
  for (const table of tables) place(table);
  return [...placed];
}
