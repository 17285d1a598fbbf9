import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonText } from "./json.js";
import { renderTable } from "./table.js";
import { bytes, clean, count, counted, createStyle, cut, duration, pad, width } from "./text.js";

describe("clean", () => {
  test("nothing that commands a terminal is left", () => {
    expect(clean("a\u001b[31mred\u0007\u009b2J\r\nb\u202ec")).toBe("a [31mred  2J  b c");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const codes = Array.from(clean(text), (character) => character.codePointAt(0) ?? 0);
        const commands = codes.filter((code) => code < 0x20 || (code >= 0x7f && code <= 0x9f));
        expect(commands).toEqual([]);
      }),
    );
  });

  test("line breaks stay where they are wanted", () => {
    expect(clean("a\nb\tc", { lines: true })).toBe("a\nb c");
    expect(clean("Grüße 🙂 日本")).toBe("Grüße 🙂 日本");
  });
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1000, "1 s"],
  [2540, "2.5 s"],
  [59_990, "1 min"],
  [200_000, "3 min 20 s"],
  [3_599_900, "1 h"],
  [7_500_000, "2 h 5 min"],
])("duration(%i) is %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1500, "1.5 kB"],
  [999_999, "1 MB"],
  [268_435_456, "268 MB"],
  [5e12, "5 TB"],
  [5e15, "5000 TB"],
])("bytes(%i) is %s", (size, text) => {
  expect(bytes(size)).toBe(text);
});

test("numbers have thousands separators and their nouns a number", () => {
  expect(count(1_234_567.4)).toBe("1,234,567");
  expect([0, 1, 2000].map((value) => counted(value, "row"))).toEqual(["0 rows", "1 row", "2,000 rows"]);
  expect(counted(3, "retry", "retries")).toBe("3 retries");
});

test("cut and pad count what the terminal counts", () => {
  expect(cut("calls", 5)).toBe("calls");
  expect(cut("companies", 5)).toBe("comp…");
  expect(cut("日本語", 5)).toBe("日本…");
  expect(pad("日本", 6)).toBe("日本  ");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
      expect(width(cut(text, columns))).toBeLessThanOrEqual(columns);
    }),
  );
});

test("styles paint only when asked to", () => {
  expect(createStyle(true).red("x")).toBe("\u001b[31mx\u001b[39m");
  expect(createStyle(false).red("x")).toBe("x");
});

describe("jsonText", () => {
  test("is JSON.stringify for what JSON.stringify can do", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        fc.pre(!/[\u007f-\u009f]/.test(JSON.stringify(value)));
        expect(jsonText(value, indent)).toBe(JSON.stringify(value, null, indent));
      }),
    );
  });

  test("keeps big integers, leaves out undefined, escapes control characters", () => {
    expect(
      jsonText({ id: 9007199254740993n, gone: undefined, list: [undefined], at: new Date(0), c: "\u009b" }),
    ).toBe('{"id":9007199254740993,"list":[null],"at":"1970-01-01T00:00:00.000Z","c":"\\u009b"}');
  });
});

test("tables are plain, aligned and clean", async () => {
  const columns = [{ title: "table" }, { title: "rows", align: "right" }] as const;
  const rows = [
    ["calls", "1,200"],
    ["x\u001b[2J", "7"],
  ];
  expect(await renderTable(columns, rows, createStyle(false))).toBe(
    ["table   rows", "calls  1,200", "x [2J      7"].join("\n"),
  );
});
