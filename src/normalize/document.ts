import {
  DOUBLE_BYTES,
  ESCAPED,
  FALSE,
  INTEGER,
  KEY_WORDS,
  LIST,
  NULL,
  NUMBER,
  OBJECT,
  STRING,
  VALUE_WORDS,
} from "../json/document.js";
import { withAdded } from "../json/records.js";
import { valueAt } from "../json/values.js";
import type { JsonDocument } from "../model/document.js";
import type { JsonObject } from "../model/json.js";
import { type Instant, scanTimestampBytes } from "../schema/timestamp.js";
import { BIGINT, BOOL, DECIMAL, DOUBLE, JSON_TEXT, TEXT, TIMESTAMP } from "./column-builder.js";
import { type Field, Shape } from "./fields.js";
import { type Load, MAX_LEVEL } from "./load.js";
import type { TableBuilder } from "./table-builder.js";
import { addValue as addJson, addRecord, beginRecord, endRecord, newField } from "./values.js";

/** One document's record while it is read. */
interface Reading {
  readonly load: Load;
  readonly document: JsonDocument;
  readonly bytes: Uint8Array;
  readonly tape: Uint32Array;
  /** Place of the root record. */
  readonly record: number;
  /** What it has besides. */
  readonly added: JsonObject | undefined;
  /** Whether the record is known to have no key twice in one object. */
  isProven: boolean;
  /** Whether it is known to have one: then nothing of it was stored yet that would change a schema. */
  hasRepeats: boolean;
}

/** Counts the objects that were read, so that a field knows whether it was met before in the same one. */
let objects = 0;

/**
 * Adds one record of a document, from its bytes into the columns, without making values of it. Whatever is not as its
 * column expects it (first values, other types, long numbers) is made a value and goes the way of `values.ts`, which alone
 * says what a schema becomes. False: it was set aside.
 */
export function addDocumentRecord(
  load: Load,
  document: JsonDocument,
  place: number,
  added: JsonObject | undefined,
): boolean {
  const { bytes, tape } = document;
  const value = () => withAdded(valueAt(document, place), added);
  if (added !== undefined && tape[place] !== OBJECT) return addRecord(load, value());
  // A record that turns out to have one key twice is taken out again.
  for (const table of load.tables) table.mark = table.rows;
  const reading = { load, document, bytes, tape, record: place, added, isProven: false, hasRepeats: false };
  const row = beginRecord(load, value);
  if (row < 0) return false;
  addItem(reading, load.root, place, row);
  if (!reading.hasRepeats) return endRecord(load, row);
  for (const table of load.tables) table.rollBack();
  return addRecord(load, value());
}

function addItem(reading: Reading, table: TableBuilder, place: number, row: number): void {
  const kind = reading.tape[place]!;
  if (kind === OBJECT) addObject(reading, table, table.shape, place, row);
  else if (kind === LIST) addNested(reading, table, table.item, place, row);
  else addValue(reading, table, table.item, place, row);
}

function addObject(reading: Reading, table: TableBuilder, shape: Shape, place: number, row: number): void {
  const { document, tape } = reading;
  const { keys, view } = document;
  const end = tape[place + 3]!;
  const object = ++objects;
  let expected = 0;
  let at = place + VALUE_WORDS;
  while (at < end) {
    const number = tape[at]!;
    const value = at + KEY_WORDS;
    const kind = tape[value]!;
    const field = shape.at(keys, number) ?? newKey(reading, table, shape, keys[number]!, place, expected);
    if (field.met === object) reading.hasRepeats = true;
    if (reading.hasRepeats) return;
    field.met = object;
    expected = field.index + 1;
    // Only objects and lists have something after them: with this the next place need not be waited for.
    at = kind >= OBJECT ? tape[value + 3]! : value + VALUE_WORDS;
    if (kind === NULL) continue;
    const { column } = field;
    if (kind === STRING && column !== undefined && column.code === TEXT)
      column.setTextSlice(row, view, tape[value + 1]!, tape[value + 2]!);
    else {
      addValue(reading, table, field, value, row);
      if (reading.hasRepeats) return;
    }
  }
  if (place === reading.record && reading.added !== undefined)
    addAdded(reading, table, shape, reading.added, object, expected, row);
}

/** What is added to a record comes last. A record with such a key of its own is taken for one with a key twice. */
function addAdded(
  reading: Reading,
  table: TableBuilder,
  shape: Shape,
  added: JsonObject,
  object: number,
  expected: number,
  row: number,
): void {
  for (const key in added) if (shape.find(key)?.met === object) reading.hasRepeats = true;
  if (reading.hasRepeats) return;
  for (const key in added) {
    const field = shape.find(key) ?? newKey(reading, table, shape, key, reading.record, expected);
    expected = field.index + 1;
    addJson(reading.load, table, field, added[key], row);
  }
}

function newKey(
  { load, document, record, added }: Reading,
  table: TableBuilder,
  shape: Shape,
  key: string,
  owner: number,
  at: number,
): Field {
  const value = valueAt(document, owner);
  return newField(
    load,
    table,
    shape,
    key,
    (owner === record ? withAdded(value, added) : value) as JsonObject,
    at,
  );
}

const instant: Instant = { seconds: 0, micros: 0 };

/** The hot path: a value whose type is its column's goes straight into the buffers. */
function addValue(reading: Reading, table: TableBuilder, field: Field, place: number, row: number): void {
  const { bytes, tape } = reading;
  const { column } = field;
  const kind = tape[place]!;
  if (kind === NULL) return;
  if (kind >= OBJECT) {
    addNested(reading, table, field, place, row);
    return;
  }
  if (column !== undefined) {
    const { code } = column;
    const start = tape[place + 1]!;
    const end = tape[place + 2]!;
    if (kind === STRING) {
      if (code === TEXT) {
        column.setTextSlice(row, reading.document.view, start, end);
        return;
      }
      if (code === TIMESTAMP && scanTimestampBytes(bytes, start, end, instant)) {
        column.setInstant(row, instant.seconds, instant.micros);
        return;
      }
    } else if (kind === ESCAPED) {
      if (code === TEXT) {
        column.setEscaped(row, bytes, start, end);
        return;
      }
    } else if (kind === INTEGER || kind === NUMBER) {
      const isShort = isExact(bytes, start, end);
      if (isShort || (kind === NUMBER && end - start <= DOUBLE_BYTES)) {
        const value =
          kind === INTEGER
            ? integerAt(bytes, start, end)
            : isShort
              ? numberAt(bytes, start, end)
              : writtenNumber(bytes, start, end);
        if (code === BIGINT && Number.isSafeInteger(value)) {
          column.setInteger(row, value);
          return;
        }
        if (code === DOUBLE && Number.isFinite(value)) {
          column.setDouble(row, value);
          return;
        }
        if (code === DECIMAL && column.setDecimal(row, value)) return;
      }
    } else if (code === BOOL) {
      column.setBool(row, kind !== FALSE);
      return;
    }
  }
  addSurprise(reading, table, field, place, row);
}

/** A value that has to be one: for a new column, another type, or with escapes. */
function addSurprise(reading: Reading, table: TableBuilder, field: Field, place: number, row: number): void {
  const { load, document } = reading;
  // Of a key that comes twice only the last value counts: the others must leave no trace in the schema.
  if (!reading.isProven) {
    reading.hasRepeats =
      hasOwnOf(document, reading.record, reading.added) || hasRepeats(document, reading.record, MAX_LEVEL);
    if (reading.hasRepeats) return;
    reading.isProven = true;
  }
  addJson(load, table, field, valueAt(document, place), row);
}

function addNested(reading: Reading, table: TableBuilder, field: Field, place: number, row: number): void {
  const { load, document, tape } = reading;
  if (field.whole) {
    if (field.column?.code === JSON_TEXT) addJson(load, table, field, valueAt(document, place), row);
    else addSurprise(reading, table, field, place, row);
    return;
  }
  if (tape[place] === OBJECT) {
    field.object ??= new Shape(field.path, field.level + 1);
    addObject(reading, table, field.object, place, row);
    return;
  }
  const end = tape[place + 3]!;
  // A row that is taken out again has no children, as in `values.ts`.
  if (place + VALUE_WORDS === end || load.guard.isBroken) return;
  const { items } = field;
  if (items === undefined) {
    addSurprise(reading, table, field, place, row);
    return;
  }
  let index = 0;
  for (let at = place + VALUE_WORDS; at < end; at = tape[at + 3]!) {
    const before = load.guard.isBound ? load.tables.map((one) => one.rows) : undefined;
    const itemRow = items.addChildRow(load.ids, row, load.root, load.rootRow, index++);
    addItem(reading, items, at, itemRow);
    if (reading.hasRepeats) return;
    if (before !== undefined && load.guard.isBroken) {
      load.tables.forEach((one, table) => one.rollBack(before[table] ?? 0));
      load.guard.discardRow(valueAt(document, at));
    }
  }
}

/** Whether the object at this place has one of the keys that are added to it. */
function hasOwnOf(
  { tape, keys: names }: JsonDocument,
  place: number,
  added: JsonObject | undefined,
): boolean {
  if (added === undefined || tape[place] !== OBJECT) return false;
  const end = tape[place + 3]!;
  for (let at = place + VALUE_WORDS; at < end; at = tape[at + KEY_WORDS + 3]!)
    if (Object.hasOwn(added, names[tape[at]!]!)) return true;
  return false;
}

/** Whether an object in the value at this place, or up to so many levels below, has a key twice. */
function hasRepeats(document: JsonDocument, place: number, levels: number): boolean {
  const { tape, keys: names } = document;
  if (levels < 0) return false;
  const end = tape[place + 3]!;
  if (tape[place] === LIST) {
    for (let at = place + VALUE_WORDS; at < end; at = tape[at + 3]!) {
      if (tape[at]! >= OBJECT && hasRepeats(document, at, levels - 1)) return true;
    }
  } else if (tape[place] === OBJECT) {
    const keys = new Set<string>();
    for (let at = place + VALUE_WORDS; at < end; at = tape[at + KEY_WORDS + 3]!) {
      const key = names[tape[at]!]!;
      if (keys.has(key)) return true;
      keys.add(key);
      if (tape[at + KEY_WORDS]! >= OBJECT && hasRepeats(document, at + KEY_WORDS, levels - 1)) return true;
    }
  }
  return false;
}

const EXACT_DIGITS = 15;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const DOT = 0x2e;
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => 10 ** power);

/** Whether the number has so few digits that it can be put together from them: 15, or 16 that are below 2^53. */
function isExact(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start <= EXACT_DIGITS) return true;
  const first = bytes[start] === MINUS ? start + 1 : start;
  const size = end - first;
  return size <= EXACT_DIGITS || (size === EXACT_DIGITS + 1 && bytes[first]! < NINE);
}

function integerAt(bytes: Uint8Array, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS;
  let value = 0;
  for (let at = isNegative ? start + 1 : start; at < end; at++) value = value * 10 + (bytes[at]! - ZERO);
  return isNegative ? -value : value;
}

/** A number with a point or an exponent. A quotient of two exact doubles is the nearest one to the true value. */
function numberAt(bytes: Uint8Array, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS;
  let value = 0;
  let point = end - 1;
  for (let at = isNegative ? start + 1 : start; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit >= 0 && digit <= 9) value = value * 10 + digit;
    else if (bytes[at] === DOT) point = at;
    else return writtenNumber(bytes, start, end);
  }
  value /= POWERS[end - 1 - point]!;
  return isNegative ? -value : value;
}

function writtenNumber(bytes: Uint8Array, start: number, end: number): number {
  return Number(String.fromCharCode(...bytes.subarray(start, end)));
}
