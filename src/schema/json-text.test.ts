import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../model/json.js";
import { jsonText } from "./json-text.js";

describe("jsonText", () => {
  it("is JSON.stringify for what JSON.stringify can write", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => jsonText(value as Json) === JSON.stringify(value)));
  });

  it("is the same text when a bigint makes it take the other way", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.bigInt(), (value, big) => {
        expect(jsonText([value as Json, big])).toBe(`[${JSON.stringify(value)},${big}]`);
        expect(jsonText({ a: value as Json, "b\n": { c: big } })).toBe(
          `{"a":${JSON.stringify(value)},"b\\n":{"c":${big}}}`,
        );
      }),
    );
  });

  it("leaves out undefined like JSON.stringify, in objects and in lists", () => {
    const odd = { a: undefined, b: [undefined, 1n], c: new Date(0) } as unknown as Json;
    expect(jsonText(odd)).toBe('{"b":[null,1],"c":"1970-01-01T00:00:00.000Z"}');
  });

  it("writes nesting far deeper than the stack", () => {
    let value: Json = 1;
    for (let level = 0; level < 100_000; level++) value = level % 2 === 0 ? [value] : { a: value };
    const text = jsonText(value);
    expect(text.length).toBe(1 + 50_000 * 2 + 50_000 * 6);
  });

  it("keeps own keys named __proto__", () => {
    expect(jsonText(JSON.parse('{"__proto__":[1]}') as Json)).toBe('{"__proto__":[1]}');
    expect(jsonText([1n, JSON.parse('{"__proto__":[1]}') as Json])).toBe('[1,{"__proto__":[1]}]');
  });
});
