/**
 * How fast batches get through a DuckDB stage into tables: 60 columns (44 text, 8 integers, 4 doubles, 4 timestamps),
 * 10 % nulls. Prints one line per case. The batches are made before the clock starts.
 *
 *     node scripts/run-ts.mjs bench/duckdb-stage.ts [rows=200000] [rows per batch=2048] [memory_limit=1GB]
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../src/destinations/duckdb/database.js";
import { duckdbDialect } from "../src/destinations/duckdb/session.js";
import { chunkFiller } from "../src/destinations/duckdb/vectors.js";
import { createDuckdb, duckdbDestination, queryDuckdb } from "../src/destinations/duckdb.js";
import { createTable } from "../src/destinations/sql/statements.js";
import type { Batch, Column } from "../src/model/batch.js";
import type { Connection, PackageHeader } from "../src/model/destination.js";
import type { WriteDisposition } from "../src/model/source.js";
import { type ColumnSchema, SYSTEM_COLUMNS, type TableSchema } from "../src/model/table.js";

const ROWS = Number(process.argv[2] ?? 200_000);
const BATCH = Number(process.argv[3] ?? 2048);
const MEMORY = process.argv[4] ?? "1GB";
const ONLY = process.argv[5] ?? "";

const columns: ColumnSchema[] = [
  { name: SYSTEM_COLUMNS.id, type: "text", nullable: false },
  { name: SYSTEM_COLUMNS.loadId, type: "text", nullable: false },
  { name: "id", type: "bigint", nullable: true },
  ...Array.from({ length: 42 }, (_, n): ColumnSchema => ({ name: `t${n}`, type: "text", nullable: true })),
  ...Array.from({ length: 7 }, (_, n): ColumnSchema => ({ name: `i${n}`, type: "bigint", nullable: true })),
  ...Array.from({ length: 4 }, (_, n): ColumnSchema => ({ name: `d${n}`, type: "double", nullable: true })),
  ...Array.from(
    { length: 4 },
    (_, n): ColumnSchema => ({ name: `s${n}`, type: "timestamp", nullable: true }),
  ),
];
const table: TableSchema = { name: "wide", resource: "wide", primaryKey: ["id"], columns };

function text(schema: ColumnSchema, values: readonly (string | null)[]): Column {
  const parts = values.map((value) => Buffer.from(value ?? ""));
  const offsets = new Uint32Array(values.length + 1);
  parts.forEach((part, index) => {
    offsets[index + 1] = offsets[index]! + part.length;
  });
  const data = new Uint8Array(Buffer.concat(parts));
  return { schema, kind: "text", data, offsets, validity: validity(values) };
}

function validity(values: readonly unknown[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, index) => {
    if (value !== null) bits[index >> 3]! |= 1 << (index & 7);
  });
  return bits;
}

function sample(schema: ColumnSchema, index: number, from: number, rows: number): Column {
  const at = Array.from({ length: rows }, (_, row) =>
    index > 2 && (row + index) % 10 === 0 ? null : from + row,
  );
  if (schema.name === SYSTEM_COLUMNS.id)
    return text(
      schema,
      at.map((n) => String(n).padStart(12, "0")),
    );
  if (schema.name === SYSTEM_COLUMNS.loadId)
    return text(
      schema,
      at.map(() => "0192f0c0ab12"),
    );
  if (schema.type === "text") {
    const length = [6, 9, 14, 20, 30, 44][index % 6]!;
    const word = `${index % 3 === 0 ? "é" : "e"}${"abcdefghijklmnop".repeat(3)}`;
    return text(
      schema,
      at.map((n) => (n === null ? null : `${(n * 7919) % 50_000} ${word}`.slice(0, length))),
    );
  }
  const numbers = at.map((n) => n ?? 0);
  if (schema.type === "double") {
    return {
      schema,
      kind: "float64",
      data: Float64Array.from(numbers, (n) => n / 7),
      validity: validity(at),
    };
  }
  const factor = schema.type === "timestamp" ? 1_000_000n : 1n;
  const data = BigInt64Array.from(numbers, (n) => BigInt(n) * factor);
  return { schema, kind: "int64", data, validity: validity(at) };
}

function batches(first: number): Batch[] {
  return Array.from({ length: Math.ceil(ROWS / BATCH) }, (_, number) => {
    const from = first + number * BATCH;
    const rows = Math.min(BATCH, ROWS - number * BATCH);
    const made = columns.map((schema, index) => sample(schema, index, from, rows));
    return {
      table,
      rows,
      columns: made,
      bytes: made.reduce((sum, column) => sum + column.data.byteLength, 0),
    };
  });
}

let packages = 0;

function header(create: boolean): PackageHeader {
  packages += 1;
  return {
    id: `p${packages}`,
    tables: [table],
    changes: create ? [{ op: "create-table", table }] : [],
    state: { fingerprint: "f", status: "done", loadId: "l", loadResources: [], packages: 1, committedAt: 1 },
    rejects: [],
    startedAt: 0,
    schemaHash: "h",
  };
}

async function staged(
  connection: Connection,
  disposition: WriteDisposition,
  given: readonly Batch[],
): Promise<{ write: number; commit: number; block: number }> {
  const stage = await connection.stage({
    pipeline: "p",
    loadId: "l",
    resource: "wide",
    writeDisposition: disposition,
  });
  const start = performance.now();
  let block = 0;
  for (const batch of given) {
    const before = performance.now();
    await stage.write(batch);
    block = Math.max(block, performance.now() - before);
  }
  const written = performance.now();
  await stage.commit(header(disposition === "append"));
  const done = performance.now();
  await stage[Symbol.asyncDispose]();
  return { write: written - start, commit: done - written, block };
}

/** For comparison: straight into the target, in a transaction. */
async function direct(
  path: string,
  given: readonly Batch[],
): Promise<{ write: number; commit: number; block: number }> {
  const database = await openDatabase(duckdbDestination.options.parse({ path, memory_limit: MEMORY }), path);
  const connection = await database.connect();
  await connection.run("CREATE SCHEMA d");
  await connection.run(createTable({ dialect: duckdbDialect, path: [database.catalog, "d"] }, table));
  const filler = chunkFiller(database.driver.binding, "arena");
  const start = performance.now();
  await connection.run("BEGIN");
  const appender = await connection.createAppender("wide", "d", database.catalog);
  const types = columns.map((_, index) => appender.columnType(index));
  const chunk = database.driver.api.DuckDBDataChunk.create(types);
  let block = 0;
  for (const batch of given) {
    const before = performance.now();
    for (let from = 0; from < batch.rows; from += 2048) {
      filler(chunk.chunk, columns, batch, from, Math.min(2048, batch.rows - from));
      appender.appendDataChunk(chunk);
    }
    block = Math.max(block, performance.now() - before);
  }
  appender.closeSync();
  const written = performance.now();
  await connection.run("COMMIT");
  const done = performance.now();
  connection.closeSync();
  database.release();
  return { write: written - start, commit: done - written, block };
}

async function measure(
  name: string,
  path: string,
  run: () => Promise<{ write: number; commit: number; block: number }>,
): Promise<void> {
  if (ONLY !== "" && !name.startsWith(ONLY)) return;
  const cpu = process.cpuUsage();
  const { write, commit, block } = await run();
  const used = process.cpuUsage(cpu);
  const total = write + commit;
  const size = (await stat(path)).size / 1e6;
  console.log(
    `${name.padEnd(22)} ${Math.round(ROWS / (total / 1000))} rows/s; write ${Math.round(write)} ms, ` +
      `commit ${Math.round(commit)} ms, CPU ${((used.user + used.system) / ROWS).toFixed(1)} µs/row, ` +
      `longest write ${Math.round(block)} ms, file ${size.toFixed(0)} MB, ` +
      `peak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`,
  );
}

async function commitLatency(connection: Connection): Promise<void> {
  const [batch] = batches(0);
  const one: Batch = { ...batch!, rows: 1 };
  const start = performance.now();
  for (let round = 0; round < 20; round += 1) await staged(connection, "append", [one]);
  console.log(`one row per commit      ${((performance.now() - start) / 20).toFixed(1)} ms`);
}

const folder = await mkdtemp(join(tmpdir(), "sluice-bench-"));
try {
  const first = batches(0);
  const second = batches(ROWS / 2);
  const bytes = first.reduce((sum, batch) => sum + batch.bytes, 0);
  const rss = Math.round(process.memoryUsage().rss / 1024 / 1024);
  console.log(`${ROWS} rows, ${Math.round(bytes / 1e6)} MB in batches of ${BATCH}; RSS with them ${rss} MB`);
  const path = join(folder, "staged.duckdb");
  const options = duckdbDestination.options.parse({ path, memory_limit: MEMORY });
  const connection = await createDuckdb(options).connect("d", new AbortController().signal);
  await measure("append", path, () => staged(connection, "append", first));
  await measure("merge, half known", path, () => staged(connection, "merge", second));
  await measure("replace", path, () => staged(connection, "replace", first));
  if (ONLY === "" || ONLY === "latency") await commitLatency(connection);
  await connection[Symbol.asyncDispose]();
  if (ONLY === "") console.log(await queryDuckdb(path, "SELECT count(*) AS rows FROM d.wide"));
  const straight = join(folder, "direct.duckdb");
  await measure("direct append", straight, () => direct(straight, first));
} finally {
  await rm(folder, { recursive: true, force: true });
}
