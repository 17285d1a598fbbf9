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
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const LOWER_E = 0x65;
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
/** What is kept of an object or list while one inside it is read: place in the tape, key it is in, last key read. */
const OPEN_WORDS = 3;

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
  let tape = unsetWords(64 + Math.ceil(end * wordsPerByte));
  let used = 0;
  let hasLongNumbers = false;
  /** The object or list that is read: its kind (NULL: none), its place, the key it is in, the last key read in it. */
  let container = NULL;
  let place = 0;
  let parent = NONE;
  let before = NONE;
  /** The same of those around it. */
  let open = unsetWords(64 * OPEN_WORDS);
  let opened = 0;
  /** The key whose value is read. */
  let key = NONE;
  let at = blanks(bytes, 0);

  for (;;) {
    if (at >= end) return undefined;
    if (used + VALUE_WORDS + KEY_WORDS > tape.length) tape = resized(tape, 2 * tape.length);
    const value = used;
    used += VALUE_WORDS;
    let byte = bytes[at]!;
    if (byte === QUOTE) {
      const start = at + 1;
      let kind = STRING;
      at = plainEnd(bytes, view, start);
      if (at >= end || bytes[at] !== QUOTE) {
        kind = ESCAPED;
        at = escapedEnd(bytes, view, at);
        if (at < 0) return undefined;
      }
      tape[value] = kind;
      tape[value + 1] = start;
      tape[value + 2] = at++;
    } else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) {
      const digits = byte === MINUS ? at + 1 : at;
      let stop = digitsEnd(bytes, digits);
      if (stop === digits || (stop > digits + 1 && bytes[digits] === ZERO)) return undefined;
      let kind = INTEGER;
      byte = stop < end ? bytes[stop]! : 0;
      if (byte === DOT || (byte | 0x20) === LOWER_E) {
        kind = NUMBER;
        stop = fractionEnd(bytes, stop);
        if (stop < 0) return undefined;
      }
      // With no more digits than these, and without an exponent of three, a double says all of a number.
      if (stop - at > (kind === INTEGER ? 15 : DOUBLE_BYTES)) hasLongNumbers = true;
      else if (kind === NUMBER && hasLongExponent(bytes, at, stop)) hasLongNumbers = true;
      tape[value] = kind;
      tape[value + 1] = at;
      at = stop;
      tape[value + 2] = at;
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      const kind = byte === OPEN_OBJECT ? OBJECT : LIST;
      tape[value] = kind;
      tape[value + 1] = at;
      at = blanks(bytes, at + 1);
      if (at < end && bytes[at] === (kind === OBJECT ? CLOSE_OBJECT : CLOSE_LIST)) {
        tape[value + 2] = ++at;
      } else {
        if (opened === open.length) open = resized(open, 2 * opened);
        open[opened] = place;
        open[opened + 1] = parent;
        open[opened + 2] = before;
        opened += OPEN_WORDS;
        container = kind;
        place = value;
        parent = key;
        before = NONE;
        if (kind === LIST) continue;
        at = memberStart(bytes, view, at, keys, parent, before);
        if (at < 0) return undefined;
        key = before = keyRead;
        tape[used++] = key;
        continue;
      }
    } else {
      const kind = wordKind(bytes, at, byte);
      if (kind < 0) return undefined;
      tape[value] = kind;
      tape[value + 1] = at;
      at += kind === FALSE ? 5 : 4;
      tape[value + 2] = at;
    }
    tape[value + 3] = used;

    // The value is complete; so may be the objects and lists around it.
    for (;;) {
      byte = at < end ? bytes[at]! : 0;
      if (byte <= 0x20) {
        at = blanks(bytes, at);
        byte = at < end ? bytes[at]! : 0;
      }
      if (container === NULL) {
        if (at < end) return undefined;
        wordsPerByte = (used / Math.max(end, 1024)) * 1.125;
        return { bytes, view, tape: tape.subarray(0, used), keys: keys.names, hasLongNumbers };
      }
      if (byte === COMMA) {
        at++;
        if (at < end && bytes[at]! <= 0x20) at = blanks(bytes, at);
        key = parent;
        if (container === LIST) break;
        at = memberStart(bytes, view, at, keys, parent, before);
        if (at < 0) return undefined;
        if (used + VALUE_WORDS + KEY_WORDS > tape.length) tape = resized(tape, 2 * tape.length);
        key = before = keyRead;
        tape[used++] = key;
        break;
      }
      if (byte !== (container === OBJECT ? CLOSE_OBJECT : CLOSE_LIST)) return undefined;
      at++;
      tape[place + 2] = at;
      tape[place + 3] = used;
      opened -= OPEN_WORDS;
      place = open[opened]!;
      parent = open[opened + 1]!;
      before = open[opened + 2]!;
      container = opened === 0 ? NULL : tape[place]!;
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
  const guessed = keys.guess(parent, before, view, at);
  let start: number;
  if (guessed === NONE) {
    start = colonEnd(bytes, otherKeyEnd(bytes, view, at, keys, parent, before));
    if (start < 0) return -1;
  } else {
    keyRead = guessed;
    start = at + keys.sizeOf(guessed);
  }
  return start < bytes.length && bytes[start]! <= 0x20 ? blanks(bytes, start) : start;
}

/** Reads a key that was not guessed; the byte after its closing quote, or -1. */
function otherKeyEnd(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  keys: Keys,
  parent: number,
  before: number,
): number {
  if (at >= bytes.length || bytes[at] !== QUOTE) return -1;
  const end = escapedEnd(bytes, view, plainEnd(bytes, view, at + 1));
  if (end < 0) return -1;
  keyRead = keys.numberOf(parent, before, bytes, at + 1, end);
  return end + 1;
}

/** The byte after the colon of a key that ends at `at`; -1 if there is none. */
function colonEnd(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  const colon = blanks(bytes, at);
  return colon < bytes.length && bytes[colon] === COLON ? colon + 1 : -1;
}

/**
 * The first byte from `at` on that ends plain text: a quote, a backslash or a control character. Four bytes at a time:
 * the sign of a byte is set in `hit` where one of them stands, and wrongly at most behind such a one. The last word
 * is left out, because Node 24 takes it for one beyond the end and calls a function for each word from then on.
 */
function plainEnd(bytes: Uint8Array, view: DataView, at: number): number {
  const end = bytes.length;
  for (; at + 8 <= end; at += 4) {
    const word = view.getInt32(at, true);
    // With this bit turned over a quote is the smallest character that is no control character.
    const quote = word ^ 0x02020202;
    const backslash = word ^ 0x5c5c5c5c;
    const hit = (((quote - 0x21212121) & ~quote) | ((backslash - 0x01010101) & ~backslash)) & 0x80808080;
    if (hit !== 0) return at + ((31 - Math.clz32(hit & -hit)) >> 3);
  }
  while (at < end && PLAIN[bytes[at]!] === 1) at++;
  return at;
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
function escapedEnd(bytes: Uint8Array, view: DataView, at: number): number {
  const end = bytes.length;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at;
    if (byte !== BACKSLASH) return -1;
    const escape = at + 1 < end ? bytes[at + 1]! : 0;
    if (IS_ESCAPE[escape] === 1) {
      at += 2;
    } else if (escape === 0x75 && at + 5 < end) {
      for (let digit = at + 2; digit < at + 6; digit++) if (IS_HEX[bytes[digit]!] === 0) return -1;
      at += 6;
    } else return -1;
    at = plainEnd(bytes, view, at);
  }
  return -1;
}

/** The byte after the fraction and exponent, or only one of them, that begin at `at`; -1 for what is none. */
function fractionEnd(bytes: Uint8Array, at: number): number {
  const end = bytes.length;
  if (bytes[at] === DOT) {
    const stop = digitsEnd(bytes, at + 1);
    if (stop === at + 1) return -1;
    at = stop;
  }
  if (at < end && (bytes[at]! | 0x20) === LOWER_E) {
    at++;
    if (at < end && (bytes[at] === MINUS || bytes[at] === PLUS)) at++;
    const stop = digitsEnd(bytes, at);
    if (stop === at) return -1;
    at = stop;
  }
  return at;
}

/** Whether a number that is no integer has an exponent of three digits or more: then it may be beyond a double. */
function hasLongExponent(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = to - 4; at > from; at--) {
    if ((bytes[at]! | 0x20) === LOWER_E) return true;
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

/** Words that hold anything. */
function unsetWords(length: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(Buffer.allocUnsafeSlow(4 * length).buffer);
}

function resized(words: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const copy = unsetWords(length);
  copy.set(words);
  return copy;
}
