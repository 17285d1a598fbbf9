import * as fc from "fast-check";
import { expect, test } from "vitest";
import { JsonSyntaxError, parseExactJson } from "./exact.js";

test.each<[string, unknown]>([
  ["9007199254740991", 9007199254740991],
  ["9007199254740992", 9007199254740992n],
  ["-9007199254740993", -9007199254740993n],
  ["[123456789012345678901234567890]", [123456789012345678901234567890n]],
  ['{"a":1e999,"b":-1E+400}', { a: "1e999", b: "-1E+400" }],
  ["1.5", 1.5],
  ["1e20", 1e20],
  ["0.12345678901234568", 0.12345678901234568],
  ["0.12345678901234567890", "0.12345678901234567890"],
  ["-12345678901234567890.5e-3", "-12345678901234567890.5e-3"],
  ["1.000000000000000000000", 1],
  ["0.1000000000000000055511151231257827", 0.1],
  ["0.1000000000000000000000000000000001", "0.1000000000000000000000000000000001"],
  ["-0", -0],
  ['{"a":1,"a":2}', { a: 2 }],
  [' { "a" : [ ] , "b" : { } } ', { a: [], b: {} }],
  [String.raw`"\u00e9\n\ud83d\ude00\ud800"`, "é\n😀\ud800"],
])("%s", (text, expected) => {
  expect(parseExactJson(text)).toStrictEqual(expected);
});

test("__proto__ is an own key", () => {
  const value = parseExactJson('{"__proto__":{"x":1}}') as object;
  expect(Object.keys(value)).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});

test.each<[string, number]>([
  ["", 0],
  ["[1,]", 3],
  ['{"a" 1}', 5],
  ['{"a":tru}', 8],
  ["[1 2]", 3],
  ['{"a":"x', 7],
  ["[1,2", 4],
  ["{,}", 1],
  ["01", 1],
  ["1.", 1],
  ["<html>", 0],
  ['"a\nb"', 2],
  ["nullx", 4],
])("%j is malformed at %i", (text, position) => {
  expect(() => JSON.parse(text)).toThrow(SyntaxError);
  expect(() => parseExactJson(text)).toThrow(expect.objectContaining({ name: "JsonSyntaxError", position }));
});

test("nesting has no limit, as in JSON.parse", () => {
  const text = "[".repeat(100_000) + "]".repeat(100_000);
  let value = parseExactJson(text);
  let depth = 0;
  while (Array.isArray(value) && value.length > 0) {
    value = value[0] as typeof value;
    depth += 1;
  }
  expect(depth).toBe(99_999);
});

test("a long string does not overflow the stack", () => {
  const text = JSON.stringify(`${"x".repeat(3_000_000)}\n`.repeat(2));
  expect(parseExactJson(text)).toBe(JSON.parse(text));
  const escapes = JSON.stringify("\n".repeat(3_000_000));
  expect((parseExactJson(escapes) as string).length).toBe(3_000_000);
});

test("a long string that is cut off costs no more than its length", () => {
  for (const piece of ["x", String.raw`\n`, String.raw`\\`]) {
    const text = `{"a":"${piece.repeat(1_000_000)}`;
    expect(() => parseExactJson(text)).toThrow(expect.objectContaining({ position: text.length }));
  }
});

/** JSON text of any layout, and with small damage. */
const anyText = fc.oneof(
  fc.json(),
  fc.tuple(fc.jsonValue(), fc.nat({ max: 3 })).map(([value, indent]) => JSON.stringify(value, null, indent)),
  fc
    .tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom("", ",", "]", "}", '"', "\\", "0", "-", ".", "e", " ", "\u0000", "u", "é"),
      fc.nat({ max: 2 }),
    )
    .map(([text, at, piece, cut]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + piece + text.slice(place + cut);
    }),
  fc.string({
    unit: fc.constantFrom(
      "[",
      "]",
      "{",
      "}",
      ",",
      ":",
      '"',
      "1",
      "0",
      "-",
      ".",
      "e",
      "\\",
      "t",
      "true",
      "null",
      " ",
    ),
  }),
);

test("it accepts what JSON.parse accepts, with the same values", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const parsed = attempt(() => JSON.parse(text) as unknown);
      const exact = attempt(() => parseExactJson(text));
      if (!parsed.ok) {
        expect(exact.ok).toBe(false);
        expect(exact.error).toBeInstanceOf(JsonSyntaxError);
      } else {
        expect(exact.ok).toBe(true);
        expect(rounded(exact.value)).toStrictEqual(unbounded(parsed.value));
      }
    }),
    { numRuns: 3000 },
  );
});

function attempt(run: () => unknown): { ok: boolean; value?: unknown; error?: unknown } {
  try {
    return { ok: true, value: run() };
  } catch (error) {
    return { ok: false, error };
  }
}

/** Numbers beyond a double as one mark, for both sides. */
function unbounded(value: unknown): unknown {
  if (isNumber(value)) return unbounded(Number(value));
  if (typeof value === "number") return Number.isFinite(value) ? value : BEYOND;
  if (Array.isArray(value)) return value.map(unbounded);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unbounded(item)]));
}
const BEYOND = "beyond a double";

/** The text of a number, which exact parsing keeps where a double can't; on both sides it counts as the double. */
function isNumber(value: unknown): value is string {
  return typeof value === "string" && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value);
}

/** Exact integers as the doubles that JSON.parse makes of them. */
function rounded(value: unknown): unknown {
  if (typeof value === "bigint") return unbounded(Number(value));
  if (isNumber(value)) return unbounded(Number(value));
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rounded(item)]));
}
