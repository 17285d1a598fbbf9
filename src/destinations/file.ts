import { readFileSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import { z } from "zod";
import type {
  Connection,
  Destination,
  Lease,
  PackageHeader,
  Receipt,
  Stage,
  StagePlan,
} from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import type { PipelineState } from "../model/state.js";
import type { TableSchema } from "../model/table.js";
import { defineDestination } from "./destination.js";
import { type Database, failed, MEMORY, openDatabase } from "./duckdb/database.js";
import { DuckdbStage, provenStrings } from "./duckdb/stage.js";
import { type ChunkFiller, chunkFiller } from "./duckdb/vectors.js";
import { tableQuery } from "./file/formats.js";
import { takeLease } from "./file/lease.js";
import { type Compacted, compact, GRACE_MS, prune } from "./file/maintain.js";
import {
  folderName,
  type Manifest,
  readManifest,
  SYSTEM_FOLDER,
  type SystemRow,
  tableOf,
  tooBusy,
  update,
} from "./file/manifest.js";
import { type FileSession, type Files, fileSession, WORKPLACE } from "./file/session.js";
import { folderExists, folderStore, type Store } from "./file/store.js";
import { commandWord } from "./query-hint.js";
import { quoteIdentifier } from "./sql/dialect.js";
import * as sql from "./sql/statements.js";

const options = z.strictObject({
  path: z.string().min(1).describe("The folder; created when missing. Each dataset is a folder in it."),
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
    .default("512MB")
    .describe("Memory DuckDB may use for staged rows and for the tables that a merge rewrites."),
});

/** Options of the file destination as they are written in a configuration. */
export type FileOptions = z.input<typeof options>;

/**
 * Files in a folder: Parquet, JSONL or CSV, one or more for each table and load, named by a manifest that is published
 * when all of a package is there. Whoever follows the manifest sees whole packages only; a file that it does not name is
 * none.
 *
 * append writes new files, replace too and forgets the old ones, merge by a key writes the tables anew whose rows it
 * replaces (docs/decisions/0018).
 */
export const fileDestination = defineDestination({
  type: "file",
  scheme: ["file"],
  summary: "Parquet, JSONL or CSV files in a folder, with a manifest that names the valid ones.",
  options,
  fromUri: readUri,
  create: (settings) => createFile(settings),
  examples: [
    { title: "Parquet", options: { path: "data/lake" }, uri: "file:data/lake" },
    {
      title: "Compressed lines of JSON",
      options: { path: "/data/lake", format: "jsonl", compression: "gzip" },
      uri: "file:/data/lake?format=jsonl&compression=gzip",
    },
  ],
});

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
 * The file destination for use from TypeScript. Opens nothing yet.
 *
 * @param path The folder.
 * @param settings `format` (default parquet), `compression`, `memory_limit` (default 512MB).
 * @throws SluiceError `config/invalid` for settings that can't be.
 * @example
 * const destination = file("lake", { format: "parquet" });
 */
export function file(path: string, settings: Omit<FileOptions, "path"> = {}): FileDestination {
  const parsed = options.safeParse({ ...settings, path });
  if (parsed.success) return createFile(parsed.data);
  throw new SluiceError("config/invalid", `file: ${z.prettifyError(parsed.error)}`, {
    at: { path: "destination" },
  });
}

/**
 * The destination as one of files.
 *
 * @throws SluiceError `config/usage` when it is of another type.
 */
export function asFileDestination(destination: Pick<Destination, "type">): FileDestination {
  if (destination.type === "file" && "prune" in destination) return destination as FileDestination;
  throw new SluiceError(
    "config/usage",
    `the destination is of type ${destination.type} and has no files to manage`,
    {
      hint: "Files are of destinations such as file:lake; choose one with --destination.",
    },
  );
}

/** `file:FOLDER?option=value`. `file:///x` is the absolute path /x, as in any URI. */
function readUri(uri: string): unknown {
  const [, rest = ""] = /^file:(.*)$/su.exec(uri) ?? [];
  const [, slashes = "", path = "", query = ""] = /^(\/\/)?([^?]*)\??(.*)$/su.exec(rest) ?? [];
  if (path === "" || (slashes !== "" && !path.startsWith("/"))) {
    throw new SluiceError("config/invalid", `${uri} does not name a folder`, {
      at: { path: "destination" },
      hint: "Write file:path/to/folder, or file:/absolute/folder.",
    });
  }
  return { path, ...Object.fromEntries(new URLSearchParams(query)) };
}

function createFile(settings: z.output<typeof options>): FileDestination {
  const { path, format, memory_limit } = settings;
  const compression = settings.compression ?? (format === "parquet" ? "zstd" : "none");
  if (compression === "snappy" && format !== "parquet") {
    throw new SluiceError("config/invalid", `${format} files can't be compressed by snappy`, {
      at: { path: "destination" },
      hint: "Choose gzip or zstd, or leave compression out.",
    });
  }
  const store = folderStore(path);
  const key = `${MEMORY}${Math.random()}`;
  const filesOf = (dataset: string): Files => ({ store, dataset: folderName(dataset), format, compression });
  const open = (): Promise<Database> => openDatabase({ path: MEMORY, memory_limit }, key);
  return {
    type: "file",
    location: path,
    queryHint: (dataset, table) => queryHint(store, dataset, table),
    exists: () => folderExists(path),
    async connect(dataset, signal) {
      signal.throwIfAborted();
      // A dataset name that can't be is refused now, not by the first commit.
      quoteIdentifier(dataset);
      await folderExists(path);
      const database = await open();
      try {
        const connection = await database.connect();
        // Beyond its memory DuckDB writes beside the files, and not into the current folder.
        await connection.run(
          `SET GLOBAL temp_directory = '${store.place(".sluice-tmp").replaceAll("'", "''")}'`,
        );
        connection.closeSync();
        const filler = chunkFiller(database.driver.binding, await provenStrings(database));
        return new FileConnection(database, filler, filesOf(dataset));
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
    const text = readFileSync(store.place(`${folder}/${SYSTEM_FOLDER}/manifest.json`), "utf8");
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
  readonly #database: Database;
  readonly #filler: ChunkFiller;
  readonly #files: Files;
  #open = true;

  constructor(database: Database, filler: ChunkFiller, files: Files) {
    this.#database = database;
    this.#filler = filler;
    this.#files = files;
  }

  acquire(pipeline: string): Promise<Lease> {
    const { store, dataset } = this.#files;
    return failing("taking the lease failed", takeLease(store, dataset, pipeline));
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
      tables: [...newest.values()].flatMap((row) => JSON.parse(String(row["schema"])) as TableSchema[]),
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
    return new FileStage(this.#database, connection, this.#filler, this.#files, plan);
  }

  async remember(pipeline: string, key: string, value: Json): Promise<void> {
    const { store, dataset } = this.#files;
    const resource = sql.noteName(key);
    const isIt = (row: SystemRow): boolean => row["pipeline"] === pipeline && row["resource"] === resource;
    const note = (manifest: Manifest): Manifest => {
      const version = Number(manifest.state.find(isIt)?.["version"] ?? 0) + 1;
      const updated = new Date().toISOString();
      const row = { pipeline, resource, state: JSON.stringify(value), version, updated_at: updated };
      return { ...manifest, state: [...manifest.state.filter((other) => !isIt(other)), row] };
    };
    await failing(`storing a note of pipeline ${pipeline} failed`, update(store, dataset, note));
  }

  async resetState(pipeline: string, resources: readonly string[] = []): Promise<void> {
    const { store, dataset } = this.#files;
    const isGone = (row: SystemRow): boolean => {
      if (row["pipeline"] !== pipeline) return false;
      const name = String(row["resource"]);
      return resources.length === 0 ? !name.startsWith(sql.noteName("")) : resources.includes(name);
    };
    const forget = (manifest: Manifest): Manifest | undefined =>
      manifest.state.some(isGone)
        ? { ...manifest, state: manifest.state.filter((row) => !isGone(row)) }
        : undefined;
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

  constructor(
    database: Database,
    connection: DuckDBConnection,
    filler: ChunkFiller,
    files: Files,
    plan: StagePlan,
  ) {
    this.#session = fileSession(connection, files);
    this.#inner = new DuckdbStage(database, connection, WORKPLACE, filler, plan, this.#session);
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
    if (receipt.replayed || this.#plan.writeDisposition !== "replace") return receipt;
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

/** What the file system refuses as `destination/failed`. */
async function failing<T>(doing: string, task: Promise<T>): Promise<T> {
  try {
    return await task;
  } catch (error) {
    throw failed(doing, error);
  }
}
