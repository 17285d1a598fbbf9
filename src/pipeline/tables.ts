import type { Batch } from "../model/batch.js";
import type { Connection } from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Resource } from "../model/source.js";
import type { PipelineState } from "../model/state.js";
import { type FoundTable, SYSTEM_COLUMNS, SYSTEM_TABLES, type TableSchema } from "../model/table.js";
import { descendants } from "../normalize/load.js";
import { rootName } from "../normalize/root-name.js";
import { type Drift, findDrift, takeFound } from "../schema/drift.js";
import { MAX_PRECISION } from "../schema/infer.js";
import { namingOf } from "../schema/naming.js";

/** The tables of a resource as its next load finds them. */
export interface StandingTables {
  /** As last committed, and brought in line with what was changed by hand since. */
  readonly known: readonly TableSchema[];
  /** Those of them that are gone; the next commit makes them again. */
  readonly missing: ReadonlySet<string>;
  /** Rows that a walk had committed are gone: it can't go on in the middle. */
  readonly mustRestart: boolean;
  /** Columns that take no null although the schema says they do, by table. */
  readonly notNull: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What is asked of a resource's tables before its first request. */
export interface TablesContext {
  readonly connection: Connection;
  readonly maxIdentifier: number | undefined;
  readonly state: PipelineState | undefined;
  readonly fullRefresh: boolean;
  readonly emit: (event: Event) => void;
}

/**
 * Looks at a resource's tables before anything is read. What was changed by hand and can be put right is told by a
 * warning; the commit does it.
 *
 * @throws SluiceError `destination/changed` when rows would not fit.
 */
export async function standingTables(resource: Resource, context: TablesContext): Promise<StandingTables> {
  const { connection, state } = context;
  const stored = (state?.tables ?? []).filter((table) => table.resource === resource.name);
  const root = rootName(resource.table, namingOf(resource.hints, context.maxIdentifier), stored);
  const known = [...descendants(stored, root).values()];
  const found = await connection.describe(known.length === 0 ? [root] : known.map(({ name }) => name));
  const [stranger] = found;
  if (known.length === 0 && stranger !== undefined) {
    const start = adopted(stranger, root, resource.name);
    refuseUnfit(findDrift([start], found), resource.name);
    tell(resource, context, "destination/table-found", foundText(root));
    return {
      known: [start],
      missing: new Set(),
      mustRestart: false,
      notNull: notNullIn([start], found),
    };
  }
  const drifts = findDrift(known, found);
  refuseUnfit(drifts, resource.name);
  if (resource.hints.writeDisposition !== "replace") refuseWithoutKey(drifts, resource);
  const missing = new Set(drifts.flatMap((drift) => (drift.kind === "table-missing" ? [drift.table] : [])));
  const isMerged = resource.hints.writeDisposition === "merge";
  for (const drift of drifts)
    tell(resource, context, "destination/changed", driftText(drift, root, fillsAll(resource, context)));
  return {
    known: takeFound(known, drifts, found),
    missing,
    mustRestart: missing.has(root) || (missing.size > 0 && isMerged),
    notNull: notNullIn(known, found),
  };
}

/** Without these nobody can tell which of a row's versions is the present one. */
const VERSION_COLUMNS: ReadonlySet<string> = new Set([
  SYSTEM_COLUMNS.validFrom,
  SYSTEM_COLUMNS.validTo,
  SYSTEM_COLUMNS.rowHash,
]);

/** Whether this run brings every row, or only what is new. */
function fillsAll({ name, hints }: Resource, { state, fullRefresh }: TablesContext): boolean {
  return fullRefresh || hints.writeDisposition === "replace" || state?.resources[name]?.cursor === undefined;
}

/** What is put right, in words. */
function driftText(drift: Drift, root: string, fillsAll: boolean): string {
  const { kind, table } = drift;
  if (kind === "table-missing") {
    const again = `table ${table} is gone: it is made again`;
    if (fillsAll) return `${again}, and this run reads the source from the start`;
    const others = table === root ? "" : `; drop ${root} too before`;
    return `${again}, and gets only what is new; for its old rows run with --full-refresh${others}`;
  }
  const column = `column ${drift.column ?? ""} of table ${table}`;
  if (kind === "narrowed") return `${column} was made ${drift.there}: it becomes ${drift.expected} again`;
  if (kind === "taken") return `${column} was made ${drift.there}: its values are stored as such from now on`;
  return `${column} is gone: it is added again, and rows that are there have no value in it`;
}

function foundText(table: string): string {
  return `table ${table} was there before the first load of this resource: rows are written to it, by the names of its columns`;
}

/** @throws SluiceError `destination/changed` when the tables that are there can't take rows of those that are wanted. */
export function refuseUnfit(drifts: readonly Drift[], resource: string): void {
  const unfit = drifts.find((drift) => drift.kind === "unfit");
  if (unfit === undefined) return;
  const { table, column, there, expected } = unfit;
  const what = column === undefined ? table : `column ${column} of table ${table}`;
  throw new SluiceError(
    "destination/changed",
    `${what} was changed by hand: there is ${there}, and expected is ${expected}`,
    {
      at: { resource, table, ...(column === undefined ? {} : { column }) },
      hint: `Put it back as it was. Or drop or rename ${column === undefined ? "it" : "the table"}: a table that is missing is made again, and \`sluice run --full-refresh --select ${resource}\` fills it from the start.`,
    },
  );
}

/** @throws SluiceError `destination/changed` when a table went away during a load, and rows of the load with it. */
export function refuseVanished(
  drifts: readonly Drift[],
  missingBefore: ReadonlySet<string>,
  resource: string,
): void {
  const vanished = drifts.find((drift) => drift.kind === "table-missing" && !missingBefore.has(drift.table));
  if (vanished === undefined) return;
  const { table } = vanished;
  throw new SluiceError("destination/changed", `table ${table} went away while the load was under way`, {
    at: { resource, table },
    hint: "Nothing since the last commit is kept. Run again: the table is made again, and a warning says what is missing in it.",
  });
}

function refuseWithoutKey(drifts: readonly Drift[], { name: resource, hints }: Resource): void {
  const isVersioned = hints.merge?.strategy === "scd2";
  const missing = drifts
    .filter((drift) => drift.kind === "key-missing" || drift.kind === "column-missing")
    .find(({ kind, column }) => kind === "key-missing" || (isVersioned && VERSION_COLUMNS.has(column)));
  if (missing === undefined) return;
  const { table, column } = missing;
  throw new SluiceError(
    "destination/changed",
    `column ${column} of table ${table} is gone: the rows that are there can't be found without it`,
    {
      at: { resource, table, column },
      hint: `Restore it with its values. Or drop the table: it is made again, and \`sluice run --full-refresh --select ${resource}\` fills it from the start.`,
    },
  );
}

/** @throws SluiceError `destination/changed` when a batch has a null where the table has come to take none. */
export function refuseNulls(batch: Batch, notNull: StandingTables["notNull"], resource: string): void {
  const strict = notNull.get(batch.table.name);
  if (strict === undefined) return;
  const column = [...strict].find((name) => lacksValue(batch, name));
  if (column === undefined) return;
  const table = batch.table.name;
  throw new SluiceError(
    "destination/changed",
    `column ${column} of table ${table} was changed by hand: it takes no null any more, and a row has no value for it`,
    {
      at: { resource, table, column },
      hint: `Take the NOT NULL away again. Or declare the column with nullable: false in the resource's columns: then such records are kept in ${SYSTEM_TABLES.rejects}.`,
    },
  );
}

/**
 * @throws SluiceError `destination/changed` when the state is gone: to start again without a word would append rows that
 * are there already.
 */
export function refuseLostState(
  state: PipelineState | undefined,
  pipeline: string,
  fullRefresh: boolean,
): void {
  if (fullRefresh || state?.missing?.includes(SYSTEM_TABLES.state) !== true) return;
  throw new SluiceError(
    "destination/changed",
    `the system table ${SYSTEM_TABLES.state} is gone, and with it what the runs of ${pipeline} have read so far`,
    {
      at: { table: SYSTEM_TABLES.state },
      hint: "Restore it from a backup. Or run once with --full-refresh, which reads everything from the start: drop the tables of resources that append first, or their rows are there twice.",
    },
  );
}

/** In words, what is lost with the other system tables; they are made again by the next commit. */
export function missingSystemText(state: PipelineState | undefined): string | undefined {
  const missing = state?.missing ?? [];
  if (missing.length === 0) return undefined;
  const lost = missing.map((name) => `${name} (${LOST[name] ?? "what it held"})`).join(", ");
  return `system tables were dropped, and are made again: ${lost}`;
}

const LOST: Readonly<Record<string, string>> = {
  [SYSTEM_TABLES.state]: "where each resource stands: everything is read from the start",
  [SYSTEM_TABLES.loads]: "the history of loads",
  [SYSTEM_TABLES.schema]: "which key fills which column: now by their names",
  [SYSTEM_TABLES.rejects]: "records that were set aside",
};

function lacksValue({ columns, rows }: Batch, name: string): boolean {
  const column = columns.find(({ schema }) => schema.name === name);
  if (column === undefined) return true;
  const { validity } = column;
  if (validity === undefined) return false;
  return Array.from({ length: rows }, (_, row) => (validity[row >> 3]! >> (row & 7)) & 1).includes(0);
}

/** A table of unknown origin as the normalizer's start: its columns keep their types and are filled by name. */
function adopted(found: FoundTable, root: string, resource: string): TableSchema {
  const columns = found.columns
    .filter(({ precision = 0 }) => precision <= MAX_PRECISION)
    .map(({ narrower: _narrower, hasDefault: _hasDefault, ...column }) => ({
      ...column,
      nullable: !SYSTEM_NAMES.has(column.name),
    }));
  return { name: root, resource, primaryKey: [], columns };
}

const SYSTEM_NAMES: ReadonlySet<string> = new Set(Object.values(SYSTEM_COLUMNS));

function notNullIn(known: readonly TableSchema[], found: readonly FoundTable[]): StandingTables["notNull"] {
  const strict = found.map(({ name, columns }): [string, ReadonlySet<string>] => {
    const table = known.find((one) => one.name.toLowerCase() === name.toLowerCase());
    const nullable = (column: string) =>
      table?.columns.find((one) => one.name === column)?.nullable ?? !SYSTEM_NAMES.has(column);
    const names = columns
      .filter((column) => !column.nullable && nullable(column.name))
      .map(({ name }) => name);
    return [table?.name ?? name, new Set(names)];
  });
  return new Map(strict.filter(([, names]) => names.size > 0));
}

function tell(resource: Resource, { emit }: TablesContext, code: string, message: string): void {
  emit({ type: "warning", resource: resource.name, code, message });
}

/**
 * Any merge but scd2 would delete the versions of a key together with its row.
 *
 * @throws SluiceError `data/history` where it would.
 */
export function refuseLosingHistory({ hints, name }: Resource, there: readonly TableSchema[]): void {
  if (hints.writeDisposition !== "merge" || hints.merge?.strategy === "scd2") return;
  const versioned = there.find(({ columns }) =>
    columns.some((column) => column.name === SYSTEM_COLUMNS.validTo),
  );
  if (versioned === undefined) return;
  throw new SluiceError(
    "data/history",
    `table ${versioned.name} holds the versions of its rows, which merge would delete without strategy scd2`,
    {
      at: { resource: name, table: versioned.name },
      hint: "Set strategy: scd2 again, give the resource another table_name, or drop the column _sluice_valid_to to let the history go.",
    },
  );
}
