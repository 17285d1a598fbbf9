import type { DuckDBValue } from "@duckdb/node-api";
import type { SqlValue } from "../sql/commit.js";
import { type DatabaseOptions, failed, openDatabase } from "./database.js";

/** Runs one query and gives its rows as objects; `duckdb.ts` says in what form. */
export async function queryRows(
  settings: DatabaseOptions,
  key: string,
  statement: string,
  values: readonly SqlValue[],
): Promise<Record<string, unknown>[]> {
  const database = await openDatabase(settings, key);
  try {
    const connection = await database.connect();
    try {
      const reader = await database.resources.withAllThreads(() =>
        connection.runAndReadAll(statement, [...values]),
      );
      const names = reader.deduplicatedColumnNames();
      const types = names.map((_, index) => reader.columnType(index).toString());
      return reader
        .getRows()
        .map((row) =>
          Object.fromEntries(row.map((value, index) => [names[index]!, plainValue(value, types[index]!)])),
        );
    } catch (error) {
      throw failed("the query failed", error);
    } finally {
      connection.closeSync();
    }
  } finally {
    database.release();
  }
}

function plainValue(value: DuckDBValue, type: string): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (type === "BLOB" && "bytes" in value) return value.bytes;
  const text = value.toString();
  if (type.startsWith("TIMESTAMP") && "micros" in value) return isoTimestamp(value.micros as bigint) ?? text;
  if (type === "TIME") return text.includes(".") ? text.padEnd(15, "0") : `${text}.000000`;
  return text;
}

/** Microseconds since 1970 as ISO text, where the calendar of ISO reaches. */
function isoTimestamp(micros: bigint): string | undefined {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const date = new Date(Number((micros - fraction) / 1000n));
  if (Number.isNaN(date.getTime())) return undefined;
  return `${date.toISOString().slice(0, -5)}.${String(fraction).padStart(6, "0")}Z`;
}
