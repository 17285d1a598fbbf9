import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { type ColumnType, type Dataset, type Field, flatFields } from "../data/dataset.js";

/** The tables that the baselines load, columns and children as `sluice run` makes them. */
export interface Table {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

export const SQL_TYPES: Readonly<Record<ColumnType, string>> = {
  text: "varchar",
  bigint: "bigint",
  double: "double",
  boolean: "boolean",
  timestamp: "timestamptz",
};

export const ROW_ID = { name: "row_id", type: "bigint" };
const LIST_IDX = { name: "list_idx", type: "bigint" };

const columnOf = ({ name, type }: Field) => ({ name, type: SQL_TYPES[type] });

export function tablesOf(dataset: Dataset): Table[] {
  return [
    { name: "calls", columns: [ROW_ID, ...flatFields(dataset).map(columnOf)] },
    ...dataset.lists.map(({ name, fields }) => ({
      name: `calls__${name}`,
      columns: [ROW_ID, LIST_IDX, ...fields.map(columnOf)],
    })),
  ];
}

export const createStatement = ({ name, columns }: Table): string =>
  `create table loaded.${name} (${columns.map((column) => `"${column.name}" ${column.type}`).join(", ")})`;

/** Opens a new database file with the schema `loaded`, and writes it out at the end. */
export async function intoDatabase(
  file: string,
  load: (connection: DuckDBConnection) => Promise<void>,
): Promise<void> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  await connection.run("create schema loaded");
  await load(connection);
  await connection.run("checkpoint");
  connection.closeSync();
  instance.closeSync();
}
