import type { Json } from "../../model/json.js";
import type { PipelineState, ResourceState } from "../../model/state.js";
import { type ColumnSchema, type SchemaChange, SYSTEM_TABLES, type TableSchema } from "../../model/table.js";
import type { Dialect, TypedColumn } from "./dialect.js";

/** Where tables are: the parts of their name before the table's own, e.g. catalog and schema. */
export interface Place {
  readonly dialect: Dialect;
  readonly path: readonly string[];
}

/** A table's full name, quoted. */
export function tableName(place: Place, table: string): string {
  return [...place.path, table].map((part) => place.dialect.quote(part)).join(".");
}

const list = (dialect: Dialect, names: readonly string[]) =>
  names.map((name) => dialect.quote(name)).join(", ");

export function createDataset(place: Place): string {
  return `CREATE SCHEMA IF NOT EXISTS ${place.path.map((part) => place.dialect.quote(part)).join(".")}`;
}

/**
 * A table with its columns in their order. Non-nullable columns get NOT NULL here only: a column added later has old
 * rows without a value.
 */
export function createTable(place: Place, table: Pick<TableSchema, "name" | "columns">): string {
  const { dialect } = place;
  const columns = table.columns.map(
    (column) => `${definition(dialect, column)}${column.nullable ? "" : " NOT NULL"}`,
  );
  return `CREATE TABLE ${tableName(place, table.name)} (${columns.join(", ")})`;
}

/** A temporary table; it takes nulls everywhere, the target decides. */
export function createStaging(staging: Place, name: string, columns: readonly ColumnSchema[]): string {
  const definitions = columns.map((column) => definition(staging.dialect, column));
  return `CREATE TEMPORARY TABLE ${tableName(staging, name)} (${definitions.join(", ")})`;
}

export function dropTable(place: Place, table: string): string {
  return `DROP TABLE IF EXISTS ${tableName(place, table)}`;
}

/**
 * What a staging table lacks for the rows of a newer schema of its table, and its columns after that. Schemas only grow,
 * so what it has stays in its place.
 */
export function growStaging(
  staging: Place,
  staged: { readonly name: string; readonly columns: readonly ColumnSchema[] },
  table: Pick<TableSchema, "columns">,
): { readonly statements: readonly string[]; readonly columns: readonly ColumnSchema[] } {
  const { dialect } = staging;
  const old = new Map(staged.columns.map((column) => [column.name, column]));
  const named = new Map(table.columns.map((column) => [column.name, column]));
  const statements = table.columns.flatMap((column) => {
    const before = old.get(column.name);
    if (before === undefined) return [addColumn(staging, staged.name, column)];
    const same = dialect.typeName(before) === dialect.typeName(column);
    return same ? [] : [alterType(staging, staged.name, column)];
  });
  const kept = staged.columns.map((column) => named.get(column.name) ?? column);
  const added = table.columns.filter((column) => !old.has(column.name));
  return { statements, columns: [...kept, ...added] };
}

export function addColumn(place: Place, table: string, column: ColumnSchema): string {
  return `ALTER TABLE ${tableName(place, table)} ADD COLUMN ${definition(place.dialect, column)}`;
}

export function alterType(place: Place, table: string, column: ColumnSchema): string {
  const { dialect } = place;
  return (
    `ALTER TABLE ${tableName(place, table)} ` +
    `ALTER COLUMN ${dialect.quote(column.name)} SET DATA TYPE ${dialect.typeName(column)}`
  );
}

/** What one schema change is in SQL when nothing of it is there yet. */
export function changeSchema(place: Place, change: SchemaChange): string {
  if (change.op === "create-table") return createTable(place, change.table);
  if (change.op === "add-column") return addColumn(place, change.table, change.column);
  return alterType(place, change.table, change.column);
}

/** Adds all staged rows, in their order. */
export function insertStaged(
  target: Place,
  staging: Place,
  table: string,
  staged: { readonly name: string; readonly columns: readonly ColumnSchema[] },
): string {
  const columns = list(
    target.dialect,
    staged.columns.map((column) => column.name),
  );
  return `INSERT INTO ${tableName(target, table)} (${columns}) SELECT ${columns} FROM ${tableName(staging, staged.name)}`;
}

export function deleteAll(place: Place, table: string): string {
  return `DELETE FROM ${tableName(place, table)}`;
}

const system = (name: string, type: ColumnSchema["type"], nullable = false): ColumnSchema => ({
  name,
  type,
  nullable,
});

/**
 * The system tables (design §6). JSON in them is `text`: it is ours and well-formed, and a database's own JSON type may
 * refuse what a source sent (an escaped lone surrogate, say) just when it has to be kept.
 */
export const SYSTEM_TABLE_SCHEMAS: readonly { readonly name: string; readonly columns: ColumnSchema[] }[] = [
  {
    name: SYSTEM_TABLES.loads,
    columns: [
      system("load_id", "text"),
      system("package", "text"),
      system("pipeline", "text"),
      system("resource", "text"),
      system("status", "text"),
      system("started_at", "timestamp"),
      system("committed_at", "timestamp"),
      system("rows", "bigint"),
      system("schema_hash", "text"),
    ],
  },
  {
    name: SYSTEM_TABLES.state,
    columns: [
      system("pipeline", "text"),
      system("resource", "text"),
      system("state", "text"),
      system("version", "bigint"),
      system("updated_at", "timestamp"),
    ],
  },
  {
    name: SYSTEM_TABLES.schema,
    columns: [
      system("version", "bigint"),
      system("schema_hash", "text"),
      system("pipeline", "text"),
      system("resource", "text"),
      system("schema", "text"),
      system("created_at", "timestamp"),
    ],
  },
  {
    name: SYSTEM_TABLES.rejects,
    columns: [
      system("load_id", "text"),
      system("resource", "text"),
      system("table", "text"),
      system("path", "text"),
      system("reason", "text"),
      system("column", "text", true),
      system("value", "text", true),
      system("record", "text"),
    ],
  },
];

export function createSystemTables(place: Place): string[] {
  return SYSTEM_TABLE_SCHEMAS.map((table) =>
    createTable(place, table).replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"),
  );
}

/**
 * Inserts `rows` rows of parameters into a system table; parameters are numbered row by row. Timestamps are given as
 * ISO text, so that no driver's time zone is asked.
 */
export function insertSystem(place: Place, table: string, rows = 1): string {
  const columns = columnsOf(table);
  const value = (column: ColumnSchema, index: number) => parameter(place.dialect, column, index + 1);
  const tuples = Array.from({ length: rows }, (_, row) => {
    const values = columns.map((column, index) => value(column, row * columns.length + index));
    return `(${values.join(", ")})`;
  });
  const names = list(
    place.dialect,
    columns.map((column) => column.name),
  );
  return `INSERT INTO ${tableName(place, table)} (${names}) VALUES ${tuples.join(", ")}`;
}

/** Parameters: package id. */
export function findPackage(place: Place): string {
  return `SELECT 1 FROM ${tableName(place, SYSTEM_TABLES.loads)} WHERE ${place.dialect.quote("package")} = $1`;
}

/** Parameters: pipeline. A row if anything of it was ever committed. */
export function findLoad(place: Place): string {
  return `SELECT 1 FROM ${tableName(place, SYSTEM_TABLES.loads)} WHERE ${place.dialect.quote("pipeline")} = $1 LIMIT 1`;
}

/** Parameters: state, time as ISO text, pipeline, resource. */
export function updateState(place: Place): string {
  const { dialect } = place;
  const quote = (name: string) => dialect.quote(name);
  return (
    `UPDATE ${tableName(place, SYSTEM_TABLES.state)} SET ${quote("state")} = $1, ` +
    `${quote("version")} = ${quote("version")} + 1, ` +
    `${quote("updated_at")} = ${parameter(dialect, system("updated_at", "timestamp"), 2)} ` +
    `WHERE ${quote("pipeline")} = $3 AND ${quote("resource")} = $4`
  );
}

/** Parameters: pipeline. Rows: resource, state. */
export function readState(place: Place): string {
  const quote = (name: string) => place.dialect.quote(name);
  return (
    `SELECT ${quote("resource")}, ${quote("state")} FROM ${tableName(place, SYSTEM_TABLES.state)} ` +
    `WHERE ${quote("pipeline")} = $1 ORDER BY ${quote("resource")}`
  );
}

/** Parameters: pipeline, name. Rows: state. */
export function readOneState(place: Place): string {
  const quote = (name: string) => place.dialect.quote(name);
  return (
    `SELECT ${quote("state")} FROM ${tableName(place, SYSTEM_TABLES.state)} ` +
    `WHERE ${quote("pipeline")} = $1 AND ${quote("resource")} = $2`
  );
}

/** Parameters: pipeline. Rows: resource, version, hash, schema – the newest version of each resource. */
export function readSchemas(place: Place): string {
  const quote = (name: string) => place.dialect.quote(name);
  const table = tableName(place, SYSTEM_TABLES.schema);
  return (
    `SELECT s.${quote("resource")}, s.${quote("version")}, s.${quote("schema_hash")}, s.${quote("schema")} ` +
    `FROM ${table} AS s JOIN (SELECT ${quote("resource")}, max(${quote("version")}) AS ${quote("version")} ` +
    `FROM ${table} WHERE ${quote("pipeline")} = $1 GROUP BY ${quote("resource")}) AS n ` +
    `ON ${equal(place.dialect, "s", "n", ["resource", "version"])} ` +
    `WHERE s.${quote("pipeline")} = $1 ORDER BY s.${quote("resource")}`
  );
}

/** Notes stand in the state table under names that no resource has in practice. */
const NOTE = "@note/";

/** The name under which a note is stored in place of a resource's. */
export function noteName(key: string): string {
  return NOTE + key;
}

/** The key of a note that is stored under this name; undefined: it is a resource's. */
function noteKey(name: string): string | undefined {
  return name.startsWith(NOTE) ? name.slice(NOTE.length) : undefined;
}

/** So do the tables that keep parts, for each resource that has some. */
const PARTS = "@parts/";

/** The name under which it is stored where a resource's parts are. */
export function partsName(resource: string): string {
  return PARTS + resource;
}

/** The resource whose parts are stored under this name; undefined: it is something else. */
export function partsResource(name: string): string | undefined {
  return name.startsWith(PARTS) ? name.slice(PARTS.length) : undefined;
}

/** Rows of `readState` as the resources' states and the notes. */
export function partState(rows: readonly (readonly unknown[])[]): Pick<PipelineState, "resources" | "notes"> {
  const resources: Record<string, ResourceState> = {};
  const notes: Record<string, Json> = {};
  for (const [name, state] of rows) {
    if (partsResource(String(name)) !== undefined) continue;
    const value: unknown = JSON.parse(String(state));
    const key = noteKey(String(name));
    if (key === undefined) resources[String(name)] = value as ResourceState;
    else notes[key] = value as Json;
  }
  return { resources, notes };
}

/** Parameters: pipeline, then the resources if there are any. Notes stay. */
export function deleteState(place: Place, resources: number): string {
  const quote = (name: string) => place.dialect.quote(name);
  const named = Array.from({ length: resources }, (_, index) => `$${index + 2}`).join(", ");
  return (
    `DELETE FROM ${tableName(place, SYSTEM_TABLES.state)} WHERE ${quote("pipeline")} = $1` +
    (resources === 0
      ? ` AND ${quote("resource")} NOT LIKE '${NOTE}%'`
      : ` AND ${quote("resource")} IN (${named})`)
  );
}

/** The loads of a pipeline that ended before a time, but for those kept. Parameters: pipeline, time, loads to keep. */
function endedLoads(place: Place, kept: number): string {
  const quote = (name: string) => place.dialect.quote(name);
  const others = Array.from({ length: kept }, (_, index) => `$${index + 3}`).join(", ");
  return (
    `SELECT ${quote("load_id")} FROM ${tableName(place, SYSTEM_TABLES.loads)} WHERE ${quote("pipeline")} = $1` +
    (kept === 0 ? "" : ` AND ${quote("load_id")} NOT IN (${others})`) +
    ` GROUP BY ${quote("load_id")} HAVING max(${quote("committed_at")}) < ` +
    parameter(place.dialect, system("committed_at", "timestamp"), 2)
  );
}

/** Parameters: as `endedLoads`. The rejects go before the loads by which they are found. */
export function pruneLoads(place: Place, table: "loads" | "rejects", kept: number): string {
  return (
    `DELETE FROM ${tableName(place, SYSTEM_TABLES[table])} ` +
    `WHERE ${place.dialect.quote("load_id")} IN (${endedLoads(place, kept)})`
  );
}

/** Parameters: pipeline, time. The newest version of each resource stays. */
export function pruneSchemas(place: Place): string {
  const { dialect } = place;
  const quote = (name: string) => dialect.quote(name);
  const table = tableName(place, SYSTEM_TABLES.schema);
  return (
    `DELETE FROM ${table} AS s WHERE s.${quote("pipeline")} = $1 ` +
    `AND s.${quote("created_at")} < ${parameter(dialect, system("created_at", "timestamp"), 2)} ` +
    `AND EXISTS (SELECT 1 FROM ${table} AS n WHERE ${equal(dialect, "n", "s", ["pipeline", "resource"])} ` +
    `AND n.${quote("version")} > s.${quote("version")})`
  );
}

function definition(dialect: Dialect, column: ColumnSchema): string {
  return `${dialect.quote(column.name)} ${dialect.typeName(column)}`;
}

/** Whether two rows have the same values, none of them null but in `nulls`, where null equals null. */
export function equal(
  dialect: Dialect,
  left: string,
  right: string,
  names: readonly string[],
  nulls: readonly string[] = [],
): string {
  // Only where it is needed: PostgreSQL can't join by a hash of it.
  const operator = (name: string) => (nulls.includes(name) ? "IS NOT DISTINCT FROM" : "=");
  return names
    .map((name) => `${left}.${dialect.quote(name)} ${operator(name)} ${right}.${dialect.quote(name)}`)
    .join(" AND ");
}

/** An instant as it is given to a parameter. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** A parameter of a column's type. */
export function parameter(dialect: Dialect, column: TypedColumn, number: number): string {
  return `CAST($${number} AS ${dialect.typeName(column)})`;
}

function columnsOf(table: string): readonly ColumnSchema[] {
  return SYSTEM_TABLE_SCHEMAS.find((schema) => schema.name === table)?.columns ?? [];
}
