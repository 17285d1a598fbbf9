import type { JsonDocument } from "../model/document.js";
import type { Json } from "../model/json.js";
import { ESCAPED, KEY_WORDS, LIST, OBJECT, STRING, VALUE_WORDS } from "./document.js";
import { parseExactJson, setOwn } from "./exact.js";

/** The value at a place in a document's tape, as `parseExactJson` gives it. */
export function valueAt(document: JsonDocument, place: number): Json {
  const { tape, hasLongNumbers } = document;
  const kind = tape[place]!;
  const start = tape[place + 1]!;
  const end = tape[place + 2]!;
  if (kind === STRING) return textAt(document, start, end);
  const text = kind === ESCAPED ? `"${textAt(document, start, end)}"` : textAt(document, start, end);
  return hasLongNumbers ? parseExactJson(text) : (JSON.parse(text) as Json);
}

/** The bytes from `start` to `end` as text. */
export function textAt({ bytes }: JsonDocument, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
}

/**
 * The place of what is found by following keys from the value at `from`; undefined if there is nothing. Of two members
 * with one key the last one counts, as in `JSON.parse`.
 */
export function placeOf(document: JsonDocument, keys: readonly string[], from = 0): number | undefined {
  let place: number | undefined = from;
  for (const key of keys) if (place !== undefined) place = memberOf(document, place, key);
  return place;
}

/** The place of an object's member; undefined if it has none of this name, or is no object. */
export function memberOf({ tape, keys }: JsonDocument, object: number, key: string): number | undefined {
  if (tape[object] !== OBJECT) return undefined;
  let found: number | undefined;
  const end = tape[object + 3]!;
  for (let at = object + VALUE_WORDS; at < end; at = tape[at + KEY_WORDS + 3]!) {
    if (keys[tape[at]!] === key) found = at + KEY_WORDS;
  }
  return found;
}

/** The place of a list's item; undefined if it has no such, or is no list. */
export function itemOf({ tape }: JsonDocument, list: number, index: number): number | undefined {
  if (tape[list] !== LIST) return undefined;
  const end = tape[list + 3]!;
  let at = list + VALUE_WORDS;
  for (let left = index; at < end && left > 0; left--) at = tape[at + 3]!;
  return at < end ? at : undefined;
}

/**
 * The value of a document except what `keys` lead to, which `inner` gives if somebody looks there. `keys` are at least
 * one, and they lead to something.
 */
export function valueAround(
  document: JsonDocument,
  keys: readonly string[],
  inner: () => Json,
  place = 0,
): Json {
  const { tape, keys: names } = document;
  const [key, ...rest] = keys;
  const value: Record<string, Json> = {};
  const end = tape[place + 3]!;
  for (let at = place + VALUE_WORDS; at < end; at = tape[at + KEY_WORDS + 3]!) {
    const name = names[tape[at]!]!;
    if (name !== key) setOwn(value, name, valueAt(document, at + KEY_WORDS));
    else if (rest.length > 0 && tape[at + KEY_WORDS] === OBJECT)
      setOwn(value, name, valueAround(document, rest, inner, at + KEY_WORDS));
    else Object.defineProperty(value, name, { get: inner, enumerable: true, configurable: true });
  }
  return value;
}
