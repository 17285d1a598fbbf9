import type { Batch } from "../model/batch.js";
import type { Reject } from "../model/destination.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Records, ResourceHints, TableHint } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { type ColumnType, inferType } from "../schema/infer.js";
import { type Joined, join, type Present } from "../schema/join.js";
import { jsonText } from "../schema/json-text.js";
import { identityOf, type Names } from "../schema/names.js";
import { childTableName, columnName, type Naming, namingOf } from "../schema/naming.js";
import { type Instant, scanTimestamp } from "../schema/timestamp.js";
import { BIGINT, BOOL, type ColumnBuilder, DECIMAL, DOUBLE, TEXT, TIMESTAMP } from "./column-builder.js";
import { type Entity, Guard, rejectText, valueAt } from "./contract.js";
import { type Declared, declaredColumns, isMeant } from "./declared.js";
import { addDocument } from "./document.js";
import { Field, Shape } from "./fields.js";
import { Ids } from "./ids.js";
import { newTableNames, rootName } from "./root-name.js";
import { type Stamps, stampsOf } from "./stamps.js";
import { TableBuilder } from "./table-builder.js";
import type { Invalid } from "./validate.js";

export interface NormalizerOptions {
  readonly resource: string;
  /** Name of the root table before naming rules. */
  readonly table: string;
  readonly hints: ResourceHints;
  /** Tables of this resource as last committed: their names, column order, types and sources are kept. */
  readonly known: readonly TableSchema[];
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
}

/** Turns pages of records of one resource into column batches of its root table and child tables. */
export interface Normalizer {
  /** Takes in one page. */
  add(records: Records): void;
  /**
   * Sets a record aside that the resource's schema refuses.
   *
   * @throws SluiceError data/contract where the schema contract freezes data types.
   */
  refuse(invalid: Invalid): void;
  /** Root rows accepted so far, in all. */
  readonly rows: number;
  /** Rows of all tables since the last `take`. */
  readonly bufferedRows: number;
  /** Estimated bytes of what was added since the last `take`. */
  readonly bufferedBytes: number;
  /** What is buffered, as one batch for every table that has rows, parents before children; then the buffers are empty. */
  take(): Batch[];
  /**
   * The resource's tables as they are now, the root first, parents before children. Declared columns are there even
   * if nothing ever arrived.
   */
  tables(): readonly TableSchema[];
  /** A `now` with which another normalizer gives later ids than this one has so far. */
  readonly idsAfter: number;
  /** Keys since the last call that share a name with another one, and so have one of their own; in words. */
  takeCollisions(): readonly string[];
  /** What was set aside since the last call. */
  takeRejects(): SetAside;
}

/** Records and values that are not in the tables. */
export interface SetAside {
  readonly rejects: readonly Reject[];
  /** How many of them the schema contract asked for; the others are mistakes in the data. */
  readonly discarded: number;
}

/** Deeper than this nothing is unpacked, whatever is configured: the walk is recursive. */
export const MAX_LEVEL = 64;

/**
 * Starts a normalizer. The rules, which are dlt's unless noted:
 *
 * - Objects become columns `a__b`, lists become tables `parent__list`, lists in lists `parent__lst__list`; scalar
 *   items, and records that are scalars, are in column `value`. Null items make rows; empty lists and objects nothing.
 * - The first value that is not null decides a column's type (`inferType`); later values of another type are
 *   converted, widen the column or go to a variant (`join`). Keys that only ever are null make no column.
 * - Two keys with one normalized name get two columns (not dlt's rule, which keeps the last).
 * - Below `maxTableNesting` levels, below 64, and in columns declared as json, objects and lists are kept as JSON text.
 * - A record without a value in a primary key or a column declared not nullable is set aside with its children.
 * - What the schema contract does not allow is an error or set aside; a row of a child table without its parent.
 *
 * Of what is no JSON and only generators or schemas yield, bytes are binary, a Map is an object, a Set a list, and what
 * has `toJSON`, such as a Date, is what that gives; undefined is null.
 *
 * @example
 * const normalizer = createNormalizer({ resource: "users", table: "users", hints, known: [], loadId, now });
 * normalizer.add({ kind: "objects", values: [{ id: 1, pets: [{ name: "Rex" }] }] });
 * normalizer.take().map((batch) => batch.table.name); // ["users", "users__pets"]
 */
export function createNormalizer(options: NormalizerOptions): Normalizer {
  const load = startLoad(options);
  let rows = 0;

  return {
    add(records) {
      if (records.kind === "document") rows += addDocument(load, records);
      else {
        for (const record of records.values) {
          if (addRecord(load, record)) rows++;
        }
      }
    },
    refuse({ record, path, what }) {
      const place = `$${path.map((key) => (typeof key === "number" ? `[${key}]` : jsonPath([String(key)]).slice(1))).join("")}`;
      const value = valueAt(record, path.map(String));
      load.guard.refuseInvalid(load.root.plan.name, place, what, value, record);
    },
    get rows() {
      return rows;
    },
    get bufferedRows() {
      return load.tables.reduce((sum, table) => sum + table.rows, 0);
    },
    get bufferedBytes() {
      return load.tables.reduce((sum, table) => sum + table.size, 0);
    },
    get idsAfter() {
      return load.ids.after;
    },
    take: () => load.tables.filter((table) => table.rows > 0).map((table) => table.take()),
    tables: () => (load.isRefused ? [] : load.tables.map((table) => table.schema())),
    takeCollisions: () => takeCollisions(load),
    takeRejects() {
      const { guard } = load;
      const { rejects, discarded } = guard;
      guard.rejects = [];
      guard.discarded = 0;
      return { rejects, discarded };
    },
  };
}

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

function startLoad(options: NormalizerOptions): Load {
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
  const root = new TableBuilder({ ...plan, name, declared, system, known: known.get(name), level: 0 });

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
    isRefused:
      options.settled === true && root.plan.known === undefined && guard.contract.tables !== "evolve",
    record: () => null,
    rootRow: 0,
  };
  for (const table of known.values()) restoreTable(load, table);
  for (const hint of options.hints.tables ?? []) declareTable(load, hint);
  return load;
}

function takeCollisions({ tables, tableNames }: Load): readonly string[] {
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

/** The table of a list's items; undefined if it would be new and the contract does not allow it. */
function childTable(load: Load, parent: TableBuilder, field: Field, value: Json): TableBuilder | undefined {
  const name = load.tableNames.claim(
    tableIdentity(parent, field.path),
    childTableName(parent.plan.name, field.path, load.naming),
  );
  const existing = load.tables.find((table) => table.plan.name === name);
  if (existing !== undefined) return existing;
  if (load.options.settled === true && load.guard.contract.tables !== "evolve") {
    refuse(load, "tables", parent, field, `table "${name}" would be new`, value);
    return undefined;
  }
  const table = childBuilder(load, parent, field.path, name, undefined);
  load.tables.push(table);
  return table;
}

function childBuilder(
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
  return new TableBuilder({ ...parent.plan, name, parent, source, known, declared, level });
}

function tableIdentity(parent: TableBuilder, source: readonly string[]): string {
  return `${parent.plan.name}/${identityOf(source)}`;
}

/** Adds a record and its children; false: it must not be stored, so it was taken out again and set aside. */
export function addRecord(load: Load, record: Json): boolean {
  const row = beginRecord(load, () => record);
  if (row < 0) return false;
  addItem(load, load.root, record, row);
  return endRecord(load, row);
}

/** The row for a root record; -1 if none may be stored. `record` gives it to whoever has to tell of it. */
export function beginRecord(load: Load, record: () => Json): number {
  const { root, required, tables } = load;
  load.record = record;
  if (load.isRefused) {
    load.guard.refuseRecord(root.plan.name, record());
    return -1;
  }
  if (required.length > 0 || load.guard.isBound) {
    for (const table of tables) table.mark = table.rows;
  }
  load.rootRow = root.addRow(load.ids);
  return load.rootRow;
}

/** Whether the record in this row can stay; if not, it is taken out with its children, and set aside. */
export function endRecord(load: Load, row: number): boolean {
  const { required, tables } = load;
  if (load.guard.isBroken) {
    for (const table of tables) table.rollBack();
    load.guard.discardRow(load.record());
    return false;
  }
  for (const declared of required) {
    if (declared.column?.has(row) === true) continue;
    // A value that the key's column can't hold must not pass for null.
    if (declared.nullKey && declared.column?.schema.nullable === true && isAbsent(load.record(), declared))
      continue;
    for (const table of tables) table.rollBack();
    load.guard.rejects.push(rejected(load, declared, load.record()));
    return false;
  }
  load.stamps?.stamp(row, load.record);
  return true;
}

function addItem(load: Load, table: TableBuilder, value: Json, row: number): void {
  if (typeof value !== "object" || value === null) {
    addValue(load, table, table.item, value, row);
  } else if (Array.isArray(value)) {
    addNested(load, table, table.item, value as Json, row);
  } else if (isForeign(value)) {
    const plain = plainValue(value);
    if (plain instanceof Uint8Array) addMismatch(load, table, table.item, value, row);
    else addItem(load, table, plain, row);
  } else {
    addObject(load, table, table.shape, value as JsonObject, row);
  }
}

function addObject(load: Load, table: TableBuilder, shape: Shape, object: JsonObject, row: number): void {
  const { fields } = shape;
  let at = 0;
  // `for in` because V8 reads the value along with the key there; a record from JSON has no inherited keys.
  for (const key in object) {
    let field = at < fields.length ? fields[at] : undefined;
    if (field === undefined || field.key !== key) {
      field = shape.find(key) ?? newField(load, table, shape, key, object, at);
      at = field.index;
    }
    at++;
    addValue(load, table, field, object[key], row);
  }
}

const instant: Instant = { seconds: 0, micros: 0 };

/** The hot path: a value whose type is its column's goes straight into the buffers. */
export function addValue(
  load: Load,
  table: TableBuilder,
  field: Field,
  value: Json | undefined,
  row: number,
): void {
  const { column } = field;
  switch (typeof value) {
    case "string":
      if (column === undefined) break;
      if (column.code === TEXT) {
        column.setText(row, value);
        return;
      }
      if (column.code === TIMESTAMP && scanTimestamp(value, instant)) {
        column.setInstant(row, instant.seconds, instant.micros);
        return;
      }
      break;
    case "number":
      if (column === undefined) break;
      if (column.code === BIGINT && Number.isSafeInteger(value)) {
        column.setInteger(row, value);
        return;
      }
      if (column.code === DOUBLE && Number.isFinite(value)) {
        column.setDouble(row, value);
        return;
      }
      if (column.code === DECIMAL && column.setDecimal(row, value)) return;
      break;
    case "boolean":
      if (column === undefined || column.code !== BOOL) break;
      column.setBool(row, value);
      return;
    case "bigint":
      break;
    case "object":
      if (value !== null) addNested(load, table, field, value, row);
      return;
    default:
      // Undefined, functions and symbols, which only generators can yield, are null as in JSON.stringify.
      return;
  }
  addMismatch(load, table, field, value, row);
}

function addNested(load: Load, table: TableBuilder, field: Field, value: Json, row: number): void {
  if (Array.isArray(value)) {
    if (field.whole) addMismatch(load, table, field, value as Json, row);
    else addList(load, table, field, value as readonly Json[], row);
  } else if (isForeign(value)) {
    const plain = plainValue(value);
    if (plain instanceof Uint8Array) addMismatch(load, table, field, value, row);
    else addValue(load, table, field, plain, row);
  } else if (field.whole) {
    addMismatch(load, table, field, value, row);
  } else {
    field.object ??= new Shape(field.path, field.level + 1);
    addObject(load, table, field.object, value as JsonObject, row);
  }
}

function addList(load: Load, table: TableBuilder, field: Field, list: readonly Json[], row: number): void {
  // A row that is taken out again has no children; and what breaks it must not be taken for a fault of theirs.
  if (list.length === 0 || load.guard.isBroken) return;
  field.items ??= childTable(load, table, field, list);
  const { items } = field;
  if (items === undefined) return;
  for (let index = 0; index < list.length; index++) {
    const before = load.guard.isBound ? load.tables.map((one) => one.rows) : undefined;
    const itemRow = items.addChildRow(load.ids, row, load.root, load.rootRow, index);
    addItem(load, items, list[index] as Json, itemRow);
    if (before !== undefined && load.guard.isBroken) {
      load.tables.forEach((one, at) => one.rollBack(before[at] ?? 0));
      load.guard.discardRow(list[index] as Json);
    }
  }
}

/** Whether an object is of a class, which only generators and schemas can yield. What JSON.parse makes never is. */
function isForeign(value: Json): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== OBJECT && prototype !== null;
}

const OBJECT: unknown = Object.prototype;

/** As JSON has it: a Map is an object, a Set a list, and what has `toJSON` (a date, a URL) what that gives. Bytes stay. */
function plainValue(value: unknown): Json | Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value instanceof Map) return Object.fromEntries(value as Map<string, Json>);
  if (value instanceof Set) return [...(value as Set<Json>)];
  const { toJSON } = value as { readonly toJSON?: unknown };
  return typeof toJSON === "function" ? (toJSON.call(value) as Json) : { ...(value as JsonObject) };
}

/** A value that is its column's first, or of another type. */
function addMismatch(load: Load, table: TableBuilder, field: Field, value: Json, row: number): void {
  const type = inferType(value);
  if (value === null || type === undefined) return;
  const isHeld = load.guard.isBound && holdsFor(load, table);
  if (field.column === undefined) {
    if (isHeld && load.guard.contract.columns !== "evolve" && !table.columns.has(field)) {
      const name = columnName(field.path, load.naming);
      refuse(load, "columns", table, field, `column "${name}" would be new`, value);
      return;
    }
    field.column = table.columns.columnOf(field, type);
  }
  const { column } = field;
  const joined = join(column.schema, value);
  if (isHeld && load.guard.contract.dataType !== "evolve" && changesType(column, joined)) {
    const { name, type: from } = column.schema;
    const what = `column "${name}" is ${from} and would have to hold ${type.type}`;
    refuse(load, "dataType", table, field, what, value);
    return;
  }
  if ("stored" in joined) {
    if (joined.column !== column.schema) table.columns.change(column, joined.column, table.rows);
    column.store(row, joined.stored);
    return;
  }
  storeConflict(load, table, field, column, value, joined.variant, row);
}

/** A value that its column can't take, by the resource's `typeConflict`. */
function storeConflict(
  load: Load,
  table: TableBuilder,
  field: Field,
  column: ColumnBuilder,
  value: Present,
  type: ColumnType,
  row: number,
): void {
  const { typeConflict } = load.options.hints;
  const { name } = column.schema;
  if (typeConflict === "reject") {
    const place = { table: table.plan.name, path: pathTo(table, field), column: name };
    load.guard.refuseConflict(
      place,
      `column "${name}" is ${column.schema.type} and can't hold ${type.type}`,
      value,
    );
    return;
  }
  const variant = table.columns.variantOf(column, typeConflict === "text" ? { type: "text" } : type);
  const stored = join(variant.schema, value);
  if ("stored" in stored) variant.store(row, stored.stored);
  // Text takes scalars; all else becomes JSON, and bytes base64, which is how they are read from text.
  else variant.store(row, bytesText(value) ?? jsonText(value));
}

function bytesText(value: unknown): string | undefined {
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : undefined;
}

function pathTo(table: TableBuilder, field: Field): string {
  return placeOf(table) + jsonPath(field.path).slice(1);
}

/** The contract holds for tables that an earlier complete walk has made, and where columns are declared. */
function holdsFor(load: Load, table: TableBuilder): boolean {
  if (load.options.settled === true && table.plan.known !== undefined) return true;
  return table.plan.declared.some((declared) => declared.type !== undefined);
}

function changesType(column: ColumnBuilder, joined: Joined): boolean {
  if ("variant" in joined)
    return !column.variants.some((variant) => variant.schema.type === joined.variant.type);
  const { type, precision, scale } = joined.column;
  const { schema } = column;
  return type !== schema.type || precision !== schema.precision || scale !== schema.scale;
}

/** Gives a value that would change the schema to the guard. */
function refuse(
  load: Load,
  entity: Entity,
  table: TableBuilder,
  field: Field,
  what: string,
  value: Json,
): void {
  const path = pathTo(table, field);
  load.guard.refuse({ entity, table: table.plan.name, path, what }, value, load.record());
}

/** Where a table's rows are in the record. */
function placeOf({ plan }: TableBuilder): string {
  if (plan.parent === undefined) return "$";
  return `${placeOf(plan.parent)}${jsonPath(plan.source ?? []).slice(1)}[*]`;
}

export function newField(
  load: Load,
  table: TableBuilder,
  shape: Shape,
  key: string,
  owner: JsonObject,
  at: number,
): Field {
  const path = [...shape.path, key];
  const declared = table.plan.declared.find((one) =>
    one.source === undefined
      ? isMeant(one, path, owner, load.naming)
      : identityOf(one.source) === identityOf(path),
  );
  const whole = shape.level >= load.maxLevel || declared?.type?.type === "json";
  const field = new Field(key, path, shape.level, whole, declared);
  shape.insert(field, at);
  return field;
}

function isAbsent(record: Json, { path, source }: Declared): boolean {
  return (valueAt(record, source ?? path) ?? null) === null;
}

function rejected(load: Load, declared: Declared, record: Json): Reject {
  const path = declared.source ?? declared.path;
  const value = valueAt(record, path);
  const role = declared.primaryKey ? "is part of the primary key" : "is declared as not nullable";
  const fault =
    value === undefined || value === null
      ? "has no value"
      : `has a value that its column${declared.column === undefined ? "" : ` (${declared.column.schema.type})`} can't hold`;
  return {
    resource: load.options.resource,
    table: load.root.plan.name,
    path: jsonPath(path),
    reason: `null-in-not-null: ${declared.written} ${role} and ${fault}`,
    column: declared.column?.schema.name ?? declared.name,
    ...(value === undefined ? {} : { value: rejectText(value) }),
    record: rejectText(record),
  };
}

function jsonPath(path: readonly string[]): string {
  return `$${path.map((key) => (/^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`)).join("")}`;
}
