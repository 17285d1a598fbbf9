import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ResponseHead, RetryableError } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import { sameDecimal } from "../../schema/decimal.js";
import { jsonDecoder } from "./json.js";

const headOf = (contentType = "application/json", status = 200): ResponseHead => ({
  status,
  url: "https://api.test/calls",
  headers: { "content-type": contentType },
});
const decode = (body: string | Uint8Array, head = headOf()) =>
  jsonDecoder.create({})(typeof body === "string" ? Buffer.from(body) : body, head);

function errorOf(body: string | Uint8Array, head = headOf()): SluiceError {
  try {
    void decode(body, head);
  } catch (error) {
    expect(error).toBeInstanceOf(RetryableError);
    expect((error as Error).cause).toBeInstanceOf(SluiceError);
    return (error as Error).cause as SluiceError;
  }
  throw new Error("expected an error");
}

test("nothing in the body is no value", () => {
  expect(decode("")).toBeUndefined();
  expect(decode(" \n")).toBeUndefined();
  expect(decode("whatever", headOf("text/plain", 204))).toBeUndefined();
});

describe("integers", () => {
  test.each<[string, unknown]>([
    ['{"id":9007199254740993}', { id: 9007199254740993n }],
    ['{"id":-9007199254740993,"x":"ü"}', { id: -9007199254740993n, x: "ü" }],
    ['{"microseconds":1767225600000000}', { microseconds: 1767225600000000 }],
    ["[1, 12345678901234567890]", [1, 12345678901234567890n]],
    ["12345678901234567890", 12345678901234567890n],
    ['{"id":"12345678901234567890"}', { id: "12345678901234567890" }],
    ['{"f":0.12345678901234568}', { f: 0.12345678901234568 }],
    ['{"f":0.12345678901234567890}', { f: "0.12345678901234567890" }],
    [
      '{"f":"0.12345678901234567890","g":"1.2.3.4.5.6.7.8.9.10.11.12"}',
      { f: "0.12345678901234567890", g: "1.2.3.4.5.6.7.8.9.10.11.12" },
    ],
    ['{"size":1e400,"n":1}', { size: "1e400", n: 1 }],
    ['{"size":223456789012345e0294}', { size: "223456789012345e0294" }],
    ['{"size":1e300}', { size: 1e300 }],
  ])("%s", (text, expected) => {
    expect(decode(text)).toStrictEqual(expected);
  });

  test("no integer beyond 2^53 is missed, wherever it stands", () => {
    const big = fc.oneof(
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 90n }),
      fc.bigInt({ min: -(2n ** 90n), max: -(2n ** 53n) }),
    );
    const blank = fc.stringMatching(/^[ \n\t]{0,20}$/);
    fc.assert(
      fc.property(
        big,
        fc.string({ maxLength: 40 }),
        blank,
        fc.string({ maxLength: 20 }),
        (value, before, blanks, after) => {
          const text = `[${JSON.stringify(before)},${blanks}{"a":${blanks}${value}${blanks}},${JSON.stringify(after)}]`;
          expect(decode(text)).toEqual([before, { a: value }, after]);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("no digit of a decimal is missed, wherever it stands", () => {
    const decimal = fc
      .tuple(fc.stringMatching(/^-?(0|[1-9]\d{0,20})$/), fc.stringMatching(/^\d{1,30}[1-9]$/))
      .map(([whole, fraction]) => `${whole}.${fraction}`);
    fc.assert(
      fc.property(decimal, fc.string({ maxLength: 40 }), (text, before) => {
        const [, value] = decode(`[${JSON.stringify(before)},${text}]`) as [string, number | string];
        const digits = text.replace(/[-.]/g, "").replace(/^0+/, "").length;
        if (digits > 17 && typeof value === "number")
          expect(sameDecimal(value.toPrecision(digits), text)).toBe(true);
        else expect(value).toBe(digits > 17 ? text : Number(text));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("charsets", () => {
  test("UTF-8, with and without a mark, whatever case the charset has", () => {
    expect(decode(Buffer.from('\ufeff{"a":"ä😀"}'))).toEqual({ a: "ä😀" });
    expect(decode(Buffer.from('{"a":"ä"}'), headOf("application/json; Charset=UTF-8"))).toEqual({ a: "ä" });
    expect(decode(Buffer.from('{"a":"ä"}'), headOf("application/json; charset=nonsense"))).toEqual({
      a: "ä",
    });
  });

  test("others by the content type", () => {
    const latin = Buffer.from('{"a":"ä€","id":9007199254740993}'.replace("€", "\u0080"), "latin1");
    expect(decode(latin, headOf('text/json; charset="ISO-8859-1"'))).toEqual({
      a: "ä\u0080",
      id: 9007199254740993n,
    });
    const utf16 = Buffer.from('{"a":"ä","id":9007199254740993}', "utf16le");
    expect(decode(utf16, headOf("application/json; charset=utf-16le"))).toEqual({
      a: "ä",
      id: 9007199254740993n,
    });
  });

  test("bytes that are not UTF-8 are an error with their place", () => {
    const bytes = Buffer.concat([Buffer.from('{"name":"ä\ufffd'), Buffer.from([0xe4]), Buffer.from('"}')]);
    expect(errorOf(bytes).message).toContain("from byte 14 on");
    expect(errorOf(bytes).message).not.toContain("name");
  });
});

describe("bodies that are not JSON", () => {
  test("an error page is quoted, with status and content type", () => {
    const error = errorOf(`  <html>\n<body>${"Bad gateway ".repeat(20)}`, headOf("text/html"));
    expect(error.code).toBe("response/not-json");
    expect(error.message).toContain("status 200, text/html");
    expect(error.message).toContain("<html> <body>Bad gateway");
    expect(error.message.length).toBeLessThan(160);
  });

  test("a truncated document is told by its length, without values", () => {
    const error = errorOf('{"calls":[{"phone":"+14155550100","note":"se');
    expect(error.message).toContain("ends too early, after 44 characters");
    expect(error.message).not.toMatch(/4155550100|phone/);
  });

  test("a malformed one by the byte", () => {
    const error = errorOf('{"a":"ää",}');
    expect(error.message).toContain("malformed at byte 12");
    expect(error.message).not.toContain("ää");
  });
});

test("a view into a larger buffer is decoded alone", () => {
  const bytes = new Uint8Array(Buffer.from('xx{"a":1}yy'));
  expect(decode(bytes.subarray(2, 9))).toEqual({ a: 1 });
});

test("any JSON value is what JSON.parse makes of it", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      const round = (_: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);
      expect(JSON.stringify(decode(text), round)).toBe(JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 500 },
  );
});
