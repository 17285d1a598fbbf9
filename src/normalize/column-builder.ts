import type { Column } from "../model/batch.js";
import { type ColumnSchema, DATA_TYPES, type DataType } from "../model/table.js";
import { precisionOf, type Stored, scaleOf } from "../schema/join.js";
import { TextBuffer } from "./text-buffer.js";

/** Types as small numbers: the hot path compares these, not strings. */
export const TEXT = 0;
export const BIGINT = 1;
export const DOUBLE = 2;
export const DECIMAL = 3;
export const BOOL = 4;
export const TIMESTAMP = 5;
export const DATE = 6;
export const TIME = 7;
const BINARY = 8;
export const JSON_TEXT = 9;

const CODES = new Map<DataType, number>(DATA_TYPES.map((type, code) => [type, code]));
/** Bytes of one value by code; 0 for text, whose buffer is another one. */
const WIDTHS = [0, 8, 8, 16, 1, 8, 4, 8, 0, 0];

const WORD = 4_294_967_296;
const DAY_MICROS = 86_400_000_000n;
/** Up to fifteen digits every decimal number has a double of its own. */
const EXACT_DECIMAL = 1e15;

/**
 * Fills one column of a batch. All columns of all types are of this one class with the same fields, so that the code
 * that fills them stays monomorphic. A value is set at most once per row, rows go upwards, and rows that are not set
 * are null: a column that is found late needs no back-filling.
 */
export class ColumnBuilder {
  schema: ColumnSchema;
  code: number;
  /** Values present. */
  count = 0;
  /** 10 ** scale of a decimal column, 0 where the fast way for numbers is not exact. */
  decimalUnit = 0;
  /** What unscaled values of a decimal column must be below to go the fast way. */
  decimalLimit = 0;
  #width: number;
  #capacity = 0;
  #validity = new Uint8Array(0);
  #bytes = new Uint8Array(0);
  #words = new Int32Array(0);
  #doubles = new Float64Array(0);
  #longs = new BigInt64Array(0);
  #text = new TextBuffer();
  /** Columns for values of other types. */
  readonly variants: ColumnBuilder[] = [];

  constructor(schema: ColumnSchema) {
    this.schema = schema;
    this.code = CODES.get(schema.type) ?? TEXT;
    this.#width = WIDTHS[this.code] ?? 0;
    this.#setDecimal();
  }

  /** Bytes of one value; 0 for text. */
  get width(): number {
    return this.#width;
  }

  /** Estimated bytes that `rows` rows take. */
  size(rows: number): number {
    return this.#width === 0 ? this.#text.size : rows * this.#width;
  }

  has(row: number): boolean {
    return row < this.#capacity && ((this.#validity[row >> 3]! >> (row & 7)) & 1) === 1;
  }

  setText(row: number, value: string): void {
    this.#mark(row);
    this.#text.append(row, value);
  }

  /** A text that stands as UTF-8 at the bytes `from` to `to` of a view. */
  setTextSlice(row: number, source: DataView, from: number, to: number): void {
    this.#mark(row);
    this.#text.appendSlice(row, source, from, to);
  }

  /** A text that stands with escapes in a JSON document at `source[from .. to)`. */
  setEscaped(row: number, source: Uint8Array, from: number, to: number): void {
    this.#mark(row);
    this.#text.appendEscaped(row, source, from, to);
  }

  /** A bigint column's value, as a safe integer. */
  setInteger(row: number, value: number): void {
    this.#mark(row);
    this.#setWords(row << 1, value);
  }

  setDouble(row: number, value: number): void {
    this.#mark(row);
    this.#doubles[row] = value;
  }

  setBool(row: number, value: boolean): void {
    this.#mark(row);
    this.#bytes[row] = value ? 1 : 0;
  }

  /** A timestamp in whole seconds and microseconds: seconds × 10^6 would exceed 2^53, so it is put together in halves. */
  setInstant(row: number, seconds: number, micros: number): void {
    this.#mark(row);
    // 10^6 = 15,625 × 64, and seconds × 15,625 is exact for the years 1 to 9999.
    const units = seconds * 15_625;
    let high = Math.floor(units / 67_108_864);
    let low = (units - high * 67_108_864) * 64 + micros;
    if (low >= WORD) {
      low -= WORD;
      high++;
    }
    this.#words[row << 1] = low;
    this.#words[(row << 1) + 1] = high;
  }

  /** Stores a number in a decimal column if that is exact, and says whether it did. */
  setDecimal(row: number, value: number): boolean {
    const unscaled = Math.round(value * this.decimalUnit);
    if (unscaled / this.decimalUnit !== value || Math.abs(unscaled) >= this.decimalLimit) return false;
    this.#mark(row);
    const at = row << 2;
    this.#setWords(at, unscaled);
    const sign = unscaled < 0 ? -1 : 0;
    this.#words[at + 2] = sign;
    this.#words[at + 3] = sign;
    return true;
  }

  /**
   * Sets `count` of the next `rows` rows at once, all from `row` on. `bits` says which: a bit for each row behind those
   * of its byte that are before `row`. `cells` are their values as a batch holds them; what is under a null is 0.
   */
  setCells(row: number, rows: number, count: number, bits: Uint8Array, cells: Uint8Array): void {
    this.#markAll(row, rows, count, bits);
    this.#bytes.set(cells, row * this.#width);
  }

  /** The same with text: UTF-8 end to end, and where each row's ends; nulls are empty. */
  setTexts(row: number, count: number, bits: Uint8Array, text: Uint8Array, ends: Uint32Array): void {
    this.#markAll(row, ends.length, count, bits);
    this.#text.appendAll(row, text, ends);
  }

  /** Stores a value in the form that `join` gives it. */
  store(row: number, value: Stored): void {
    this.#mark(row);
    switch (this.code) {
      case TEXT:
      case JSON_TEXT:
        this.#text.append(row, value as string);
        break;
      case BINARY:
        this.#text.appendBytes(row, value as Uint8Array);
        break;
      case DOUBLE:
        this.#doubles[row] = value as number;
        break;
      case BOOL:
        this.#bytes[row] = value === true ? 1 : 0;
        break;
      case DATE:
        this.#words[row] = value as number;
        break;
      case DECIMAL:
        this.#longs[row << 1] = BigInt.asIntN(64, value as bigint);
        this.#longs[(row << 1) + 1] = (value as bigint) >> 64n;
        break;
      default:
        this.#longs[row] = BigInt(value as number | bigint);
    }
  }

  /** Changes the column into a wider one, together with what it holds. */
  widen(schema: ColumnSchema, rows: number): void {
    const held = this.#integers(rows);
    const factor = this.code === DATE ? DAY_MICROS : 10n ** BigInt(scaleOf(schema) - scaleOf(this.schema));
    this.schema = schema;
    this.code = CODES.get(schema.type) ?? TEXT;
    this.#width = WIDTHS[this.code] ?? 0;
    this.#setDecimal();
    this.#allocate(this.#capacity);
    this.#validity.fill(0);
    this.count = 0;
    for (const [row, value] of held) {
      this.store(row, this.code === DOUBLE ? Number(value) : value * factor);
    }
  }

  /** Forgets the rows from `rows` on, of which there are `until`. */
  truncate(rows: number, until: number): void {
    const end = Math.min(until, this.#capacity);
    for (let row = rows; row < end; row++) {
      if (!this.has(row)) continue;
      this.#validity[row >> 3]! &= ~(1 << (row & 7));
      this.count--;
    }
    this.#text.truncate(rows);
  }

  /** The first `rows` values as a batch column in buffers of exact size; the builder is empty afterwards. */
  take(rows: number): Column {
    if (rows > this.#capacity) this.#allocate(rows);
    const { schema } = this;
    const validBytes = (rows + 7) >> 3;
    const nulls = this.count === rows ? {} : { validity: this.#validity.slice(0, validBytes) };
    this.#validity.fill(0, 0, validBytes);
    this.count = 0;
    switch (this.code) {
      case BOOL:
        return { schema, ...nulls, kind: "bits", data: this.#bytes.slice(0, rows) };
      case DATE:
        return { schema, ...nulls, kind: "int32", data: this.#words.slice(0, rows) };
      case DOUBLE:
        return { schema, ...nulls, kind: "float64", data: this.#doubles.slice(0, rows) };
      case DECIMAL:
        return { schema, ...nulls, kind: "int128", data: this.#longs.slice(0, 2 * rows) };
      case BIGINT:
      case TIMESTAMP:
      case TIME:
        return { schema, ...nulls, kind: "int64", data: this.#longs.slice(0, rows) };
      default:
        return { schema, ...nulls, kind: "text", ...this.#text.take(rows) };
    }
  }

  #mark(row: number): void {
    if (row >= this.#capacity) this.#allocate(Math.max(row + 1, 2 * this.#capacity, 64));
    this.#validity[row >> 3]! |= 1 << (row & 7);
    this.count++;
  }

  #markAll(row: number, rows: number, count: number, bits: Uint8Array): void {
    const end = row + rows;
    if (end > this.#capacity) this.#allocate(Math.max(end, 2 * this.#capacity, 64));
    const first = row >> 3;
    this.#validity[first]! |= bits[0]!;
    this.#validity.set(bits.subarray(1), first + 1);
    this.count += count;
  }

  #setWords(at: number, value: number): void {
    // Most integers have 32 bits, and this saves the division.
    if ((value | 0) === value) {
      this.#words[at] = value;
      this.#words[at + 1] = value >> 31;
    } else {
      const high = Math.floor(value / WORD);
      this.#words[at] = value - high * WORD;
      this.#words[at + 1] = high;
    }
  }

  /** What an integer column (bigint, date, decimal) holds. */
  #integers(rows: number): readonly (readonly [row: number, value: bigint])[] {
    const values: [number, bigint][] = [];
    for (let row = 0; row < rows; row++) {
      if (this.has(row)) values.push([row, this.#integer(row)]);
    }
    return values;
  }

  #integer(row: number): bigint {
    if (this.code === DATE) return BigInt(this.#words[row]!);
    if (this.code !== DECIMAL) return this.#longs[row]!;
    return (this.#longs[2 * row + 1]! << 64n) | BigInt.asUintN(64, this.#longs[2 * row]!);
  }

  #setDecimal(): void {
    const scale = scaleOf(this.schema);
    const exact = this.code === DECIMAL && scale <= 15;
    this.decimalUnit = exact ? 10 ** scale : 0;
    this.decimalLimit = exact ? Math.min(EXACT_DECIMAL, 10 ** precisionOf(this.schema)) : 0;
  }

  #allocate(rows: number): void {
    const capacity = (rows + 7) & ~7;
    const validity = new Uint8Array(capacity >> 3);
    validity.set(this.#validity.subarray(0, validity.length));
    this.#validity = validity;
    this.#capacity = capacity;
    if (this.#width === 0) return;
    const bytes = new Uint8Array(new ArrayBuffer(capacity * this.#width));
    bytes.set(this.#bytes.subarray(0, bytes.length));
    this.#bytes = bytes;
    if (this.#width >= 4) this.#words = new Int32Array(bytes.buffer);
    if (this.#width >= 8) this.#longs = new BigInt64Array(bytes.buffer);
    if (this.#width === 8) this.#doubles = new Float64Array(bytes.buffer);
  }
}
