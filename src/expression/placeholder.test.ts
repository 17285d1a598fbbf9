import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeSegment, expandPlaceholders, parsePlaceholders } from "./placeholder.js";

test.each<[string, ReturnType<typeof parsePlaceholders>]>([
  ["/{account_id}/calls.json", ["/", { name: "account_id" }, "/calls.json"]],
  ["{resources.users.id}{x-y}", [{ name: "resources.users.id" }, { name: "x-y" }]],
  ["plain", ["plain"]],
  ["", []],
  ["{}{ a }{1a}{a b}", ["{}{ a }{1a}{a b}"]],
  ['{"json": {"a": 1}}', ['{"json": {"a": 1}}']],
  ["{{ config.x }}/{id}", ["{{ config.x }}/", { name: "id" }]],
  ["{{name}}", ["{{name}}"]],
  ["{{ {a} }}", ["{{ {a} }}"]],
  ["{{{id}}}", ["{{{id}}}"]],
])("%s", (text, parts) => {
  expect(parsePlaceholders(text)).toEqual(parts);
});

test("values are encoded and never expanded again", () => {
  const parts = parsePlaceholders("/{a}/x/{b}");
  expect(expandPlaceholders(parts, (name) => (name === "a" ? "{b}/?#" : "ä"), encodeSegment)).toBe(
    "/%7Bb%7D%2F%3F%23/x/%C3%A4",
  );
  expect(expandPlaceholders(parts, (name) => name)).toBe("/a/x/b");
});

test("the literal parts and names join to the text again", () => {
  const text = fc.string({ unit: fc.constantFrom("{", "}", "a", "b", ".", "-", "1", " ", "/") });
  fc.assert(
    fc.property(text, (value) => {
      const joined = parsePlaceholders(value).map((part) =>
        typeof part === "string" ? part : `{${part.name}}`,
      );
      expect(joined.join("")).toBe(value);
    }),
  );
});

test("an encoded value is exactly one segment, and decodes to itself", () => {
  const value = fc
    .string({ unit: "binary-ascii", minLength: 1 })
    .filter((text) => text !== "." && text !== "..");
  fc.assert(
    fc.property(value, (text) => {
      const { pathname, search, hash } = new URL(`https://h/a/${encodeSegment(text)}/b`);
      const segments = pathname.split("/");
      expect(segments).toHaveLength(4);
      expect(decodeURIComponent(segments[2] ?? "")).toBe(text);
      expect(search + hash).toBe("");
    }),
  );
});

test.each([".", "..", "\ud800"])("%j is refused", (value) => {
  expect(() => encodeSegment(value)).toThrow(expect.objectContaining({ code: "expression/failed" }));
});
