import type { DuckDBAppender, DuckDBConnection, DuckDBDataChunk } from "@duckdb/node-api";
import type { Batch } from "../../model/batch.js";
import type { ColumnSchema } from "../../model/table.js";
import type { Place } from "../sql/statements.js";
import type { Driver } from "./database.js";
import { CHUNK_ROWS, type ChunkFiller } from "./vectors.js";

/**
 * Bytes given to one table before its appender hands them over. By default DuckDB waits for 204,800 rows, which for
 * wide rows is hundreds of megabytes outside of its own memory limit; and the thread stands still meanwhile, four times
 * as long with 32 MB as with 8, for no gain in speed.
 */
const FLUSH_BYTES = 8 * 1024 * 1024;

interface Open {
  readonly appender: DuckDBAppender;
  readonly chunk: DuckDBDataChunk;
  readonly filler: ChunkFiller;
}

/** Appends batches to one table. `filler` is asked for with the first of them. */
export class TableAppender {
  readonly #driver: Driver;
  readonly #connection: DuckDBConnection;
  readonly #filler: () => Promise<ChunkFiller>;
  readonly #place: Place;
  readonly #name: string;
  #open: Open | undefined;
  /** Bytes given to the appender since it last handed over. */
  #pending = 0;
  /** All columns of the table in their order. To be changed while it is closed. */
  columns: readonly ColumnSchema[];

  constructor(
    driver: Driver,
    connection: DuckDBConnection,
    filler: () => Promise<ChunkFiller>,
    place: Place,
    name: string,
    columns: readonly ColumnSchema[],
  ) {
    this.#driver = driver;
    this.#connection = connection;
    this.#filler = filler;
    this.#place = place;
    this.#name = name;
    this.columns = columns;
  }

  async append(batch: Batch): Promise<void> {
    const { appender, chunk, filler } = (this.#open ??= await this.#start());
    for (let start = 0; start < batch.rows; start += CHUNK_ROWS) {
      const rows = Math.min(CHUNK_ROWS, batch.rows - start);
      filler(chunk.chunk, this.columns, batch, start, rows);
      appender.appendDataChunk(chunk);
    }
    this.#pending += batch.bytes;
    if (this.#pending < FLUSH_BYTES) return;
    appender.flushSync();
    this.#pending = 0;
  }

  /** Hands over what is left. The next batch opens it again. */
  close(): void {
    const open = this.#open;
    this.#open = undefined;
    this.#pending = 0;
    open?.appender.closeSync();
  }

  async #start(): Promise<Open> {
    const filler = await this.#filler();
    const [catalog, schema] = this.#place.path;
    const appender = await this.#connection.createAppender(this.#name, schema, catalog);
    // A chunk of exactly the appender's types: then nothing is converted on the way.
    const types = Array.from({ length: appender.columnCount }, (_, index) => appender.columnType(index));
    return { appender, chunk: this.#driver.api.DuckDBDataChunk.create(types), filler };
  }
}
