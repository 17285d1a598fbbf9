import type { DataType, FoundColumn, FoundTable } from "../../model/table.js";
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
  SELECT c.relname, c.relkind, a.attname, t.typname, a.attnotnull, a.atttypmod,
    a.atthasdef OR a.attidentity <> '', format_type(a.atttypid, a.atttypmod)
  FROM pg_namespace AS n
  JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type AS t ON t.oid = a.atttypid
  WHERE n.nspname = $1 AND c.relname = ANY($2::text[])
  ORDER BY c.relname, a.attnum`;

/** What is no table, by its relkind. */
const STAND_INS: Readonly<Record<string, string>> = {
  v: "view",
  m: "materialized view",
  f: "foreign table",
};

/** The tables that exist, by exactly these names. */
export async function describe(
  connection: ServerConnection,
  target: Place,
  tables: readonly string[],
): Promise<FoundTable[]> {
  const { rows } = await connection.query(DESCRIBE, [target.path[0]!, tables]);
  const columns = new Map<string, FoundColumn[]>(tables.map((name) => [name, []]));
  const standIns = new Map<string, string>();
  for (const [table, kind, name, type, notNull, typmod, hasDefault, written] of rows) {
    const standIn = STAND_INS[String(kind)];
    if (standIn !== undefined) standIns.set(String(table), standIn);
    columns.get(String(table))?.push({
      name: String(name),
      nullable: notNull === "f",
      ...modelType(String(type), Number(typmod), String(written)),
      ...(hasDefault === "t" ? { hasDefault: true } : {}),
    });
  }
  return [...columns].flatMap(([name, found]) => {
    const standIn = standIns.get(name);
    const kind = standIn === undefined ? {} : { standIn };
    return found.length === 0 ? [] : [{ name, resource: "", primaryKey: [], columns: found, ...kind }];
  });
}

const MODEL_TYPES: Readonly<Record<string, DataType>> = {
  text: "text",
  int8: "bigint",
  float8: "double",
  bool: "bool",
  timestamptz: "timestamp",
  // Instants in UTC, as every session here has it.
  timestamp: "timestamp",
  date: "date",
  time: "time",
  bytea: "binary",
  jsonb: "json",
  json: "json",
};

/** Types that hold some of the values of one of ours. */
const NARROWER: Readonly<Record<string, DataType>> = { int2: "bigint", int4: "bigint", float4: "double" };

/** Types whose limit is their modifier. */
const LIMITED: ReadonlySet<string> = new Set(["timestamptz", "timestamp", "time"]);

/** PostgreSQL's type as one of ours; a type that none of ours stands for counts as a narrower text. */
function modelType(
  type: string,
  typmod: number,
  written: string,
): Pick<FoundColumn, "type" | "precision" | "scale" | "narrower"> {
  // A numeric without precision holds 131,072 digits before the point and 16,383 after it.
  if (type === "numeric" && typmod < 4) return { type: "decimal", precision: 147_455, scale: 16_383 };
  if (type === "numeric")
    return { type: "decimal", precision: ((typmod - 4) >> 16) & 0xffff, scale: (typmod - 4) & 0x7ff };
  if (type === "varchar" && typmod < 0) return { type: "text" };
  const same = MODEL_TYPES[type];
  if (same !== undefined && !(LIMITED.has(type) && typmod >= 0 && typmod < 6)) return { type: same };
  return { type: same ?? NARROWER[type] ?? "text", narrower: written };
}
