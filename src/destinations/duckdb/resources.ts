import { availableParallelism } from "node:os";
import type { DuckDBConnection } from "@duckdb/node-api";
import { inTurn } from "../../model/in-turn.js";

/**
 * An appender hands rows over in portions that are too small to be shared out: with several threads the calling one
 * spends a third of its time waiting for the others in a loop.
 */
const ONE_THREAD = 1;

/** Bytes of appended batches between two times that memory is given back. */
const TRIM_AFTER_BYTES = 12 * 1024 * 1024;

/**
 * What DuckDB may keep in memory then: little enough to bound it, enough for the columns that it appends to, of which it
 * would write to the disk what it needs at once.
 */
const KEPT_MB = 64;
const KEPT_COLUMN_MB = 0.75;

/** What DuckDB may use if nothing else is configured: in a file more makes merges no faster. */
const USUAL_MB = 256;
/** In memory, where Parquet files are made: with half of it that takes nearly twice as long. */
const USUAL_IN_MEMORY_MB = 512;

/**
 * Tables of many columns need more, however few their rows are: DuckDB holds three blocks of 256 KiB of each column of
 * a table that is appended to, and as many again where a commit copies its rows. 500 columns failed with 512 MB.
 */
const COLUMN_MB = 1.6;
const BESIDE_COLUMNS_MB = 96;

export interface Wanted {
  /** Default: 256 MB for a file, 512 in memory, and more for tables of many columns. */
  readonly memoryLimit?: string | undefined;
  /** Default: as many as there are processors. */
  readonly threads?: number | undefined;
  /** A database in memory has all of its rows there, and gives nothing back. */
  readonly isFile: boolean;
}

/** What an instance of DuckDB may use of the machine. The settings are the whole instance's. */
export class Resources {
  readonly #connection: DuckDBConnection;
  readonly #threads: number;
  readonly #configured: string | undefined;
  readonly #usual: number;
  readonly #isTrimmed: boolean;
  readonly #inOrder = inTurn();
  /** Columns of the tables that each stage has rows of. */
  readonly #columns = new Map<object, number>();
  #tasks = 0;
  #threadsNow = ONE_THREAD;
  #appended = 0;

  constructor(connection: DuckDBConnection, { isFile, memoryLimit, threads }: Wanted) {
    this.#connection = connection;
    this.#threads = threads ?? availableParallelism();
    this.#configured = memoryLimit;
    this.#usual = isFile ? USUAL_MB : USUAL_IN_MEMORY_MB;
    this.#isTrimmed = isFile;
  }

  /** The statements that set them for a new instance. */
  get settings(): string {
    return `${this.#limit()}; SET GLOBAL threads = ${ONE_THREAD}`;
  }

  /** Makes room for the tables that a stage has rows of, which have so many columns together: 0 when it is over. */
  async makeRoom(stage: object, columns: number): Promise<void> {
    const before = this.#limit();
    if (columns === 0) this.#columns.delete(stage);
    else this.#columns.set(stage, columns);
    if (this.#limit() === before) return;
    // A lower one may be refused, if others use more just now; the next trim sets it.
    await this.#inOrder(async () => void (await this.#connection.run(this.#limit()).catch(() => undefined)));
  }

  /** Runs a task whose statements may use all threads. Everything else has one: see `ONE_THREAD`. */
  async withAllThreads<T>(task: () => Promise<T>): Promise<T> {
    this.#tasks += 1;
    try {
      await this.#inOrder(() => this.#adjustThreads());
      return await task();
    } finally {
      this.#tasks -= 1;
      await this.#inOrder(() => this.#adjustThreads());
    }
  }

  /** To be told of batches that were appended; after some of them, gives memory back. */
  async appended(bytes: number): Promise<void> {
    this.#appended += bytes;
    if (this.#appended >= TRIM_AFTER_BYTES) await this.trim();
  }

  /**
   * Gives memory back that can be done without. DuckDB keeps whatever it has written as long as its limit allows, and what
   * it has freed, too; a new limit makes it let go of both. Does nothing while a task has all threads: that may need the
   * whole limit, and none begins meanwhile.
   */
  async trim(): Promise<void> {
    this.#appended = 0;
    if (!this.#isTrimmed) return;
    await this.#inOrder(async () => {
      if (this.#tasks > 0) return;
      const whole = this.#limit();
      const kept = Math.max(KEPT_MB, Math.ceil(this.#columnCount * KEPT_COLUMN_MB));
      if (this.#configured !== undefined && bytesOf(this.#configured) <= kept * 1e6) return;
      try {
        // As one call: other appends may be under way, for which less would not be enough.
        await this.#connection.run(`SET GLOBAL memory_limit = '${kept}MB'; ${whole}`);
      } catch {
        // More is in use, and the limit is as it was. This still gives back what was freed.
        await this.#connection.run(whole).catch(() => undefined);
      }
    });
  }

  /** Sets the limit of memory. */
  #limit(): string {
    const enough = Math.max(this.#usual, Math.ceil(BESIDE_COLUMNS_MB + this.#columnCount * COLUMN_MB));
    return `SET GLOBAL memory_limit = '${this.#configured ?? `${enough}MB`}'`;
  }

  get #columnCount(): number {
    let count = 0;
    for (const columns of this.#columns.values()) count += columns;
    return count;
  }

  async #adjustThreads(): Promise<void> {
    const wanted = this.#tasks > 0 ? this.#threads : ONE_THREAD;
    if (wanted === this.#threadsNow) return;
    this.#threadsNow = wanted;
    // It is about speed alone. What made it fail is told by the statements of the task.
    await this.#connection.run(`SET GLOBAL threads = ${wanted}`).catch(() => undefined);
  }
}

/** A size such as `512MB` or `2GiB`. */
function bytesOf(size: string): number {
  const [, number = "0", unit = "", binary = ""] = /^([\d.]+)\s*([KMGT]?)(i?)B$/iu.exec(size) ?? [];
  return Number(number) * (binary === "" ? 1000 : 1024) ** " KMGT".indexOf(unit.toUpperCase());
}
