import { DuckDBInstance } from "@duckdb/node-api";

/** Prints how many rows a table of a database file has. */
const [, , database, table] = process.argv;
const instance = await DuckDBInstance.create(database ?? "");
const connection = await instance.connect();
const [row] = (await connection.runAndReadAll(`select count(*) as n from ${table}`)).getRowObjects();
console.log(String(row?.["n"]));
connection.closeSync();
instance.closeSync();
