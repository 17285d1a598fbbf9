import type { DuckDBConnection } from "@duckdb/node-api";
import { SluiceError } from "../../model/error.js";
import type { ColumnSchema, DataType } from "../../model/table.js";
import { duckdbDialect } from "../duckdb/session.js";
import type { DataFile, FileFormat } from "./manifest.js";

/** How much smaller files are made; `zstd` is the default of Parquet, the text formats have none. */
export type Compression = "none" | "gzip" | "zstd" | "snappy";

interface Format {
  /** Ending of file names, without compression. */
  readonly extension: string;
  readonly compression: Compression;
  /** Options of DuckDB's COPY. */
  readonly copy: string;
  /** The expression that writes a column, and the one that reads it back from what the file holds. */
  readonly write: (column: ColumnSchema) => string;
  readonly read: (column: ColumnSchema) => string;
  /** Bytes that readers take for a row, and the expression for those of a row that is called `line`. */
  readonly limit?: { readonly bytes: number; readonly of: (columns: readonly ColumnSchema[]) => string };
  /** The table function that reads files that all have these columns. */
  readonly scan: (files: string, columns: readonly ColumnSchema[]) => string;
}

const quote = (name: string): string => duckdbDialect.quote(name);

/** A text as SQL. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const asText = ({ name }: ColumnSchema): string => `CAST(${quote(name)} AS VARCHAR) AS ${quote(name)}`;
const asType = (column: ColumnSchema): string =>
  `CAST(${quote(column.name)} AS ${duckdbDialect.typeName(column)}) AS ${quote(column.name)}`;
const texts = (columns: readonly ColumnSchema[], json: string): string =>
  columns.map(({ name, type }) => `${literal(name)}: '${type === "json" ? json : "VARCHAR"}'`).join(", ");

/** Types that JSON has: everything else is text in JSONL, exact and as DuckDB writes it. */
const NATIVE: ReadonlySet<DataType> = new Set(["bigint", "bool", "json", "text"]);

/** DuckDB's buffers are twice as large as the longest line that it takes. */
const JSONL_BYTES = 32 * 1024 * 1024;
const CSV_BYTES = 4 * 1024 * 1024;

/** The formats by name. Parquet alone says its types itself; of the others the manifest does. */
export const FORMATS: Readonly<Record<FileFormat, Format>> = {
  parquet: {
    extension: "parquet",
    compression: "zstd",
    copy: "FORMAT parquet",
    write: ({ name }) => quote(name),
    read: asType,
    scan: (files) => `read_parquet(${files}, hive_partitioning = false)`,
  },
  jsonl: {
    extension: "jsonl",
    compression: "none",
    copy: "FORMAT json",
    write: (column) => (NATIVE.has(column.type) ? quote(column.name) : asText(column)),
    read: asType,
    limit: { bytes: JSONL_BYTES, of: () => "strlen(CAST(to_json(line) AS VARCHAR))" },
    scan: (files, columns) =>
      `read_json(${files}, format = 'newline_delimited', hive_partitioning = false, ` +
      `maximum_object_size = ${JSONL_BYTES}, columns = {${texts(columns, "JSON")}})`,
  },
  csv: {
    extension: "csv",
    compression: "none",
    // Quoted, an empty text is not a null.
    copy: "FORMAT csv, HEADER true, FORCE_QUOTE *",
    write: asText,
    read: asType,
    limit: {
      bytes: CSV_BYTES,
      // Quotes are doubled, and each value has two around it and a comma.
      of: (columns) =>
        columns
          .map(({ name }) => `3 + coalesce(strlen(replace(line.${quote(name)}, '"', '""')), 0)`)
          .join(" + "),
    },
    scan: (files, columns) =>
      `read_csv(${files}, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', ` +
      `new_line = '\\n', allow_quoted_nulls = false, hive_partitioning = false, max_line_size = ${CSV_BYTES}, buffer_size = ${4 * CSV_BYTES}, ` +
      `parallel = false, columns = {${texts(columns, "VARCHAR")}})`,
  },
};

/** Ending of a file's name. */
export function extensionOf(format: FileFormat, compression: Compression): string {
  const { extension } = FORMATS[format];
  if (format === "parquet" || compression === "none") return extension;
  return `${extension}.${compression === "gzip" ? "gz" : "zst"}`;
}

/**
 * Queries that together give the rows of a table: one for all files of one format and number of columns. `place` tells
 * where a file is. Columns that a file lacks are left out.
 */
export function scans(
  columns: readonly ColumnSchema[],
  files: readonly DataFile[],
  place: (path: string) => string,
): readonly { readonly columns: readonly ColumnSchema[]; readonly query: string }[] {
  const groups = new Map<string, DataFile[]>();
  for (const file of files) {
    const key = `${file.format} ${file.columns}`;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups.values()].map((group) => {
    const [{ format, columns: count }] = group as [DataFile];
    const own = columns.slice(0, count);
    const list = `[${group.map(({ path }) => literal(place(path))).join(", ")}]`;
    const { read, scan } = FORMATS[format];
    return { columns: own, query: `SELECT ${own.map(read).join(", ")} FROM ${scan(list, own)}` };
  });
}

/** One query that gives all columns of a table, in their order. */
export function tableQuery(
  columns: readonly ColumnSchema[],
  files: readonly DataFile[],
  place: (path: string) => string,
): string {
  const nulls = columns.map(
    (column) => `CAST(NULL AS ${duckdbDialect.typeName(column)}) AS ${quote(column.name)}`,
  );
  const none = `SELECT ${nulls.join(", ")} WHERE false`;
  return [none, ...scans(columns, files, place).map(({ query }) => query)].join(" UNION ALL BY NAME ");
}

/** The statement that writes the rows of a query into a file. */
export function copyStatement(
  columns: readonly ColumnSchema[],
  from: string,
  path: string,
  format: FileFormat,
  compression: Compression,
): string {
  const { write, copy } = FORMATS[format];
  const packed = compression === "none" && format === "parquet" ? "uncompressed" : compression;
  return (
    `COPY (SELECT ${columns.map(write).join(", ")} FROM ${from}) TO ${literal(path)} ` +
    `(${copy}, COMPRESSION ${packed})`
  );
}

/** A value grows to at most this many bytes for each of its own, whatever has to be escaped. */
const GROWTH = 8;

/**
 * Refuses rows that could be written, but not read again.
 *
 * @throws SluiceError `destination/failed` naming the table and the limit.
 */
export async function checkLength(
  connection: DuckDBConnection,
  columns: readonly ColumnSchema[],
  from: string,
  format: FileFormat,
  table: string,
): Promise<void> {
  const { limit, write } = FORMATS[format];
  const long = columns.filter(({ type }) => ["text", "json", "binary"].includes(type));
  if (limit === undefined || long.length === 0) return;
  // Few rows are near the limit; only those are written out to be measured.
  const bytes = long.map(({ name, type }) => {
    const length = type === "binary" ? "octet_length" : "strlen";
    return `coalesce(${length}(${quote(name)}), 0)`;
  });
  const near = `${bytes.join(" + ")} > ${limit.bytes / GROWTH}`;
  const lines = `SELECT ${columns.map(write).join(", ")} FROM (SELECT * FROM ${from}) AS source WHERE ${near}`;
  const reader = await connection.runAndReadAll(
    `SELECT coalesce(max(${limit.of(columns)}), 0) FROM (${lines}) AS line`,
  );
  const longest = Number(reader.getRows()[0]?.[0]);
  if (longest <= limit.bytes) return;
  const size = (value: number): string => `${(value / (1024 * 1024)).toFixed(1)} MB`;
  throw new SluiceError(
    "destination/failed",
    `a row of table ${table} is ${size(longest)} as a line of ${format}, and readers take ${size(limit.bytes)}`,
    { at: { table }, hint: "Write Parquet, which has no such limit: format: parquet." },
  );
}
