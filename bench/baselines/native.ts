import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Dataset, Field, List } from "../data/dataset.js";
import { SELECTOR } from "../data/pages.js";
import { bodies } from "./download.js";
import { createStatement, intoDatabase, ROW_ID, SQL_TYPES, tablesOf } from "./tables.js";

/**
 * DuckDB's own JSON reader at its best: the lists of all pages become one array in a file, columns are declared, the
 * tables are filled from one staged copy whose row number links the children.
 */
export async function native(url: string, database: string, dataset: Dataset): Promise<void> {
  const file = `${database}.json`;
  await download(url, file);
  await intoDatabase(database, async (connection) => {
    const columns = columnTypes(dataset).map(([name, type]) => `'${name}': '${type}'`);
    await connection.run(
      `create temp table staged as
       select * from read_json('${file}', format = 'array', columns = {${columns.join(", ")}})`,
    );
    for (const table of tablesOf(dataset)) await connection.run(createStatement(table));
    await fill(connection, dataset);
  });
  rmSync(file);
}

/** As people write it first: one page a line, types found by DuckDB, records and lists unnested. */
export async function nativeSimple(url: string, database: string, dataset: Dataset): Promise<void> {
  const file = `${database}.json`;
  await downloadLines(url, file);
  await intoDatabase(database, async (connection) => {
    await connection.run(
      `create temp table staged as
       select unnest(${SELECTOR}, max_depth := 2) from read_json('${file}', format = 'newline_delimited')`,
    );
    await connection.run(`create table loaded.calls as select ${flatColumns(dataset)} from staged`);
    for (const { name, scalar } of dataset.lists) {
      const items = scalar ? `unnest(${name}) as value` : `unnest(${name}, max_depth := 2)`;
      await connection.run(
        `create table loaded.calls__${name} as select rowid as ${ROW_ID.name}, ${items} from staged`,
      );
    }
  });
  rmSync(file);
}

async function fill(connection: DuckDBConnection, dataset: Dataset): Promise<void> {
  await connection.run(`insert into loaded.calls select ${flatColumns(dataset)} from staged`);
  for (const list of dataset.lists) {
    const values = list.scalar ? ["item"] : list.fields.map(({ name }) => `item."${name}"`);
    await connection.run(
      `insert into loaded.calls__${list.name} select row_id, list_idx, ${values.join(", ")}
       from (select rowid as row_id, unnest(${list.name}) as item,
             generate_subscripts(${list.name}, 1) - 1 as list_idx from staged)`,
    );
  }
}

/** Row number, columns and those of the nested object, as a select's list. */
function flatColumns({ fields, object }: Dataset): string {
  const nested = (object?.fields ?? []).map(
    ({ name }) => `${object?.name}."${name}" as "${object?.name}__${name}"`,
  );
  return [`rowid as ${ROW_ID.name}`, ...fields.map(({ name }) => `"${name}"`), ...nested].join(", ");
}

function columnTypes(dataset: Dataset): [string, string][] {
  const { fields, object, lists } = dataset;
  return [
    ...fields.map(({ name, type }): [string, string] => [name, SQL_TYPES[type]]),
    ...(object === undefined ? [] : [[object.name, struct(object.fields)] as [string, string]]),
    ...lists.map((list): [string, string] => [list.name, `${itemType(list)}[]`]),
  ];
}

const struct = (fields: readonly Field[]): string =>
  `struct(${fields.map(({ name, type }) => `"${name}" ${SQL_TYPES[type]}`).join(", ")})`;

const itemType = ({ scalar, fields }: List): string => (scalar ? SQL_TYPES[fields[0]!.type] : struct(fields));

async function download(url: string, path: string): Promise<void> {
  const file = openSync(path, "w");
  const before = Buffer.from(`"${SELECTOR}":[`);
  let between = "[";
  await bodies(url, (body) => {
    writeSync(file, between);
    writeSync(file, body.subarray(body.indexOf(before) + before.length, body.lastIndexOf("]")));
    between = ",";
  });
  writeSync(file, "]");
  closeSync(file);
}

async function downloadLines(url: string, path: string): Promise<void> {
  const file = openSync(path, "w");
  await bodies(url, (body) => {
    writeSync(file, body);
    writeSync(file, "\n");
  });
  closeSync(file);
}
