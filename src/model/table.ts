/**
 * Column types (design §6). What each one holds, and how a batch stores it, is said at `Column` in `batch.ts`.
 * - `text`      any string
 * - `bigint`    64-bit signed integer
 * - `double`    IEEE 754 double
 * - `decimal`   exact decimal with `precision` (at most 38) and `scale`; default 38, 0 for inferred big integers
 * - `bool`
 * - `timestamp` an instant: UTC, microseconds
 * - `date`, `time` (microseconds of the day)
 * - `binary`
 * - `json`      a JSON document kept whole, as text
 */
export const DATA_TYPES = [
  "text",
  "bigint",
  "double",
  "decimal",
  "bool",
  "timestamp",
  "date",
  "time",
  "binary",
  "json",
] as const;
export type DataType = (typeof DATA_TYPES)[number];

/** One column. Values of this type are never changed in place: a schema that grows is a new value. */
export interface ColumnSchema {
  readonly name: string;
  readonly type: DataType;
  readonly nullable: boolean;
  /** Digits in all and after the point; only for `decimal`. */
  readonly precision?: number;
  readonly scale?: number;
  /** The JSON keys that lead from the record to this column, e.g. ["address", "City"]. Absent for system columns. */
  readonly source?: readonly string[];
  /** Set by the user's configuration: its type is never inferred, and nulls in a non-nullable one are rejected. */
  readonly declared?: true;
  /** For a variant column (`price__v_text`): the column whose values it holds when their type does not fit. */
  readonly variantOf?: string;
  /** A `bigint` column that has held a value beyond 2^53: it can't become `double` without loss. */
  readonly beyondDouble?: true;
}

/** A root or child table of one resource. The order of columns is the order in the destination. */
export interface TableSchema {
  readonly name: string;
  /** Name of the resource whose records fill it. */
  readonly resource: string;
  /** Name of the table one level up; absent for a root table. */
  readonly parent?: string;
  /** The JSON keys from the parent record to the list that fills this table; absent for a root table. */
  readonly source?: readonly string[];
  /** Column names of the primary key; empty when there is none, and for child tables. */
  readonly primaryKey: readonly string[];
  readonly columns: readonly ColumnSchema[];
}

/** A column as a destination has it. */
export interface FoundColumn extends ColumnSchema {
  /** The database's own type, where that does not hold every value of `type`: `INTEGER` for a bigint. */
  readonly narrower?: string;
  /** A row that leaves it out gets a value. */
  readonly hasDefault?: true;
}

/** A table as a destination has it: what `Connection.describe` tells. */
export interface FoundTable extends TableSchema {
  readonly columns: readonly FoundColumn[];
  /** What stands there in the place of a table and can't be written like one: `view`. */
  readonly standIn?: string;
}

/** A change that makes a table able to hold what a load brings. There is no change that loses data. */
export type SchemaChange =
  | { readonly op: "create-table"; readonly table: TableSchema }
  | { readonly op: "add-column"; readonly table: string; readonly column: ColumnSchema }
  | {
      readonly op: "widen-column";
      readonly table: string;
      readonly column: ColumnSchema;
      readonly from: DataType;
    };

/** The prefix of every system column and table. Defined here and nowhere else. */
export const SYSTEM_PREFIX = "_sluice_";

/** System columns (design §6, contract). */
export const SYSTEM_COLUMNS = {
  /** On every row: unique, 12 characters, increasing in the order of arrival within one load. */
  id: `${SYSTEM_PREFIX}id`,
  /** On root rows: the load that brought the row. */
  loadId: `${SYSTEM_PREFIX}load_id`,
  /** On child rows: `_sluice_id` of the row one level up. */
  parentId: `${SYSTEM_PREFIX}parent_id`,
  /** On child rows: `_sluice_id` of the root row. */
  rootId: `${SYSTEM_PREFIX}root_id`,
  /** On child rows: position in the list, from 0. */
  listIdx: `${SYSTEM_PREFIX}list_idx`,
  /** On root rows of scd2: when this version of the row began, and when it ended; null: it is the present one. */
  validFrom: `${SYSTEM_PREFIX}valid_from`,
  validTo: `${SYSTEM_PREFIX}valid_to`,
  /** On root rows of scd2: a hash of the record with its lists; the same for records that say the same. */
  rowHash: `${SYSTEM_PREFIX}row_hash`,
  /** On root rows with `delete_missing: soft`: since when complete walks have not brought the row; null: it is there. */
  deletedAt: `${SYSTEM_PREFIX}deleted_at`,
} as const;

/** System tables (design §6, contract). */
export const SYSTEM_TABLES = {
  loads: `${SYSTEM_PREFIX}loads`,
  state: `${SYSTEM_PREFIX}state`,
  schema: `${SYSTEM_PREFIX}schema`,
  rejects: `${SYSTEM_PREFIX}rejects`,
} as const;
