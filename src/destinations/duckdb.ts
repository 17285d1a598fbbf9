import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api";
import { z } from "zod";
import type { Connection, Destination, Lease, Pruned, Stage, StagePlan } from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import type { PipelineState } from "../model/state.js";
import type { ColumnSchema, FoundTable } from "../model/table.js";
import { checkedOptions, defineDestination } from "./destination.js";
import { TableAppender } from "./duckdb/appender.js";
import { type Database, databaseExists, failed, MEMORY, openDatabase } from "./duckdb/database.js";
import { duckdbDialect, sessionOn } from "./duckdb/session.js";
import { DuckdbStage, provenStrings } from "./duckdb/stage.js";
import { StraightAppend } from "./duckdb/straight.js";
import { type ChunkFiller, chunkFiller, type StringMode } from "./duckdb/vectors.js";
import { commandWord, quotedName } from "./query-hint.js";
import { commitNote, type Session, type SqlValue } from "./sql/commit.js";
import { pruneHistory } from "./sql/prune.js";
import { forgetState, readPipelineState } from "./sql/state.js";
import type { Place } from "./sql/statements.js";
import * as sql from "./sql/statements.js";

const options = z.strictObject({
  path: z
    .string()
    .min(1)
    .describe(
      "The database file; created, with the folders above it, when missing. `:memory:` keeps nothing.",
    ),
  memory_limit: z
    .string()
    .regex(/^\d+(\.\d+)?\s*([KMGT]i?)?B$/iu, "expected a size such as 512MB or 2GiB")
    .default("512MB")
    .describe(
      "Memory DuckDB may use for staged rows and commits; beyond it, it writes temporary files beside the database.",
    ),
  threads: z
    .int()
    .min(1)
    .optional()
    .describe("Threads DuckDB may use in a commit. Default: as many as there are processors."),
});

/** Options of the DuckDB destination as they are written in a configuration. */
export type DuckdbOptions = z.input<typeof options>;

/**
 * A DuckDB database file, the default destination.
 *
 * Batches are staged in temporary tables of a connection of their own, or for a large append in a transaction that the
 * commit ends, so no reader sees them before, and nothing is left of them after a crash. One process at a time can have the file open.
 */
export const duckdbDestination = defineDestination({
  type: "duckdb",
  scheme: ["duckdb"],
  summary: "A DuckDB database file on this machine. Needs no server.",
  options,
  fromUri: readUri,
  create: (settings) => createDuckdb(settings),
  examples: [
    {
      title: "A file in a folder",
      options: { path: "data/warehouse.duckdb" },
      uri: "duckdb:data/warehouse.duckdb",
    },
    {
      title: "More memory for wide tables",
      options: { path: "/data/warehouse.duckdb", memory_limit: "4GB", threads: 2 },
      uri: "duckdb:/data/warehouse.duckdb?memory_limit=4GB&threads=2",
    },
  ],
});

/**
 * The DuckDB destination for use from TypeScript. Opens nothing yet.
 *
 * @param path The database file, or `:memory:` (gone with the last connection).
 * @param settings `memory_limit` (default 512MB) and `threads` (default: all processors).
 * @throws SluiceError `config/invalid` for settings that DuckDB can't have.
 * @example
 * const destination = duckdb("calls.duckdb", { memory_limit: "512MB" });
 */
export function duckdb(path: string, settings: Omit<DuckdbOptions, "path"> = {}): Destination {
  return createDuckdb(checkedOptions("duckdb", options, { ...settings, path }));
}

/**
 * Runs one query on a database file and gives its rows as objects. It joins the instance that this process has open,
 * so it is safe while a run writes; it sees committed rows only.
 *
 * Values: bigint, number, boolean, string, null; decimals as text; timestamps as `2024-01-31T12:00:00.000000Z`, dates
 * and times likewise; binary as `Uint8Array`; lists and structs as DuckDB writes them.
 *
 * @throws SluiceError `destination/failed` when DuckDB refuses the query.
 * @example
 * await queryDuckdb("calls.duckdb", "SELECT count(*) AS n FROM calls.calls"); // [{ n: 250n }]
 */
export async function queryDuckdb(
  path: string,
  statement: string,
  values: readonly SqlValue[] = [],
  key = path,
): Promise<Record<string, unknown>[]> {
  const database = await openDatabase(options.parse({ path }), key);
  try {
    const connection = await database.connect();
    try {
      const reader = await connection.runAndReadAll(statement, [...values]);
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

/** A database in memory whose tables can be looked at while a connection to it is open. */
export interface MemoryDatabase {
  readonly destination: Destination;
  /** As `queryDuckdb`. */
  query(statement: string): Promise<Record<string, unknown>[]>;
}

/** A DuckDB database in memory, for loads whose rows are looked at and then forgotten. */
export function duckdbInMemory(): MemoryDatabase {
  const key = `${MEMORY}${Math.random()}`;
  return {
    destination: createDuckdb(options.parse({ path: MEMORY }), { key }),
    query: (statement) => queryDuckdb(MEMORY, statement, [], key),
  };
}

/** `duckdb:PATH?option=value`. `duckdb:///x` is the absolute path /x, as in any URI. */
function readUri(uri: string): unknown {
  const [, rest = ""] = /^duckdb:(.*)$/su.exec(uri) ?? [];
  const [, slashes = "", path = "", query = ""] = /^(\/\/)?([^?]*)\??(.*)$/su.exec(rest) ?? [];
  if (path === "" || (slashes !== "" && !path.startsWith("/"))) {
    throw new SluiceError("config/invalid", `${uri} does not name a DuckDB file`, {
      at: { path: "destination" },
      hint: "Write duckdb:path/to.duckdb, or duckdb:/absolute/path.duckdb.",
    });
  }
  const { threads, ...settings } = Object.fromEntries(new URLSearchParams(query));
  return { path, ...settings, ...(threads === undefined ? {} : { threads: Number(threads) }) };
}

/**
 * By default file and dataset have one name, and DuckDB then can't tell `name.table` of the one from the other: the
 * database's name, which is the file's, has to stand before it.
 */
function namesBefore(path: string, dataset: string): readonly string[] {
  const database = /([^/\\]*?)(\.[^./\\]*)?$/.exec(path)?.[1] ?? "";
  return database.toLowerCase() === dataset.toLowerCase() ? [database, dataset] : [dataset];
}

function queryHint(path: string, dataset: string, table: string): string {
  const parts = [...namesBefore(path, dataset), table];
  const statement = `select * from ${parts.map(quotedName).join(".")} limit 5`;
  return `duckdb ${commandWord(path)} ${commandWord(statement)}`;
}

/** What only tests change. */
interface Internals {
  /** How strings are written; by default the faster way that works. */
  readonly strings?: StringMode;
  /** By which a database in memory is found again. */
  readonly key?: string;
  /** Bytes of a package from which its rows go straight into their tables. */
  readonly straightFrom?: number;
}

/** The destination for options that were checked. */
export function createDuckdb(settings: z.output<typeof options>, internals: Internals = {}): Destination {
  // In memory, each destination is a database of its own.
  const key = internals.key ?? `${MEMORY}${Math.random()}`;
  return {
    type: "duckdb",
    location: settings.path,
    queryHint: (dataset, table) => queryHint(settings.path, dataset, table),
    statements: (dataset, changes) =>
      changes.map((change) =>
        sql.changeSchema({ dialect: duckdbDialect, path: namesBefore(settings.path, dataset) }, change),
      ),
    exists: () => databaseExists(settings.path),
    async connect(dataset, signal) {
      signal.throwIfAborted();
      const database = await openDatabase(settings, key);
      try {
        const target = { dialect: duckdbDialect, path: [database.catalog, dataset] };
        // A dataset name that can't be is refused now, not by the first commit.
        sql.createDataset(target);
        const strings = internals.strings ?? (await provenStrings(database));
        const connection = await database.connect();
        return new DuckdbConnection(database, connection, target, { ...internals, strings });
      } catch (error) {
        database.release();
        throw error;
      }
    },
  };
}

class DuckdbConnection implements Connection {
  readonly keepsParts = true;
  readonly #database: Database;
  readonly #connection: DuckDBConnection;
  readonly #session: Session;
  readonly #target: Place;
  readonly #filler: ChunkFiller;
  readonly #internals: Internals;
  #open = true;

  constructor(
    database: Database,
    connection: DuckDBConnection,
    target: Place,
    internals: Internals & { readonly strings: StringMode },
  ) {
    this.#database = database;
    this.#connection = connection;
    this.#target = target;
    this.#session = sessionOn(connection, target);
    this.#internals = internals;
    this.#filler = chunkFiller(database.driver.binding, internals.strings);
  }

  async acquire(pipeline: string): Promise<Lease> {
    const { holders, path } = this.#database;
    const dataset = this.#target.path.at(-1)!;
    const key = JSON.stringify([dataset.toLowerCase(), pipeline]);
    const since = holders.get(key);
    if (since !== undefined) {
      throw new SluiceError(
        "destination/locked",
        `pipeline ${pipeline} is being written to dataset ${dataset} of ${path} by another run of this process, ` +
          `since ${since.toISOString()}`,
        { hint: "Wait for that run to end, or give one of the two pipelines another name." },
      );
    }
    const mine = new Date();
    holders.set(key, mine);
    return {
      pipeline,
      async [Symbol.asyncDispose]() {
        if (holders.get(key) === mine) holders.delete(key);
      },
    };
  }

  async state(pipeline: string): Promise<PipelineState | undefined> {
    try {
      return await readPipelineState(this.#session, this.#target, pipeline);
    } catch (error) {
      throw failed(`reading the state of pipeline ${pipeline} failed`, error);
    }
  }

  async describe(tables: readonly string[]): Promise<readonly FoundTable[]> {
    try {
      return await this.#session.describe(tables);
    } catch (error) {
      throw failed("reading the tables' columns failed", error);
    }
  }

  async stage(plan: StagePlan): Promise<Stage> {
    const connection = await this.#database.connect();
    const session = sessionOn(connection, this.#target);
    const { driver } = this.#database;
    const newAppender = (name: string, columns: readonly ColumnSchema[]) =>
      new TableAppender(driver, connection, this.#filler, this.#target, name, columns);
    // Of other dispositions the rows have to be looked at before they meet those that are there.
    const straight =
      plan.writeDisposition === "append"
        ? new StraightAppend(this.#database, session, this.#target, newAppender, this.#internals.straightFrom)
        : undefined;
    return new DuckdbStage(this.#database, connection, this.#target, this.#filler, plan, session, straight);
  }

  async remember(pipeline: string, key: string, value: Json): Promise<void> {
    try {
      await this.#database.alone(() =>
        commitNote(this.#session, this.#target, { pipeline, key, value, at: Date.now() }),
      );
    } catch (error) {
      throw failed(`storing a note of pipeline ${pipeline} failed`, error);
    }
  }

  async prune(pipeline: string, before: number): Promise<Pruned> {
    try {
      return await this.#database.alone(() => pruneHistory(this.#session, this.#target, pipeline, before));
    } catch (error) {
      throw failed(`forgetting old loads of pipeline ${pipeline} failed`, error);
    }
  }

  async resetState(pipeline: string, resources: readonly string[] = []): Promise<void> {
    try {
      await this.#database.alone(() => forgetState(this.#session, this.#target, pipeline, resources));
    } catch (error) {
      throw failed(`forgetting the state of pipeline ${pipeline} failed`, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#connection.closeSync();
    this.#database.release();
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
