import { SYSTEM_COLUMNS } from "../../../model/table.js";
import type { Commit, Counts, Session, StagedTable } from "../commit.js";
import { createStaging, dropTable } from "../statements.js";
import * as sql from "./statements.js";
import { boundaryOf, dropDeletes, hasAll, type Merge, type Strategy } from "./strategy.js";
import { stampAll } from "./versions.js";

/**
 * Deletes the rows of the target that share the primary key or the merge key with a staged row, and their children.
 * With `deleteMissing` and a snapshot also those that share the primary key with none; `soft`: they are marked.
 */
export const deleteInsert: Strategy = {
  keeps: "last",
  async meet(session, commit, merge, counts) {
    const missing = commit.pkg.snapshot === true ? merge.rules.deleteMissing : undefined;
    const isHard = missing === "hard";
    if (merge.staged !== undefined) await replace(session, commit, merge, merge.staged, isHard, counts);
    else if (isHard) await withNothing(session, commit, merge, counts);
    if (missing === "soft") await markMissing(session, commit, merge, counts);
  },
};

/** Rows that the staged ones replace are gone by now, and these are not there yet: what is there is missing. */
async function markMissing(session: Session, commit: Commit, merge: Merge, counts: Counts): Promise<void> {
  const statement = stampAll(commit.target, merge.root.name, SYSTEM_COLUMNS.deletedAt);
  counts.get(merge.root.name)!.deleted += await session.run(statement, [boundaryOf(commit)]);
}

async function replace(
  session: Session,
  commit: Commit,
  merge: Merge,
  staged: StagedTable,
  isSnapshot: boolean,
  counts: Counts,
): Promise<void> {
  const { staging, target } = commit;
  const { identity, root, rules } = merge;
  const tables = [target, staging, root.name, staged.name] as const;
  await session.run(sql.createReplaced(staging, target, root.name));
  if (identity.columns.length > 0) {
    await session.run(sql.findReplaced(...tables, identity));
    if (isSnapshot) await session.run(sql.findSharing(...tables, identity, false));
  }
  const { mergeKey = [] } = rules;
  if (mergeKey.length > 0 && hasAll(staged, mergeKey))
    await session.run(sql.findSharing(...tables, { columns: mergeKey, nulls: [] }));
  await dropDeletes(session, commit, merge);
  const [row] = await session.rows(sql.countReplaced(staging, staged.name));
  if (Number(row?.[0]) > 0) {
    for (const table of commit.pkg.tables) {
      counts.get(table.name)!.deleted = await session.run(sql.deleteReplaced(target, staging, table));
    }
  }
  const count = counts.get(root.name)!;
  count.updated = Number(row?.[1]);
  count.deleted -= count.updated;
  await session.run(dropTable(staging, sql.REPLACED.table));
}

/** A snapshot without a row: everything is gone. */
async function withNothing(session: Session, commit: Commit, merge: Merge, counts: Counts): Promise<void> {
  const keys = merge.root.columns.filter(({ name }) => merge.root.primaryKey.includes(name));
  const columns = [{ name: SYSTEM_COLUMNS.id, type: "text", nullable: false } as const, ...keys];
  const staged = { name: "nothing", columns };
  await session.run(createStaging(commit.staging, staged.name, columns));
  await replace(session, commit, merge, staged, true, counts);
  await session.run(dropTable(commit.staging, staged.name));
}
