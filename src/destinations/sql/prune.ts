import type { Pruned } from "../../model/destination.js";
import type { Session } from "./commit.js";
import type { Place } from "./statements.js";
import * as sql from "./statements.js";
import { findSystem, missingSystem } from "./system.js";

/** Forgets old loads, rejects and schema versions in one transaction, as `Connection.prune` promises. */
export async function pruneHistory(
  session: Session,
  target: Place,
  pipeline: string,
  before: number,
): Promise<Pruned> {
  if (missingSystem(await findSystem(session)).length > 0) return { loads: 0, rejects: 0, schemas: 0 };
  await session.begin();
  try {
    const { resources } = sql.partState(await session.rows(sql.readState(target), [pipeline]));
    const kept = [...new Set(Object.values(resources).map(({ loadId }) => loadId))];
    const time = new Date(before).toISOString();
    const values = [pipeline, time, ...kept];
    const rejects = await session.run(sql.pruneLoads(target, "rejects", kept.length), values);
    const loads = await session.run(sql.pruneLoads(target, "loads", kept.length), values);
    const schemas = await session.run(sql.pruneSchemas(target), [pipeline, time]);
    await session.commit();
    return { loads, rejects, schemas };
  } catch (error) {
    await session.run("ROLLBACK").catch(() => 0);
    throw error;
  }
}
