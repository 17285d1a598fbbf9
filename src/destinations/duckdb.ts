import { z } from "zod";
import type { Destination } from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import { PLACE } from "../thread/messages.js";
import { connectIn } from "./connection-in-thread.js";
import { checkedOptions, defineDestination } from "./destination.js";
import { connectDuckdb, type Internals } from "./duckdb/connection.js";
import { type DatabaseOptions, databaseExists, MEMORY } from "./duckdb/database.js";
import { queryRows } from "./duckdb/query.js";
import { duckdbDialect } from "./duckdb/session.js";
import { openDuckdbThread } from "./duckdb/thread.js";
import { commandWord, quotedName } from "./query-hint.js";
import type { SqlValue } from "./sql/commit.js";
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
    .optional()
    .describe(
      "Memory DuckDB may use for staged rows and commits; beyond it, it writes temporary files beside the database. Default: 256MB, and for tables of more than 100 columns 1.6MB a column and 96MB.",
    ),
  threads: z
    .int()
    .min(1)
    .optional()
    .describe("Threads DuckDB may use in a commit. Default: as many as there are processors."),
  storage_version: z
    .string()
    .regex(/^(v\d+\.\d+\.\d+|latest)$/u, "expected a version of DuckDB such as v1.0.0")
    .default("v1.3.0")
    .describe(
      "The oldest DuckDB that can open the file, for a file that is made now; one that is there keeps its format. `v1.0.0` is for old readers, and takes more time to write.",
    ),
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
  create: (settings) => threadedDuckdb(settings),
  examples: [
    {
      title: "A file in a folder",
      options: { path: "data/warehouse.duckdb" },
      uri: "duckdb:data/warehouse.duckdb",
    },
    {
      title: "More memory for large merges",
      options: { path: "/data/warehouse.duckdb", memory_limit: "4GB", threads: 2 },
      uri: "duckdb:/data/warehouse.duckdb?memory_limit=4GB&threads=2",
    },
  ],
});

/**
 * The DuckDB destination for use from TypeScript. Opens nothing yet.
 *
 * @param path The database file, or `:memory:` (gone with the last connection).
 * @param settings `memory_limit` (default: 256MB, more for tables of many columns), `threads` (default: all processors)
 * and `storage_version` (default: v1.3.0).
 * @throws SluiceError `config/invalid` for settings that DuckDB can't have.
 * @example
 * const destination = duckdb("calls.duckdb", { memory_limit: "1GB" });
 */
export function duckdb(path: string, settings: Omit<DuckdbOptions, "path"> = {}): Destination {
  return threadedDuckdb(checkedOptions("duckdb", options, { ...settings, path }));
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
  const settings = options.parse({ path });
  const thread = path === MEMORY ? undefined : openDuckdbThread();
  if (thread === undefined) return queryRows(settings, key, statement, values);
  try {
    return await thread.call(PLACE, "query", [settings, statement, values]);
  } finally {
    thread.release();
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

/**
 * The destination in this thread. Not for a file that `duckdb()` has open in the same process: that would be two
 * instances. `key`: by which a database in memory is found again.
 */
export function createDuckdb(
  settings: DatabaseOptions,
  internals: Internals & { readonly key?: string } = {},
): Destination {
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
      return connectDuckdb(settings, key, dataset, internals);
    },
  };
}

/** The destination as it is used: a file is opened by the thread that has all files of this process. */
function threadedDuckdb(settings: DatabaseOptions): Destination {
  const here = createDuckdb(settings);
  if (settings.path === MEMORY) return here;
  return {
    ...here,
    async connect(dataset, signal) {
      signal.throwIfAborted();
      const thread = openDuckdbThread();
      if (thread === undefined) return here.connect(dataset, signal);
      return connectIn(thread, [settings, dataset]);
    },
  };
}
