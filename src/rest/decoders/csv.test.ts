import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RetryableError } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import { csvDecoder } from "./csv.js";

const head = { status: 200, url: "https://api.test/calls", headers: { "content-type": "text/csv" } };
const decode = (text: string | Uint8Array, options: { delimiter?: string; columns?: string[] } = {}) =>
  csvDecoder.create(csvDecoder.options.parse(options))(
    typeof text === "string" ? Buffer.from(text) : text,
    head,
  );

function thrownBy(text: string): unknown {
  try {
    void decode(text);
  } catch (error) {
    return error;
  }
  throw new Error("expected an error");
}

describe("reads", () => {
  test.each<[string, string, unknown]>([
    ["a byte order mark", "\ufeffa,b\n1,2\n", [{ a: "1", b: "2" }]],
    [
      "CRLF, LF and CR",
      "a,b\r\n1,2\n3,4\r5,6",
      [
        { a: "1", b: "2" },
        { a: "3", b: "4" },
        { a: "5", b: "6" },
      ],
    ],
    ["line breaks in fields", 'a,b\r\n"1\r\n2","3\n"\r\n', [{ a: "1\r\n2", b: "3\n" }]],
    ["empty fields as null, quoted or not", 'a,b,c\n,"",\n', [{ a: null, b: null, c: null }]],
    ["quotes in quotes", 'a\n"""",\n'.replace(",", ""), [{ a: '"' }]],
    ["a quote inside an unquoted field", 'a,b\n5" pipe,x"y"\n', [{ a: '5" pipe', b: 'x"y"' }]],
    ["blanks as they are", "a, b\n 1 ,2\n", [{ a: " 1 ", " b": "2" }]],
    ["past empty lines", "\n\na\n\r\n1\n\n", [{ a: "1" }]],
    [
      "a column named __proto__",
      "__proto__,a\nx,1\n",
      [
        Object.fromEntries([
          ["__proto__", "x"],
          ["a", "1"],
        ]),
      ],
    ],
    ["a delimiter at the very end", "a,b\n1,", [{ a: "1", b: null }]],
    ["names alone as nothing", "a,b\r\n", undefined],
  ])("%s", (_, text, expected) => {
    expect(decode(text)).toEqual(expected);
  });

  test("another charset", () => {
    const latin = { ...head, headers: { "content-type": "text/csv; charset=iso-8859-1" } };
    const decodeCsv = csvDecoder.create({ delimiter: ";" });
    expect(decodeCsv(Buffer.from("größe;b\nä;\n", "latin1"), latin)).toEqual([{ größe: "ä", b: null }]);
  });

  test.each([".", "|", "\t", "$", "^", "\\", " ", "/", "€", "😀"])("the delimiter %j", (delimiter) => {
    expect(decode(`a${delimiter}b\n"1${delimiter}"${delimiter}2\n`, { delimiter })).toEqual([
      { a: `1${delimiter}`, b: "2" },
    ]);
  });
});

describe("refuses", () => {
  test.each([
    ['a,b\n"x\ny",2\n\n4155,2,3\n', "line 5 has 3 fields, but there are 2 columns"],
    ["a,b\r\n1,2\r\n4155", "line 3 has 1 fields, but there are 2 columns"],
    ['a,b\n1,2\n3,"4155\n\n', "the quoted field that begins in line 3 has no end"],
    ['a,b\n1,"2"4155\n', "a quoted field goes on after its quote in line 2"],
  ])("%j", (text, what) => {
    const error = thrownBy(text);
    expect(error).toBeInstanceOf(RetryableError);
    expect((error as RetryableError).cause).toMatchObject({ code: "response/malformed" });
    expect((error as RetryableError).message).toContain(what);
    expect((error as RetryableError).message).not.toContain("4155");
  });

  test.each([
    ["a,,b\n1,2,3\n", "column 2 has no name"],
    ["a,b,a\n1,2,3\n", "column 3 has the name of another column"],
  ])("%j for good", (text, what) => {
    const error = thrownBy(text);
    expect(error).toBeInstanceOf(SluiceError);
    expect((error as SluiceError).message).toContain(what);
  });
});

test("whatever is written by RFC 4180 is read back equal", () => {
  const odd = fc.constantFrom('"', ",", ";", "\n", "\r\n", "\r", " ", "x", "ä", "😀", '""', "\u2028");
  const text = fc.oneof(
    fc.string(),
    fc.array(odd, { maxLength: 6 }).map((parts) => parts.join("")),
  );
  const table = fc
    .record({
      names: fc.uniqueArray(
        fc.oneof(
          text.filter((name) => name !== ""),
          fc.constant("__proto__"),
        ),
        {
          minLength: 1,
          maxLength: 5,
        },
      ),
      delimiter: fc.constantFrom(",", ";", "\t", "|"),
      newline: fc.constantFrom("\n", "\r\n", "\r"),
      eager: fc.boolean(),
      last: fc.boolean(),
    })
    .chain((shape) => {
      const field = fc.oneof(text, fc.constant(null));
      const row = fc.tuple(...shape.names.map(() => field));
      return fc.record({ shape: fc.constant(shape), rows: fc.array(row, { minLength: 1, maxLength: 6 }) });
    });
  fc.assert(
    fc.property(table, ({ shape, rows }) => {
      const { names, delimiter, newline, eager, last } = shape;
      const quote = (value: string | null): string =>
        value === null || value === ""
          ? names.length === 1 || eager
            ? '""'
            : ""
          : eager || /["\r\n]/.test(value) || value.includes(delimiter)
            ? `"${value.replaceAll('"', '""')}"`
            : value;
      const lines = [names, ...rows].map((row) => row.map(quote).join(delimiter));
      // A byte order mark that begins the first name would be the file's.
      const written = `\ufeff${lines.join(newline)}${last ? newline : ""}`;
      const expected = rows.map((row) =>
        Object.fromEntries(row.map((value, at) => [names[at], value === "" ? null : value])),
      );
      expect(decode(written.toWellFormed(), { delimiter })).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});
