import type { Batch, Column } from "../../model/batch.js";
import { SluiceError } from "../../model/error.js";
import type { ColumnSchema } from "../../model/table.js";

/**
 * The rows of a batch in PostgreSQL's binary COPY format (documentation of COPY, "Binary Format"), built straight from
 * the column buffers: no row objects, no text of numbers. Each chunk holds whole rows and belongs to the caller.
 *
 * @throws SluiceError `internal/bug` for a batch that does not hold what it says.
 * @example
 * for (const chunk of copyChunks(batch)) socket.write(chunk);
 */
export function* copyChunks(batch: Batch): Generator<Buffer, void, undefined> {
  const cells = batch.columns.map((column) => cellsOf(column, batch.rows));
  const step = rowsPerChunk(cells, batch.rows);
  yield HEADER;
  for (let start = 0; start < batch.rows; start += step) {
    const end = Math.min(batch.rows, start + step);
    const bytes = cells.reduce((sum, { most }) => sum + most(start, end), (end - start) * 2);
    const out = Buffer.allocUnsafe(bytes);
    yield out.subarray(0, writeRows(out, cells, start, end));
  }
  yield TRAILER;
}

const HEADER = Buffer.concat([Buffer.from("PGCOPY\n\u00ff\r\n\0", "latin1"), Buffer.alloc(8)]);
const TRAILER = Buffer.from([0xff, 0xff]);

/** Large enough that a system call is nothing beside it, small enough for the cache. */
const CHUNK_BYTES = 128 * 1024;

/** One column as cells of tuples. */
interface Cells {
  readonly validity: Uint8Array | undefined;
  /** Writes the cell of a row, length first, and returns where the next one begins. */
  readonly write: (out: Buffer, at: number, row: number) => number;
  /** An upper bound of the bytes of rows `start` to `end`, lengths included. */
  readonly most: (start: number, end: number) => number;
}

function rowsPerChunk(cells: readonly Cells[], rows: number): number {
  const bytes = cells.reduce((sum, { most }) => sum + most(0, rows), 0);
  return Math.max(1, Math.min(rows, Math.floor((CHUNK_BYTES * rows) / Math.max(1, bytes))));
}

function writeRows(out: Buffer, cells: readonly Cells[], start: number, end: number): number {
  let at = 0;
  for (let row = start; row < end; row += 1) {
    out[at] = cells.length >> 8;
    out[at + 1] = cells.length;
    at += 2;
    for (const { validity, write } of cells) {
      if (validity !== undefined && (validity[row >> 3]! & (1 << (row & 7))) === 0) at = int32(out, at, -1);
      else at = write(out, at, row);
    }
  }
  return at;
}

function cellsOf(column: Column, rows: number): Cells {
  const { schema, validity } = column;
  if (validity !== undefined && validity.length < (rows + 7) >> 3)
    throw broken(schema, "too few validity bits");
  const values = column.kind === "text" ? column.offsets.length - 1 : column.data.length;
  if (values < (column.kind === "int128" ? rows * 2 : rows)) throw broken(schema, "fewer values than rows");
  if (column.kind === "text") return textCells(column, rows);
  const [width, write] = fixedCells(column);
  return { validity, write, most: (start, end) => (end - start) * width };
}

/** The most bytes of a cell, and how one is written. */
function fixedCells(column: Exclude<Column, { kind: "text" }>): [number, Cells["write"]] {
  if (column.kind === "bits") {
    const { data } = column;
    return [
      5,
      (out, at, row) => {
        const next = int32(out, at, 1);
        out[next] = data[row]!;
        return next + 1;
      },
    ];
  }
  if (column.kind === "int32") {
    const { data } = column;
    return [8, (out, at, row) => int32(out, int32(out, at, 4), data[row]! - DAYS_TO_2000)];
  }
  if (column.kind === "float64") {
    const words = wordsOf(column.data);
    return [
      12,
      (out, at, row) => int32(out, int32(out, int32(out, at, 8), words[row * 2 + 1]!), words[row * 2]!),
    ];
  }
  if (column.kind === "int128") return [NUMERIC_BYTES, numericCell(column.data, column.schema)];
  const words = wordsOf(column.data);
  const [low, high] = column.schema.type === "timestamp" ? MICROS_TO_2000 : [0, 0];
  return [
    12,
    (out, at, row) => {
      const difference = (words[row * 2]! >>> 0) - low;
      const borrow = difference < 0 ? 1 : 0;
      return int32(out, int32(out, int32(out, at, 8), words[row * 2 + 1]! - high - borrow), difference);
    },
  ];
}

/** PostgreSQL counts days and microseconds from 2000-01-01. */
const DAYS_TO_2000 = 10_957;
const MICROS_TO_2000: readonly [low: number, high: number] = [
  946_684_800_000_000 % 2 ** 32,
  Math.floor(946_684_800_000_000 / 2 ** 32),
];

function textCells(column: Column & { kind: "text" }, rows: number): Cells {
  const { schema, validity, offsets } = column;
  const data = Buffer.from(column.data.buffer, column.data.byteOffset, column.data.length);
  for (let row = 0; row < rows; row += 1) {
    if (offsets[row + 1]! < offsets[row]!) throw broken(schema, "offsets do not increase");
  }
  if (offsets[rows]! > data.length) throw broken(schema, "offsets do not fit the data");
  // jsonb has a version byte before its text.
  const before = schema.type === "json" ? 1 : 0;
  return {
    validity,
    most: (start, end) => (end - start) * (4 + before) + offsets[end]! - offsets[start]!,
    write(out, at, row) {
      const from = offsets[row]!;
      const to = offsets[row + 1]!;
      let next = int32(out, at, to - from + before);
      if (before === 1) out[next++] = 1;
      if (to - from > SHORT_BYTES) return next + data.copy(out, next, from, to);
      for (let byte = from; byte < to; byte += 1) out[next++] = data[byte]!;
      return next;
    },
  };
}

/** Below it a loop over the bytes is faster than a native copy. */
const SHORT_BYTES = 32;

/** Length, header of four 16-bit numbers, and at most 11 digits: 38 decimal ones, aligned to the point. */
const NUMERIC_BYTES = 4 + 8 + 2 * 11;

/** `numeric`: digits to the base 10,000 from the highest, the place of the first, sign, digits after the point. */
function numericCell(data: BigInt64Array, { scale = 0 }: ColumnSchema): Cells["write"] {
  const padding = (4 - (scale % 4)) % 4;
  const align = 10n ** BigInt(padding);
  const fraction = (scale + padding) / 4;
  const digits = new Uint16Array(16);
  return (out, at, row) => {
    let value = (data[row * 2 + 1]! << 64n) | BigInt.asUintN(64, data[row * 2]!);
    const isNegative = value < 0n;
    value = (isNegative ? -value : value) * align;
    let count = 0;
    while (value > SAFE) {
      digits[count++] = Number(value % 10_000n);
      value /= 10_000n;
    }
    for (let rest = Number(value); rest > 0; rest = Math.floor(rest / 10_000))
      digits[count++] = rest % 10_000;
    let next = int32(out, at, 8 + count * 2);
    next = int16(out, next, count);
    next = int16(out, next, count - 1 - fraction);
    next = int16(out, next, isNegative ? 0x4000 : 0);
    next = int16(out, next, scale);
    for (let digit = count - 1; digit >= 0; digit -= 1) next = int16(out, next, digits[digit]!);
    return next;
  };
}

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** 64-bit values as pairs of 32-bit words, the low one first: BigInts would cost more than the whole rest. */
function wordsOf(data: BigInt64Array | Float64Array): Int32Array {
  return new Int32Array(data.buffer, data.byteOffset, data.length * 2);
}

function int32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

function int16(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 8;
  out[at + 1] = value;
  return at + 2;
}

function broken(schema: ColumnSchema, what: string): SluiceError {
  return new SluiceError(
    "internal/bug",
    `a batch does not hold what it says: column ${schema.name} has ${what}`,
  );
}
