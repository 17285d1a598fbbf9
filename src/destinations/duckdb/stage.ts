import type { DuckDBAppender, DuckDBConnection, DuckDBDataChunk } from "@duckdb/node-api";
import type { Batch } from "../../model/batch.js";
import type { PackageHeader, Receipt, Stage, StagePlan } from "../../model/destination.js";
import type { SluiceError } from "../../model/error.js";
import type { ColumnSchema, TableSchema } from "../../model/table.js";
import { commitPackage, type Session, type StagedTable } from "../sql/commit.js";
import type { Place } from "../sql/statements.js";
import * as sql from "../sql/statements.js";
import { type Database, failed } from "./database.js";
import { duckdbDialect, sessionOn } from "./session.js";
import { CHUNK_ROWS, type ChunkFiller, chunkFiller, type StringMode } from "./vectors.js";

/** Where a connection's temporary tables are. Full names: a dataset may be called `temp`. */
const STAGING: Place = { dialect: duckdbDialect, path: ["temp", "main"] };

/**
 * Bytes staged in one table before its appender hands them over. By default DuckDB waits for 204,800 rows, which for
 * wide rows is hundreds of megabytes outside of its own memory limit; and the thread stands still meanwhile, four times
 * as long with 32 MB as with 8, for no gain in speed.
 */
const FLUSH_BYTES = 8 * 1024 * 1024;

interface Staging extends StagedTable {
  columns: readonly ColumnSchema[];
  appender: DuckDBAppender | undefined;
  chunk: DuckDBDataChunk | undefined;
  /** Bytes given to the appender since it last handed over. */
  pending: number;
}

/** A stage on a connection of its own, in whose temporary tables the rows wait. */
export class DuckdbStage implements Stage {
  readonly #database: Database;
  readonly #connection: DuckDBConnection;
  readonly #session: Session;
  readonly #target: Place;
  readonly #filler: ChunkFiller;
  readonly #plan: StagePlan;
  readonly #staged = new Map<string, Staging>();
  #open = true;

  constructor(
    database: Database,
    connection: DuckDBConnection,
    target: Place,
    filler: ChunkFiller,
    plan: StagePlan,
    session: Session = sessionOn(connection, target),
  ) {
    this.#database = database;
    this.#connection = connection;
    this.#session = session;
    this.#target = target;
    this.#filler = filler;
    this.#plan = plan;
  }

  async write(batch: Batch): Promise<void> {
    if (batch.rows === 0) return;
    try {
      const staging = await this.#tableFor(batch.table);
      await this.#append(staging, batch);
    } catch (error) {
      throw this.#failed("staging rows failed", error, batch.table.name);
    }
  }

  async commit(pkg: PackageHeader): Promise<Receipt> {
    try {
      for (const staging of this.#staged.values()) closeAppender(staging);
      return await this.#database.alone(async () => {
        await this.#database.checkFile();
        const receipt = await commitPackage(this.#session, {
          plan: this.#plan,
          pkg,
          target: this.#target,
          staging: STAGING,
          staged: this.#staged,
        });
        // The file may have gone while the commit was written.
        await this.#database.checkFile();
        await this.#clear();
        return receipt;
      });
    } catch (error) {
      throw this.#failed("the commit failed and changed nothing", error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    for (const staging of this.#staged.values()) closeAppender(staging);
    this.#staged.clear();
    // Temporary tables go with their connection.
    this.#connection.closeSync();
  }

  /** The staging table of a table, grown to the columns of its newest batch. */
  async #tableFor(table: TableSchema): Promise<Staging> {
    const existing = this.#staged.get(table.name);
    if (existing !== undefined) {
      if (existing.columns !== table.columns) await this.#grow(existing, table);
      return existing;
    }
    const staging: Staging = {
      name: `staged_${this.#staged.size}`,
      columns: table.columns,
      appender: undefined,
      chunk: undefined,
      pending: 0,
    };
    await this.#session.run(sql.createStaging(STAGING, staging.name, staging.columns));
    this.#staged.set(table.name, staging);
    return staging;
  }

  async #grow(staging: Staging, table: TableSchema): Promise<void> {
    const { statements, columns } = sql.growStaging(STAGING, staging, table);
    if (statements.length === 0) return;
    // An appender does not survive a change of its table.
    closeAppender(staging);
    for (const statement of statements) await this.#session.run(statement);
    staging.columns = columns;
  }

  async #append(staging: Staging, batch: Batch): Promise<void> {
    const appender = (staging.appender ??= await this.#connection.createAppender(
      staging.name,
      STAGING.path[1]!,
      STAGING.path[0]!,
    ));
    const chunk = (staging.chunk ??= this.#chunkOf(appender));
    for (let start = 0; start < batch.rows; start += CHUNK_ROWS) {
      const rows = Math.min(CHUNK_ROWS, batch.rows - start);
      this.#filler(chunk.chunk, staging.columns, batch, start, rows);
      appender.appendDataChunk(chunk);
    }
    staging.pending += batch.bytes;
    if (staging.pending < FLUSH_BYTES) return;
    appender.flushSync();
    staging.pending = 0;
  }

  /** A chunk of exactly the appender's types: then nothing is converted on the way. */
  #chunkOf(appender: DuckDBAppender): DuckDBDataChunk {
    const types = Array.from({ length: appender.columnCount }, (_, index) => appender.columnType(index));
    return this.#database.driver.api.DuckDBDataChunk.create(types);
  }

  async #clear(): Promise<void> {
    for (const staging of this.#staged.values()) {
      await this.#session.run(sql.dropTable(STAGING, staging.name));
    }
    this.#staged.clear();
  }

  #failed(doing: string, error: unknown, table?: string): SluiceError {
    return failed(doing, error).located({
      resource: this.#plan.resource,
      ...(table === undefined ? {} : { table }),
    });
  }
}

function closeAppender(staging: Staging): void {
  const { appender } = staging;
  staging.appender = undefined;
  staging.chunk = undefined;
  staging.pending = 0;
  appender?.closeSync();
}

let proven: Promise<StringMode> | undefined;

/** How strings are written on this machine: the faster way if what it writes can be read back, found out once. */
export function provenStrings(database: Database): Promise<StringMode> {
  proven ??= arenaWorks(database).then((works) => (works ? "arena" : "each"));
  return proven;
}

const SAMPLES = [
  "",
  "a",
  "twelve bytes",
  "thirteen byte",
  "zwölf Bytes – und mehr €",
  "with \0 inside, long",
  "😀",
];

async function arenaWorks(database: Database): Promise<boolean> {
  const connection = await database.connect();
  try {
    const name = "string_test";
    const columns: ColumnSchema[] = [
      { name: "t", type: "text", nullable: true },
      { name: "b", type: "binary", nullable: true },
    ];
    await connection.run(sql.createStaging(STAGING, name, columns));
    const appender = await connection.createAppender(name, STAGING.path[1]!, STAGING.path[0]!);
    const types = columns.map((_, index) => appender.columnType(index));
    const chunk = database.driver.api.DuckDBDataChunk.create(types);
    chunkFiller(database.driver.binding, "arena")(
      chunk.chunk,
      columns,
      sampleBatch(columns),
      0,
      SAMPLES.length,
    );
    appender.appendDataChunk(chunk);
    appender.closeSync();
    const reader = await connection.runAndReadAll(
      `SELECT t, hex(t), hex(b) FROM ${sql.tableName(STAGING, name)}`,
    );
    const rows = reader.getRows();
    return (
      rows.length === SAMPLES.length &&
      SAMPLES.every((sample, index) => {
        const hex = Buffer.from(sample).toString("hex").toUpperCase();
        return rows[index]![0] === sample && rows[index]![1] === hex && rows[index]![2] === hex;
      })
    );
  } catch {
    return false;
  } finally {
    // The temporary table goes with the connection.
    connection.closeSync();
  }
}

function sampleBatch(columns: readonly ColumnSchema[]): Batch {
  const data = new Uint8Array(Buffer.from(SAMPLES.join("")));
  const offsets = new Uint32Array(SAMPLES.length + 1);
  SAMPLES.forEach((sample, index) => {
    offsets[index + 1] = offsets[index]! + Buffer.byteLength(sample);
  });
  return {
    table: { name: "string_test", resource: "", primaryKey: [], columns },
    rows: SAMPLES.length,
    columns: columns.map((schema) => ({ schema, kind: "text", data, offsets })),
    bytes: data.length,
  };
}
