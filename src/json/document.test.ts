import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../model/json.js";
import { readDocument } from "./document.js";
import { parseExactJson } from "./exact.js";
import { Keys } from "./keys.js";
import { countOf, recordAt, recordsAt } from "./records.js";
import { placeOf, valueAround, valueAt } from "./values.js";

const read = (text: string, keys?: Keys) => readDocument(Buffer.from(text), keys);

/** `FUZZ_RUNS=1000000 npx vitest run src/json/document.test.ts` is the long form. */
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 2000);

function accepts(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A JSON text of any form: blanks, escapes, keys that come twice, numbers of any size. */
const jsonText = fc.letrec<{ value: string; blank: string; text: string; key: string; number: string }>(
  (tie) => ({
    blank: fc.stringMatching(/^[ \t\n\r]{0,3}$/),
    text: fc.oneof(
      fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
      fc
        .stringMatching(/^(?:[ -!#-[\]-~é€😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,12}$/u)
        .map((text) => `"${text}"`),
    ),
    key: fc.oneof(fc.constantFrom('"id"', '"\\u0069d"', '"name"', '"__proto__"', '""', '"1"'), tie("text")),
    number: fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
      fc.stringMatching(/^-?(?:0|[1-9]\d{0,30})(?:\.\d{1,20})?(?:[eE][+-]?\d{1,4})?$/),
    ),
    value: fc.oneof(
      { maxDepth: 4 },
      tie("text"),
      tie("number"),
      fc.constantFrom("null", "true", "false"),
      fc
        .array(fc.tuple(tie("blank"), tie("value"), tie("blank")), { maxLength: 5 })
        .map((items) => `[${items.map((item) => item.join("")).join(",")}]`),
      fc
        .array(fc.tuple(tie("blank"), tie("key"), tie("blank"), tie("blank"), tie("value"), tie("blank")), {
          maxLength: 5,
        })
        .map(
          (members) =>
            `{${members.map(([a, key, b, c, value, d]) => `${a}${key}${b}:${c}${value}${d}`).join(",")}}`,
        ),
    ),
  }),
).value;

describe("readDocument", { timeout: 60_000 + 10 * RUNS }, () => {
  it("gives the values of parseExactJson, whatever the text looks like", () => {
    const keys = new Keys();
    fc.assert(
      fc.property(jsonText, (text) => {
        const whole = Buffer.from(text).toString();
        const document = read(whole, keys);
        expect(document, whole).toBeDefined();
        expect(valueAt(document!, 0)).toStrictEqual(parseExactJson(whole));
      }),
      { numRuns: RUNS },
    );
  });

  it("accepts what JSON.parse accepts, and nothing else", () => {
    let keys = new Keys();
    const bytes = fc.stringMatching(/^[ {}[\]:,"\\a-fnrtulse0-9+\-.eE\n]{0,24}$/);
    const damaged = fc
      .tuple(
        jsonText,
        fc.nat(),
        fc.nat(3),
        fc.constantFrom("", ",", '"', "}", "]", "\\", "0", "\u0001", "-", "e", "x"),
      )
      .map(([text, at, cut, insert]) => {
        const place = text.length === 0 ? 0 : at % text.length;
        return text.slice(0, place) + insert + text.slice(place + cut);
      });
    fc.assert(
      fc.property(fc.oneof(bytes, damaged), (text) => {
        const whole = Buffer.from(text).toString();
        expect(read(whole) !== undefined, whole).toBe(accepts(whole));
        // The keys of other texts are expected here, and their remains are in memory.
        expect(read(whole, keys) !== undefined, whole).toBe(accepts(whole));
        if (keys.isFull) keys = new Keys();
      }),
      { numRuns: 2.5 * RUNS },
    );
  });

  it.each([
    "",
    " ",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "+1",
    "nul",
    "nullx",
    "tru",
    "[1,]",
    "[,1]",
    "{,}",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{a:1}",
    '"\\x"',
    '"\\u12"',
    '"a\nb"',
    '"',
    "[",
    "{",
    "]",
    "1 2",
    "[1] x",
    "\u00a01",
    "NaN",
    "Infinity",
    "'a'",
    "/**/1",
  ])("refuses %j", (text) => {
    expect(accepts(text)).toBe(false);
    expect(read(text)).toBeUndefined();
  });

  it("finds the end of text wherever in a word it is, and each character that text can't hold", () => {
    for (let size = 0; size < 10; size++) {
      for (let at = 0; at <= size; at++) {
        for (let code = 0; code < 0x100; code++) {
          const inner = "x".repeat(at) + String.fromCharCode(code) + "y".repeat(size - at);
          for (const text of [`"${inner}"`, `{"${inner}":1}`, `["${inner}","a"]`]) {
            const document = read(text);
            if (accepts(text) !== (document !== undefined)) expect.fail(JSON.stringify(text));
          }
        }
      }
    }
  });

  it("sees where a document is cut off or goes on after its end, though it knows the keys", () => {
    const whole = '{"id":1,"name":"n","":null,"a longer key":[{"x":true,"xy":false},{"x":1.5,"xy":"\\n"}]}';
    const keys = new Keys();
    const document = read(whole, keys);
    for (let size = 0; size < whole.length; size++) {
      const inside = Buffer.from(whole).subarray(0, size);
      expect(readDocument(inside, keys), whole.slice(0, size)).toBeUndefined();
    }
    const again = readDocument(Buffer.from(`  ${whole}  `).subarray(2, 2 + whole.length), keys);
    expect(again?.tape).toEqual(document?.tape);
    for (const other of [whole.replaceAll(":", " :"), whole.replaceAll('":', '2":')]) {
      expect(valueAt(read(other, keys)!, 0)).toEqual(JSON.parse(other));
    }
  });

  it("reads any depth", () => {
    const text = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect(read(text)?.tape.length).toBe(400_000);
  });

  it("gives one key at one place the same number in every document, in any order", () => {
    const keys = new Keys();
    const first = read('{"id":1,"tags":[{"id":2}],"name":"x"}', keys)!;
    const second = read('{"name":"x","tags":[{"id":2},{"id":3}],"id":1}', keys)!;
    expect(first.keys).toBe(second.keys);
    expect(first.tape[4]).toBe(second.tape[second.tape.length - 5]);
    expect(keys.names.filter((name) => name === "id")).toHaveLength(2);
  });

  it("says when its keys are too many to be kept", () => {
    const keys = new Keys();
    const object = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`id${n}`, n]));
    const document = read(JSON.stringify(object), keys)!;
    expect(valueAt(document, 0)).toStrictEqual(object);
    expect(keys.isFull).toBe(true);
  });
});

describe("records in a document", () => {
  const document = read('{"ok":true,"data":{"n":9,"calls":[{"id":1},{"id":2},{"id":9007199254740993}]}}')!;
  const records = recordsAt(document, placeOf(document, ["data", "calls"])!)!;

  it("are counted, and become values one by one or all", () => {
    expect(countOf(records)).toBe(3);
    expect(recordAt(records, 0)).toStrictEqual({ id: 1 });
    expect(recordAt(records, -1)).toStrictEqual({ id: 9007199254740993n });
    expect(records.values).toStrictEqual([{ id: 1 }, { id: 2 }, { id: 9007199254740993n }]);
  });

  it("are not made where only what is around them is looked at", () => {
    let asked = 0;
    const inner = (): Json => {
      asked++;
      return [];
    };
    const around = valueAround(document, ["data", "calls"], inner) as { data: { n: number; calls: Json } };
    expect(around.data.n).toBe(9);
    expect(asked).toBe(0);
    expect(around.data.calls).toStrictEqual([]);
    expect(asked).toBe(1);
  });

  it("are not found where no list is", () => {
    expect(placeOf(document, ["data", "none"])).toBeUndefined();
    expect(recordsAt(document, placeOf(document, ["data"])!)).toBeUndefined();
  });

  it("are those of the last of two members with one key, as in JSON.parse", () => {
    const twice = read('{"a":[1],"a":[2,3]}')!;
    expect(recordsAt(twice, placeOf(twice, ["a"])!)?.values).toStrictEqual([2, 3]);
  });
});
