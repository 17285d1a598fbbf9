import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextBuffer } from "./text-buffer.js";

function read(buffer: TextBuffer, rows: number): string[] {
  const { data, offsets } = buffer.take(rows);
  expect(offsets).toHaveLength(rows + 1);
  expect(offsets[rows]).toBe(data.length);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
  return Array.from({ length: rows }, (_, row) =>
    decoder.decode(data.subarray(offsets[row], offsets[row + 1])),
  );
}

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ maxLength: 10 }),
  fc.string({ unit: fc.constantFrom("\ud800", "\udc00", "é", "a", "€", "\u0000") }),
  fc.constant("x".repeat(9000)),
  fc.constant("é".repeat(9000)),
);

describe("TextBuffer", () => {
  it("gives back every value, with gaps as empty, and half characters as U+FFFD", () => {
    fc.assert(
      fc.property(fc.array(fc.option(anyText)), (values) => {
        const buffer = new TextBuffer();
        for (const [row, value] of values.entries()) if (value !== null) buffer.append(row, value);
        expect(read(buffer, values.length)).toEqual(values.map((value) => wellFormed(value ?? "")));
      }),
    );
  });

  it("does not join two halves of a character from two values", () => {
    const buffer = new TextBuffer();
    buffer.append(0, "é");
    buffer.append(1, "a\ud83d");
    buffer.append(3, "\ude00b");
    expect(read(buffer, 4)).toEqual(["é", "a\ufffd", "", "\ufffdb"]);
  });

  it("forgets what was rolled back, whether encoded already or not", () => {
    fc.assert(
      fc.property(fc.array(anyText), fc.nat(), fc.array(anyText), (kept, drop, after) => {
        const buffer = new TextBuffer();
        kept.forEach((value, row) => buffer.append(row, value));
        const rows = kept.length === 0 ? 0 : drop % kept.length;
        buffer.truncate(rows);
        after.forEach((value, at) => buffer.append(rows + at, value));
        const expected = [...kept.slice(0, rows), ...after].map(wellFormed);
        expect(read(buffer, expected.length)).toEqual(expected);
      }),
    );
  });

  it("is empty after take and can be filled again", () => {
    const buffer = new TextBuffer();
    buffer.append(2, "first");
    expect(read(buffer, 5)).toEqual(["", "", "first", "", ""]);
    expect(buffer.size).toBe(0);
    buffer.append(0, "é");
    expect(read(buffer, 2)).toEqual(["é", ""]);
  });

  it("takes slices of any length, with gaps, escapes and strings between them", () => {
    const value = fc.oneof(
      fc.nat(150).map((size) => ["slice", "0123456789äöü".repeat(12).slice(0, size)] as const),
      fc.string({ unit: "binary" }).map((text) => ["escaped", wellFormed(text)] as const),
      anyText.map((text) => ["string", wellFormed(text)] as const),
    );
    fc.assert(
      fc.property(fc.array(fc.option(value)), (values) => {
        const buffer = new TextBuffer();
        for (const [row, one] of values.entries()) {
          if (one === null) continue;
          const [how, text] = one;
          const bytes = Buffer.from(`xy${how === "escaped" ? JSON.stringify(text).slice(1, -1) : text}z`);
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
          if (how === "slice") buffer.appendSlice(row, view, 2, bytes.length - 1);
          else if (how === "escaped") buffer.appendEscaped(row, bytes, 2, bytes.length - 1);
          else buffer.append(row, text);
        }
        expect(read(buffer, values.length)).toEqual(values.map((one) => one?.[1] ?? ""));
      }),
    );
  });

  it("holds bytes beside text", () => {
    const buffer = new TextBuffer();
    buffer.append(0, "é");
    buffer.appendBytes(2, new Uint8Array([65, 66]));
    buffer.append(3, "c");
    expect(read(buffer, 4)).toEqual(["é", "", "AB", "c"]);
  });
});

function wellFormed(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}
