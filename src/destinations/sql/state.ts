import type { PipelineState } from "../../model/state.js";
import { SYSTEM_TABLES, type TableSchema } from "../../model/table.js";
import type { Session } from "./commit.js";
import { dropParts } from "./parts.js";
import type { Place } from "./statements.js";
import * as sql from "./statements.js";
import { findSystem, hasState, missingSystem } from "./system.js";

/** The last committed state of a pipeline, as `Connection.state` promises. Shared by all SQL destinations. */
export async function readPipelineState(
  session: Session,
  target: Place,
  pipeline: string,
): Promise<PipelineState | undefined> {
  const missing = missingSystem(await findSystem(session));
  const read = async (table: string, query: string): Promise<readonly (readonly unknown[])[]> =>
    missing.includes(table) ? [] : session.rows(query, [pipeline]);
  const states = await read(SYSTEM_TABLES.state, sql.readState(target));
  const schemas = await read(SYSTEM_TABLES.schema, sql.readSchemas(target));
  const isKnown = states.length > 0 || schemas.length > 0;
  const wasLoaded = isKnown || (await read(SYSTEM_TABLES.loads, sql.findLoad(target))).length > 0;
  if (!(missing.length === 0 ? isKnown : wasLoaded)) return undefined;
  return {
    ...sql.partState(states),
    tables: schemas.flatMap((row) => JSON.parse(String(row[3])) as TableSchema[]),
    ...(missing.length === 0 ? {} : { missing }),
  };
}

/** Forgets the state of a pipeline, or of some of its resources, as `Connection.resetState` promises. */
export async function forgetState(
  session: Session,
  target: Place,
  pipeline: string,
  resources: readonly string[],
): Promise<void> {
  if (!hasState(await findSystem(session))) return;
  await session.begin();
  try {
    for (const resource of await withParts(session, target, pipeline)) {
      if (resources.length === 0 || resources.includes(resource))
        await dropParts(session, target, { pipeline, resource });
    }
    await session.run(sql.deleteState(target, resources.length), [pipeline, ...resources]);
    await session.commit();
  } catch (error) {
    await session.run("ROLLBACK").catch(() => 0);
    throw error;
  }
}

/** The resources of which parts are kept. */
async function withParts(session: Session, target: Place, pipeline: string): Promise<string[]> {
  const rows = await session.rows(sql.readState(target), [pipeline]);
  return rows.flatMap(([name]) => sql.partsResource(String(name)) ?? []);
}
