import type { ColumnSchema, DataType, TableSchema } from "../../model/table.js";
import type { Session } from "../sql/commit.js";
import { type Dialect, quoteIdentifier } from "../sql/dialect.js";
import { createDataset, type Place } from "../sql/statements.js";
import type { ServerConnection } from "./server.js";

/** NAMEDATALEN - 1: a longer name would be cut off with no more than a notice. */
export const MAX_IDENTIFIER_BYTES = 63;

/**
 * PostgreSQL's types and identifiers. Timestamps are TIMESTAMPTZ, which holds UTC microseconds; JSON is JSONB, which
 * compares and indexes by value and keeps neither the order of keys nor the layout.
 */
export const postgresDialect: Dialect = {
  name: "postgres",
  maxIdentifierBytes: MAX_IDENTIFIER_BYTES,
  quote: (identifier) => quoteIdentifier(identifier, MAX_IDENTIFIER_BYTES),
  typeName: ({ type, precision = 38, scale = 0 }) =>
    type === "decimal" ? `NUMERIC(${precision},${scale})` : TYPE_NAMES[type],
  bytewise: (expression) => `(${expression} COLLATE "C")`,
};

const TYPE_NAMES: Readonly<Record<Exclude<DataType, "decimal">, string>> = {
  text: "TEXT",
  bigint: "BIGINT",
  double: "DOUBLE PRECISION",
  bool: "BOOLEAN",
  timestamp: "TIMESTAMPTZ",
  date: "DATE",
  time: "TIME",
  binary: "BYTEA",
  json: "JSONB",
};

/** What differs between a stage's transactions and those of notes. */
export type Transactions = Pick<Session, "begin" | "commit">;

/** A connection as the commit uses it; `target` is the dataset that it describes. */
export function sessionOn(connection: ServerConnection, target: Place, transactions: Transactions): Session {
  return {
    ...transactions,
    run: async (statement, values) => (await connection.query(statement, values)).changed,
    rows: async (statement, values) => (await connection.query(statement, values)).rows,
    describe: (tables) => describe(connection, target, tables),
    async createDataset() {
      // CREATE SCHEMA IF NOT EXISTS wants the right to create schemas, even where there is nothing to do.
      const { rows } = await connection.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", target.path);
      if (rows.length === 0) await connection.query(createDataset(target));
    },
  };
}

const DESCRIBE = `
  SELECT c.relname, a.attname, t.typname, a.attnotnull, a.atttypmod
  FROM pg_namespace AS n
  JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type AS t ON t.oid = a.atttypid
  WHERE n.nspname = $1 AND c.relname = ANY($2::text[])
  ORDER BY c.relname, a.attnum`;

/** The tables that exist, by exactly these names. */
export async function describe(
  connection: ServerConnection,
  target: Place,
  tables: readonly string[],
): Promise<TableSchema[]> {
  const { rows } = await connection.query(DESCRIBE, [target.path[0]!, tables]);
  const columns = new Map<string, ColumnSchema[]>(tables.map((name) => [name, []]));
  for (const [table, name, type, notNull, typmod] of rows) {
    columns.get(String(table))?.push({
      name: String(name),
      nullable: notNull === "f",
      ...modelType(String(type), Number(typmod)),
    });
  }
  return [...columns].flatMap(([name, found]) =>
    found.length === 0 ? [] : [{ name, resource: "", primaryKey: [], columns: found }],
  );
}

const MODEL_TYPES: Readonly<Record<string, DataType>> = {
  int2: "bigint",
  int4: "bigint",
  int8: "bigint",
  float4: "double",
  float8: "double",
  bool: "bool",
  timestamptz: "timestamp",
  timestamp: "timestamp",
  date: "date",
  time: "time",
  bytea: "binary",
  jsonb: "json",
  json: "json",
};

/** PostgreSQL's type as one of ours; a type that none of ours stands for counts as text. */
function modelType(type: string, typmod: number): Pick<ColumnSchema, "type" | "precision" | "scale"> {
  if (type !== "numeric") return { type: MODEL_TYPES[type] ?? "text" };
  // A numeric without precision takes whatever our widest takes.
  if (typmod < 4) return { type: "decimal", precision: 38, scale: 0 };
  return { type: "decimal", precision: ((typmod - 4) >> 16) & 0xffff, scale: (typmod - 4) & 0x7ff };
}
