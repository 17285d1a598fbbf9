import type { PipelineState } from "../../model/state.js";
import { SYSTEM_TABLES, type TableSchema } from "../../model/table.js";
import type { Session } from "./commit.js";
import type { Place } from "./statements.js";
import * as sql from "./statements.js";

/** The last committed state of a pipeline, as `Connection.state` promises. Shared by all SQL destinations. */
export async function readPipelineState(
  session: Session,
  target: Place,
  pipeline: string,
): Promise<PipelineState | undefined> {
  if (!(await hasSystemTables(session))) return undefined;
  const states = await session.rows(sql.readState(target), [pipeline]);
  const schemas = await session.rows(sql.readSchemas(target), [pipeline]);
  if (states.length === 0 && schemas.length === 0) return undefined;
  return {
    ...sql.partState(states),
    tables: schemas.flatMap((row) => JSON.parse(String(row[3])) as TableSchema[]),
  };
}

/** Forgets the state of a pipeline, or of some of its resources, as `Connection.resetState` promises. */
export async function forgetState(
  session: Session,
  target: Place,
  pipeline: string,
  resources: readonly string[],
): Promise<void> {
  if (!(await hasSystemTables(session))) return;
  await session.run(sql.deleteState(target, resources.length), [pipeline, ...resources]);
}

/** Whether a commit has been here before: the dataset and its system tables come and go together. */
export async function hasSystemTables(session: Session): Promise<boolean> {
  const names = Object.values(SYSTEM_TABLES);
  return (await session.describe(names)).length === names.length;
}
