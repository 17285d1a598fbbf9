import { access, constants, mkdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { SluiceError } from "../../model/error.js";
import { inTurn } from "../../model/in-turn.js";
import { quoteIdentifier } from "../sql/dialect.js";
import { Resources } from "./resources.js";

/** The driver. Loaded when the first database is opened: it takes as long as all of Sluice. */
export interface Driver {
  readonly api: typeof import("@duckdb/node-api");
  readonly binding: typeof import("@duckdb/node-bindings");
}

/** Settings of an instance; `duckdb.ts` describes them. */
export interface DatabaseOptions {
  readonly path: string;
  readonly memory_limit?: string | undefined;
  readonly threads?: number | undefined;
  readonly storage_version?: string | undefined;
}

/** An open database. One per file and process, however many connections there are. */
export interface Database {
  readonly driver: Driver;
  readonly path: string;
  /** DuckDB's name for it, made from the file name; the first part of full table names. */
  readonly catalog: string;
  connect(): Promise<DuckDBConnection>;
  /** Runs one task after the other: commits must not overlap. */
  alone<T>(task: () => Promise<T>): Promise<T>;
  readonly resources: Resources;
  /** Throws `destination/failed` if the file is no longer the one that was opened: writes would go nowhere. */
  checkFile(): Promise<void>;
  /** Who holds what, since when: the leases of this process. The file's own lock keeps other processes out. */
  readonly holders: Map<string, Date>;
  /** Tables that an open transaction has changed, and when each is free again (`straight.ts`). */
  readonly claims: Map<string, Promise<void>>;
  /** Gives this use of the database back; the last one closes the file. */
  release(): void;
}

interface Entry {
  readonly opening: Promise<Omit<Database, "release"> & { close(): void }>;
  uses: number;
}

// DuckDB does not refuse a second instance on one file within one process, and two of them corrupt it.
const open = new Map<string, Entry>();

/** The path that means: no file, gone when the last connection closes. */
export const MEMORY = ":memory:";

/**
 * Rows that DuckDB compresses together. As an append fills one, all of it is compressed at once, while nothing else is
 * appended; what is left over is compressed by the commit; and until then it is in memory. With half of DuckDB's usual
 * number, each of these is half as much, for a file that is 2 or 3 % larger (decision 31).
 */
const ROW_GROUP_ROWS = 61_440;

/**
 * Opens a database file, or joins the instance that this process has open already (whose settings then apply). Folders
 * above the file are created. `key` tells databases in memory apart.
 *
 * @throws SluiceError `destination/locked` when another process has the file open, `destination/unreachable` when it
 * can't be opened for another reason.
 */
export async function openDatabase(options: DatabaseOptions, key: string): Promise<Database> {
  const memory = options.path === MEMORY;
  const path = memory ? MEMORY : await realPath(options.path);
  const id = memory ? key : path;
  let entry = open.get(id);
  if (entry === undefined) {
    entry = { opening: openInstance({ ...options, path }), uses: 0 };
    open.set(id, entry);
  }
  const joined = entry;
  joined.uses += 1;
  let released = false;
  const release = (close: () => void) => {
    if (released) return;
    released = true;
    joined.uses -= 1;
    if (joined.uses > 0) return;
    open.delete(id);
    close();
  };
  try {
    const database = await joined.opening;
    return { ...database, release: () => release(() => database.close()) };
  } catch (error) {
    release(() => undefined);
    throw error;
  }
}

/**
 * Whether the file is there; one in memory never is. Creates nothing.
 *
 * @throws SluiceError `destination/unreachable` when it is not there and its folder can't be written.
 */
export async function databaseExists(path: string): Promise<boolean> {
  if (path === MEMORY) return false;
  const absolute = resolve(path);
  if (await isThere(absolute)) return true;
  let folder = dirname(absolute);
  while (!(await isThere(folder)) && folder !== dirname(folder)) folder = dirname(folder);
  try {
    if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is not a folder`);
    await access(folder, constants.W_OK);
  } catch (error) {
    throw unreachable(path, error);
  }
  return false;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

/** The file's path without links, so that two names of one file are one database. */
async function realPath(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch {
    const folder = dirname(absolute);
    try {
      await mkdir(folder, { recursive: true });
      return join(await realpath(folder), basename(absolute));
    } catch (error) {
      throw unreachable(path, error);
    }
  }
}

async function openInstance(options: DatabaseOptions): Promise<Awaited<Entry["opening"]>> {
  const driver = await loadDriver();
  const { path } = options;
  const instance = await driver.api.DuckDBInstance.create(MEMORY, {
    // A load never fetches code from the network, however a statement may look.
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const control = await instance.connect();
  const close = (): void => {
    control.closeSync();
    instance.closeSync();
  };
  try {
    const catalog = path === MEMORY ? undefined : await attach(control, options);
    const { memory_limit: memoryLimit, threads } = options;
    const resources = new Resources(control, { memoryLimit, threads, isFile: path !== MEMORY });
    await control.run(settings(path, resources));
    const file = await identity(path);
    return {
      driver,
      path,
      catalog: catalog ?? "memory",
      holders: new Map(),
      claims: new Map(),
      async connect() {
        const connection = await instance.connect();
        if (catalog !== undefined) await connection.run(`USE ${quoteIdentifier(catalog)}`);
        return connection;
      },
      alone: inTurn(),
      resources,
      checkFile: () => checkFile(path, file),
      close,
    };
  } catch (error) {
    close();
    throw error instanceof SluiceError ? error : unreachable(path, error);
  }
}

/**
 * Attaches the file and gives DuckDB's name for it, which is that of a file that is opened by itself. It is attached,
 * because the row groups of a file that is opened by itself can't be chosen.
 */
async function attach(
  connection: DuckDBConnection,
  { path, storage_version: version }: DatabaseOptions,
): Promise<string> {
  // The instance has a database of this name, which is empty.
  const name = /^memory(\.|$)/iu.test(basename(path)) ? " AS memory_db" : "";
  // A file that is there keeps its format: told another one, DuckDB would write that from now on.
  const format =
    version !== undefined && !(await isThere(path)) ? `, STORAGE_VERSION ${quoteText(version)}` : "";
  try {
    await connection.run(`ATTACH ${quoteText(path)}${name} (ROW_GROUP_SIZE ${ROW_GROUP_ROWS}${format})`);
  } catch (error) {
    if (!messageOf(error).includes("not a known DuckDB version")) throw openError(path, error);
    throw new SluiceError("config/invalid", `storage_version ${version} is no version of DuckDB`, {
      at: { path: "destination.storage_version" },
      hint: "Write the oldest DuckDB that has to read the file, such as v1.0.0; or leave it out for v1.3.0.",
    });
  }
  const reader = await connection.runAndReadAll(
    "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'",
  );
  return String(reader.getRows()[0]?.[0]);
}

/**
 * Loads the driver. The first of its packages is built into this one, as a file (scripts/build.mjs).
 *
 * @throws SluiceError `config/missing-package` where DuckDB has no build for this machine.
 */
export async function loadDriver(): Promise<Driver> {
  try {
    const [api, binding] = [await import("@duckdb/node-api"), await import("@duckdb/node-bindings")];
    return { api, binding: binding.default };
  } catch (cause) {
    throw new SluiceError("config/missing-package", "DuckDB's driver can't be loaded on this machine", {
      hint: "Install it again (npm install @duckdb/node-bindings), on a platform that DuckDB has a build for.",
      cause,
    });
  }
}

/** What holds for the whole instance, in one call. */
function settings(path: string, resources: Resources): string {
  return [
    resources.settings,
    // By default five row groups of an append are kept before any is compressed and written: 600,000 rows.
    "SET GLOBAL write_buffer_row_group_count = 1",
    "SET GLOBAL TimeZone = 'UTC'",
    ...(path === MEMORY ? [] : [`SET GLOBAL temp_directory = ${quoteText(`${path}.tmp`)}`]),
  ].join("; ");
}

/** A text as it stands in a statement: settings and ATTACH take no parameters. */
function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

async function identity(path: string): Promise<string> {
  if (path === MEMORY) return MEMORY;
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev}:${ino}`;
}

async function checkFile(path: string, expected: string): Promise<void> {
  const found = await identity(path).catch(() => undefined);
  if (found === expected) return;
  throw new SluiceError(
    "destination/failed",
    `the database file ${path} was ${found === undefined ? "removed" : "replaced"} while it was open`,
    { hint: "Nothing more can be written to it. Put the file back, or run again to make a new one." },
  );
}

function openError(path: string, error: unknown): SluiceError {
  const message = messageOf(error);
  if (!message.includes("Could not set lock")) return unreachable(path, error);
  const holder = /lock is held in (.+?\(PID \d+\)(?: by user \S+?)?)(?:\.\s|\.?$)/mu.exec(message)?.[1];
  return new SluiceError(
    "destination/locked",
    `the database file ${path} is open in another process${holder === undefined ? "" : `: ${holder}`}`,
    {
      hint: "One process at a time can open a DuckDB file. Wait for that run to end, or close the program.",
      cause: error,
    },
  );
}

function unreachable(path: string, error: unknown): SluiceError {
  return new SluiceError("destination/unreachable", `can't open ${path}: ${publicMessage(error)}`, {
    hint: "The path must name a DuckDB database file, or a place where one may be created.",
    cause: error,
  });
}

/** A refused statement as a `SluiceError` of code `destination/failed`; one that is a `SluiceError` already stays. */
export function failed(doing: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const message = publicMessage(error);
  return new SluiceError("destination/failed", `${doing}: ${message}`, {
    ...hintFor(message),
    // Not as `cause`: the driver's own message may quote values.
  });
}

function hintFor(message: string): { hint?: string } {
  if (/no space left|disk full|not enough space|file too large|quota exceeded/iu.test(message)) {
    return {
      hint: "There is no more room for the file. Nothing of the package was committed; free some space and run again.",
    };
  }
  if (message.startsWith("Constraint Error")) {
    return {
      hint: "A constraint that Sluice did not make refuses a row. Nothing of the package was committed; take it away, or keep such records out.",
    };
  }
  if (/out of memory|could not allocate block/iu.test(message)) {
    return {
      hint: "Raise the destination's memory_limit, or leave it out, as it then follows the number of columns; and check that the disk has room for temporary files.",
    };
  }
  if (/database has been invalidated/iu.test(message)) {
    return {
      hint: "An earlier error made this connection useless. Run again: the file is as of the last commit.",
    };
  }
  return {};
}

/** DuckDB's words without the values they quote: the first line, and what names no table, column or file cut out. */
export function publicMessage(error: unknown): string {
  const line = messageOf(error).split("\n", 1)[0]!.trim().slice(0, 400);
  if (!/^(Conversion|Constraint|Invalid Input|Out of Range) Error/u.test(line)) return line;
  return line
    .replace(/Input: .*$/u, "Input: …")
    .replace(/'.*'/u, "'…'")
    .replace(/".*"/u, '"…"')
    .replace(/(with value|value) [^\s"]+ (?=can't|could not|to )/u, "$1 … ");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
