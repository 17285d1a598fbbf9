import { DuckDBInstance } from "@duckdb/node-api";
import { queryPostgres } from "../test/postgres-server.js";
import type { Dataset } from "./data/dataset.js";
import { checkSums, type Sums, sumQueries } from "./data/sums.js";

/** The schema that every contestant loads into. */
export const SCHEMA = "loaded";

const inSchema = (table: string): string => `${SCHEMA}.${table}`;

/** Compares the tables in a DuckDB file with the sums of the records that were served. */
export async function verifyDuckdb(file: string, dataset: Dataset, expected: Sums): Promise<void> {
  checkSums(await queryFile(file, sumQueries(dataset, inSchema)), expected, file);
}

/** The same for tables in a PostgreSQL database. */
export async function verifyPostgres(uri: string, dataset: Dataset, expected: Sums): Promise<void> {
  let found: Sums = {};
  for (const query of sumQueries(dataset, inSchema)) {
    found = { ...found, ...numbers(await queryPostgres(uri, query)) };
  }
  checkSums(found, expected, "PostgreSQL");
}

/** The same for Parquet files below a folder for each table, read by DuckDB. */
export async function verifyParquet(folder: string, dataset: Dataset, expected: Sums): Promise<void> {
  const queries = sumQueries(
    dataset,
    (table) => `read_parquet('${folder}/${SCHEMA}/${table}/**/*.parquet', union_by_name = true)`,
  );
  checkSums(await queryFile(":memory:", queries), expected, folder);
}

async function queryFile(file: string, queries: readonly string[]): Promise<Sums> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  try {
    let found: Sums = {};
    for (const query of queries) {
      found = { ...found, ...numbers((await connection.runAndReadAll(query)).getRowObjects()) };
    }
    return found;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

const numbers = ([row = {}]: readonly Record<string, unknown>[]): Sums =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)]));
