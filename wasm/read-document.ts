// AssemblyScript: the loop of `readDocument` (src/json/document.ts), which says what it accepts and what the tape is.
//
// Memory: keys as `Keys` (src/json/keys.ts) has them, then the document and at least `PADDING` zeros, then the tape,
// which grows. No text, number or word goes on at a zero, so no step has to ask whether the document is over.

import { ESCAPED, FALSE, INTEGER, LIST, NULL, NUMBER, OBJECT, STRING, TRUE } from "./kinds";

/** The number of the key at `from` to `to` of the document, which was none of those expected there. */
declare function numberOf(parent: u32, before: u32, from: u32, to: u32): u32;

/** Where the entries of keys are; each has four words: where it is written, its size, the key after it, the first inside. */
export const ENTRIES: u32 = 1024;
export const ENTRY_BYTES: u32 = 16;
/** Keys with this number and beyond have no entry. */
export const MOST_ENTRIES: u32 = 16_384;
/** Where keys are written, each with its quotes and colon. */
export const WRITTEN: u32 = ENTRIES + ENTRY_BYTES * MOST_ENTRIES;
export const MOST_WRITTEN: u32 = 512 * 1024;
/** Where the document begins. */
export const BODY: u32 = WRITTEN + MOST_WRITTEN;
export const PADDING: u32 = 32;
/** What `read` gives when there is not enough memory for the tape. */
export const TOO_LARGE: u32 = u32.MAX_VALUE;

const SIZE: usize = 4;
const NEXT: usize = 8;
const FIRST: usize = 12;
/** How many keys of the usual order may be missing before a key is looked up. */
const MISSING: i32 = 4;
const NONE: u32 = 0;

/** Bits of the kind in a word that has a key besides. */
const KIND_BITS: u32 = 4;
const KIND: u32 = 15;
const VALUE_BYTES: u32 = 16;
const START: usize = 4;
const END: usize = 8;
const AFTER: usize = 12;

const SPACE: u32 = 0x20;
const QUOTE: u32 = 0x22;
const PLUS: u32 = 0x2b;
const COMMA: u32 = 0x2c;
const MINUS: u32 = 0x2d;
const DOT: u32 = 0x2e;
const ZERO: u32 = 0x30;
const COLON: u32 = 0x3a;
const OPEN_LIST: u32 = 0x5b;
const BACKSLASH: u32 = 0x5c;
const CLOSE_LIST: u32 = 0x5d;
const LOWER_E: u32 = 0x65;
const OPEN_OBJECT: u32 = 0x7b;
const CLOSE_OBJECT: u32 = 0x7d;
/** `null`, `true` and `fals` as little-endian words. */
const NULL_WORD: u32 = 0x6c6c_756e;
const TRUE_WORD: u32 = 0x6575_7274;
const FALS_WORD: u32 = 0x736c_6166;

/** Digits up to which an integer, and bytes up to which another number, is all said by a double. */
const SAFE_DIGITS: u32 = 15;
const DOUBLE_BYTES: u32 = 18;

const PAGE_BYTES: u32 = 65_536;
/** Bytes that are free behind every value that is begun. */
const SLACK: u32 = 64;
const GROWTH_PAGES: i32 = 64;

let freeUntil: u32 = 0;
let keyRead: u32 = NONE;
let hasLong: bool = false;

/** Whether a number of the last document is perhaps more than a double keeps. */
export function hasLongNumbers(): bool {
  return hasLong;
}

/**
 * Reads the document of `size` bytes at `BODY` and writes its tape to `tape`.
 *
 * @returns words of the tape; 0 for what is no JSON
 */
export function read(size: u32, tape: u32): u32 {
  const end = BODY + size;
  hasLong = false;
  let out = tape;
  /** The object or list that is read: its kind (NULL: none), its place, the key it is in, the last key read in it. */
  let container = NULL;
  let place: u32 = 0;
  let parent = NONE;
  let before = NONE;
  /** The key whose value is read. */
  let key = NONE;
  let at = blanks(BODY);

  freeUntil = free();
  while (out <= freeUntil || hasGrown()) {
    const value = out;
    out += VALUE_BYTES;
    let byte = byteAt(at);
    if (byte == QUOTE) {
      const start = at + 1;
      let kind = STRING;
      at = plainEnd(start);
      if (byteAt(at) != QUOTE) {
        kind = ESCAPED;
        at = escapedEnd(at);
        if (at == 0) return 0;
      }
      setValue(value, kind, start, at++);
    } else if (byte == MINUS || isDigit(byte)) {
      const digits = byte == MINUS ? at + 1 : at;
      let stop = digitsEnd(digits);
      if (stop == digits || (stop > digits + 1 && byteAt(digits) == ZERO)) return 0;
      let kind = INTEGER;
      byte = byteAt(stop);
      if (byte == DOT || (byte | SPACE) == LOWER_E) {
        kind = NUMBER;
        stop = fractionEnd(stop);
        if (stop == 0) return 0;
      }
      if (stop - at > (kind == INTEGER ? SAFE_DIGITS : DOUBLE_BYTES)) hasLong = true;
      else if (kind == NUMBER && hasLongExponent(at, stop)) hasLong = true;
      setValue(value, kind, at, stop);
      at = stop;
    } else if (byte == OPEN_OBJECT || byte == OPEN_LIST) {
      const kind = byte == OPEN_OBJECT ? OBJECT : LIST;
      const start = at;
      at = blanks(at + 1);
      if (byteAt(at) == closing(kind)) {
        setValue(value, kind, start, ++at);
      } else {
        // Until it is closed, its words keep what was read around it.
        store<u32>(value, kind | (parent << KIND_BITS));
        store<u32>(value, start - BODY, START);
        store<u32>(value, place, END);
        store<u32>(value, before, AFTER);
        container = kind;
        place = value;
        parent = key;
        before = NONE;
        if (kind == LIST) continue;
        at = memberStart(at, parent, before);
        if (at == 0) return 0;
        key = before = keyRead;
        store<u32>(out, key);
        out += 4;
        continue;
      }
    } else {
      const word = load<u32>(at);
      const start = at;
      at += 4;
      if (word == NULL_WORD) setValue(value, NULL, start, at);
      else if (word == TRUE_WORD) setValue(value, TRUE, start, at);
      else if (word == FALS_WORD && byteAt(at) == LOWER_E) setValue(value, FALSE, start, ++at);
      else return 0;
    }
    store<u32>(value, (out - tape) >> 2, AFTER);

    // The value is complete; so may be the objects and lists around it.
    for (;;) {
      byte = byteAt(at);
      if (byte <= SPACE) {
        at = blanks(at);
        byte = byteAt(at);
      }
      if (container == NULL) return at == end ? (out - tape) >> 2 : 0;
      if (byte == COMMA) {
        at++;
        if (byteAt(at) <= SPACE) at = blanks(at);
        key = parent;
        if (container == LIST) break;
        at = memberStart(at, parent, before);
        if (at == 0) return 0;
        key = before = keyRead;
        store<u32>(out, key);
        out += 4;
        break;
      }
      if (byte != closing(container)) return 0;
      at++;
      const outer = load<u32>(place, END);
      parent = load<u32>(place) >> KIND_BITS;
      before = load<u32>(place, AFTER);
      store<u32>(place, container);
      store<u32>(place, at - BODY, END);
      store<u32>(place, (out - tape) >> 2, AFTER);
      place = outer;
      container = place == 0 ? NULL : load<u32>(place) & KIND;
    }
  }
  return TOO_LARGE;
}

function hasGrown(): bool {
  if (memory.grow(GROWTH_PAGES) < 0) return false;
  freeUntil = free();
  return true;
}

function free(): u32 {
  return <u32>memory.size() * PAGE_BYTES - SLACK;
}

function byteAt(at: u32): u32 {
  return load<u8>(at);
}

function isDigit(byte: u32): bool {
  return byte - ZERO <= 9;
}

function closing(kind: u32): u32 {
  return kind == OBJECT ? CLOSE_OBJECT : CLOSE_LIST;
}

function setValue(value: u32, kind: u32, start: u32, end: u32): void {
  store<u32>(value, kind);
  store<u32>(value, start - BODY, START);
  store<u32>(value, end - BODY, END);
}

/** Reads the key at `at` into `keyRead`, and its colon; where its value begins, or 0. */
function memberStart(at: u32, parent: u32, before: u32): u32 {
  let number = expected(parent, before);
  for (let hop = 0; hop < MISSING && number != NONE; hop++) {
    const entry = ENTRIES + number * ENTRY_BYTES;
    if (stands(entry, at)) {
      keyRead = number;
      at += load<u32>(entry, SIZE);
      return byteAt(at) <= SPACE ? blanks(at) : at;
    }
    number = load<u32>(entry, NEXT);
  }
  return otherMemberStart(at, parent, before);
}

/** The key that came after `before`, or first in the objects at the key `parent`, the last time. */
function expected(parent: u32, before: u32): u32 {
  const known = before == NONE ? parent : before;
  if (known >= MOST_ENTRIES) return NONE;
  return load<u32>(ENTRIES + known * ENTRY_BYTES + (before == NONE ? <u32>FIRST : <u32>NEXT));
}

/** Whether the key of this entry stands at `at`, with a colon at once; the last bytes overlap those before. */
function stands(entry: u32, at: u32): bool {
  const size = load<u32>(entry, SIZE);
  let written = load<u32>(entry);
  if (size > 16) {
    const last = at + size - 16;
    const lastWritten = written + size - 16;
    for (; at < last; at += 16, written += 16) if (differ(at, written)) return false;
    return !differ(last, lastWritten);
  }
  if (size >= 8) {
    const rest = size - 8;
    return load<u64>(at) == load<u64>(written) && load<u64>(at + rest) == load<u64>(written + rest);
  }
  const rest = size - 4;
  return load<u32>(at) == load<u32>(written) && load<u32>(at + rest) == load<u32>(written + rest);
}

function differ(a: u32, b: u32): bool {
  return v128.any_true(v128.xor(v128.load(a), v128.load(b)));
}

function otherMemberStart(at: u32, parent: u32, before: u32): u32 {
  if (byteAt(at) != QUOTE) return 0;
  const end = escapedEnd(plainEnd(at + 1));
  if (end == 0) return 0;
  keyRead = numberOf(parent, before, at + 1 - BODY, end - BODY);
  const colon = blanks(end + 1);
  return byteAt(colon) == COLON ? blanks(colon + 1) : 0;
}

/** The first byte from `at` on that ends plain text: a quote, a backslash or a control character. */
function plainEnd(at: u32): u32 {
  let ends = textEnds(at);
  while (ends == 0) {
    at += 16;
    ends = textEnds(at);
  }
  return at + ctz(ends);
}

/** A bit for each of the sixteen bytes at `at`, set for those that end plain text. */
function textEnds(at: u32): i32 {
  const bytes = v128.load(at);
  const quotes = i8x16.eq(bytes, i8x16.splat(<i8>QUOTE));
  const backslashes = i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH));
  const controls = i8x16.lt_u(bytes, i8x16.splat(<i8>SPACE));
  return i8x16.bitmask(v128.or(v128.or(quotes, backslashes), controls));
}

/** The first byte from `at` on that is no blank. */
function blanks(at: u32): u32 {
  while (isBlank(byteAt(at))) at++;
  return at;
}

function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

/** Where text ends that has an escape, or something that no text may hold, at `at`: its last quote, or 0. */
function escapedEnd(at: u32): u32 {
  while (byteAt(at) == BACKSLASH) {
    const escape = byteAt(at + 1);
    if (isEscape(escape)) {
      at += 2;
    } else if (escape == 0x75) {
      for (let digit = at + 2; digit < at + 6; digit++) if (!isHex(byteAt(digit))) return 0;
      at += 6;
    } else return 0;
    at = plainEnd(at);
  }
  return byteAt(at) == QUOTE ? at : 0;
}

/** One of `"\/bfnrt`. */
function isEscape(byte: u32): bool {
  return (
    byte == QUOTE ||
    byte == BACKSLASH ||
    byte == 0x2f ||
    byte == 0x62 ||
    byte == 0x66 ||
    byte == 0x6e ||
    byte == 0x72 ||
    byte == 0x74
  );
}

function isHex(byte: u32): bool {
  return isDigit(byte) || (byte | SPACE) - 0x61 <= 5;
}

function digitsEnd(at: u32): u32 {
  while (isDigit(byteAt(at))) at++;
  return at;
}

/** The byte after the fraction and exponent, or only one of them, that begin at `at`; 0 for what is none. */
function fractionEnd(at: u32): u32 {
  if (byteAt(at) == DOT) {
    const stop = digitsEnd(at + 1);
    if (stop == at + 1) return 0;
    at = stop;
  }
  if ((byteAt(at) | SPACE) == LOWER_E) {
    at++;
    if (byteAt(at) == MINUS || byteAt(at) == PLUS) at++;
    const stop = digitsEnd(at);
    if (stop == at) return 0;
    at = stop;
  }
  return at;
}

/** Whether a number that is no integer has an exponent of three digits or more: then it may be beyond a double. */
function hasLongExponent(from: u32, to: u32): bool {
  for (let at = to - 4; at > from; at--) {
    if ((byteAt(at) | SPACE) == LOWER_E) return true;
    if (at + 12 < to) return false;
  }
  return false;
}
