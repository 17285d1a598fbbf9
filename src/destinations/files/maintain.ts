import { randomUUID } from "node:crypto";
import type { DuckDBConnection } from "@duckdb/node-api";
import { checkLength, copyStatement, extensionOf, tableQuery } from "./formats.js";
import {
  type DataFile,
  folderName,
  type Manifest,
  type ManifestTable,
  manifests,
  publish,
  readManifest,
  SYSTEM_FOLDER,
  tooBusy,
} from "./manifest.js";
import type { Files } from "./session.js";

/** How long files that no manifest names any more stay, for readers that still follow an older one: 24 hours. */
export const GRACE_MS = 24 * 60 * 60 * 1000;

/** What was made smaller: files before and after, by table. */
export interface Compacted {
  readonly table: string;
  readonly before: number;
  readonly after: number;
}

/**
 * Writes the rows of each table that consists of several files into one, and publishes it. The old files stay until they
 * are pruned.
 *
 * @throws SluiceError `destination/failed` when other writers publish all the time.
 */
export async function compact(connection: DuckDBConnection, files: Files): Promise<readonly Compacted[]> {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const base = await readManifest(files.store, files.dataset);
    const several = base.tables.filter((table) => table.files.length > 1);
    if (several.length === 0) return [];
    const merged = new Map<ManifestTable, ManifestTable>();
    // What a failed attempt leaves is pruned like the files of any broken commit.
    for (const table of several) merged.set(table, await inOneFile(connection, files, base, table));
    const tables = base.tables.map((table) => merged.get(table) ?? table);
    if (await publish(files.store, files.dataset, base, { ...base, tables })) {
      return several.map(({ name, files: before }) => ({ table: name, before: before.length, after: 1 }));
    }
  }
  throw tooBusy(files.dataset);
}

async function inOneFile(
  connection: DuckDBConnection,
  files: Files,
  base: Manifest,
  table: ManifestTable,
): Promise<ManifestTable> {
  const { store, dataset, format, compression } = files;
  const { columns } = table;
  const name = `compact-${base.version + 1}-${randomUUID().slice(0, 8)}.${extensionOf(format, compression)}`;
  const path = `${folderName(table.name)}/${name}`;
  const names = table.files.map((file) => `${dataset}/${file.path}`);
  const bytes = await store.read(names, (place) => {
    const query = tableQuery(columns, table.files, (file) => place(`${dataset}/${file}`));
    return store.write(`${dataset}/${path}`, async (to) => {
      await checkLength(connection, columns, `(${query})`, format, table.name);
      await connection.run(copyStatement(columns, `(${query})`, to, format, compression));
    });
  });
  const rows = table.files.reduce((sum, file) => sum + file.rows, 0);
  const file: DataFile = { path, format, rows, bytes, columns: columns.length };
  return { ...table, files: [file] };
}

/**
 * Removes what no reader can need: manifests that were superseded more than `olderThanMs` ago, and files older than that
 * which no remaining manifest names: those that a merge or `compact` replaced, and those of commits that never came to an end.
 */
export async function prune(
  { store, dataset }: Pick<Files, "store" | "dataset">,
  olderThanMs: number,
): Promise<readonly string[]> {
  const before = Date.now() - olderThanMs;
  const all = (await manifests(store, dataset)).toSorted((left, right) => right.version - left.version);
  // Each was the current one until the one after it came.
  const kept = all.filter((_, index) => index === 0 || all[index - 1]!.modifiedAt > before);
  const needed = new Set<string>(kept.map(({ name }) => name));
  for (const { name } of kept) {
    const text = await store.get(name);
    if (text === undefined) continue;
    const { tables } = JSON.parse(text) as Manifest;
    for (const table of tables) for (const file of table.files) needed.add(`${dataset}/${file.path}`);
  }
  const removed: string[] = [];
  for (const { name, modifiedAt } of await store.list(`${dataset}/`)) {
    if (needed.has(name) || modifiedAt > before || isOwn(name, dataset)) continue;
    await store.remove(name);
    removed.push(name);
  }
  return removed;
}

/** Files of the protocol that are not pruned: the copy for readers, and leases. */
function isOwn(name: string, dataset: string): boolean {
  const own = name.startsWith(`${dataset}/${SYSTEM_FOLDER}/`)
    ? name.slice(dataset.length + SYSTEM_FOLDER.length + 2)
    : "";
  return own === "manifest.json" || /^lease-.*-\d{9}\.json$/u.test(own);
}
