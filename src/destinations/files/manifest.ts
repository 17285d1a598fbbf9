import { createHash, randomUUID } from "node:crypto";
import { SluiceError } from "../../model/error.js";
import type { ColumnSchema } from "../../model/table.js";
import type { Parts } from "../sql/parts.js";
import { partsName } from "../sql/statements.js";
import type { Store } from "./store.js";

/** What the data files are written as. */
export type FileFormat = "parquet" | "jsonl" | "csv";

/** One data file of a table. */
export interface DataFile {
  /** Below the dataset's folder, with `/`. */
  readonly path: string;
  readonly format: FileFormat;
  readonly rows: number;
  readonly bytes: number;
  /** How many of the table's columns it has: the first ones, since columns are only ever added at the end. */
  readonly columns: number;
  /** What wrote it; absent for a file that `compact` wrote. */
  readonly load_id?: string;
  readonly package?: string;
}

export interface ManifestTable {
  readonly name: string;
  readonly columns: readonly ColumnSchema[];
  readonly files: readonly DataFile[];
}

/** A row of a system table that is kept in the manifest: columns as in the database destinations. */
export type SystemRow = Readonly<Record<string, string | number>>;

/**
 * All that is known of a dataset: which files its tables consist of, and the rows of its system tables. A value;
 * `publish` makes the next one the dataset's.
 */
export interface Manifest {
  readonly format: typeof FORMAT;
  /** One more with each publication. */
  readonly version: number;
  /** Unique: it tells a writer whose answer was lost whether this is its own. */
  readonly publication: string;
  readonly published_at: string;
  readonly tables: readonly ManifestTable[];
  readonly state: readonly SystemRow[];
  readonly schemas: readonly SystemRow[];
  readonly loads: readonly SystemRow[];
  /** By pipeline: who holds a lease of a lower number may not publish any more. */
  readonly fences: Readonly<Record<string, number>>;
}

/** What a writer says of the next manifest; the rest is `publish`'s. */
export type ManifestContent = Omit<Manifest, "format" | "version" | "publication" | "published_at">;

const FORMAT = "sluice-files-1";

/** The dataset before its first commit. */
export const EMPTY: Manifest = {
  format: FORMAT,
  version: 0,
  publication: "",
  published_at: "1970-01-01T00:00:00.000Z",
  tables: [],
  state: [],
  schemas: [],
  loads: [],
  fences: {},
};

/** The folder of a dataset that holds no rows: manifests and leases. */
export const SYSTEM_FOLDER = "_sluice";

const VERSIONED = /\/manifest-(\d{9})\.json$/u;

/**
 * The dataset as of the last publication: the manifest with the highest number. `manifest.json` is a copy for readers,
 * which may be one publication behind after a crash.
 *
 * @throws SluiceError `destination/failed` for a manifest that this version can't read.
 */
export async function readManifest(store: Store, dataset: string): Promise<Manifest> {
  const versions = (await manifests(store, dataset)).map(({ version }) => version);
  // A manifest may be pruned between listing and reading: then there is a newer one.
  for (let attempt = 0, newest = Math.max(0, ...versions); newest > 0 && attempt < 5; attempt += 1) {
    const text = await store.get(manifestName(dataset, newest));
    if (text !== undefined) return parse(text, manifestName(dataset, newest));
    newest = Math.max(0, ...(await manifests(store, dataset)).map(({ version }) => version));
  }
  return EMPTY;
}

/** The manifests of a dataset that are still there, in no order. */
export async function manifests(
  store: Store,
  dataset: string,
): Promise<readonly { readonly name: string; readonly version: number; readonly modifiedAt: number }[]> {
  const files = await store.list(`${dataset}/${SYSTEM_FOLDER}/manifest-`);
  return files.flatMap(({ name, modifiedAt }) => {
    const version = VERSIONED.exec(name)?.[1];
    return version === undefined ? [] : [{ name, modifiedAt, version: Number(version) }];
  });
}

/**
 * Makes `next` the dataset, if `base` still is: the number of a manifest can be taken once. False when another writer was
 * faster; nothing has changed then.
 */
export async function publish(
  store: Store,
  dataset: string,
  base: Manifest,
  { tables, state, schemas, loads, fences }: ManifestContent,
): Promise<boolean> {
  // A number can be free again where old manifests were pruned; that a newer one is there tells.
  if (Math.max(0, ...(await manifests(store, dataset)).map((found) => found.version)) !== base.version)
    return false;
  const version = base.version + 1;
  const manifest: Manifest = {
    format: FORMAT,
    version,
    publication: randomUUID(),
    published_at: new Date().toISOString(),
    tables,
    state,
    schemas,
    loads,
    fences,
  };
  const text = `${JSON.stringify(manifest, undefined, 1)}\n`;
  const won = await store.putIfAbsent(manifestName(dataset, version), text);
  // From here on it is published, whatever becomes of the copy.
  if (won) await copyForReaders(store, dataset).catch(() => undefined);
  return won;
}

/** Writes `manifest.json`, again if another writer has published meanwhile: the slower of two must not put back an old one. */
async function copyForReaders(store: Store, dataset: string): Promise<void> {
  let copied = 0;
  for (;;) {
    const newest = Math.max(0, ...(await manifests(store, dataset)).map(({ version }) => version));
    const text = newest === copied ? undefined : await store.get(manifestName(dataset, newest));
    if (text === undefined) return;
    await store.put(`${dataset}/${SYSTEM_FOLDER}/manifest.json`, text);
    copied = newest;
  }
}

const ATTEMPTS = 50;

/** Publishes a change of the manifest alone, again and again until no other writer comes between. */
export async function update(
  store: Store,
  dataset: string,
  change: (manifest: Manifest) => ManifestContent | undefined,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const base = await readManifest(store, dataset);
    const next = change(base);
    if (next === undefined) return;
    if (await publish(store, dataset, base, next)) return;
  }
  throw tooBusy(dataset);
}

export function tooBusy(dataset: string): SluiceError {
  return new SluiceError(
    "destination/failed",
    `other writers published to dataset ${dataset} ${ATTEMPTS} times while one commit was tried`,
    { hint: "Nothing was changed. Run again when fewer pipelines write to this dataset." },
  );
}

/** The tables that keep the parts of a resource's walk, if there are any. */
export function partsOf(
  { state }: Pick<Manifest, "state">,
  pipeline: string,
  resource: string,
): Parts | undefined {
  const name = partsName(resource);
  const row = state.find((other) => other["pipeline"] === pipeline && other["resource"] === name);
  return row === undefined ? undefined : (JSON.parse(String(row["state"])) as Parts);
}

/** The table of that name; names are not told apart by case, as in DuckDB. */
export function tableOf(manifest: Manifest, name: string): ManifestTable | undefined {
  return manifest.tables.find((table) => table.name.toLowerCase() === name.toLowerCase());
}

/**
 * A dataset's or table's name as the name of a folder that any file system takes and no glob reads anything into: what
 * is not a letter of ASCII, a digit, `_`, `-` or an inner dot is percent-encoded, and long names end in a hash.
 */
export function folderName(name: string): string {
  const hex = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  const encoded = name
    .replaceAll(/[^\w.-]/gu, (character) => [...Buffer.from(character)].map(hex).join(""))
    .replace(/^\./u, "%2E")
    .replace(/^_sluice$/u, "%5Fsluice");
  if (encoded.length <= 120) return encoded;
  return `${encoded.slice(0, 100)}-${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
}

function manifestName(dataset: string, version: number): string {
  return `${dataset}/${SYSTEM_FOLDER}/manifest-${String(version).padStart(9, "0")}.json`;
}

function parse(text: string, name: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && "format" in value && value.format === FORMAT) {
    return value as Manifest;
  }
  throw new SluiceError("destination/failed", `${name} is not a manifest that this version of Sluice reads`, {
    hint: "A newer version may have written it, or something else has changed it.",
  });
}
