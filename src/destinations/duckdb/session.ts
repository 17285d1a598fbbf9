import type { DuckDBConnection } from "@duckdb/node-api";
import type { DataType, FoundColumn, FoundTable } from "../../model/table.js";
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
): Promise<FoundTable[]> {
  const [catalog, dataset] = target.path;
  const reader = await connection.runAndReadAll(
    "SELECT table_name, column_name, data_type, is_nullable, numeric_precision, numeric_scale, " +
      "column_default IS NOT NULL, table_oid IN (SELECT view_oid FROM duckdb_views() WHERE NOT internal) " +
      "FROM duckdb_columns() WHERE database_name = $1 AND lower(schema_name) = lower($2) " +
      "ORDER BY table_name, column_index",
    [catalog!, dataset!],
  );
  const found = new Map<string, { columns: FoundColumn[]; isView: boolean }>();
  for (const [table, name, type, nullable, precision, scale, hasDefault, isView] of reader.getRows()) {
    const column: FoundColumn = {
      name: String(name),
      nullable: nullable === true,
      ...modelType(String(type), Number(precision), Number(scale)),
      ...(hasDefault === true ? { hasDefault: true } : {}),
    };
    const known = found.get(String(table));
    if (known === undefined) found.set(String(table), { columns: [column], isView: isView === true });
    else known.columns.push(column);
  }
  const folded = new Map([...found].map(([name, table]) => [foldCase(name), table]));
  return tables.flatMap((name) => {
    const table = found.get(name) ?? folded.get(foldCase(name));
    if (table === undefined) return [];
    const { columns, isView } = table;
    return [{ name, resource: "", primaryKey: [], columns, ...(isView ? { standIn: "view" } : {}) }];
  });
}

/** DuckDB takes ASCII letters alone for equal. */
function foldCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

const MODEL_TYPES: Readonly<Record<string, DataType>> = {
  ...Object.fromEntries(Object.entries(TYPE_NAMES).map(([type, name]) => [name, type as DataType])),
  // Instants in UTC, as every session here has it.
  TIMESTAMP: "timestamp",
};

/** Types that hold some of the values of one of ours. */
const NARROWER: Readonly<Record<string, DataType>> = {
  TINYINT: "bigint",
  SMALLINT: "bigint",
  INTEGER: "bigint",
  UTINYINT: "bigint",
  USMALLINT: "bigint",
  UINTEGER: "bigint",
  FLOAT: "double",
};

/** DuckDB's type as one of ours; a type that none of ours stands for counts as a narrower text. */
function modelType(
  type: string,
  precision: number,
  scale: number,
): Pick<FoundColumn, "type" | "precision" | "scale" | "narrower"> {
  if (type.startsWith("DECIMAL(")) return { type: "decimal", precision, scale };
  if (type === "HUGEINT") return { type: "decimal", precision: 38, scale: 0 };
  const same = MODEL_TYPES[type];
  return same === undefined ? { type: NARROWER[type] ?? "text", narrower: type } : { type: same };
}
