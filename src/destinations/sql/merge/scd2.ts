import { SluiceError } from "../../../model/error.js";
import { SYSTEM_COLUMNS } from "../../../model/table.js";
import type { Commit, Counts, Session, StagedTable } from "../commit.js";
import { dropTable } from "../statements.js";
import * as sql from "./statements.js";
import { boundaryOf, dropDeletes, dropOrphans, hasAll, type Merge, type Strategy } from "./strategy.js";
import * as versions from "./versions.js";

/**
 * Slowly changing dimension, type 2: a row that changes stays as the version that ended. A present version goes on if a
 * staged row has its identity and its hash; it ends if a staged row shares its primary key or its merge key, and in a
 * snapshot without merge key in any case. Children stay with the version that they came with.
 */
export const scd2: Strategy = {
  keeps: "last",
  async meet(session, commit, merge, counts) {
    await refuseOverlap(session, commit, merge);
    const isSnapshot = commit.pkg.snapshot === true && (merge.rules.mergeKey ?? []).length === 0;
    if (merge.staged !== undefined) await exchange(session, commit, merge, merge.staged, isSnapshot, counts);
    else if (isSnapshot) {
      const ended = versions.stampAll(commit.target, merge.root.name, SYSTEM_COLUMNS.validTo);
      counts.get(merge.root.name)!.deleted = await session.run(ended, [boundaryOf(commit)]);
    }
  },
};

async function exchange(
  session: Session,
  commit: Commit,
  merge: Merge,
  staged: StagedTable,
  isSnapshot: boolean,
  counts: Counts,
): Promise<void> {
  const { staging, target } = commit;
  const { identity, root, rules } = merge;
  const { mergeKey = [] } = rules;
  const tables = [target, staging, root.name, staged.name] as const;
  await session.run(sql.createReplaced(staging, target, root.name));
  const shared = mergeKey.length > 0 && hasAll(staged, mergeKey) ? mergeKey : [];
  await session.run(versions.findEnding(...tables, identity, isSnapshot ? "all" : shared));
  const ended = await session.run(versions.endReplaced(target, staging, root.name), [boundaryOf(commit)]);
  await dropDeletes(session, commit, merge);
  const known = versions.dropStagedPresent(...tables, identity);
  if ((await session.run(known)) > 0) await dropOrphans(session, commit, staged);
  const [row] = await session.rows(sql.countReplaced(staging, staged.name));
  const count = counts.get(root.name)!;
  count.updated = Number(row?.[1]);
  count.deleted = ended - count.updated;
  await session.run(dropTable(staging, sql.REPLACED.table));
}

/** History goes forward only: a version that ended before it began would be one that nobody ever finds. */
async function refuseOverlap(session: Session, commit: Commit, { root }: Merge): Promise<void> {
  const boundary = boundaryOf(commit);
  const later = await session.rows(versions.findLater(commit.target, root.name), [boundary]);
  if (later.length === 0) return;
  throw new SluiceError(
    "data/history",
    `table ${root.name} has versions from after ${boundary}, where those of this load would begin`,
    {
      at: { table: root.name },
      hint: "Set no boundary_timestamp, or one after the load before. Without one it is the clock of this machine: see that it is right, and run again.",
    },
  );
}
