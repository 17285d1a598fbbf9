import { SYSTEM_COLUMNS } from "../../../model/table.js";
import { equal, type Place, parameter, tableName } from "../statements.js";
import { type Key, REPLACED, same } from "./statements.js";

const { id: ID, rowHash: HASH, validFrom: FROM, validTo: TO } = SYSTEM_COLUMNS;

/**
 * Finds the present versions that end: those that no staged row goes on with and for which one came, by identity or by
 * the merge key `shared`; or `all` of them. The staged row that comes in the place of each is noted.
 */
export function findEnding(
  target: Place,
  staging: Place,
  root: string,
  staged: string,
  identity: Key,
  shared: "all" | readonly string[],
): string {
  const { dialect } = target;
  const quote = (name: string) => dialect.quote(name);
  const rows = tableName(staging, staged);
  const came = [`s.${quote(ID)} IS NOT NULL`];
  if (shared !== "all" && shared.length > 0)
    came.push(`EXISTS (SELECT 1 FROM ${rows} AS m WHERE ${equal(dialect, "t", "m", shared)})`);
  return (
    `INSERT INTO ${tableName(staging, REPLACED.table)} SELECT t.${quote(ID)}, s.${quote(ID)} ` +
    `FROM ${tableName(target, root)} AS t LEFT JOIN ${rows} AS s ON ${same(dialect, "t", "s", identity)} ` +
    `WHERE t.${quote(TO)} IS NULL ` +
    `AND (s.${quote(ID)} IS NULL OR s.${quote(HASH)} IS DISTINCT FROM t.${quote(HASH)})` +
    (shared === "all" ? "" : ` AND (${came.join(" OR ")})`)
  );
}

/** Ends the versions found. Parameters: when, as ISO text. */
export function endReplaced(target: Place, staging: Place, root: string): string {
  const { dialect } = target;
  return (
    `${setTime(target, root, TO)} WHERE ${dialect.quote(ID)} IN ` +
    `(SELECT ${dialect.quote(REPLACED.oldId)} FROM ${tableName(staging, REPLACED.table)})`
  );
}

/** Writes a time into every root row that has none in this column. Parameters: the time, as ISO text. */
export function stampAll(target: Place, root: string, column: string): string {
  return `${setTime(target, root, column)} WHERE ${target.dialect.quote(column)} IS NULL`;
}

function setTime(target: Place, root: string, column: string): string {
  return `UPDATE ${tableName(target, root)} SET ${target.dialect.quote(column)} = ${instant(target)}`;
}

/** Takes the staged rows that a present version says already. */
export function dropStagedPresent(
  target: Place,
  staging: Place,
  root: string,
  staged: string,
  identity: Key,
): string {
  const { dialect } = target;
  const hash = dialect.quote(HASH);
  return (
    `DELETE FROM ${tableName(staging, staged)} AS s WHERE EXISTS (SELECT 1 FROM ${tableName(target, root)} AS t ` +
    `WHERE ${same(dialect, "t", "s", identity)} AND t.${hash} = s.${hash} AND t.${dialect.quote(TO)} IS NULL)`
  );
}

/** Rows: one if a version begins or ends later. Parameters: than when, as ISO text. */
export function findLater(target: Place, root: string): string {
  const later = [FROM, TO].map((name) => `${target.dialect.quote(name)} > ${instant(target)}`);
  return `SELECT 1 FROM ${tableName(target, root)} WHERE ${later.join(" OR ")} LIMIT 1`;
}

const instant = (target: Place) => parameter(target.dialect, { type: "timestamp" }, 1);
