import type { Json } from "../model/json.js";
import type { ResourceHints, TableHint } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { identityOf, type Names } from "../schema/names.js";
import { type Naming, namingOf } from "../schema/naming.js";
import { Guard } from "./contract.js";
import { type Declared, declaredColumns } from "./declared.js";
import type { Filling } from "./filling.js";
import { Ids } from "./ids.js";
import { newTableNames, rootName } from "./root-name.js";
import { type Stamps, stampsOf } from "./stamps.js";
import { TableBuilder, type TablePlan } from "./table-builder.js";

export interface NormalizerOptions {
  readonly resource: string;
  /** Name of the root table before naming rules. */
  readonly table: string;
  readonly hints: ResourceHints;
  /** Tables of this resource as last committed: their names, column order, types and sources are kept. */
  readonly known: readonly TableSchema[];
  /** Names of known tables that were not there before this load: another normalizer has begun it. Default: none. */
  readonly begun?: readonly string[];
  readonly loadId: string;
  /** Milliseconds since 1970; part of every row's id. */
  readonly now: number;
  /** Milliseconds since 1970: when the versions that this load brings begin. Default `now`. */
  readonly boundary?: number;
  /**
   * Whether a walk was complete before: then the schema contract holds for the tables that are known. Before that it
   * holds for declared columns only, so that the first load makes the schema (dlt: evolve once). Default false.
   */
  readonly settled?: boolean;
  /** Longest name of a table or column in bytes. Default 255. */
  readonly maxIdentifier?: number;
  /** Numbers in [0, 1) for the random part of row ids. Default `Math.random`. */
  readonly random?: () => number;
  /** When records of documents are filled in by a program. Default: `Filling`'s. */
  readonly filling?: Partial<Filling>;
}

/** Deeper than this nothing is unpacked, whatever is configured: the walk is recursive. */
export const MAX_LEVEL = 64;

export interface Load {
  readonly options: NormalizerOptions;
  readonly naming: Naming;
  readonly maxLevel: number;
  readonly ids: Ids;
  readonly root: TableBuilder;
  /** Parents before children. */
  readonly tables: TableBuilder[];
  readonly tableNames: Names;
  readonly required: readonly Declared[];
  readonly guard: Guard;
  readonly stamps: Stamps | undefined;
  /** The root table would be new, and the contract does not allow it. */
  readonly isRefused: boolean;
  /** The root record that is being added. */
  record: () => Json;
  /** Row of the root record that is being added. */
  rootRow: number;
}

export function startLoad(options: NormalizerOptions): Load {
  const naming = namingOf(options.hints, options.maxIdentifier);
  const maxLevel = Math.min(options.hints.maxTableNesting ?? MAX_LEVEL, MAX_LEVEL);
  const tableNames = newTableNames(naming);
  const name = rootName(options.table, naming, options.known);
  tableNames.seed("", name);
  const known = descendants(options.known, name);
  const declared = declaredColumns(options.hints, naming);
  const plan = { resource: options.resource, loadId: options.loadId, naming, maxLevel };
  const stamps = stampsOf(options.hints, { boundary: options.boundary ?? options.now, maxLevel, naming });
  const system = stamps?.columns ?? [];
  const root = new TableBuilder({
    ...plan,
    name,
    declared,
    system,
    ...standing(options, known.get(name)),
    level: 0,
  });

  const guard = new Guard(options.resource, options.hints);

  const load: Load = {
    options,
    naming,
    maxLevel,
    ids: new Ids(options.now, options.random ?? Math.random),
    root,
    tables: [root],
    tableNames,
    required: [
      ...declared.filter(({ nullKey, required }) => required || nullKey),
      ...stillRequired(root, declared),
    ],
    guard,
    stamps,
    isRefused: options.settled === true && !root.plan.isThere && guard.contract.tables !== "evolve",
    record: () => null,
    rootRow: 0,
  };
  for (const table of known.values()) restoreTable(load, table);
  for (const hint of options.hints.tables ?? []) declareTable(load, hint);
  return load;
}

export function takeCollisions({ tables, tableNames }: Load): readonly string[] {
  const columns = tables.flatMap(({ plan, columns: { collisions } }) =>
    collisions
      .splice(0)
      .map(
        ({ identity, wanted, name }) =>
          `table ${plan.name}: ${identity} is in column ${name}, because ${wanted} is the name of another one`,
      ),
  );
  const lists = tableNames.collisions
    .splice(0)
    .map(
      ({ identity, wanted, name }) =>
        `the list ${identity} is in table ${name}, because ${wanted} is the name of another one`,
    );
  return [...columns, ...lists];
}

/** The known tables that hang below the root table, by name, in an order that has parents first. */
export function descendants(known: readonly TableSchema[], root: string): ReadonlyMap<string, TableSchema> {
  const found = new Map<string, TableSchema>();
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const table of known) {
      const belongs = table.parent === undefined ? table.name === root : found.has(table.parent);
      if (belongs) found.set(table.name, table);
    }
  }
  return found;
}

/** Columns that the destination made not nullable in an earlier run, although the configuration no longer asks for it. */
function stillRequired(root: TableBuilder, declared: readonly Declared[]): readonly Declared[] {
  return root.columns.builders
    .filter((column) => !column.schema.nullable && !declared.some((one) => one.column === column))
    .map((column) => ({
      written: column.schema.name,
      path: column.schema.source ?? [column.schema.name],
      name: column.schema.name,
      type: undefined,
      primaryKey: false,
      required: true,
      nullKey: false,
      column,
      source: column.schema.source,
    }));
}

function restoreTable(load: Load, known: TableSchema): void {
  const parent = load.tables.find((table) => table.plan.name === known.parent);
  if (parent === undefined) return;
  const source = known.source ?? [];
  load.tableNames.seed(tableIdentity(parent, source), known.name);
  load.tables.push(childBuilder(load, parent, source, known.name, known));
}

/** A table that is declared by name is there before its first row. */
function declareTable(load: Load, { name, path }: TableHint): void {
  if (name === undefined) return;
  const above = identitiesOf(path.slice(0, -1));
  const source = path.at(-1) ?? [];
  const parent = load.tables.find((table) => identitiesOf(listPath(table)) === above);
  if (parent === undefined) return;
  const given = load.tableNames.grant(tableIdentity(parent, source), name);
  if (load.tables.some((table) => table.plan.name === given)) return;
  load.tables.push(childBuilder(load, parent, source, given, undefined));
}

/** The lists around a table's rows, as `TableHint.path`. */
function listPath({ plan: { parent, source } }: TableBuilder): readonly (readonly string[])[] {
  return parent === undefined ? [] : [...listPath(parent), source ?? []];
}

function identitiesOf(path: readonly (readonly string[])[]): string {
  return JSON.stringify(path);
}

function standing(
  { begun = [] }: Pick<NormalizerOptions, "begun">,
  known: TableSchema | undefined,
): Pick<TablePlan, "known" | "isThere"> {
  return { known, isThere: known !== undefined && !begun.includes(known.name) };
}

export function childBuilder(
  { naming, options }: Pick<Load, "naming" | "options">,
  parent: TableBuilder,
  source: readonly string[],
  name: string,
  known: TableSchema | undefined,
): TableBuilder {
  const level = parent.plan.level + Math.max(source.length, 1);
  const path = identitiesOf([...listPath(parent), source]);
  const hinted = (options.hints.tables ?? []).filter((table) => identitiesOf(table.path) === path);
  const columns = hinted.flatMap((table) => table.columns);
  const declared = declaredColumns({ columns, primaryKey: [] }, naming);
  return new TableBuilder({
    ...parent.plan,
    name,
    parent,
    source,
    ...standing(options, known),
    declared,
    level,
  });
}

export function tableIdentity(parent: TableBuilder, source: readonly string[]): string {
  return `${parent.plan.name}/${identityOf(source)}`;
}
