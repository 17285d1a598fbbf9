import { writeUnescaped } from "../json/escapes.js";
import { SluiceError } from "../model/error.js";

/**
 * Characters that are held as one JavaScript string before they are encoded. One encoding per thousand characters
 * instead of one per value is the largest saving in text columns; longer strings are slower again, because they
 * outlive the young generation (measured on Node 20: 1,024 costs 10 to 20 % less than 8,192 or 32,768).
 */
const PENDING_LIMIT = 1024;
const LARGEST = 2 ** 31;
/** Bytes up to which a value is copied word by word. */
const SHORT = 96;
const WORD = 4;
/**
 * Bytes that are left behind the last word of a view. Node 24 takes a word at the very end for one beyond it when it has
 * optimized the code once, and then reads and writes words by calls for good.
 */
const SLACK = 4;

/**
 * The values of a text, json or binary column: UTF-8 bytes end to end, and where each value ends. A lone surrogate,
 * which UTF-8 can't hold, becomes U+FFFD; NUL is a character like any other.
 */
export class TextBuffer {
  #bytes = Buffer.alloc(0);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  /** Ends of values: in bytes up to `#flushed`, in characters of `#pending` after it. */
  #ends = new Uint32Array(0);
  #filled = 0;
  #flushed = 0;
  #pending = "";

  /** Bytes that are held (exact after a flush; before it, characters not yet encoded count as one byte). */
  get size(): number {
    return this.#used + this.#pending.length + 4 * this.#filled;
  }

  /** Sets the value of `row`, which must be behind all rows set before; rows between are empty. */
  append(row: number, value: string): void {
    if (row >= this.#ends.length) this.#growEnds(row + 1);
    this.#skipTo(row);
    this.#pending += value;
    this.#ends[row] = this.#pending.length;
    this.#filled = row + 1;
    if (this.#pending.length > PENDING_LIMIT) this.#flush();
  }

  /** Sets the value of `row` to bytes: UTF-8 or, in a binary column, anything. */
  appendBytes(row: number, source: Uint8Array): void {
    this.#beginBytes(row, source.length);
    this.#bytes.set(source, this.#used);
    this.#endBytes(row, this.#used + source.length);
  }

  /** Sets the value of `row` to the bytes `from` to `to` of a view. */
  appendSlice(row: number, source: DataView, from: number, to: number): void {
    const size = to - from;
    if (row !== this.#flushed || row >= this.#ends.length || this.#used + size + SLACK > this.#bytes.length) {
      this.#beginBytes(row, size);
    }
    const start = this.#used;
    // A call costs more than a short loop, and a byte at a time costs more than four; the last four overlap.
    if (size > SHORT) {
      this.#bytes.set(new Uint8Array(source.buffer, source.byteOffset + from, size), start);
    } else if (size >= WORD && to + SLACK <= source.byteLength) {
      const target = this.#view;
      const last = to - WORD;
      let write = start;
      for (let at = from; at < last; at += WORD, write += WORD)
        target.setInt32(write, source.getInt32(at, true), true);
      target.setInt32(start + size - WORD, source.getInt32(last, true), true);
    } else {
      for (let at = 0; at < size; at++) this.#bytes[start + at] = source.getUint8(from + at);
    }
    this.#endBytes(row, start + size);
  }

  /** Sets the values of `row` and those after it: all their bytes, and where each of them ends in these. */
  appendAll(row: number, source: Uint8Array, ends: Uint32Array): void {
    const after = row + ends.length;
    if (after > this.#ends.length) this.#growEnds(after);
    this.#beginBytes(row, source.length);
    const start = this.#used;
    this.#bytes.set(source, start);
    for (let at = 0; at < ends.length; at++) this.#ends[row + at] = start + ends[at]!;
    this.#used = start + source.length;
    this.#filled = after;
    this.#flushed = after;
  }

  /** Sets the value of `row` to the text that stands with escapes in a JSON document at `source[from .. to)`. */
  appendEscaped(row: number, source: Uint8Array, from: number, to: number): void {
    this.#beginBytes(row, to - from);
    this.#endBytes(row, writeUnescaped(source, from, to, this.#bytes, this.#used));
  }

  /** Forgets the values from `rows` on. */
  truncate(rows: number): void {
    if (rows >= this.#filled) return;
    if (rows > this.#flushed) {
      this.#pending = this.#pending.slice(0, this.#ends[rows - 1]);
    } else {
      this.#pending = "";
      this.#used = rows === 0 ? 0 : this.#ends[rows - 1]!;
      this.#flushed = rows;
    }
    this.#filled = rows;
  }

  /** The first `rows` values as a batch column holds them; the buffer is empty afterwards. */
  take(rows: number): { readonly data: Uint8Array; readonly offsets: Uint32Array } {
    if (rows > this.#ends.length) this.#growEnds(rows);
    this.#skipTo(rows);
    this.#flush();
    const offsets = new Uint32Array(rows + 1);
    offsets.set(this.#ends.subarray(0, rows), 1);
    const data = new Uint8Array(this.#used);
    data.set(this.#bytes.subarray(0, this.#used));
    this.#used = 0;
    this.#filled = 0;
    this.#flushed = 0;
    return { data, offsets };
  }

  /** Makes sure that all before `row` is encoded, and that so many bytes have room. */
  #beginBytes(row: number, size: number): void {
    if (row >= this.#ends.length) this.#growEnds(row + 1);
    if (this.#pending !== "") this.#flush();
    const used = this.#used;
    for (let at = this.#flushed; at < row; at++) this.#ends[at] = used;
    if (used + size + SLACK > this.#bytes.length) this.#reserve(size + SLACK);
  }

  #endBytes(row: number, end: number): void {
    this.#used = end;
    this.#ends[row] = end;
    this.#filled = row + 1;
    this.#flushed = row + 1;
  }

  #skipTo(row: number): void {
    for (let at = this.#filled; at < row; at++) this.#ends[at] = this.#pending.length;
    this.#filled = row;
  }

  #flush(): void {
    const text = this.#pending;
    if (text.length === 0) {
      this.#ends.fill(this.#used, this.#flushed, this.#filled);
    } else {
      // Four bytes more than characters: if as many bytes as characters are written, it was ASCII and all of it.
      this.#reserve(text.length + 4);
      const start = this.#used;
      if (this.#bytes.write(text, start, "utf8") === text.length) {
        for (let row = this.#flushed; row < this.#filled; row++) this.#ends[row]! += start;
        this.#used = start + text.length;
      } else if (this.#hasSeam(text)) {
        this.#encodeEach(text);
      } else {
        this.#encodeWhole(text);
      }
      this.#pending = "";
    }
    this.#flushed = this.#filled;
  }

  /** Encodes text that is not ASCII at once, and computes where its values end. */
  #encodeWhole(text: string): void {
    this.#reserve(Buffer.byteLength(text));
    let end = this.#used;
    this.#used += this.#bytes.write(text, this.#used, "utf8");
    let from = 0;
    for (let row = this.#flushed; row < this.#filled; row++) {
      const to = this.#ends[row]!;
      end += utf8Length(text, from, to);
      this.#ends[row] = end;
      from = to;
    }
  }

  #encodeEach(text: string): void {
    let from = 0;
    for (let row = this.#flushed; row < this.#filled; row++) {
      const to = this.#ends[row]!;
      const value = text.slice(from, to);
      this.#reserve(Buffer.byteLength(value));
      this.#used += this.#bytes.write(value, this.#used, "utf8");
      this.#ends[row] = this.#used;
      from = to;
    }
  }

  /** Whether a value ends and the next begins with half a character: end to end they would become a whole one. */
  #hasSeam(text: string): boolean {
    for (let row = this.#flushed; row < this.#filled; row++) {
      const end = this.#ends[row]!;
      if (end > 0 && end < text.length && isHigh(text.charCodeAt(end - 1)) && isLow(text.charCodeAt(end))) {
        return true;
      }
    }
    return false;
  }

  #growEnds(rows: number): void {
    const grown = new Uint32Array(Math.max(rows, 2 * this.#ends.length, 128));
    grown.set(this.#ends);
    this.#ends = grown;
  }

  #reserve(more: number): void {
    const needed = this.#used + more;
    if (needed <= this.#bytes.length) return;
    if (needed > LARGEST) {
      throw new SluiceError("internal/bug", "One text column of a batch is larger than 2 GiB.", {
        hint: "A batch must be taken before its columns grow that large.",
      });
    }
    const grown = Buffer.alloc(Math.min(LARGEST, Math.max(needed, 2 * this.#bytes.length, 1024)));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer, grown.byteOffset, grown.length);
  }
}

/** Bytes of `text[from .. to)` in UTF-8; a lone surrogate counts as U+FFFD. */
function utf8Length(text: string, from: number, to: number): number {
  let bytes = to - from;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) continue;
    if (code < 0x800) {
      bytes += 1;
    } else if (isHigh(code) && at + 1 < to && isLow(text.charCodeAt(at + 1))) {
      bytes += 2;
      at++;
    } else {
      bytes += 2;
    }
  }
  return bytes;
}

function isHigh(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function isLow(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
