import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RetryableError } from "../../http/message.js";
import { parseExactJson } from "../../json/exact.js";
import { SluiceError } from "../../model/error.js";
import { jsonlDecoder } from "./jsonl.js";

const head = { status: 200, url: "https://api.test/calls", headers: { "content-type": "application/jsonl" } };
const decode = (body: string | Uint8Array) =>
  jsonlDecoder.create({})(typeof body === "string" ? Buffer.from(body) : body, head);

function errorOf(body: string): SluiceError {
  try {
    void decode(body);
  } catch (error) {
    expect(error).toBeInstanceOf(RetryableError);
    expect((error as Error).cause).toBeInstanceOf(SluiceError);
    return (error as Error).cause as SluiceError;
  }
  throw new Error("expected an error");
}

test("blank lines and CRLF", () => {
  expect(decode('\r\n{"a":1}\r\n \t\r\n\n[2]\n"x"')).toEqual([{ a: 1 }, [2], "x"]);
});

test("numbers stay exact", () => {
  expect(decode('{"id":9007199254740993}\n12345678901234567890\n1e400\n{"s":"ü"}')).toEqual([
    { id: 9007199254740993n },
    12345678901234567890n,
    "1e400",
    { s: "ü" },
  ]);
});

test("any page of JSON values comes back, with either line end and with separators", () => {
  const value = fc.jsonValue({ maxDepth: 4 }).map((any) => JSON.stringify(any));
  const big = fc.bigInt({ min: 2n ** 53n, max: 2n ** 80n }).map((id) => `{"id":${id}}`);
  const shape = fc.constantFrom(
    (texts: readonly string[]) => texts.join("\n"),
    (texts: readonly string[]) => texts.map((text) => `${text}\r\n`).join("\n"),
    (texts: readonly string[]) => texts.map((text) => `\u001e${text}\n`).join(""),
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(value, value, big), { minLength: 1, maxLength: 8 }),
      shape,
      (texts, write) => {
        expect(decode(write(texts))).toEqual(texts.map(parseExactJson));
      },
    ),
    { numRuns: 300 },
  );
});

describe("a bad line", () => {
  test.each([
    ['{"a":1}\n\n{"phone":"+14155550100"\n{"a":3}', "line 3 ends too early"],
    ['{"a":1}\n{"phone":+1415}', "line 2 is malformed at character 10"],
    ['{"a":1},{"a":2}', "line 1 is malformed at character 8"],
    ["\u00a0", "line 1 is malformed at character 1"],
    ['\u001e{"a":1}\n\u001e{"a"', "record 2 ends too early"],
  ])("%j", (body, what) => {
    const error = errorOf(body);
    expect(error.code).toBe("response/malformed");
    expect(error.message).toContain(`status 200, application/jsonl): ${what}`);
    expect(error.message).not.toContain("1415");
  });
});
