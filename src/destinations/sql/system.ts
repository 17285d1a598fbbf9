import { SluiceError } from "../../model/error.js";
import { type FoundTable, SYSTEM_TABLES } from "../../model/table.js";
import type { Session } from "./commit.js";
import { addColumn, createSystemTables, type Place, SYSTEM_TABLE_SCHEMAS } from "./statements.js";

/** What a system table is nothing without. The other columns are made again where they are missing, for old rows as null. */
const VITAL: Readonly<Record<string, readonly string[]>> = {
  [SYSTEM_TABLES.loads]: ["package", "pipeline"],
  [SYSTEM_TABLES.state]: ["pipeline", "resource", "state"],
  [SYSTEM_TABLES.schema]: ["pipeline", "resource", "version", "schema_hash", "schema"],
};

/**
 * The system tables that are there. They come together, with the first commit.
 *
 * @throws SluiceError `destination/changed` when one of them was changed so that it can't be read.
 */
export async function findSystem(session: Session): Promise<readonly FoundTable[]> {
  const found = await session.describe(SYSTEM_TABLE_SCHEMAS.map(({ name }) => name));
  for (const table of found) checkSystem(table);
  return found;
}

/** Those that are gone; none before the first commit, when nothing is there yet. */
export function missingSystem(found: readonly FoundTable[]): readonly string[] {
  const names = new Set(found.map(({ name }) => name));
  return SYSTEM_TABLE_SCHEMAS.map(({ name }) => name).filter((name) => !names.has(name));
}

/** Whether there is a table that state could be in. */
export function hasState(found: readonly FoundTable[]): boolean {
  return !missingSystem(found).includes(SYSTEM_TABLES.state);
}

/** Whether nothing of them has to be made. */
export function isComplete(found: readonly FoundTable[]): boolean {
  return missingSystem(found).length === 0 && found.every((table) => missingColumns(table).length === 0);
}

/** Creates dataset and system tables, or what is missing of them. */
export async function createSystem(session: Session, target: Place): Promise<void> {
  const found = await findSystem(session);
  if (missingSystem(found).length > 0) {
    await session.createDataset();
    for (const statement of createSystemTables(target)) await session.run(statement);
  }
  for (const table of found) {
    for (const column of missingColumns(table)) await session.run(addColumn(target, table.name, column));
  }
}

/** As `createSystem`, in a transaction of its own: for a transaction to come that will be long. */
export async function ensureSystem(session: Session, target: Place): Promise<void> {
  if (isComplete(await findSystem(session))) return;
  await session.begin();
  try {
    await createSystem(session, target);
    await session.commit();
  } catch (error) {
    await session.run("ROLLBACK").catch(() => 0);
    throw error;
  }
}

function missingColumns(found: FoundTable) {
  const names = new Set(found.columns.map(({ name }) => name));
  const wanted = SYSTEM_TABLE_SCHEMAS.find(({ name }) => name === found.name)?.columns ?? [];
  return wanted.filter(({ name }) => !names.has(name));
}

function checkSystem(found: FoundTable): void {
  const lost = missingColumns(found).filter(({ name }) => VITAL[found.name]?.includes(name) === true);
  const [column] = lost;
  if (found.standIn === undefined && column === undefined) return;
  const fault =
    found.standIn === undefined
      ? `its column ${column?.name} is missing`
      : `a ${found.standIn} stands in its place`;
  throw new SluiceError(
    "destination/changed",
    `the system table ${found.name} was changed by hand: ${fault}`,
    {
      at: { table: found.name, ...(column === undefined ? {} : { column: column.name }) },
      hint: "Put it back, from a backup if need be. Or drop it: the next run tells what is lost with it, and makes it again.",
    },
  );
}
