import { createHash } from "node:crypto";
import type { StagePlan } from "../../model/destination.js";
import { SluiceError } from "../../model/error.js";
import type { ResourceState } from "../../model/state.js";
import { type ColumnSchema, SYSTEM_PREFIX, SYSTEM_TABLES } from "../../model/table.js";
import type { Commit, Session, StagedTable } from "./commit.js";
import type { Place } from "./statements.js";
import * as sql from "./statements.js";

/**
 * The parts of a walk whose rows become visible all at once (`PackageHeader.isPart`): tables of their own in the
 * dataset, `_sluice_part_…`, and a row of the state table that says whose they are. Both change in the transaction of a
 * commit, so there is no part that nobody knows of. They are ordinary tables, because they must outlive the process and
 * a crash of the server.
 */
export interface Parts {
  /** `StagePlan.walk`. */
  readonly walk: string;
  /** The name of its part, by the table that the rows are for. */
  readonly tables: Readonly<Record<string, string>>;
}

const PREFIX = `${SYSTEM_PREFIX}part_`;

/**
 * Within the length of any database's names, and no two walks have the same: 20 hexadecimal digits of what it is for.
 *
 * @example partName({ pipeline: "shop", resource: "orders", walk: "w1" }, "orders") // "_sluice_part_5b9f…"
 */
export function partName(
  { pipeline, resource, walk = "" }: Pick<StagePlan, "pipeline" | "resource" | "walk">,
  table: string,
): string {
  const hash = createHash("sha256").update(JSON.stringify([pipeline, resource, walk, table]));
  return PREFIX + hash.digest("hex").slice(0, 20);
}

/** Adds the staged rows to the parts of the walk, in the transaction of a commit. */
export async function keepPart(session: Session, commit: Commit): Promise<void> {
  const { plan, pkg, staged, staging, target } = commit;
  const before = await readParts(session, target, plan);
  const isSame = before !== undefined && before.walk === plan.walk;
  if (!isSame) await dropParts(session, target, plan);
  const tables: Record<string, string> = isSame ? { ...before.tables } : {};
  const known = Object.keys(tables).length;
  for (const [table, rows] of staged) {
    const name = (tables[table] ??= partName(plan, table));
    await growPart(session, target, name, rows.columns);
    await session.run(sql.insertStaged(target, staging, name, rows));
  }
  if (isSame && Object.keys(tables).length === known) return;
  const place = [plan.pipeline, sql.partsName(plan.resource)];
  const parts: Parts = { walk: plan.walk ?? "", tables };
  const at = new Date(pkg.state.committedAt).toISOString();
  await session.run(sql.deleteState(target, 1), place);
  await session.run(sql.insertSystem(target, SYSTEM_TABLES.state), [...place, JSON.stringify(parts), 1, at]);
}

async function growPart(
  session: Session,
  target: Place,
  name: string,
  columns: readonly ColumnSchema[],
): Promise<void> {
  const [there] = await session.describe([name]);
  // Like a staging table it takes nulls everywhere: whether a column does is the target's affair.
  const open = columns.map((column) => ({ ...column, nullable: true }));
  const statements =
    there === undefined
      ? [sql.createTable(target, { name, columns: open })]
      : sql.growStaging(target, there, { columns }).statements;
  for (const statement of statements) await session.run(statement);
}

/** The parts of the plan's walk by table, as they can be inserted from; none for a walk without. */
export async function findParts(
  session: Session,
  target: Place,
  plan: StagePlan,
): Promise<ReadonlyMap<string, StagedTable>> {
  if (plan.walk === undefined) return new Map();
  const parts = await readParts(session, target, plan);
  if (parts?.walk !== plan.walk) {
    if (await hasKept(session, target, plan)) throw missingPart("its list of tables", plan.resource);
    return new Map();
  }
  const found = new Map<string, StagedTable>();
  for (const [table, name] of Object.entries(parts.tables)) {
    const [part] = await session.describe([name]);
    if (part === undefined) throw missingPart(`the table ${name}`, plan.resource);
    found.set(table, { name, columns: part.columns });
  }
  return found;
}

/**
 * Puts the rows of the parts and the staged ones together in temporary tables, for write dispositions that look at all of
 * them. What is staged stays as it is, so that a commit that fails has changed nothing. Dispose of it afterwards.
 */
export async function gatherParts(
  session: Session,
  { staged, staging, target }: Pick<Commit, "staged" | "staging" | "target">,
  parts: ReadonlyMap<string, StagedTable>,
): Promise<ReadonlyMap<string, StagedTable> & AsyncDisposable> {
  const gathered = new Map(staged);
  const made: string[] = [];
  const dispose = async (): Promise<void> => {
    // Where the connection broke, they have gone with it.
    for (const name of made) await session.run(sql.dropTable(staging, name)).catch(() => 0);
  };
  try {
    for (const [table, part] of parts) {
      const own = staged.get(table);
      const name = `whole_${made.length}`;
      const columns = own === undefined ? part.columns : union(own.columns, part.columns);
      await session.run(sql.createStaging(staging, name, columns));
      made.push(name);
      await session.run(sql.insertStaged(staging, target, name, part));
      if (own !== undefined) await session.run(sql.insertStaged(staging, staging, name, own));
      gathered.set(table, { name, columns });
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return Object.assign(gathered, { [Symbol.asyncDispose]: dispose });
}

/** Drops the parts of the resource, whatever their walk. */
export async function dropParts(
  session: Session,
  target: Place,
  plan: Pick<StagePlan, "pipeline" | "resource">,
): Promise<void> {
  const parts = await readParts(session, target, plan);
  if (parts === undefined) return;
  for (const name of Object.values(parts.tables)) await session.run(sql.dropTable(target, name));
  await session.run(sql.deleteState(target, 1), [plan.pipeline, sql.partsName(plan.resource)]);
}

async function readParts(
  session: Session,
  target: Place,
  { pipeline, resource }: Pick<StagePlan, "pipeline" | "resource">,
): Promise<Parts | undefined> {
  const [row] = await session.rows(sql.readOneState(target), [pipeline, sql.partsName(resource)]);
  return row === undefined ? undefined : (JSON.parse(String(row[0])) as Parts);
}

function union(columns: readonly ColumnSchema[], others: readonly ColumnSchema[]): ColumnSchema[] {
  const names = new Set(columns.map(({ name }) => name));
  return [...columns, ...others.filter(({ name }) => !names.has(name))];
}

/** Whether the resource's state says that rows of the walk are kept: then they must be there, or they would be lost. */
async function hasKept(session: Session, target: Place, plan: StagePlan): Promise<boolean> {
  const [row] = await session.rows(sql.readOneState(target), [plan.pipeline, plan.resource]);
  if (row === undefined) return false;
  const state = JSON.parse(String(row[0])) as ResourceState;
  return [state.held, state.backfill?.held].some((held) => held?.walk === plan.walk);
}

function missingPart(what: string, resource: string): SluiceError {
  return new SluiceError(
    "destination/failed",
    `rows of a walk that was cut short are gone: ${what} was removed`,
    { at: { resource }, hint: "Run with --full-refresh: the walk of this resource starts again." },
  );
}
