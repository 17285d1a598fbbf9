import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { writeUnescaped } from "./escapes.js";

/** The text between the quotes of a JSON string, read by way of bytes. */
function unescaped(written: string): string {
  const source = Buffer.from(written);
  const target = new Uint8Array(source.length + 3).fill(0x2a);
  const end = writeUnescaped(source, 0, source.length, target, 3);
  expect(Buffer.from(target.subarray(0, 3)).toString()).toBe("***");
  expect(end).toBeLessThanOrEqual(target.length);
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(target.subarray(3, end));
}

const piece = fc.oneof(
  fc.constantFrom('\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0000", "\\u00e9", "\\u20AC"),
  fc.constantFrom(
    "\\ud83d",
    "\\ude00",
    "\\uD83D\\uDE00",
    "\\udbff\\udfff",
    "\\uffff",
    "é",
    "😀",
    "a",
    "u",
    "d",
  ),
  fc.integer({ min: 0, max: 0xffff }).map((code) => `\\u${code.toString(16).padStart(4, "0")}`),
  fc.string({ unit: "grapheme", maxLength: 3 }).map((text) => JSON.stringify(text).slice(1, -1)),
);

describe("writeUnescaped", () => {
  it("writes what JSON.parse gives, with lone surrogates as U+FFFD", () => {
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const written = pieces.join("");
        const text = JSON.parse(`"${written}"`) as string;
        expect(unescaped(written)).toBe(Buffer.from(text).toString());
      }),
    );
  });

  it("knows digits of both cases", () => {
    expect(unescaped("\\u00aB\\uFeeD")).toBe("\u00ab\ufeed");
  });
});
