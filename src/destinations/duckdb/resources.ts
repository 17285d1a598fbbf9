import type { DuckDBConnection } from "@duckdb/node-api";
import { inTurn } from "../../model/in-turn.js";

/**
 * An appender hands rows over in portions that are too small to be shared out: with several threads the calling one
 * spends a third of its time waiting for the others in a loop.
 */
const ONE_THREAD = 1;

/** Bytes of appended batches between two times that memory is given back. */
const TRIM_AFTER_BYTES = 32 * 1024 * 1024;

/** What DuckDB may keep in memory then: little enough to bound it, enough for the columns that it appends to. */
const KEPT_MB = 64;

export interface Wanted {
  readonly memoryLimit: string;
  /** Default: as many as there are processors. */
  readonly threads?: number | undefined;
  /** A database in memory has all of its rows there, and gives nothing back. */
  readonly isFile: boolean;
}

/** What an instance of DuckDB may use of the machine. The settings are the whole instance's. */
export class Resources {
  readonly #connection: DuckDBConnection;
  readonly #threads: number;
  readonly #memoryLimit: string;
  readonly #isTrimmed: boolean;
  readonly #inOrder = inTurn();
  #tasks = 0;
  #threadsNow = ONE_THREAD;
  #appended = 0;

  private constructor(connection: DuckDBConnection, { isFile, memoryLimit }: Wanted, threads: number) {
    this.#connection = connection;
    this.#threads = threads;
    this.#memoryLimit = memoryLimit;
    this.#isTrimmed = isFile && bytesOf(memoryLimit) > KEPT_MB * 1e6;
  }

  /** Sets them for a new instance. */
  static async of(connection: DuckDBConnection, wanted: Wanted): Promise<Resources> {
    const reader = await connection.runAndReadAll("SELECT current_setting('threads')");
    await connection.run(`SET GLOBAL memory_limit = '${wanted.memoryLimit}'`);
    await connection.run(`SET GLOBAL threads = ${ONE_THREAD}`);
    return new Resources(connection, wanted, wanted.threads ?? Number(reader.getRows()[0]?.[0]));
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
      const whole = `SET GLOBAL memory_limit = '${this.#memoryLimit}'`;
      try {
        // As one call: other appends may be under way, for which less would not be enough.
        await this.#connection.run(`SET GLOBAL memory_limit = '${KEPT_MB}MB'; ${whole}`);
      } catch {
        // More is in use, and the limit is as it was. This still gives back what was freed.
        await this.#connection.run(whole).catch(() => undefined);
      }
    });
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
