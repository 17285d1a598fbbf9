import { isDouble, JsonSyntaxError, parseExactJson } from "../../json/exact.js";
import type { Json } from "../../model/json.js";
import type { BodyText } from "./body-text.js";

/**
 * What parses the JSON texts of a body: `JSON.parse`, or where a number might lose digits `parseExactJson`, which gives
 * the same values with exact numbers and is about a quarter as fast.
 */
export function jsonParserFor({ bytes, charset, text }: BodyText): (text: string) => Json {
  const needsExact = charset !== "utf-8" || mayLoseDigits(bytes) || mayOverflow(text);
  return needsExact ? parseExactJson : (text) => JSON.parse(text) as Json;
}

/** Index of the first character that does not fit; the text's length when it ends too early. */
export function faultOf(text: string): number {
  try {
    parseExactJson(text);
    return text.length;
  } catch (error) {
    return error instanceof JsonSyntaxError ? error.position : 0;
  }
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

const POINT = 0x2e;

/**
 * False when no number of the document has more digits than a double keeps. Such a one has 16 digits or more, so looking
 * at every 16th byte finds it; texts of digits are told apart by the character before them.
 */
function mayLoseDigits(bytes: Buffer): boolean {
  for (let at = 15; at < bytes.length; at += 16) {
    if (bytes[at] === POINT && isLongDecimal(bytes, at, at + 1)) return true;
    if (!isDigit(bytes[at])) continue;
    let [start, end] = [at, at + 1];
    while (isDigit(bytes[start - 1])) start -= 1;
    while (isDigit(bytes[end])) end += 1;
    // 2^53 begins with a 9: shorter of its length are microseconds since 1970 and the like.
    const long = end - start > 16 || (end - start === 16 && bytes[start] === 0x39);
    if (long && mayPrecedeNumber(bytes[start - 1])) return true;
    if ((bytes[start - 1] === POINT || bytes[end] === POINT) && isLongDecimal(bytes, start, end)) return true;
  }
  return false;
}

/** Whether the digits are a part of a decimal that a double would shorten. */
function isLongDecimal(bytes: Buffer, from: number, to: number): boolean {
  let [start, end] = [from, to];
  while (isDigit(bytes[start - 1]) || bytes[start - 1] === POINT) start -= 1;
  while (isDigit(bytes[end]) || bytes[end] === POINT) end += 1;
  if (end - start <= 18 || !mayPrecedeNumber(bytes[start - 1])) return false;
  // The exponent makes no difference to the digits.
  return !isDouble(bytes.toString("latin1", start, end));
}

function mayPrecedeNumber(byte: number | undefined): boolean {
  return (
    byte === undefined || byte <= 0x20 || byte === 0x3a || byte === 0x2c || byte === 0x5b || byte === 0x2d
  );
}

/**
 * True if a number may be too large for a double: with fewer than 16 digits it needs an exponent of three. What stands
 * around it tells it from hexadecimal ids, which are full of such exponents.
 */
function mayOverflow(text: string): boolean {
  return /[:,[\s-]\d+(?:\.\d+)?[eE]\+?0*[2-9]\d\d(?=[,\]}\s]|$)/.test(text) || /^\d[\d.]*[eE]/.test(text);
}
