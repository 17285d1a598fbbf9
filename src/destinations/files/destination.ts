import { z } from "zod";
import type {
  Connection,
  Destination,
  Lease,
  PackageHeader,
  Pruned,
  Receipt,
  Stage,
  StagePlan,
} from "../../model/destination.js";
import { SluiceError } from "../../model/error.js";
import type { Json } from "../../model/json.js";
import type { PipelineState } from "../../model/state.js";
import type { TableSchema } from "../../model/table.js";
import { type Database, failed, MEMORY, openDatabase } from "../duckdb/database.js";
import { DuckdbStage, provenFiller } from "../duckdb/stage.js";
import { commandWord } from "../query-hint.js";
import { quoteIdentifier } from "../sql/dialect.js";
import { pruneHistory } from "../sql/prune.js";
import * as sql from "../sql/statements.js";
import { tableQuery } from "./formats.js";
import { type HeldLease, type LeaseClock, takeLease } from "./lease.js";
import { type Compacted, compact, GRACE_MS, prune } from "./maintain.js";
import {
  folderName,
  type Manifest,
  partsOf,
  readManifest,
  SYSTEM_FOLDER,
  type SystemRow,
  tableOf,
  tooBusy,
  update,
} from "./manifest.js";
import { type FileSession, type Files, fileSession, WORKPLACE } from "./session.js";
import type { Store } from "./store.js";

/** Options of every destination of files. */
export const fileOptions = {
  format: z
    .enum(["parquet", "jsonl", "csv"])
    .default("parquet")
    .describe(
      "What new files are written as. Parquet keeps every type; the others are read by the manifest's types.",
    ),
  compression: z
    .enum(["none", "gzip", "zstd", "snappy"])
    .optional()
    .describe("Default: zstd for Parquet, none for jsonl and csv. snappy is for Parquet only."),
  memory_limit: z
    .string()
    .regex(/^\d+(\.\d+)?\s*([KMGT]i?)?B$/iu, "expected a size such as 512MB or 2GiB")
    .optional()
    .describe(
      "Memory DuckDB may use for staged rows and for the tables that a merge rewrites. Default: 512MB, and for tables of more than 260 columns 1.6MB a column and 96MB.",
    ),
};

/** The files of one table, as the manifest names them. */
export interface ListedTable {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
  /** Full paths. */
  readonly files: readonly string[];
}

/** A destination of files: beside what every destination does, it can tell, join and remove its files. */
export interface FileDestination extends Destination {
  /** The tables of a dataset and their valid files. */
  list(dataset: string): Promise<readonly ListedTable[]>;
  /** Joins the files of each table into one. Readers notice nothing. */
  compact(dataset: string): Promise<readonly Compacted[]>;
  /** Removes files that no manifest younger than `olderThanMs` (default 24 hours) names; gives their names. */
  prune(dataset: string, olderThanMs?: number): Promise<readonly string[]>;
  /**
   * A query of DuckDB that gives the rows of a table as last published; undefined when there is no such table. System
   * tables other than the rejects are in the manifest.
   */
  query(dataset: string, table: string): Promise<string | undefined>;
}

/**
 * The destination as one of files.
 *
 * @throws SluiceError `config/usage` when it is of another type.
 */
export function asFileDestination(destination: Pick<Destination, "type">): FileDestination {
  if ("prune" in destination && "compact" in destination) return destination as FileDestination;
  throw new SluiceError(
    "config/usage",
    `the destination is of type ${destination.type} and has no files to manage`,
    {
      hint: "Files are of destinations such as file:lake and s3://bucket/lake; choose one with --destination.",
    },
  );
}

/** What differs between destinations of files. */
export interface FilesPlace {
  readonly type: string;
  readonly location: string;
  readonly store: Store;
  /** As `Destination.exists`; asked before each connection too. */
  exists(): Promise<boolean>;
  /** Done before a lease is taken: what must hold before anything is written. */
  prepare?(): Promise<void>;
  readonly clock?: LeaseClock;
}

/** How files are written: `fileOptions`, validated. */
export interface FilesSettings {
  readonly format: "parquet" | "jsonl" | "csv";
  readonly compression?: "none" | "gzip" | "zstd" | "snappy" | undefined;
  readonly memory_limit?: string | undefined;
}

/**
 * A destination that keeps files in a store. Opens nothing.
 *
 * @throws SluiceError `config/invalid` for a compression that the format does not have.
 */
export function createFiles(place: FilesPlace, settings: FilesSettings): FileDestination {
  const { store } = place;
  const exists = (): Promise<boolean> => place.exists();
  const { format, memory_limit } = settings;
  const compression = settings.compression ?? (format === "parquet" ? "zstd" : "none");
  if (compression === "snappy" && format !== "parquet") {
    throw new SluiceError("config/invalid", `${format} files can't be compressed by snappy`, {
      at: { path: "destination" },
      hint: "Choose gzip or zstd, or leave compression out.",
    });
  }
  const key = `${MEMORY}${Math.random()}`;
  const filesOf = (dataset: string): Files => ({ store, dataset: folderName(dataset), format, compression });
  const open = (): Promise<Database> => openDatabase({ path: MEMORY, memory_limit }, key);
  return {
    type: place.type,
    location: place.location,
    queryHint: (dataset, table) => queryHint(store, dataset, table),
    exists,
    async connect(dataset, signal) {
      signal.throwIfAborted();
      // A dataset name that can't be is refused now, not by the first commit.
      quoteIdentifier(dataset);
      await exists();
      const database = await open();
      try {
        const connection = await database.connect();
        // Beyond its memory DuckDB writes beside the files, and not into the current folder.
        await connection.run(`SET GLOBAL temp_directory = '${store.scratch.replaceAll("'", "''")}'`);
        connection.closeSync();
        return new FileConnection(database, filesOf(dataset), place);
      } catch (error) {
        database.release();
        throw error;
      }
    },
    async list(dataset) {
      const files = filesOf(dataset);
      const { tables } = await readManifest(store, files.dataset);
      return tables.map((table) => ({
        table: table.name,
        rows: table.files.reduce((sum, one) => sum + one.rows, 0),
        bytes: table.files.reduce((sum, one) => sum + one.bytes, 0),
        files: table.files.map((one) => store.place(`${files.dataset}/${one.path}`)),
      }));
    },
    async compact(dataset) {
      const database = await open();
      const connection = await database.connect();
      try {
        return await compact(connection, filesOf(dataset));
      } catch (error) {
        throw failed("joining the files failed and changed nothing", error);
      } finally {
        connection.closeSync();
        database.release();
      }
    },
    prune: (dataset, olderThanMs = GRACE_MS) => prune(filesOf(dataset), olderThanMs),
    async query(dataset, table) {
      const folder = folderName(dataset);
      const found = tableOf(await readManifest(store, folder), table);
      return found && tableQuery(found.columns, found.files, (name) => store.place(`${folder}/${name}`));
    },
  };
}

/** A command that shows rows of the files that the manifest names now; no pattern of file names can say which those are. */
function queryHint(store: Store, dataset: string, table: string): string {
  const folder = folderName(dataset);
  let query = `select * from '${store.place(`${folder}/${folderName(table)}`)}/*'`;
  try {
    const text = store.recall(`${folder}/${SYSTEM_FOLDER}/manifest.json`) ?? "";
    const found = tableOf(JSON.parse(text) as Manifest, table);
    if (found !== undefined) {
      query = shortQuery(found.files.map(({ path }) => store.place(`${folder}/${path}`)));
    }
  } catch {
    // Before the first commit there is nothing to show, and the pattern says where it will be.
  }
  return `duckdb -c ${commandWord(`${query} limit 5`)}`;
}

function shortQuery(paths: readonly string[]): string {
  const list = paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(", ");
  if (paths.length <= 1) return `select * from ${list}`;
  const reader = /\.csv/u.test(list) ? "read_csv" : /\.jsonl/u.test(list) ? "read_json" : "read_parquet";
  return `select * from ${reader}([${list}], union_by_name = true)`;
}

class FileConnection implements Connection {
  readonly keepsParts = true;
  readonly #database: Database;
  readonly #files: Files;
  readonly #place: FilesPlace;
  /** By pipeline, as long as they are held. */
  readonly #leases = new Map<string, HeldLease>();
  #open = true;

  constructor(database: Database, files: Files, place: FilesPlace) {
    this.#database = database;
    this.#files = files;
    this.#place = place;
  }

  async acquire(pipeline: string): Promise<Lease> {
    const { store, dataset } = this.#files;
    await this.#place.prepare?.();
    const taking = takeLease(store, dataset, pipeline, this.#place.clock);
    const lease = await failing("taking the lease failed", taking);
    const leases = this.#leases;
    leases.set(pipeline, lease);
    return {
      pipeline,
      async [Symbol.asyncDispose]() {
        if (leases.get(pipeline) === lease) leases.delete(pipeline);
        await lease[Symbol.asyncDispose]();
      },
    };
  }

  async state(pipeline: string): Promise<PipelineState | undefined> {
    const { state, schemas } = await this.#manifest();
    const states = state.filter((row) => row["pipeline"] === pipeline);
    const own = schemas.filter((row) => row["pipeline"] === pipeline);
    if (states.length === 0 && own.length === 0) return undefined;
    const newest = new Map<unknown, SystemRow>();
    for (const row of own) {
      const known = newest.get(row["resource"]);
      if (known === undefined || Number(known["version"]) < Number(row["version"]))
        newest.set(row["resource"], row);
    }
    return {
      ...sql.partState(states.map((row) => [row["resource"], row["state"]])),
      tables: [...newest.values()]
        .toSorted(byResource)
        .flatMap((row) => JSON.parse(String(row["schema"])) as TableSchema[]),
    };
  }

  async describe(tables: readonly string[]): Promise<readonly TableSchema[]> {
    const manifest = await this.#manifest();
    const systemTables = manifest.version === 0 ? [] : sql.SYSTEM_TABLE_SCHEMAS;
    return tables.flatMap((name) => {
      const found = tableOf(manifest, name) ?? systemTables.find((table) => table.name === name);
      return found === undefined ? [] : [{ name, resource: "", primaryKey: [], columns: found.columns }];
    });
  }

  async stage(plan: StagePlan): Promise<Stage> {
    const connection = await this.#database.connect();
    const session = fileSession(connection, this.#files, () => this.#leases.get(plan.pipeline));
    const filler = () => provenFiller(this.#database);
    const inner = new DuckdbStage(this.#database, connection, WORKPLACE, filler, plan, session);
    return new FileStage(inner, session, this.#files, plan);
  }

  async remember(pipeline: string, key: string, value: Json): Promise<void> {
    const { store, dataset } = this.#files;
    const resource = sql.noteName(key);
    const isIt = (row: SystemRow): boolean => row["pipeline"] === pipeline && row["resource"] === resource;
    const note = (manifest: Manifest): Manifest => {
      this.#leases.get(pipeline)?.check(manifest);
      const version = Number(manifest.state.find(isIt)?.["version"] ?? 0) + 1;
      const updated = new Date().toISOString();
      const row = { pipeline, resource, state: JSON.stringify(value), version, updated_at: updated };
      return { ...manifest, state: [...manifest.state.filter((other) => !isIt(other)), row] };
    };
    await failing(`storing a note of pipeline ${pipeline} failed`, update(store, dataset, note));
  }

  async prune(pipeline: string, before: number): Promise<Pruned> {
    const { dataset } = this.#files;
    if ((await this.#manifest()).version === 0) return { loads: 0, rejects: 0, schemas: 0 };
    const connection = await this.#database.connect();
    try {
      const session = fileSession(connection, this.#files, () => this.#leases.get(pipeline), "history");
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        try {
          return await this.#database.alone(async () => {
            await session.prepare?.();
            return pruneHistory(session, WORKPLACE, pipeline, before);
          });
        } catch (error) {
          if (!session.lost()) throw failed(`forgetting old loads of pipeline ${pipeline} failed`, error);
        }
      }
    } finally {
      connection.closeSync();
    }
    throw tooBusy(dataset);
  }

  async resetState(pipeline: string, resources: readonly string[] = []): Promise<void> {
    const { store, dataset } = this.#files;
    const isGone = (row: SystemRow): boolean => {
      if (row["pipeline"] !== pipeline) return false;
      const name = String(row["resource"]);
      if (resources.length === 0) return !name.startsWith(sql.noteName(""));
      return resources.includes(sql.partsResource(name) ?? name);
    };
    const forget = (manifest: Manifest): Manifest | undefined => {
      this.#leases.get(pipeline)?.check(manifest);
      const gone = manifest.state.filter(isGone);
      if (gone.length === 0) return undefined;
      const withParts = gone.flatMap((row) => sql.partsResource(String(row["resource"])) ?? []);
      const parts = withParts.flatMap((resource) =>
        Object.values(partsOf(manifest, pipeline, resource)?.tables ?? {}),
      );
      return {
        ...manifest,
        state: manifest.state.filter((row) => !isGone(row)),
        tables: manifest.tables.filter(({ name }) => !parts.includes(name)),
      };
    };
    await failing(`forgetting the state of pipeline ${pipeline} failed`, update(store, dataset, forget));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#database.release();
  }

  #manifest(): Promise<Manifest> {
    return failing("reading the manifest failed", readManifest(this.#files.store, this.#files.dataset));
  }
}

/** Publications by others that one commit waits for. */
const ATTEMPTS = 50;

/** Publications between two clean-ups that commits do by themselves. */
const PRUNE_EVERY = 20;

/** A DuckDB stage whose session commits into files. */
class FileStage implements Stage {
  readonly #inner: DuckdbStage;
  readonly #session: FileSession;
  readonly #files: Files;
  readonly #plan: StagePlan;
  #staged = false;

  constructor(inner: DuckdbStage, session: FileSession, files: Files, plan: StagePlan) {
    this.#inner = inner;
    this.#session = session;
    this.#files = files;
    this.#plan = plan;
  }

  async write(batch: Parameters<Stage["write"]>[0]): Promise<void> {
    this.#staged ||= batch.rows > 0;
    await this.#inner.write(batch);
  }

  async commit(pkg: PackageHeader): Promise<Receipt> {
    const receipt = await this.#tryCommit(pkg);
    this.#staged = false;
    const base = this.#session.base();
    // A failed clean-up is the next one's affair: the commit stands.
    if (!receipt.replayed && (base.version + 1) % PRUNE_EVERY === 0) {
      await prune(this.#files, GRACE_MS).catch(() => undefined);
    }
    if (receipt.replayed || pkg.isPart === true || this.#plan.writeDisposition !== "replace") return receipt;
    // Rows that replace takes away are not read: the manifest knows how many there were.
    const rowsBefore = (name: string): number =>
      (tableOf(base, name)?.files ?? []).reduce((sum, one) => sum + one.rows, 0);
    const tables = Object.entries(receipt.tables).map(
      ([name, counts]) => [name, { ...counts, deleted: rowsBefore(name) }] as const,
    );
    return { ...receipt, tables: Object.fromEntries(tables) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  async #tryCommit(pkg: PackageHeader): Promise<Receipt> {
    this.#session.expect({ plan: this.#plan, pkg, staged: this.#staged });
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        return await this.#inner.commit(pkg);
      } catch (error) {
        // Someone else was faster; what is there now may be merged with again.
        if (!this.#session.lost()) throw error;
      }
    }
    throw tooBusy(this.#files.dataset);
  }
}

function byResource(left: SystemRow, right: SystemRow): number {
  return String(left["resource"]) < String(right["resource"]) ? -1 : 1;
}

/** What the file system refuses as `destination/failed`. */
async function failing<T>(doing: string, task: Promise<T>): Promise<T> {
  try {
    return await task;
  } catch (error) {
    throw failed(doing, error);
  }
}
