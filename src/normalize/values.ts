import type { Reject } from "../model/destination.js";
import type { Json, JsonObject } from "../model/json.js";
import { type ColumnType, inferType } from "../schema/infer.js";
import { type Joined, join, type Present } from "../schema/join.js";
import { jsonText } from "../schema/json-text.js";
import { identityOf } from "../schema/names.js";
import { childTableName, columnName } from "../schema/naming.js";
import { type Instant, scanTimestamp } from "../schema/timestamp.js";
import { BIGINT, BOOL, type ColumnBuilder, DECIMAL, DOUBLE, TEXT, TIMESTAMP } from "./column-builder.js";
import { type Entity, rejectText, valueAt } from "./contract.js";
import { type Declared, isMeant } from "./declared.js";
import { Field, Shape } from "./fields.js";
import { childBuilder, type Load, tableIdentity } from "./load.js";
import type { TableBuilder } from "./table-builder.js";

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
  if (load.options.settled === true && table.plan.isThere) return true;
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

export function jsonPath(path: readonly string[]): string {
  return `$${path.map((key) => (/^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`)).join("")}`;
}
