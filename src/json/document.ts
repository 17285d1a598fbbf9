import type { JsonDocument } from "../model/document.js";
import { Keys, NONE } from "./keys.js";

/** What a value is. Numbers with digits alone are integers; escaped text has a backslash in it. */
export const NULL = 0;
export const TRUE = 1;
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

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** Bytes of a number with a fraction or exponent up to which it has no more digits than a double keeps. */
export const DOUBLE_BYTES = 18;
const LARGEST = 2 ** 31 - 1;

/** 1 for the bytes that text may hold as they are. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
const IS_HEX = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[\da-f]/i.test(String.fromCharCode(byte)) ? 1 : 0,
);
const IS_ESCAPE = Uint8Array.from({ length: 256 }, (_, byte) =>
  '"\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0,
);

/** Words of tape that a byte took in the last document: a good guess for the next one. */
let wordsPerByte = 0.5;

/**
 * Reads a JSON text (RFC 8259) of valid UTF-8 without a byte order mark. It accepts exactly what `JSON.parse` accepts,
 * and nesting has no limit.
 *
 * @returns undefined for what is not JSON, and for documents of 2 GiB and more.
 *
 * @example
 * readDocument(Buffer.from('{"id":1}'))?.tape[0]; // OBJECT
 */
export function readDocument(body: Uint8Array, keys = new Keys()): JsonDocument | undefined {
  // Buffers would make the loops below see two kinds of arrays, and run at half the speed.
  const bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length;
  if (end > LARGEST) return undefined;
  let tape: Uint32Array<ArrayBuffer> = new Uint32Array(64 + Math.ceil(end * wordsPerByte));
  let used = 0;
  let hasLongNumbers = false;
  /** Places in the tape of the objects and lists that are open. */
  let open: Uint32Array<ArrayBuffer> = new Uint32Array(64);
  let depth = 0;
  /** For each of them the key whose value it is in, and the last key that was read in it. */
  let parents: Uint32Array<ArrayBuffer> = new Uint32Array(64);
  let befores: Uint32Array<ArrayBuffer> = new Uint32Array(64);
  /** The key whose value is read. */
  let key = NONE;
  let at = blanks(bytes, 0);

  for (;;) {
    if (at >= end) return undefined;
    if (used + VALUE_WORDS + KEY_WORDS > tape.length) tape = resized(tape, 2 * tape.length);
    const value = used;
    used += VALUE_WORDS;
    tape[value + 1] = at;
    let byte = bytes[at]!;
    if (byte === QUOTE) {
      const start = ++at;
      while (at < end && PLAIN[bytes[at]!] === 1) at++;
      let kind = STRING;
      if (bytes[at] !== QUOTE) {
        kind = ESCAPED;
        at = escapedEnd(bytes, at);
        if (at < 0) return undefined;
      }
      tape[value] = kind;
      tape[value + 1] = start;
      tape[value + 2] = at++;
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      at = blanks(bytes, at + 1);
      tape[value] = byte === OPEN_OBJECT ? OBJECT : LIST;
      if (bytes[at] !== (byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_LIST)) {
        if (depth === open.length) {
          open = resized(open, 2 * depth);
          parents = resized(parents, 2 * depth);
          befores = resized(befores, 2 * depth);
        }
        open[depth] = value;
        parents[depth++] = key;
        if (byte === OPEN_LIST) continue;
        at = memberStart(bytes, view, at, keys, key, NONE);
        if (at < 0) return undefined;
        key = keyRead;
        befores[depth - 1] = key;
        tape[used++] = key;
        continue;
      }
      tape[value + 2] = ++at;
    } else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) {
      const stop = numberEnd(bytes, at);
      if (stop < 0) return undefined;
      const isInteger = (stop & 1) === 1;
      tape[value] = isInteger ? INTEGER : NUMBER;
      // With no more digits than these, and without an exponent of three, a double says all of a number.
      if ((stop >> 1) - at > (isInteger ? 15 : DOUBLE_BYTES)) hasLongNumbers = true;
      else if (!isInteger && hasLongExponent(bytes, at, stop >> 1)) hasLongNumbers = true;
      at = stop >> 1;
      tape[value + 2] = at;
    } else {
      const kind = wordKind(bytes, at, byte);
      if (kind < 0) return undefined;
      at += kind === FALSE ? 5 : 4;
      tape[value] = kind;
      tape[value + 2] = at;
    }
    tape[value + 3] = used;

    // The value is complete; so may be the objects and lists around it.
    for (;;) {
      if (depth === 0) {
        if (blanks(bytes, at) < end) return undefined;
        wordsPerByte = used / Math.max(end, 1024);
        return { bytes, tape: tape.subarray(0, used), keys: keys.names, hasLongNumbers };
      }
      byte = at < end ? bytes[at]! : 0;
      if (byte <= 0x20) {
        at = blanks(bytes, at);
        if (at >= end) return undefined;
        byte = bytes[at]!;
      }
      const parent = open[depth - 1]!;
      const isObject = tape[parent] === OBJECT;
      if (byte === COMMA) {
        at++;
        if (at < end && bytes[at]! <= 0x20) at = blanks(bytes, at);
        if (isObject) {
          if (used + VALUE_WORDS + KEY_WORDS > tape.length) tape = resized(tape, 2 * tape.length);
          at = memberStart(bytes, view, at, keys, parents[depth - 1]!, befores[depth - 1]!);
          if (at < 0) return undefined;
          key = keyRead;
          befores[depth - 1] = key;
          tape[used++] = key;
        } else key = parents[depth - 1]!;
        break;
      }
      if (byte !== (isObject ? CLOSE_OBJECT : CLOSE_LIST)) return undefined;
      at++;
      tape[parent + 2] = at;
      tape[parent + 3] = used;
      depth--;
    }
  }
}

/** The number of the key that was read last. */
let keyRead = NONE;

/** Reads the key at `at` into `keyRead`, and its colon; where its value begins, or -1. */
function memberStart(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  keys: Keys,
  parent: number,
  before: number,
): number {
  if (at >= bytes.length || bytes[at] !== QUOTE) return -1;
  const colon = keyEnd(bytes, view, at + 1, keys, parent, before);
  return colon < 0 ? -1 : valueStart(bytes, colon);
}

/** Reads the key behind the quote at `at - 1`; the byte after its closing quote, or -1. */
function keyEnd(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  keys: Keys,
  parent: number,
  before: number,
): number {
  const guessed = keys.guess(parent, before, view, at, bytes.length);
  if (guessed !== NONE) {
    keyRead = guessed;
    return at + keys.sizeOf(guessed);
  }
  let end = at;
  while (end < bytes.length && PLAIN[bytes[end]!] === 1) end++;
  end = escapedEnd(bytes, end);
  if (end < 0) return -1;
  keyRead = keys.numberOf(parent, before, bytes, at, end + 1);
  return end + 1;
}

/** Where the value begins whose key ends at `at`; -1 if no colon stands between. */
function valueStart(bytes: Uint8Array, at: number): number {
  let start = at;
  if (start < bytes.length && bytes[start] !== COLON) start = blanks(bytes, start);
  if (start >= bytes.length || bytes[start] !== COLON) return -1;
  start++;
  return start < bytes.length && bytes[start]! <= 0x20 ? blanks(bytes, start) : start;
}

/** The first byte from `at` on that is no blank. */
function blanks(bytes: Uint8Array, at: number): number {
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
  return at;
}

/** Where text ends that has an escape, or something that no text may hold, at `at`: its last quote, or -1. */
function escapedEnd(bytes: Uint8Array, at: number): number {
  const end = bytes.length;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) {
      const escape = at + 1 < end ? bytes[at + 1]! : 0;
      if (IS_ESCAPE[escape] === 1) {
        at += 2;
      } else if (escape === 0x75 && at + 5 < end) {
        for (let digit = at + 2; digit < at + 6; digit++) if (IS_HEX[bytes[digit]!] === 0) return -1;
        at += 6;
      } else return -1;
    } else if (byte < 0x20) return -1;
    else at++;
  }
  return -1;
}

/** Twice the byte after the number at `at`, plus 1 for an integer; -1 for what is no number. */
function numberEnd(bytes: Uint8Array, at: number): number {
  const end = bytes.length;
  if (bytes[at] === MINUS) at++;
  const first = at < end ? bytes[at]! : 0;
  if (first === ZERO) at++;
  else if (first > ZERO && first <= NINE) at = digitsEnd(bytes, at + 1);
  else return -1;
  let isInteger = 1;
  if (at < end && bytes[at] === DOT) {
    isInteger = 0;
    const stop = digitsEnd(bytes, at + 1);
    if (stop === at + 1) return -1;
    at = stop;
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    isInteger = 0;
    at++;
    if (at < end && (bytes[at] === MINUS || bytes[at] === 0x2b)) at++;
    const stop = digitsEnd(bytes, at);
    if (stop === at) return -1;
    at = stop;
  }
  return at * 2 + isInteger;
}

/** Whether a number that is no integer has an exponent of three digits or more: then it may be beyond a double. */
function hasLongExponent(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = to - 4; at > from; at--) {
    if ((bytes[at]! | 0x20) === 0x65) return true;
    if (at < to - 12) return false;
  }
  return false;
}

function digitsEnd(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
  return at;
}

/** The kind of `null`, `true` or `false`; -1 for another word. */
function wordKind(bytes: Uint8Array, at: number, first: number): number {
  const second = bytes[at + 1];
  const third = bytes[at + 2];
  const fourth = bytes[at + 3];
  if (first === 0x6e) return second === 0x75 && third === 0x6c && fourth === 0x6c ? NULL : -1;
  if (first === 0x74) return second === 0x72 && third === 0x75 && fourth === 0x65 ? TRUE : -1;
  if (first !== 0x66) return -1;
  return second === 0x61 && third === 0x6c && fourth === 0x73 && bytes[at + 4] === 0x65 ? FALSE : -1;
}

function resized(words: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(length);
  copy.set(words);
  return copy;
}
