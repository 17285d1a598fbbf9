import * as sql from "./statements.js";
import { dropDeletes, dropOrphans, type Strategy } from "./strategy.js";

/** A key that is there stays as it is; so of repeated keys it is the first that counts, in a package as between two. */
export const insertOnly: Strategy = {
  keeps: "first",
  async meet(session, commit, merge) {
    const { identity, root, staged } = merge;
    if (staged === undefined || identity.columns.length === 0) return;
    await dropDeletes(session, commit, merge);
    const { staging, target } = commit;
    const known = sql.dropStagedKnown(target, staging, root.name, staged.name, identity);
    if ((await session.run(known)) > 0) await dropOrphans(session, commit, staged);
  },
};
