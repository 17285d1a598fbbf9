import { type DuckDBAppender, DuckDBTimestampTZValue } from "@duckdb/node-api";
import type { ColumnType, Dataset, Scalar } from "../data/dataset.js";
import { SELECTOR } from "../data/pages.js";
import { createStatement, intoDatabase, tablesOf } from "./tables.js";

/** What a script does first: fetch a page, parse it, append its rows value by value, fetch the next page. */
export async function naive(url: string, database: string, dataset: Dataset): Promise<void> {
  const { object, lists, fields } = dataset;
  await intoDatabase(database, async (connection) => {
    const appenders = new Map<string, DuckDBAppender>();
    for (const table of tablesOf(dataset)) {
      await connection.run(createStatement(table));
      appenders.set(table.name, await connection.createAppender(table.name, "loaded"));
    }
    const calls = appenders.get("calls")!;
    let id = 0n;
    let next: string | undefined = `${url}/calls`;
    while (next !== undefined) {
      const response: Response = await fetch(next);
      const page = (await response.json()) as Record<string, Record<string, unknown>[]>;
      for (const record of page[SELECTOR] ?? []) {
        calls.appendBigInt(id);
        for (const { name, type } of fields) append(calls, type, record[name] as Scalar);
        if (object !== undefined) {
          const nested = record[object.name] as Record<string, Scalar>;
          for (const { name, type } of object.fields) append(calls, type, nested[name] ?? null);
        }
        calls.endRow();
        for (const { name, scalar, fields } of lists) {
          const child = appenders.get(`calls__${name}`)!;
          for (const [position, item] of (record[name] as Record<string, Scalar>[]).entries()) {
            child.appendBigInt(id);
            child.appendBigInt(BigInt(position));
            for (const field of fields)
              append(child, field.type, (scalar ? item : item[field.name]) as Scalar);
            child.endRow();
          }
        }
        id += 1n;
      }
      next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    }
    for (const appender of appenders.values()) appender.closeSync();
  });
}

function append(appender: DuckDBAppender, type: ColumnType, value: Scalar): void {
  if (value === null) appender.appendNull();
  else APPEND[type](appender, value);
}

const APPEND: Readonly<Record<ColumnType, (appender: DuckDBAppender, value: Scalar) => void>> = {
  text: (appender, value) => appender.appendVarchar(String(value)),
  bigint: (appender, value) => appender.appendBigInt(BigInt(Number(value))),
  double: (appender, value) => appender.appendDouble(Number(value)),
  boolean: (appender, value) => appender.appendBoolean(value === true),
  timestamp: (appender, value) =>
    appender.appendTimestampTZ(new DuckDBTimestampTZValue(BigInt(Date.parse(String(value))) * 1000n)),
};
