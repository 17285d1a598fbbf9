// AssemblyScript: fills columns from the records of a document (src/normalize/filler.ts), as `addDocument`
// (src/normalize/document.ts) does, as long as everything is as its column expects it. At the first record in which
// something is not, it stops before that record: what a schema becomes is said in one place only, and not here.
//
// Memory: the plan (tables, columns, fields), cells of the columns, then the document, its tape, the places of records.
// Numbers below are bytes in the structures of the plan, which filler.ts writes.

import { ESCAPED, FALSE, INTEGER, LIST, NULL, NUMBER, OBJECT, STRING, TRUE } from "./kinds";

/**
 * A field: the shape that it is in, its column, shape and table of what is in it (0 is none), whether objects and lists in it
 * are kept whole.
 */
export const FIELD_BYTES: u32 = 24;
const FIELD_SHAPE: usize = 0;
const FIELD_COLUMN: usize = 4;
const FIELD_OBJECT: usize = 8;
const FIELD_ITEMS: usize = 12;
/** The last object in which it was met. */
const FIELD_MET: usize = 16;
const FIELD_WHOLE: usize = 20;

/**
 * A column: its code, bytes of a cell, the cells (of text: where it begins and ends in the document), a byte for each row
 * that has a value. For decimals: 10 ** scale, and what is too large. For bigints: what may be in it without a mark.
 */
export const COLUMN_BYTES: u32 = 32;
const COLUMN_CODE: usize = 0;
const COLUMN_WIDTH: usize = 4;
const COLUMN_CELLS: usize = 8;
const COLUMN_PRESENT: usize = 12;
const COLUMN_UNIT: usize = 16;
const COLUMN_LIMIT: usize = 24;
const COLUMN_MOST: usize = 16;

/**
 * A table: rows filled, rows there is room for, its columns (the first and how many), the shape of its rows if they are
 * objects, the field of those that are none, for each row its parent's and its place in the list, rows before the record.
 */
export const TABLE_BYTES: u32 = 40;
const TABLE_ROWS: usize = 0;
const TABLE_ROOM: usize = 4;
const TABLE_COLUMNS: usize = 8;
const TABLE_COUNT: usize = 12;
const TABLE_SHAPE: usize = 16;
const TABLE_ITEM: usize = 20;
const TABLE_PARENTS: usize = 24;
const TABLE_INDEXES: usize = 28;
const TABLE_MARK: usize = 32;
/** Rows that were begun, those of a record that was given up among them. */
const TABLE_BEGUN: usize = 36;

/** Codes of columns (src/normalize/column-builder.ts). */
const TEXT: u32 = 0;
const BIGINT: u32 = 1;
const DOUBLE: u32 = 2;
const DECIMAL: u32 = 3;
const BOOL: u32 = 4;
const TIMESTAMP: u32 = 5;

const VALUE_WORDS: u32 = 4;

/** Marks the end of text with escapes. Documents have less than 2 GiB. */
const HAS_ESCAPES: u32 = 0x8000_0000;
const PRESENT: u8 = 0xff;

/** Bytes of a number, with a fraction or exponent, that a double is as good as. */
const DOUBLE_BYTES: u32 = 18;
const EXACT_DIGITS: u32 = 15;
/** Digits that always fit 64 bits. */
const LONG_DIGITS: u32 = 18;
const MAX_SAFE: f64 = 9_007_199_254_740_991;

/** The double that is written at `from` to `to` of the document. */
declare function parse(from: u32, to: u32): f64;
/** Writes the text with escapes at `from` to `to` of the document to the address `out`; the address after it. */
declare function unescape(from: u32, to: u32, out: u32): u32;

let tables: u32 = 0;
let tableCount: u32 = 0;
let fieldOf: u32 = 0;
let keyCount: u32 = 0;
let required: u32 = 0;
let requiredCount: u32 = 0;
let body: u32 = 0;
let tape: u32 = 0;
/** For each row in order the number of its table. */
let begun: u32 = 0;
let begunUntil: u32 = 0;
let begunRoom: u32 = 0;
/** Counts objects, so that a field knows whether it was met before in the same one. */
let objects: u32 = 0;

/** Tells where the plan is: tables (the first is the root), the field of each key's number, columns that must have a value. */
export function usePlan(
  tablesAt: u32,
  count: u32,
  fieldsAt: u32,
  keys: u32,
  requiredAt: u32,
  requiredColumns: u32,
  begunAt: u32,
  mostRows: u32,
): void {
  tables = tablesAt;
  tableCount = count;
  fieldOf = fieldsAt;
  keyCount = keys;
  required = requiredAt;
  requiredCount = requiredColumns;
  begun = begunAt;
  begunRoom = begunAt + 4 * mostRows;
}

/** Tells where the document and its tape are. */
export function useDocument(bodyAt: u32, tapeAt: u32): void {
  body = bodyAt;
  tape = tapeAt;
}

/**
 * Fills in the records whose places in the tape stand at `from` to `to`, up to the first that is not as expected, or has
 * no more room. Gives where its place stands; `to` if all are filled in.
 */
export function fill(from: u32, to: u32): u32 {
  begunUntil = begun;
  for (let at = from; at < to; at += 4) {
    mark();
    if (!fillRecord(load<u32>(at))) {
      rollBack();
      return at;
    }
  }
  return to;
}

/** How many rows were begun, in all tables: for each of them the number of its table stands where `usePlan` said. */
export function rowsBegun(): u32 {
  return (begunUntil - begun) >> 2;
}

/** Forgets all rows. Cells of rows that have no value are zero from then on. */
export function clear(): void {
  for (let number: u32 = 0; number < tableCount; number++) {
    const table = tables + number * TABLE_BYTES;
    const rows = load<u32>(table, TABLE_BEGUN);
    store<u32>(table, 0, TABLE_ROWS);
    store<u32>(table, 0, TABLE_BEGUN);
    if (rows == 0) continue;
    let column = load<u32>(table, TABLE_COLUMNS);
    const end = column + load<u32>(table, TABLE_COUNT) * COLUMN_BYTES;
    for (; column < end; column += COLUMN_BYTES) {
      memory.fill(load<u32>(column, COLUMN_CELLS), 0, rows * load<u32>(column, COLUMN_WIDTH));
      memory.fill(load<u32>(column, COLUMN_PRESENT), 0, rows);
    }
  }
}

/**
 * Writes to `out` a bit for each of the first `rows` rows of a column, the lowest first, behind `shift` bits that are 0:
 * whether it has a value. Gives how many have.
 */
export function packValidity(column: u32, rows: u32, shift: u32, out: u32): u32 {
  const present = load<u32>(column, COLUMN_PRESENT);
  let count: u32 = 0;
  let bits: u64 = 0;
  let used = shift;
  for (let row: u32 = 0; row < rows; row += 16) {
    let mask = <u64>(<u32>i8x16.bitmask(v128.load(present + row)));
    // What is behind the last row belongs to a record that was given up.
    if (row + 16 > rows) mask &= (1 << (rows - row)) - 1;
    count += <u32>popcnt(mask);
    bits |= mask << used;
    store<u16>(out, <u16>bits);
    out += 2;
    bits >>= 16;
  }
  store<u16>(out, <u16>bits);
  return count;
}

/**
 * Writes the text of the first `rows` rows of a column to `out`, end to end, and where each of them ends, as bytes from
 * there, to `ends`. Gives how many bytes they are. Up to 16 more are written.
 */
export function copyText(column: u32, rows: u32, ends: u32, out: u32): u32 {
  let cell = load<u32>(column, COLUMN_CELLS);
  let write = out;
  for (let row: u32 = 0; row < rows; row++) {
    const from = load<u32>(cell);
    const to = load<u32>(cell, 4);
    if (to & HAS_ESCAPES) {
      write = unescape(from, to & ~HAS_ESCAPES, write);
    } else if (to > from) {
      const size = to - from;
      const source = body + from;
      for (let at: u32 = 0; at < size; at += 16) v128.store(write + at, v128.load(source + at));
      write += size;
    }
    store<u32>(ends, write - out);
    ends += 4;
    cell += 8;
  }
  return write - out;
}

function mark(): void {
  for (let number: u32 = 0; number < tableCount; number++) {
    const table = tables + number * TABLE_BYTES;
    store<u32>(table, load<u32>(table, TABLE_ROWS), TABLE_MARK);
  }
}

function rollBack(): void {
  for (let number: u32 = 0; number < tableCount; number++) {
    const table = tables + number * TABLE_BYTES;
    begunUntil -= 4 * (load<u32>(table, TABLE_ROWS) - load<u32>(table, TABLE_MARK));
    store<u32>(table, load<u32>(table, TABLE_MARK), TABLE_ROWS);
  }
}

function fillRecord(place: u32): bool {
  const row = beginRow(tables);
  if (row < 0 || !fillItem(tables, place, row)) return false;
  for (let at: u32 = 0; at < requiredCount; at++) {
    const column = load<u32>(required + 4 * at);
    if (load<u8>(load<u32>(column, COLUMN_PRESENT) + row) == 0) return false;
  }
  return true;
}

/** The number of a new row; -1 if there is no room. */
function beginRow(table: u32): i32 {
  const row = load<u32>(table, TABLE_ROWS);
  if (row == load<u32>(table, TABLE_ROOM) || begunUntil == begunRoom) return -1;
  store<u32>(table, row + 1, TABLE_ROWS);
  if (row + 1 > load<u32>(table, TABLE_BEGUN)) store<u32>(table, row + 1, TABLE_BEGUN);
  store<u32>(begunUntil, (table - tables) / TABLE_BYTES);
  begunUntil += 4;
  return row;
}

function fillItem(table: u32, place: u32, row: u32): bool {
  const kind = word(place);
  if (kind == OBJECT) return fillObject(load<u32>(table, TABLE_SHAPE), place, row);
  // A list in a list is the field's, which has no keys that would tell it from the list around it.
  return kind != LIST && fillValue(load<u32>(table, TABLE_ITEM), kind, place, row);
}

function fillObject(shape: u32, place: u32, row: u32): bool {
  const end = word(place + 3);
  const object = ++objects;
  let at = place + VALUE_WORDS;
  while (at < end) {
    const key = word(at);
    const value = at + 1;
    const kind = word(value);
    if (key >= keyCount) return false;
    const field = load<u32>(fieldOf + 4 * key);
    if (field == 0 || load<u32>(field, FIELD_SHAPE) != shape || load<u32>(field, FIELD_MET) == object)
      return false;
    store<u32>(field, object, FIELD_MET);
    // Only objects and lists have something after them: with this the next place need not be waited for.
    at = kind >= OBJECT ? word(value + 3) : value + VALUE_WORDS;
    if (kind != NULL && !fillValue(field, kind, value, row)) return false;
  }
  return true;
}

function fillValue(field: u32, kind: u32, place: u32, row: u32): bool {
  if (kind >= OBJECT) return fillNested(field, kind, place, row);
  if (kind == NULL) return true;
  const column = load<u32>(field, FIELD_COLUMN);
  if (column == 0) return false;
  const present = load<u32>(column, COLUMN_PRESENT) + row;
  // Another key has filled it.
  if (load<u8>(present) != 0) return false;
  store<u8>(present, PRESENT);
  // Nothing is written to a cell that is of another size.
  const cells = load<u32>(column, COLUMN_CELLS);
  const start = word(place + 1);
  const end = word(place + 2);
  switch (load<u32>(column, COLUMN_CODE)) {
    case TEXT: {
      if (kind != STRING && kind != ESCAPED) return false;
      store<u32>(cells + 8 * row, start);
      store<u32>(cells + 8 * row, kind == STRING ? end : end | HAS_ESCAPES, 4);
      return true;
    }
    case BIGINT: {
      if (kind == INTEGER) {
        if (end - start > LONG_DIGITS) return false;
        const value = integerAt(body + start, body + end);
        store<i64>(cells + 8 * row, value);
        return value <= load<i64>(column, COLUMN_MOST) && value >= -load<i64>(column, COLUMN_MOST);
      }
      if (!scanNumber(kind, start, end)) return false;
      store<i64>(cells + 8 * row, <i64>number);
      return floor(number) == number && abs(number) <= MAX_SAFE;
    }
    case DOUBLE: {
      if (!scanNumber(kind, start, end)) return false;
      store<f64>(cells + 8 * row, number);
      return isFinite(number);
    }
    case DECIMAL: {
      if (!scanNumber(kind, start, end)) return false;
      const unit = load<f64>(column, COLUMN_UNIT);
      const unscaled = nearest(number * unit);
      if (unscaled / unit != number || abs(unscaled) >= load<f64>(column, COLUMN_LIMIT)) return false;
      store<i64>(cells + 16 * row, <i64>unscaled);
      store<i64>(cells + 16 * row, <i64>unscaled >> 63, 8);
      return true;
    }
    case BOOL: {
      if (kind != TRUE && kind != FALSE) return false;
      store<u8>(cells + row, kind == TRUE ? 1 : 0);
      return true;
    }
    case TIMESTAMP: {
      if (kind != STRING || !scanTimestamp(body + start, body + end)) return false;
      store<i64>(cells + 8 * row, micros);
      return true;
    }
    default:
      return false;
  }
}

function fillNested(field: u32, kind: u32, place: u32, row: u32): bool {
  if (load<u32>(field, FIELD_WHOLE) != 0) return false;
  if (kind == OBJECT) {
    const shape = load<u32>(field, FIELD_OBJECT);
    return shape != 0 && fillObject(shape, place, row);
  }
  const end = word(place + 3);
  let at = place + VALUE_WORDS;
  if (at == end) return true;
  const table = load<u32>(field, FIELD_ITEMS);
  if (table == 0) return false;
  for (let index: u32 = 0; at < end; index++) {
    const item = beginRow(table);
    if (item < 0) return false;
    store<u32>(load<u32>(table, TABLE_PARENTS) + 4 * item, row);
    store<u32>(load<u32>(table, TABLE_INDEXES) + 4 * item, index);
    if (!fillItem(table, at, item)) return false;
    at = word(at + 3);
  }
  return true;
}

/** A word of the tape. */
function word(place: u32): u32 {
  return load<u32>(tape + 4 * place);
}

function byteAt(at: u32): u32 {
  return load<u8>(at);
}

function isDigit(byte: u32): bool {
  return byte - 0x30 <= 9;
}

function integerAt(at: u32, end: u32): i64 {
  const isNegative = byteAt(at) == 0x2d;
  let value: i64 = 0;
  for (at += isNegative ? 1 : 0; at < end; at++) value = value * 10 + (byteAt(at) - 0x30);
  return isNegative ? -value : value;
}

let number: f64 = 0;

/**
 * Reads a number into `number`; false if a double is not as good. Up to fifteen digits are put together from them: a
 * quotient of two exact doubles is the nearest one to the true value.
 */
function scanNumber(kind: u32, start: u32, end: u32): bool {
  if (kind != INTEGER && kind != NUMBER) return false;
  const isNegative = byteAt(body + start) == 0x2d;
  const digits = end - start - (isNegative ? 1 : 0);
  if (kind == INTEGER) {
    if (digits > EXACT_DIGITS) return false;
    const value = <f64>integerAt(body + start, body + end);
    number = isNegative && value == 0 ? -value : value;
    return true;
  }
  if (end - start > DOUBLE_BYTES) return false;
  if (digits > EXACT_DIGITS + 1) {
    number = parse(start, end);
    return true;
  }
  let value: i64 = 0;
  let power: f64 = 1;
  let isFraction = false;
  for (let at = body + start + (isNegative ? 1 : 0); at < body + end; at++) {
    const byte = byteAt(at);
    if (isDigit(byte)) {
      value = value * 10 + (byte - 0x30);
      if (isFraction) power *= 10;
    } else if (byte == 0x2e) {
      isFraction = true;
    } else {
      number = parse(start, end);
      return true;
    }
  }
  const whole = <f64>value / power;
  number = isNegative ? -whole : whole;
  return true;
}

const SHORTEST: u32 = 13;
const LONGEST: u32 = 35;
const DAY_SECONDS: i64 = 86_400;
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
const NO_DAY: i32 = i32.MIN_VALUE;

/** Microseconds since 1970. */
let micros: i64 = 0;

/** As `scanTimestamp` of src/schema/timestamp.ts, into `micros`. */
function scanTimestamp(from: u32, to: u32): bool {
  const size = to - from;
  if (size < SHORTEST || size > LONGEST) return false;
  const isExtended = byteAt(from + 4) == 0x2d;
  if (!isExtended && byteAt(from + 8) != 0x54) return false;
  if (isExtended && (size < 16 || byteAt(from + 7) != 0x2d)) return false;
  const days = isExtended
    ? civilDays(pair(from), pair(from + 2), pair(from + 5), pair(from + 8))
    : civilDays(pair(from), pair(from + 2), pair(from + 4), pair(from + 6));
  if (days == NO_DAY) return false;
  let at = from + (isExtended ? 10 : 8);
  if (byteAt(at) != 0x54 && byteAt(at) != 0x20) return false;
  at++;
  const hour = pair(at);
  if (hour < 0 || hour > 23) return false;
  at += 2;
  if (isExtended && byteAt(at++) != 0x3a) return false;
  const minute = pair(at);
  if (minute < 0 || minute > 59) return false;
  at += 2;

  let second: i32 = 0;
  let fraction: i64 = 0;
  if (at < to && (isExtended ? byteAt(at) == 0x3a : isDigit(byteAt(at)))) {
    if (isExtended) at++;
    if (at + 2 > to) return false;
    second = pair(at);
    if (second < 0 || second > 59) return false;
    at += 2;
    if (at < to && byteAt(at) == 0x2e) {
      const start = ++at;
      let scale: u32 = 100_000;
      while (at < to && isDigit(byteAt(at))) {
        fraction += (byteAt(at) - 0x30) * scale;
        // Past the sixth digit it is 0, which cuts off what is finer than a microsecond.
        scale /= 10;
        at++;
      }
      if (at == start || at - start > 9) return false;
    }
  }

  let offset: i32 = 0;
  if (at < to) {
    const sign = byteAt(at);
    if (sign == 0x5a || sign == 0x7a) {
      if (at + 1 != to) return false;
    } else if (sign == 0x2b || sign == 0x2d) {
      offset = offsetSeconds(at + 1, to);
      if (offset < 0) return false;
      if (sign == 0x2d) offset = -offset;
    } else return false;
  }
  const seconds = <i64>days * DAY_SECONDS + (hour * 3600 + minute * 60 + second - offset);
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND) return false;
  micros = seconds * 1_000_000 + fraction;
  return true;
}

/** Days since 1970-01-01, NO_DAY if there is no such day. The year is counted from March: the leap day is its last. */
function civilDays(century: i32, rest: i32, month: i32, day: i32): i32 {
  if (century < 0 || rest < 0 || month < 1 || month > 12 || day < 1) return NO_DAY;
  const year = century * 100 + rest;
  if (year == 0 || day > monthLength(year, month)) return NO_DAY;
  const marchYear = month > 2 ? year : year - 1;
  const marchMonth = month > 2 ? month - 3 : month + 9;
  const leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400;
  return marchYear * 365 + leapDays + (marchMonth * 153 + 2) / 5 + day - 719_469;
}

function monthLength(year: i32, month: i32): i32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/** The seconds of `hh`, `hhmm` or `hh:mm` up to `to`; -1 if it is none of these. */
function offsetSeconds(at: u32, to: u32): i32 {
  const size = to - at;
  if (size != 2 && size != 4 && size != 5) return -1;
  if (size == 5 && byteAt(at + 2) != 0x3a) return -1;
  const hours = pair(at);
  const minutes = size == 2 ? 0 : pair(to - 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return -1;
  return hours * 3600 + minutes * 60;
}

/** The number that two digits make, -1 if they aren't digits. */
function pair(at: u32): i32 {
  const tens = byteAt(at) - 0x30;
  const ones = byteAt(at + 1) - 0x30;
  return tens <= 9 && ones <= 9 ? tens * 10 + ones : -1;
}
