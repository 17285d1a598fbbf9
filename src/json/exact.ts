import type { Json } from "../model/json.js";
import { sameDecimal } from "../schema/decimal.js";

/** Where a text stops being JSON. */
export class JsonSyntaxError extends Error {
  override readonly name = "JsonSyntaxError";
  /** Index of the first character that does not fit; the text's length when it ends too early. */
  readonly position: number;

  constructor(position: number) {
    super(`not JSON at position ${position}`);
    this.position = position;
  }
}

/** A number or word, whole. */
const PLAIN = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
/** How a number or word may begin, for the place of a fault. */
const BEGUN = /-|t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?/y;
/** An escape of a string, or (captured) what no string may hold. */
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})|(\\|[^ -\uffff])/g;
const CONTROL = /[^ -\uffff]/;
const BLANKS = /[ \t\n\r]*/y;

/** An object or list that is still open. */
type Open =
  | { readonly kind: "object"; readonly value: Record<string, Json>; key: string }
  | { readonly kind: "list"; readonly value: Json[] };

/**
 * `JSON.parse` with exact numbers: an integer that a double can't hold becomes a bigint, and a number that is too large
 * for a double, or has more digits (see `isDouble`), its own text. It accepts the same texts and gives the same values otherwise; the last of duplicate keys wins,
 * `__proto__` is a key like any other, and nesting has no limit. About a quarter as fast.
 *
 * @throws JsonSyntaxError
 *
 * @example
 * parseExactJson('{"id":9007199254740993,"size":1e999}'); // { id: 9007199254740993n, size: "1e999" }
 */
export function parseExactJson(text: string): Json {
  const stack: Open[] = [];
  let at = 0;

  const skipBlanks = () => {
    BLANKS.lastIndex = at;
    BLANKS.test(text);
    at = BLANKS.lastIndex;
  };
  /** The text between the quotes, the first of which is here. */
  const readText = (): string => {
    const start = at + 1;
    let end = text.indexOf('"', start);
    while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
    const inner = text.slice(start, end === -1 ? undefined : end);
    for (const match of inner.includes("\\") || CONTROL.test(inner) ? inner.matchAll(ESCAPE) : []) {
      if (match[1] !== undefined) throw new JsonSyntaxError(start + match.index);
    }
    if (end === -1) throw new JsonSyntaxError(text.length);
    at = end + 1;
    return inner.includes("\\") ? (JSON.parse(`"${inner}"`) as string) : inner;
  };
  const readPlain = (): Json => {
    PLAIN.lastIndex = at;
    const match = PLAIN.exec(text);
    if (match === null) {
      BEGUN.lastIndex = at;
      throw new JsonSyntaxError(BEGUN.test(text) ? BEGUN.lastIndex : at);
    }
    at = PLAIN.lastIndex;
    return valueOf(match[0]);
  };
  /** The key and colon of the next member. */
  const readKey = (): string => {
    skipBlanks();
    if (text[at] !== '"') throw new JsonSyntaxError(at);
    const key = readText();
    skipBlanks();
    if (text[at] !== ":") throw new JsonSyntaxError(at);
    at += 1;
    return key;
  };

  for (;;) {
    skipBlanks();
    let value: Json;
    const sign = text[at];
    if (sign === "{" || sign === "[") {
      at += 1;
      skipBlanks();
      const empty = text[at] === (sign === "{" ? "}" : "]");
      if (!empty) {
        stack.push(
          sign === "{" ? { kind: "object", value: {}, key: readKey() } : { kind: "list", value: [] },
        );
        continue;
      }
      at += 1;
      value = sign === "{" ? {} : [];
    } else {
      value = sign === '"' ? readText() : readPlain();
    }

    // The value is complete; so may be the objects and lists around it.
    for (;;) {
      skipBlanks();
      const open = stack.at(-1);
      if (open === undefined) {
        if (at < text.length) throw new JsonSyntaxError(at);
        return value;
      }
      if (open.kind === "object") setOwn(open.value, open.key, value);
      else open.value.push(value);
      if (text[at] === ",") {
        at += 1;
        if (open.kind === "object") open.key = readKey();
        break;
      }
      if (text[at] !== (open.kind === "object" ? "}" : "]")) throw new JsonSyntaxError(at);
      at += 1;
      value = open.value;
      stack.pop();
    }
  }
}

function valueOf(token: string): Json {
  if (token === "true") return true;
  if (token === "false") return false;
  if (token === "null") return null;
  return numberOf(token);
}

/** True if an odd number of backslashes stands before the quote. */
function isEscaped(text: string, quote: number): boolean {
  let start = quote;
  while (text[start - 1] === "\\") start -= 1;
  return (quote - start) % 2 === 1;
}

function numberOf(token: string): Json {
  const number = Number(token);
  if (Number.isSafeInteger(number)) return number;
  // Digits alone: an integer as written, and one that the double has changed or may have.
  if (/^-?\d+$/.test(token)) return BigInt(token);
  return Number.isFinite(number) && isDouble(token, number) ? number : token;
}

/** Digits that any double can be told by. A number that is written with no more is taken for one. */
const DOUBLE_DIGITS = 17;

/**
 * Whether a number with a fraction or exponent is no more than a double says. One of 18 digits or more is, if they are
 * the double's own: `0.1000000000000000055` is 0.1 as some languages write it, `0.1000000000000000001` is a decimal.
 */
export function isDouble(token: string, number = Number(token)): boolean {
  const digits = token
    .replace(/[eE].*$/, "")
    .replace(/[-.]/g, "")
    .replace(/^0+/, "").length;
  if (digits <= DOUBLE_DIGITS) return true;
  return sameDecimal(token, String(number)) || sameDecimal(token, number.toPrecision(Math.min(digits, 100)));
}

/** Sets a key as data: assigning `__proto__` would change the prototype instead. */
export function setOwn(object: Record<string, Json>, key: string, value: Json): void {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else object[key] = value;
}
