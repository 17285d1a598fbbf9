import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../model/json.js";
import { parsePath } from "./path.js";

const body: Json = {
  calls: [
    { id: 1, tags: ["a"] },
    { id: 9007199254740993n, tags: ["b", "c"] },
  ],
  meta: { next: null, "@odata.count": 5, "a-b": { c: 1 } },
  "@odata.nextLink": "https://api.test/x",
  "a.b": "whole key",
  a: { b: "split" },
  zero: 0,
};

test.each<[string, readonly Json[]]>([
  ["calls.0.id", [1]],
  ["calls.1.id", [9007199254740993n]],
  ["calls.5.id", []],
  ["calls.id", []],
  ["zero", [0]],
  ["meta.next", [null]],
  ["meta.nope", []],
  ["meta.next.deeper", []],
  ["meta.a-b.c", [1]],
  ["@odata.nextLink", ["https://api.test/x"]],
  ["meta.@odata.count", [5]],
  ["a.b", ["whole key"]],
  ["$.a.b", ["split"]],
  ["$.calls[*].id", [1, 9007199254740993n]],
  ["calls[*].id", [1, 9007199254740993n]],
  ["calls[].tags[]", ["a", "b", "c"]],
  ["calls[0].tags", [["a"]]],
  ["calls[-1].tags[0]", ["b"]],
  ["calls.*.id", [1, 9007199254740993n]],
  ["calls[?@.id == 1].tags[0]", ["a"]],
  ["$..id", [1, 9007199254740993n]],
  ["['a.b']", ["whole key"]],
  ["$", [body]],
  ["constructor", []],
  ["__proto__", []],
  ["toString.name", []],
  ["calls.length", []],
  ["$.constructor", []],
  ["$.calls.length", []],
])("%s", (text, expected) => {
  const path = parsePath(text);
  expect(path.source).toBe(text);
  expect(path.find(body)).toEqual(expected);
  expect(path.first(body)).toEqual(expected[0]);
});

test("a list at the top, and values that are no containers", () => {
  expect(parsePath("[1].id").find([{ id: 1 }, { id: 2 }])).toEqual([2]);
  expect(parsePath("0.id").first([{ id: 1 }])).toBe(1);
  for (const value of [null, 1, "text", true, 5n]) expect(parsePath("a.b").find(value)).toEqual([]);
});

test("an own key named __proto__ is found", () => {
  expect(parsePath("__proto__.x").first(JSON.parse('{"__proto__":{"x":1}}') as Json)).toBe(1);
});

describe("mistakes", () => {
  test.each(["", " ", ".a", "a.", "$.", "$[", "a[", "$.a[?match(@.x, 'y')]", "$.a[?search(@.x, 'y')]"])(
    "%j is refused",
    (text) => {
      expect(() => parsePath(text)).toThrow(expect.objectContaining({ code: "config/invalid" }));
    },
  );

  test("a response that is too deep for `..` is an error with a code", () => {
    let deep: Json = {};
    for (let level = 0; level < 50_000; level++) deep = { a: deep };
    expect(() => parsePath("$..x").find(deep)).toThrow(
      expect.objectContaining({ code: "expression/failed" }),
    );
  });
});

test("dotted keys and JSONPath agree on every place of any value", () => {
  const key = fc.stringMatching(/^[a-z_][a-z0-9_]{0,3}$/);
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.integer(),
      fc.constant(null),
      fc.dictionary(key, tie("tree")),
      fc.array(tie("tree"), { maxLength: 3 }),
    ),
  }));
  const segment = fc.oneof(key, fc.nat({ max: 2 }));
  fc.assert(
    fc.property(
      tree,
      fc.array(segment, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (value, wanted, follow) => {
        const path = follow ? placeIn(value, wanted) : wanted;
        const asJsonPath = `$${path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("")}`;
        expect(parsePath(path.join(".")).find(value)).toEqual(parsePath(asJsonPath).find(value));
      },
    ),
  );
});

/** A path that exists in the value as far as possible. */
function placeIn(value: Json, wanted: readonly (string | number)[]): (string | number)[] {
  const path: (string | number)[] = [];
  let at: Json | undefined = value;
  for (const part of wanted) {
    const step: string | number = Array.isArray(at) ? 0 : (Object.keys((at ?? {}) as JsonObject)[0] ?? part);
    path.push(step);
    at = typeof at === "object" && at !== null ? (at as JsonObject)[step] : undefined;
  }
  return path;
}
