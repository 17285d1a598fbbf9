import type { MergeRules } from "../../../model/source.js";
import { SYSTEM_COLUMNS, type TableSchema } from "../../../model/table.js";
import type { Commit, Counts, Session, StagedTable } from "../commit.js";
import { isoTime } from "../statements.js";
import * as sql from "./statements.js";

/** What a merge is made of. */
export interface Merge {
  readonly root: TableSchema;
  /** What tells rows apart: the primary key, or the content where scd2 has none. */
  readonly identity: sql.Key;
  /** Absent: no row has come. */
  readonly staged: StagedTable | undefined;
  readonly rules: MergeRules;
}

/** One way to merge. What it leaves in the stage is inserted afterwards. */
export interface Strategy {
  /** Which of the staged rows with one key stays where `dedup_sort` does not say. */
  readonly keeps: "last" | "first";
  meet(session: Session, commit: Commit, merge: Merge, counts: Counts): Promise<void>;
}

/** The merge of a package; undefined if there is nothing that it could go by. */
export function mergeOf({ pkg, plan, staged }: Commit): Merge | undefined {
  const root = pkg.tables.find((table) => table.parent === undefined);
  const rules = plan.merge ?? {};
  if (root === undefined) return undefined;
  const isVersioned = rules.strategy === "scd2";
  const { primaryKey } = root;
  if (primaryKey.length === 0 && (rules.mergeKey ?? []).length === 0 && !isVersioned) return undefined;
  const columns = primaryKey.length === 0 && isVersioned ? [SYSTEM_COLUMNS.rowHash] : primaryKey;
  const identity = { columns, nulls: plan.nullKeys ?? [] };
  return { root, identity, rules, staged: staged.get(root.name) };
}

/** When versions end and missing rows are marked, as ISO text. */
export function boundaryOf({ pkg }: Commit): string {
  return isoTime(pkg.boundary ?? pkg.startedAt);
}

/** Whether staged rows have these columns: one that no record ever had matches nothing. */
export function hasAll(staged: StagedTable, names: readonly string[]): boolean {
  return names.every((name) => staged.columns.some((column) => column.name === name));
}

/** Takes the staged children of rows that are staged no more. */
export async function dropOrphans(session: Session, commit: Commit, root: StagedTable): Promise<void> {
  for (const table of commit.pkg.tables) {
    const child = commit.staged.get(table.name);
    if (table.parent === undefined || child === undefined) continue;
    await session.run(sql.dropStagedOrphans(commit.staging, child.name, root.name));
  }
}

/** Takes the staged rows that are marked as deleted: nothing is inserted for them. */
export async function dropDeletes(session: Session, commit: Commit, { rules, staged }: Merge): Promise<void> {
  const column = staged?.columns.find(({ name }) => name === rules.hardDelete);
  if (staged === undefined || column === undefined) return;
  const isBool = column.type === "bool";
  const dropped = await session.run(sql.dropStagedDeletes(commit.staging, staged.name, column.name, isBool));
  if (dropped > 0) await dropOrphans(session, commit, staged);
}
