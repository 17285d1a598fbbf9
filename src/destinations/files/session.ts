import { randomUUID } from "node:crypto";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { PackageHeader, StagePlan } from "../../model/destination.js";
import { SYSTEM_TABLES, type TableSchema } from "../../model/table.js";
import { duckdbDialect, sessionOn } from "../duckdb/session.js";
import type { Session, SqlValue } from "../sql/commit.js";
import type { Place } from "../sql/statements.js";
import * as sql from "../sql/statements.js";
import { type Compression, checkLength, copyStatement, extensionOf, scans } from "./formats.js";
import type { HeldLease } from "./lease.js";
import {
  EMPTY,
  type FileFormat,
  folderName,
  type Manifest,
  type ManifestTable,
  partsOf,
  publish,
  readManifest,
  type SystemRow,
  tableOf,
} from "./manifest.js";
import type { Store } from "./store.js";

/** Where the files of a dataset are, and how new ones are written. */
export interface Files {
  readonly store: Store;
  /** The folder of the dataset, below the store. */
  readonly dataset: string;
  readonly format: FileFormat;
  readonly compression: Compression;
}

/** The tables of one commit, in the memory of DuckDB. */
const WORK: Place = { dialect: duckdbDialect, path: ["memory", "work"] };

/** The place that commits of this destination work in. */
export const WORKPLACE: Place = WORK;

/** Rows of a system table per INSERT. */
const ROWS_PER_INSERT = 100;

/** What a transaction is for. */
export interface Expected {
  readonly plan: StagePlan;
  readonly pkg: PackageHeader;
  /** Whether rows were staged. */
  readonly staged: boolean;
}

/** A session that commits into files. One per stage. */
export interface FileSession extends Session {
  /** Says what the next transaction is for. */
  expect(expected: Expected): void;
  /** The manifest that the last transaction began from. */
  base(): Manifest;
  /** Whether the last transaction failed because another writer published meanwhile. */
  lost(): boolean;
}

/**
 * The transaction of the SQL destinations on files: `prepare` brings what the commit will look at from the manifest and its
 * files into tables in memory, `commitPackage` works on these as on any database, and `commit` writes new rows to new files,
 * publishes a manifest that names them, and takes the tables in memory back.
 *
 * Rows that are there already are read only when they may change: by a merge by key, and when a column widens. A table of
 * which rows were taken is written anew; of any other only the added rows are written. A session that looks at the history
 * has all loads and rejects and no tables of resources.
 */
export function fileSession(
  connection: DuckDBConnection,
  files: Files,
  lease: () => HeldLease | undefined,
  looksAt: "own" | "history" = "own",
): FileSession {
  const inner = sessionOn(connection, WORK);
  const isHistory = looksAt === "history";
  let expected: Expected | undefined;
  let base: Manifest = EMPTY;
  let lost = false;
  /** Rows brought in, by name of the table as in the manifest. */
  const brought = new Map<string, number>();
  const changed = new Set<string>();

  async function bring(table: ManifestTable, rows: boolean): Promise<void> {
    if (table.name !== SYSTEM_TABLES.rejects) await inner.run(sql.createTable(WORK, table));
    if (!rows) return;
    const name = sql.tableName(WORK, table.name);
    const full = (path: string): string => `${files.dataset}/${path}`;
    const stored = table.files.map(({ path }) => full(path));
    await files.store.read(stored, async (place) => {
      for (const { columns, query } of scans(table.columns, table.files, (path) => place(full(path)))) {
        const names = columns.map((column) => duckdbDialect.quote(column.name)).join(", ");
        await inner.run(`INSERT INTO ${name} (${names}) ${query}`);
      }
    });
    const [count] = await inner.rows(`SELECT count(*) FROM ${name}`);
    brought.set(table.name, Number(count?.[0]));
  }

  async function bringSystemRows(table: string, rows: readonly SystemRow[]): Promise<void> {
    const columns = sql.SYSTEM_TABLE_SCHEMAS.find(({ name }) => name === table)?.columns ?? [];
    for (let from = 0; from < rows.length; from += ROWS_PER_INSERT) {
      const part = rows.slice(from, from + ROWS_PER_INSERT);
      const values = part.flatMap((row) => columns.map(({ name }): SqlValue => row[name] ?? null));
      await inner.run(sql.insertSystem(WORK, table, part.length), values);
    }
  }

  async function prepare(): Promise<void> {
    lost = false;
    brought.clear();
    changed.clear();
    base = await readManifest(files.store, files.dataset);
    lease()?.check(base);
    await clear();
    await inner.createDataset();
    for (const statement of sql.createSystemTables(WORK)) await inner.run(statement);
    await bringSystemRows(SYSTEM_TABLES.state, base.state);
    await bringSystemRows(SYSTEM_TABLES.schema, base.schemas);
    // Of the loads, which only grow, a commit looks for its own package alone.
    const loads = isHistory ? base.loads : base.loads.filter((load) => load["package"] === expected?.pkg.id);
    await bringSystemRows(SYSTEM_TABLES.loads, loads);
    const rejects = isHistory ? tableOf(base, SYSTEM_TABLES.rejects) : undefined;
    if (rejects !== undefined) await bring(rejects, true);
    for (const table of touched(base, expected)) await bring(table, needsRows(base, table, expected));
  }

  async function commit(): Promise<void> {
    const written: string[] = [];
    // What a failed commit leaves is pruned: only one that is sure not to be published may be taken away at once.
    const tables = await writeTables(written);
    const state = await systemRows(SYSTEM_TABLES.state);
    const schemas = await systemRows(SYSTEM_TABLES.schema);
    const loads = [...(isHistory ? [] : base.loads), ...(await systemRows(SYSTEM_TABLES.loads))];
    lease()?.check(base);
    lost = !(await publish(files.store, files.dataset, base, { ...base, tables, state, schemas, loads }));
    if (lost) {
      for (const name of written) await files.store.remove(name).catch(() => undefined);
      throw new Error("another writer has published meanwhile");
    }
    // What was published stays, whatever becomes of the memory.
    await inner.run("ROLLBACK").catch(() => 0);
    await clear().catch(() => undefined);
  }

  /** The tables as the manifest has to tell them, after their new rows were written. */
  async function writeTables(written: string[]): Promise<ManifestTable[]> {
    const known = new Map(base.tables.map((table) => [table.name.toLowerCase(), table]));
    const inMemory = await tablesInMemory();
    const there = new Set(inMemory.map((name) => name.toLowerCase()));
    for (const { name } of touched(base, expected)) {
      if (!there.has(name.toLowerCase())) known.delete(name.toLowerCase());
    }
    for (const described of await inner.describe(inMemory)) {
      const { name } = described;
      const before = known.get(name.toLowerCase());
      const table = await writeTable(described, before, written);
      if (name !== SYSTEM_TABLES.rejects || table.files.length > 0) known.set(name.toLowerCase(), table);
    }
    return [...known.values()];
  }

  /** Names of the tables that may have files: of the system tables the rejects alone. */
  async function tablesInMemory(): Promise<string[]> {
    const rows = await inner.rows(
      "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 AND schema_name = $2 ORDER BY table_oid",
      [...WORK.path],
    );
    const inManifest: readonly string[] = [SYSTEM_TABLES.state, SYSTEM_TABLES.schema, SYSTEM_TABLES.loads];
    return rows.map(([name]) => String(name)).filter((name) => !inManifest.includes(name));
  }

  async function writeTable(
    { name, columns }: TableSchema,
    before: ManifestTable | undefined,
    written: string[],
  ): Promise<ManifestTable> {
    const stored = before?.name ?? name;
    const replaces =
      expected?.plan.writeDisposition === "replace" &&
      expected.pkg.tables.some((table) => table.name === name);
    const rewrites = changed.has(stored.toLowerCase()) && brought.has(stored);
    const kept = replaces || rewrites ? [] : (before?.files ?? []);
    // Rows that were brought have the first numbers.
    const added = rewrites ? "" : ` WHERE rowid >= ${brought.get(stored) ?? 0}`;
    const from = `${sql.tableName(WORK, name)}${added}`;
    const [count] = await inner.rows(`SELECT count(*) FROM ${from}`);
    const rows = Number(count?.[0]);
    if (rows === 0) return { name: stored, columns, files: kept };
    const { loadId = "compacted" } = expected?.plan ?? {};
    const ending = extensionOf(files.format, files.compression);
    const file = `${folderName(loadId)}-${base.version + 1}-${randomUUID().slice(0, 8)}.${ending}`;
    const path = `${folderName(name)}/${file}`;
    const full = `${files.dataset}/${path}`;
    await checkLength(connection, columns, from, files.format, stored);
    written.push(full);
    const bytes = await files.store.write(full, async (to) => {
      await inner.run(copyStatement(columns, from, to, files.format, files.compression));
    });
    const origin = expected === undefined ? {} : { load_id: loadId, package: expected.pkg.id };
    return {
      name: stored,
      columns,
      files: [...kept, { path, format: files.format, rows, bytes, columns: columns.length, ...origin }],
    };
  }

  async function systemRows(table: string): Promise<SystemRow[]> {
    const columns = sql.SYSTEM_TABLE_SCHEMAS.find(({ name }) => name === table)?.columns ?? [];
    const values = columns.map(({ name, type }) =>
      type === "timestamp"
        ? `strftime(${duckdbDialect.quote(name)}, '%Y-%m-%dT%H:%M:%S.%fZ')`
        : duckdbDialect.quote(name),
    );
    const found = await inner.rows(`SELECT ${values.join(", ")} FROM ${sql.tableName(WORK, table)}`);
    return found.map((row) =>
      Object.fromEntries(
        columns.map(({ name, type }, index) => [
          name,
          type === "bigint" ? Number(row[index]) : String(row[index]),
        ]),
      ),
    );
  }

  async function clear(): Promise<void> {
    await inner.run(
      `DROP SCHEMA IF EXISTS ${WORK.path.map((part) => duckdbDialect.quote(part)).join(".")} CASCADE`,
    );
  }

  return {
    ...inner,
    prepare,
    commit,
    async run(statement, values) {
      const rows = await inner.run(statement, values);
      if (rows > 0 || statement.startsWith("ALTER")) noteChange(statement, [...brought.keys()], changed);
      return rows;
    },
    expect(next) {
      expected = next;
    },
    base: () => base,
    lost: () => lost,
  };
}

/** Remembers the table whose present rows a statement has changed. */
function noteChange(statement: string, tables: readonly string[], changed: Set<string>): void {
  for (const table of tables) {
    const name = sql.tableName(WORK, table).toLowerCase();
    const text = statement.toLowerCase();
    const takes = text.startsWith(`delete from ${name} `);
    const updates = text.startsWith(`update ${name} `);
    const widens = text.startsWith(`alter table ${name} alter column `);
    if (takes || updates || widens) changed.add(table.toLowerCase());
  }
}

/** The tables there are that a commit has to do with. */
function touched(manifest: Manifest, expected: Expected | undefined): ManifestTable[] {
  if (expected === undefined) return [];
  const { plan, pkg } = expected;
  const own = [
    ...pkg.tables.map(({ name }) => name),
    ...pkg.changes.map((change) => (change.op === "create-table" ? change.table.name : change.table)),
  ];
  const parts = Object.values(partsOf(manifest, plan.pipeline, plan.resource)?.tables ?? {});
  const names = pkg.isPart === true ? parts : [...own, ...parts];
  return [...new Set(names.flatMap((name) => tableOf(manifest, name) ?? []))];
}

function needsRows(manifest: Manifest, table: ManifestTable, expected: Expected | undefined): boolean {
  // A part is only added to: what is kept already stays where it is.
  if (expected === undefined || expected.pkg.isPart === true) return false;
  const { plan, pkg, staged } = expected;
  const parts = partsOf(manifest, plan.pipeline, plan.resource);
  const hasParts = plan.walk !== undefined && parts?.walk === plan.walk;
  if (Object.values(parts?.tables ?? {}).includes(table.name)) return hasParts;
  const folded = table.name.toLowerCase();
  const own = pkg.tables.some(({ name }) => name.toLowerCase() === folded);
  if (own && plan.writeDisposition === "replace") return false;
  if (own && plan.writeDisposition === "merge" && (staged || hasParts || pkg.snapshot === true)) {
    const keyed = pkg.tables.some(({ parent, primaryKey }) => parent === undefined && primaryKey.length > 0);
    if (keyed || plan.merge !== undefined) return true;
  }
  // Another type is proved on the rows that are there, and they are written anew with it.
  return changesType(table, pkg);
}

function changesType(table: ManifestTable, pkg: PackageHeader): boolean {
  const folded = table.name.toLowerCase();
  return pkg.changes.some((change) => change.op === "widen-column" && change.table.toLowerCase() === folded);
}
