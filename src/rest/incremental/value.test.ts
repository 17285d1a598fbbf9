import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../../model/json.js";
import { fromStored, measure, orderOf, toStored } from "./value.js";

function compare(one: Json, other: Json, order = orderOf("max", "at")): number {
  const [a, b] = [measure(one), measure(other)];
  if (a === undefined || b === undefined) throw new Error("no value");
  return Math.sign(order(a, b));
}

describe("cursor values", () => {
  it.each([
    [1, 2, -1],
    [2, 2.5, -1],
    [9_007_199_254_740_993n, 9_007_199_254_740_992n, 1],
    [9_007_199_254_740_993n, 1e300, -1],
    ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", 0],
    ["2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00.500000Z", 0],
    ["2024-01-01T00:00:00.123456789Z", "2024-01-01T00:00:00.123456788Z", 1],
    ["2024-01-01T00:30:00+01:00", "2024-01-01T00:00:00Z", -1],
    ["2024-01-01", "2024-01-01T00:00:00Z", 0],
    ["2024-01-02", "2024-01-01T23:59:59Z", 1],
    ["2024-01-01 10:00:00", "2024-01-01T10:00:00Z", 0],
    ["b", "a", 1],
    ["10", "9", -1],
  ])("%s to %s: %s", (one, other, expected) => {
    expect(compare(one, other)).toBe(expected);
    expect(compare(other, one)).toBe(expected === 0 ? 0 : -expected);
    expect(compare(one, other, orderOf("min", "at"))).toBe(expected === 0 ? 0 : -expected);
  });

  it.each([
    [1, "a", "one is a number, the other a text"],
    [1, "2024-01-01", "one is a number, the other a date"],
    ["2024-01-01T00:00:00Z", "soon", "one is a timestamp, the other a text"],
  ])("refuses to compare %j with %j, and names the types only", (one, other, message) => {
    expect(() => compare(one, other)).toThrow(`the cursor values at at can't be compared: ${message}`);
  });

  it.each([true, [], {}, null])("has no order for %j", (value) => {
    expect(measure(value)).toBeUndefined();
  });

  it("goes by a function of one's own", () => {
    const longest = orderOf(
      ([one, other]) => (String(other).length > String(one).length ? other! : one!),
      "at",
    );
    expect(compare("aaa", "z", longest)).toBe(1);
    expect(compare("z", "aaa", longest)).toBe(-1);
    expect(compare("z", "z", longest)).toBe(0);
  });

  it("survives being stored as JSON", () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.bigInt()),
        (value) => {
          const stored = JSON.parse(JSON.stringify(toStored(value))) as Json;
          expect(fromStored(stored)).toBe(Object.is(value, -0) ? 0 : value);
        },
      ),
    ));
});
