import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { queryDuckdb } from "../src/destinations/duckdb.js";
import { type Destination, duckdb, postgres } from "../src/index.js";
import { queryPostgres, startPostgres } from "./postgres-server.js";

/** A row as a destination holds it: bigints exact, decimals as text, timestamps in ISO form, binary as bytes. */
export type StoredRow = Readonly<Record<string, unknown>>;

/** A destination whose tables can be read behind its back. */
export interface TestDatabase {
  readonly name: "duckdb" | "postgres";
  readonly destination: Destination;
  /** The rows of a table in the order of arrival; none if there is no such table. */
  rows(dataset: string, table: string): Promise<StoredRow[]>;
  /** Names of the columns with the database's own types, system columns left out. */
  columns(dataset: string, table: string): Promise<Record<string, string>>;
  close(): Promise<void>;
}

const quoted = (...names: readonly string[]) =>
  names.map((name) => `"${name.replaceAll('"', '""')}"`).join(".");

const COLUMNS =
  "select column_name as name, data_type as type from information_schema.columns where table_schema = $1 and table_name = $2 order by ordinal_position";

/** A DuckDB file and an empty PostgreSQL database on a server of their own. */
export async function openDatabases(): Promise<TestDatabase[]> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-databases-"));
  const file = join(folder, "it.duckdb");
  const server = await startPostgres();
  const uri = await server.newDatabase();
  type Query = (statement: string, values: readonly string[]) => Promise<StoredRow[]>;
  const read = (query: Query): Pick<TestDatabase, "rows" | "columns"> => ({
    async rows(dataset, table) {
      const names = (await query(COLUMNS, [dataset, table])).map((column) => column["name"]);
      if (names.length === 0) return [];
      const order = names.includes("_sluice_id") ? ' order by "_sluice_id"' : "";
      return query(`select * from ${quoted(dataset, table)}${order}`, []);
    },
    async columns(dataset, table) {
      const found = await query(COLUMNS, [dataset, table]);
      return Object.fromEntries(
        found
          .map(({ name, type }) => [String(name), String(type)] as const)
          .filter(([name]) => !name.startsWith("_sluice_")),
      );
    },
  });
  return [
    {
      name: "duckdb",
      destination: duckdb(file),
      ...read((statement, values) => queryDuckdb(file, statement, values)),
      close: () => rm(folder, { recursive: true, force: true }),
    },
    {
      name: "postgres",
      destination: postgres(uri),
      ...read((statement, values) => queryPostgres(uri, statement, values)),
      close: () => server.stop(),
    },
  ];
}

/** A row without the system's columns and without nulls. */
export function dataOf(row: StoredRow): StoredRow {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([name, value]) => value !== null && !name.startsWith("_sluice_"))
      .map(([name, value]) => [name, value instanceof Uint8Array ? new Uint8Array(value) : value]),
  );
}
