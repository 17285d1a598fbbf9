/**
 * How fast batches get through a PostgreSQL stage into tables: 22 columns (12 text, 4 integers, 2 doubles, 2 timestamps,
 * 1 decimal, 1 json), 10 % nulls; beside it COPY of the same rows as text, which is written from the same columns. The
 * batches and the text's values are made before the clock starts. The server is one of its own, or that of DATABASE_URL.
 *
 *     node scripts/run-ts.mjs bench/postgres-stage.ts [rows=200000] [rows per batch=8192]
 */
import { copyChunks } from "../src/destinations/postgres/copy.js";
import { connectServer, type ServerConnection } from "../src/destinations/postgres/server.js";
import { postgres, postgresDestination } from "../src/destinations/postgres.js";
import type { Batch, Column } from "../src/model/batch.js";
import { type ColumnSchema, SYSTEM_COLUMNS, type TableSchema } from "../src/model/table.js";
import { batchOf } from "../test/laws/destination.js";
import { newDatabase, queryPostgres, startPostgres } from "../test/postgres-server.js";

const ROWS = Number(process.argv[2] ?? 200_000);
const BATCH = Number(process.argv[3] ?? 8192);

const several = (count: number, prefix: string, column: Omit<ColumnSchema, "name" | "nullable">) =>
  Array.from({ length: count }, (_, n) => ({ name: `${prefix}${n}`, nullable: true, ...column }));

const columns: ColumnSchema[] = [
  { name: SYSTEM_COLUMNS.id, type: "text", nullable: false },
  { name: SYSTEM_COLUMNS.loadId, type: "text", nullable: false },
  ...several(12, "t", { type: "text" }),
  ...several(4, "i", { type: "bigint" }),
  ...several(2, "d", { type: "double" }),
  ...several(2, "s", { type: "timestamp" }),
  ...several(1, "m", { type: "decimal", precision: 18, scale: 4 }),
  ...several(1, "j", { type: "json" }),
];
const table: TableSchema = { name: "wide", resource: "wide", primaryKey: ["i0"], columns };

function value(column: ColumnSchema, index: number, n: number): string | number | null {
  if (column.name === SYSTEM_COLUMNS.id) return String(n).padStart(12, "0");
  if (column.name === SYSTEM_COLUMNS.loadId) return "0192f0c0ab12";
  if (column.name === "i0") return n;
  if ((n + index) % 10 === 0) return null;
  if (column.type === "text")
    return `${(n * 7919) % 50_000} ${"abcdefghijklmnop é".repeat(3)}`.slice(0, 6 + ((index * 7) % 40));
  if (column.type === "bigint") return n * 31;
  if (column.type === "double") return n / 7;
  if (column.type === "timestamp") return new Date(1_700_000_000_000 + n * 1000).toISOString();
  if (column.type === "decimal") return `${n}.0001`;
  return `{"n":${n},"tags":["a","b"]}`;
}

const batches: Batch[] = [];
for (let from = 0; from < ROWS; from += BATCH) {
  const rows = Array.from({ length: Math.min(BATCH, ROWS - from) }, (_, row) =>
    Object.fromEntries(columns.map((column, index) => [column.name, value(column, index, from + row)])),
  );
  batches.push(batchOf(table, rows));
}
const bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0);

/** The same rows as COPY's text format: what a simpler destination would write. */
function* textChunks(batch: Batch): Generator<Buffer> {
  for (let start = 0; start < batch.rows; start += 512) {
    let text = "";
    for (let row = start; row < Math.min(batch.rows, start + 512); row += 1) {
      text += `${batch.columns.map((column) => cell(column, row)).join("\t")}\n`;
    }
    yield Buffer.from(text);
  }
}

function cell(column: Column, row: number): string {
  if (column.validity !== undefined && (column.validity[row >> 3]! & (1 << (row & 7))) === 0) return "\\N";
  if (column.kind === "text") {
    const text = Buffer.from(
      column.data.buffer,
      column.data.byteOffset + column.offsets[row]!,
      column.offsets[row + 1]! - column.offsets[row]!,
    ).toString();
    return /[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (char) => `\\${char}`) : text;
  }
  if (column.kind === "int128") {
    const digits = String(column.data[row * 2]!).padStart(5, "0");
    return `${digits.slice(0, -4)}.${digits.slice(-4)}`;
  }
  if (column.schema.type === "timestamp")
    return new Date(Number((column.data as BigInt64Array)[row]! / 1000n)).toISOString();
  return String(column.data[row]);
}

const own = process.env["DATABASE_URL"] === undefined ? await startPostgres() : undefined;
const uri = own === undefined ? await newDatabase(process.env["DATABASE_URL"]!) : await own.newDatabase();
const names = columns.map(({ name }) => `"${name}"`).join(", ");
const location = "the bench's server";

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `${what.padEnd(44)} ${Math.round(ROWS / seconds)} rows/s  ${(bytes / 1e6 / seconds).toFixed(0)} MB/s  ${((user + system) / ROWS).toFixed(1)} µs CPU/row in Node`,
  );
}

async function copyAll(
  connection: ServerConnection,
  format: string,
  chunks: (batch: Batch) => Iterable<Buffer>,
) {
  for (const batch of batches)
    await connection.copy(`COPY pg_temp.staged (${names}) FROM STDIN (FORMAT ${format})`, chunks(batch));
}

console.log(`${ROWS} rows, ${BATCH} a batch, ${(bytes / 1e6).toFixed(0)} MB of columns`);
await timed("binary, encoded only", async () => {
  for (const batch of batches) for (const _ of copyChunks(batch));
});
await timed("text, encoded only", async () => {
  for (const batch of batches) for (const _ of textChunks(batch));
});
const settings = postgresDestination.options.parse(postgresDestination.fromUri(uri));
const types: Record<string, string> = {
  text: "text",
  bigint: "bigint",
  double: "float8",
  timestamp: "timestamptz",
  decimal: "numeric(18,4)",
  json: "jsonb",
};
for (const [format, chunks] of [
  ["binary", copyChunks],
  ["text", textChunks],
] as const) {
  const connection = await connectServer(settings, location);
  await connection.query(
    `CREATE TEMP TABLE staged (${columns.map(({ name, type }) => `"${name}" ${types[type]}`).join(", ")})`,
  );
  await timed(`COPY ${format} into a temporary table`, () => copyAll(connection, format, chunks));
  await connection.close();
}

const connection = await postgres(uri).connect("bench", new AbortController().signal);
for (const [n, disposition] of (["append", "merge"] as const).entries()) {
  const stage = await connection.stage({
    pipeline: "bench",
    loadId: "l",
    resource: "wide",
    writeDisposition: disposition,
  });
  await timed(`${disposition}: stage`, async () => {
    for (const batch of batches) await stage.write(batch);
  });
  await timed(`${disposition}: commit`, () =>
    stage.commit({
      id: `p${n}`,
      tables: [table],
      changes: n === 0 ? [{ op: "create-table", table }] : [],
      state: {
        fingerprint: "f",
        status: "done",
        loadId: "l",
        loadResources: [],
        packages: n,
        committedAt: 0,
      },
      rejects: [],
      startedAt: 0,
      schemaHash: "h",
    }),
  );
  await stage[Symbol.asyncDispose]();
}
await connection[Symbol.asyncDispose]();
console.log(await queryPostgres(uri, "SELECT count(*) AS rows, count(DISTINCT i0) AS keys FROM bench.wide"));
await own?.stop();
