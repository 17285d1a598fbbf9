import { DuckDBInstance } from "@duckdb/node-api";

/** The baseline: DuckDB's own reader from a file of one call per line into a parent and its child tables. */
const [, , file, database] = process.argv;
if (file === undefined || database === undefined) throw new Error("usage: read-json.ts FILE DATABASE");
const instance = await DuckDBInstance.create(database);
const connection = await instance.connect();
await connection.run(
  `create temp table staged as select uuid() as row_id, * from read_json('${file}', format = 'newline_delimited')`,
);
const columns = (
  await connection.runAndReadAll("select name, type from pragma_table_info('staged')")
).getRowObjects();
const lists = columns.filter(({ type }) => String(type).endsWith("[]")).map(({ name }) => String(name));
const except = lists.length === 0 ? "*" : `* exclude (${lists.map((name) => `"${name}"`).join(", ")})`;
await connection.run(`create table calls as select ${except} from staged`);
for (const list of lists) {
  await connection.run(
    `create table "calls__${list}" as select row_id, unnest("${list}") as value from staged where len("${list}") > 0`,
  );
}
await connection.run("checkpoint");
connection.closeSync();
instance.closeSync();
