import type { MergeStrategy } from "../../../model/source.js";
import type { Commit, Counts, Session } from "../commit.js";
import { deleteInsert } from "./delete-insert.js";
import { insertOnly } from "./insert-only.js";
import { scd2 } from "./scd2.js";
import * as sql from "./statements.js";
import { dropOrphans, type Merge, mergeOf, type Strategy } from "./strategy.js";

/** How each strategy does it. An upsert is a delete-insert that has no merge key. */
const STRATEGIES: Readonly<Record<MergeStrategy, Strategy>> = {
  "delete-insert": deleteInsert,
  upsert: deleteInsert,
  "insert-only": insertOnly,
  scd2,
};

const strategyOf = ({ rules }: Merge): Strategy => STRATEGIES[rules.strategy ?? "delete-insert"];

/** Of staged rows with one identity leaves one, with its own children. Can be repeated. */
export async function keepOne(session: Session, commit: Commit): Promise<void> {
  const merge = mergeOf(commit);
  if (merge?.staged === undefined || merge.identity.columns.length === 0) return;
  const { identity, rules, staged } = merge;
  const sortedBy = staged.columns.find((column) => column.name === rules.dedupSort?.column);
  const keep =
    rules.dedupSort === undefined || sortedBy === undefined
      ? strategyOf(merge).keeps
      : { ...rules.dedupSort, isText: sortedBy.type === "text" };
  const dropped = await session.run(sql.keepOneStaged(commit.staging, staged.name, identity, keep));
  if (dropped > 0) await dropOrphans(session, commit, staged);
}

/** Takes from the target what gives way to the staged rows, and from these what must not be inserted. */
export async function meetTarget(session: Session, commit: Commit, counts: Counts): Promise<void> {
  const merge = mergeOf(commit);
  if (merge !== undefined) await strategyOf(merge).meet(session, commit, merge, counts);
}
