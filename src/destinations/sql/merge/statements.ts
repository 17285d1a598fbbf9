import type { MergeRules } from "../../../model/source.js";
import { SYSTEM_COLUMNS, type TableSchema } from "../../../model/table.js";
import type { Dialect } from "../dialect.js";
import { equal, type Place, tableName } from "../statements.js";

const ID = SYSTEM_COLUMNS.id;
const ROOT_ID = SYSTEM_COLUMNS.rootId;

/** The temporary table of a merge: rows of the target that go, and the staged row that comes in the place of each. */
export const REPLACED = { table: "replaced", oldId: "old_id", newId: "new_id" } as const;

/** What rows are told apart by; in the columns of `nulls` null equals null, in others nothing. */
export interface Key {
  readonly columns: readonly string[];
  readonly nulls: readonly string[];
}

/** Whether two rows have one key. */
export function same(dialect: Dialect, left: string, right: string, { columns, nulls }: Key): string {
  return equal(dialect, left, right, columns, nulls);
}

/** Which of the rows with one key stays: the last to arrive, the first, or by a column and then the last. */
export type Order = "last" | "first" | (NonNullable<MergeRules["dedupSort"]> & { readonly isText: boolean });

/** Of several staged rows with one key keeps one. */
export function keepOneStaged(staging: Place, staged: string, key: Key, order: Order): string {
  const { dialect } = staging;
  const table = tableName(staging, staged);
  const keys = key.columns.map((name) => dialect.quote(name)).join(", ");
  const id = dialect.quote(ID);
  const inOrder = (expression: string) => dialect.bytewise?.(expression) ?? expression;
  if (typeof order === "object") {
    const value = dialect.quote(order.column);
    const column = order.isText ? inOrder(value) : value;
    return (
      `DELETE FROM ${table} WHERE ${id} IN (SELECT ${id} FROM (SELECT ${id}, row_number() OVER (PARTITION BY ${keys} ` +
      `ORDER BY ${column} ${order.order.toUpperCase()} NULLS LAST, ${inOrder(id)} DESC) AS place FROM ${table}) AS p ` +
      "WHERE place > 1)"
    );
  }
  const [best, worse] = order === "last" ? ["max", "<"] : ["min", ">"];
  return (
    `DELETE FROM ${table} AS s USING (` +
    `SELECT ${keys}, ${best}(${inOrder(id)}) AS ${id} FROM ${table} GROUP BY ${keys} HAVING count(*) > 1` +
    `) AS d WHERE ${same(dialect, "s", "d", key)} AND ${inOrder(`s.${id}`)} ${worse} d.${id}`
  );
}

/** Takes the staged children of staged rows that were taken away. */
export function dropStagedOrphans(staging: Place, child: string, root: string): string {
  const { dialect } = staging;
  return (
    `DELETE FROM ${tableName(staging, child)} AS c WHERE NOT EXISTS ` +
    `(SELECT 1 FROM ${tableName(staging, root)} AS r WHERE r.${dialect.quote(ID)} = c.${dialect.quote(ROOT_ID)})`
  );
}

/** Takes the staged rows that say of themselves that they are deleted: true, or of another type any value. */
export function dropStagedDeletes(staging: Place, staged: string, column: string, isBool: boolean): string {
  const value = staging.dialect.quote(column);
  return `DELETE FROM ${tableName(staging, staged)} WHERE ${isBool ? value : `${value} IS NOT NULL`}`;
}

/** Takes the staged rows whose key the target has. */
export function dropStagedKnown(
  target: Place,
  staging: Place,
  root: string,
  staged: string,
  key: Key,
): string {
  return (
    `DELETE FROM ${tableName(staging, staged)} AS s WHERE EXISTS ` +
    `(SELECT 1 FROM ${tableName(target, root)} AS t WHERE ${same(target.dialect, "t", "s", key)})`
  );
}

export function createReplaced(staging: Place, target: Place, root: string): string {
  const { dialect } = staging;
  const id = `t.${dialect.quote(ID)}`;
  return (
    `CREATE TEMPORARY TABLE ${tableName(staging, REPLACED.table)} AS ` +
    `SELECT ${id} AS ${dialect.quote(REPLACED.oldId)}, ${id} AS ${dialect.quote(REPLACED.newId)} ` +
    `FROM ${tableName(target, root)} AS t WHERE 1 = 0`
  );
}

const intoReplaced = (staging: Place) => `INSERT INTO ${tableName(staging, REPLACED.table)} `;

/** Finds the rows of the target that staged rows replace, each of which has a key of its own. */
export function findReplaced(target: Place, staging: Place, root: string, staged: string, key: Key): string {
  const { dialect } = target;
  const id = dialect.quote(ID);
  return (
    `${intoReplaced(staging)}SELECT t.${id}, s.${id} ` +
    `FROM ${tableName(target, root)} AS t JOIN ${tableName(staging, staged)} AS s ` +
    `ON ${same(dialect, "t", "s", key)}`
  );
}

/** Finds the rows of the target that share (or do not share) a key with any staged row. */
export function findSharing(
  target: Place,
  staging: Place,
  root: string,
  staged: string,
  key: Key,
  isShared = true,
): string {
  return (
    `${intoReplaced(staging)}SELECT t.${target.dialect.quote(ID)}, NULL FROM ${tableName(target, root)} AS t ` +
    `WHERE ${isShared ? "" : "NOT "}EXISTS (SELECT 1 FROM ${tableName(staging, staged)} AS s ` +
    `WHERE ${same(target.dialect, "t", "s", key)})`
  );
}

/** Rows of the target that go, and how many staged rows come in the place of one with the same key. */
export function countReplaced(staging: Place, staged: string): string {
  const { dialect } = staging;
  return (
    `SELECT count(*), count(DISTINCT s.${dialect.quote(ID)}) FROM ${tableName(staging, REPLACED.table)} AS r ` +
    `LEFT JOIN ${tableName(staging, staged)} AS s ON s.${dialect.quote(ID)} = r.${dialect.quote(REPLACED.newId)}`
  );
}

/** Deletes replaced root rows, or (with the root id) their children. */
export function deleteReplaced(
  target: Place,
  staging: Place,
  table: Pick<TableSchema, "name" | "parent">,
): string {
  const { dialect } = target;
  const column = dialect.quote(table.parent === undefined ? ID : ROOT_ID);
  return (
    `DELETE FROM ${tableName(target, table.name)} WHERE ${column} IN ` +
    `(SELECT ${dialect.quote(REPLACED.oldId)} FROM ${tableName(staging, REPLACED.table)})`
  );
}
