import type { JsonDocument } from "../model/document.js";
import { WASM_PAGE_BYTES, type WasmConstant, type WasmMemory, wasmInstance } from "../wasm/instance.js";
import { ENTRY_WORDS, type KeyMemory, Keys } from "./keys.js";

/** What a value is, and 1 is true. Numbers with digits alone are integers; escaped text has a backslash in it. */
export const NULL = 0;
export const FALSE = 2;
export const INTEGER = 3;
export const NUMBER = 4;
export const STRING = 5;
export const ESCAPED = 6;
export const OBJECT = 7;
export const LIST = 8;

/** Words of one value and of one key. */
export const VALUE_WORDS = 4;
export const KEY_WORDS = 1;

/** Bytes of a number with a fraction or exponent up to which it has no more digits than a double keeps. */
export const DOUBLE_BYTES = 18;

const LARGEST = 2 ** 31 - 1;
const WORD_BYTES = 4;
/** A document after which the memory is not kept: it would never become smaller again. */
const KEPT_BYTES = 16 * 1024 * 1024;

/** What `wasm/read-document.ts` exports. */
interface ReaderExports {
  readonly memory: WasmMemory;
  readonly ENTRIES: WasmConstant;
  readonly MOST_ENTRIES: WasmConstant;
  readonly WRITTEN: WasmConstant;
  readonly MOST_WRITTEN: WasmConstant;
  readonly BODY: WasmConstant;
  readonly PADDING: WasmConstant;
  readonly TOO_LARGE: WasmConstant;
  read(size: number, tape: number): number;
  hasLongNumbers(): number;
}

/** The reader of this thread: its memory is used by one document after the other. */
interface Reader {
  readonly exports: ReaderExports;
  /** Whose keys it has. */
  keys: Keys | undefined;
  /** The document that is read. */
  bytes: Uint8Array;
}

let reader: Reader | undefined;

/**
 * Reads a JSON text (RFC 8259) of valid UTF-8 without a byte order mark. It accepts exactly what `JSON.parse` accepts,
 * and nesting has no limit.
 *
 * @returns undefined for what is not JSON, and for documents that are too large: 2 GiB, or with a tape beyond 4 GiB.
 *
 * @example
 * readDocument(Buffer.from('{"id":1}'))?.tape[0]; // OBJECT
 */
export function readDocument(body: Uint8Array, keys = new Keys()): JsonDocument | undefined {
  const bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.length > LARGEST) return undefined;
  reader ??= createReader();
  try {
    return readWith(reader, bytes, keys);
  } finally {
    if (bytes.length > KEPT_BYTES) reader = undefined;
    else reader.bytes = NOTHING;
  }
}

function readWith(reader: Reader, bytes: Uint8Array, keys: Keys): JsonDocument | undefined {
  const { exports } = reader;
  const { memory } = exports;
  const start = exports.BODY.value;
  const tapeStart = (start + bytes.length + exports.PADDING.value + WORD_BYTES - 1) & -WORD_BYTES;
  const missing = (tapeStart >>> 0) + WASM_PAGE_BYTES - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / WASM_PAGE_BYTES));
  if (reader.keys !== keys) {
    reader.keys = keys;
    keys.tellAll(keyMemory(exports));
  }
  reader.bytes = bytes;
  const held = new Uint8Array(memory.buffer, start);
  held.set(bytes);
  held.fill(0, bytes.length, bytes.length + exports.PADDING.value);

  const words = exports.read(bytes.length, tapeStart);
  if (words === 0 || words === exports.TOO_LARGE.value) return undefined;
  // Memory of its own, which can be handed to another thread; unset at first.
  const tape = new Uint32Array(Buffer.allocUnsafeSlow(words * WORD_BYTES).buffer);
  tape.set(new Uint32Array(memory.buffer, tapeStart >>> 0, words));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { bytes, view, tape, keys: keys.names, hasLongNumbers: exports.hasLongNumbers() === 1 };
}

const NOTHING = new Uint8Array(0);

function createReader(): Reader {
  const reader: { keys: Keys | undefined; bytes: Uint8Array } = { keys: undefined, bytes: NOTHING };
  const numberOf = (parent: number, before: number, from: number, to: number): number =>
    reader.keys!.numberOf(keyMemory(exports), parent, before, reader.bytes, from, to);
  const exports = wasmInstance("read-document", { numberOf }) as ReaderExports;
  return Object.assign(reader, { exports });
}

/** Anew whenever it is needed: memory that grows gets another buffer. */
function keyMemory({ memory, ENTRIES, MOST_ENTRIES, WRITTEN, MOST_WRITTEN }: ReaderExports): KeyMemory {
  return {
    entries: new Uint32Array(memory.buffer, ENTRIES.value, MOST_ENTRIES.value * ENTRY_WORDS),
    written: new Uint8Array(memory.buffer, WRITTEN.value, MOST_WRITTEN.value),
    address: WRITTEN.value,
  };
}
