import type { DuckDBConnection } from "@duckdb/node-api";
import type { ColumnSchema, DataType, TableSchema } from "../../model/table.js";
import type { Session } from "../sql/commit.js";
import { type Dialect, quoteIdentifier } from "../sql/dialect.js";
import { createDataset, type Place } from "../sql/statements.js";

/**
 * DuckDB's types and identifiers. JSON columns have DuckDB's JSON type, which is text with a name; timestamps are
 * TIMESTAMPTZ, which holds UTC microseconds.
 */
export const duckdbDialect: Dialect = {
  name: "duckdb",
  quote: quoteIdentifier,
  typeName: ({ type, precision = 38, scale = 0 }) =>
    type === "decimal" ? `DECIMAL(${precision},${scale})` : TYPE_NAMES[type],
};

const TYPE_NAMES: Readonly<Record<Exclude<DataType, "decimal">, string>> = {
  text: "VARCHAR",
  bigint: "BIGINT",
  double: "DOUBLE",
  bool: "BOOLEAN",
  timestamp: "TIMESTAMP WITH TIME ZONE",
  date: "DATE",
  time: "TIME",
  binary: "BLOB",
  json: "JSON",
};

/** A connection as the commit uses it; `target` is the dataset that it describes. */
export function sessionOn(connection: DuckDBConnection, target: Place): Session {
  const run: Session["run"] = async (statement, values) => {
    const result = await connection.run(statement, values === undefined ? undefined : [...values]);
    return result.rowsChanged;
  };
  return {
    run,
    // Commits of one file take turns: `Database.alone`.
    begin: async () => void (await run("BEGIN")),
    commit: async () => void (await run("COMMIT")),
    createDataset: async () => void (await run(createDataset(target))),
    async rows(statement, values) {
      const reader = await connection.runAndReadAll(
        statement,
        values === undefined ? undefined : [...values],
      );
      return reader.getRows();
    },
    describe: (tables) => describe(connection, target, tables),
  };
}

/** The tables that exist, by the names asked for; DuckDB does not tell names apart by case. */
async function describe(
  connection: DuckDBConnection,
  target: Place,
  tables: readonly string[],
): Promise<TableSchema[]> {
  const [catalog, dataset] = target.path;
  const reader = await connection.runAndReadAll(
    "SELECT lower(table_name), column_name, data_type, is_nullable, numeric_precision, numeric_scale " +
      "FROM duckdb_columns() WHERE database_name = $1 AND lower(schema_name) = lower($2) " +
      "ORDER BY table_name, column_index",
    [catalog!, dataset!],
  );
  const columns = new Map<string, ColumnSchema[]>();
  for (const [table, name, type, nullable, precision, scale] of reader.getRows()) {
    const column = {
      name: String(name),
      nullable: nullable === true,
      ...modelType(String(type), Number(precision), Number(scale)),
    };
    const found = columns.get(String(table));
    if (found === undefined) columns.set(String(table), [column]);
    else found.push(column);
  }
  return tables.flatMap((name) => {
    const found = columns.get(name.toLowerCase());
    return found === undefined ? [] : [{ name, resource: "", primaryKey: [], columns: found }];
  });
}

const MODEL_TYPES: Readonly<Record<string, DataType>> = {
  ...Object.fromEntries(Object.entries(TYPE_NAMES).map(([type, name]) => [name, type as DataType])),
  TINYINT: "bigint",
  SMALLINT: "bigint",
  INTEGER: "bigint",
  UTINYINT: "bigint",
  USMALLINT: "bigint",
  UINTEGER: "bigint",
  FLOAT: "double",
  TIMESTAMP: "timestamp",
};

/** DuckDB's type as one of ours; a type that none of ours stands for counts as text, which DuckDB converts. */
function modelType(
  type: string,
  precision: number,
  scale: number,
): Pick<ColumnSchema, "type" | "precision" | "scale"> {
  if (type.startsWith("DECIMAL(")) return { type: "decimal", precision, scale };
  return { type: MODEL_TYPES[type] ?? "text" };
}
