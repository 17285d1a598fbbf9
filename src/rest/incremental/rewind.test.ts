import { describe, expect, it } from "vitest";
import { incrementalAt as incremental } from "../../../test/incremental.js";
import type { JsonObject } from "../../model/json.js";
import { typedValue } from "./bound.js";
import type { Incremental } from "./incremental.js";
import { rewindCursor, setCursor } from "./rewind.js";
import type { CursorValue } from "./value.js";

const own = (value: unknown, more: JsonObject = {}, func = "max") =>
  ({ cursor_path: "at", last_value_func: func, value, ...more }) as JsonObject;
const alone = (value: unknown, more: Partial<Incremental> = {}) => ({
  incremental: incremental(more),
  isChild: false,
  cursor: value === undefined ? undefined : own(value, { keys: ["aaaa"], crowded: true }, more.func),
});

describe("a value that was typed", () => {
  it.each([
    ["2026-01-02", "2026-01-01T00:00:00.000+02:00", "2026-01-02T02:00:00.000+02:00"],
    ["2026-01-02T03:04:05Z", "2026-01-01T00:00:00Z", "2026-01-02T03:04:05Z"],
    ["2026-01-02T03:04:05Z", "2026-01-01", "2026-01-02"],
    ["2026-01-02", 1_767_225_600, 1_767_312_000],
    ["2026-01-02", 1_767_225_600_000, 1_767_312_000_000],
    ["17", 5, 17],
    ["9007199254740993", 5, 9_007_199_254_740_993n],
    ["17", "abc", "17"],
    ["17", undefined, 17],
    ['"17"', undefined, "17"],
    ["abc", undefined, "abc"],
  ] satisfies [string, CursorValue | undefined, CursorValue][])(
    "%s, where values are like %s, is %s",
    (text, known, value) => {
      expect(typedValue(text, known, "at")).toEqual(value);
    },
  );

  it.each([
    ["yesterday", "2026-01-01T00:00:00Z"],
    ["17", "2026-01-01"],
    ["abc", 5],
    ["2026-01-01", 5],
    ["", undefined],
  ] satisfies [string, CursorValue | undefined][])(
    "%s, where values are like %s, is refused",
    (text, known) => {
      expect(() => typedValue(text, known, "at")).toThrow(expect.objectContaining({ code: "config/usage" }));
    },
  );
});

describe("state set", () => {
  it("puts one last value in the place of the other, and knows no record at it", () => {
    expect(setCursor(alone("2026-01-05T00:00:00Z"), "2026-02-01")).toEqual(own("2026-02-01T00:00:00Z"));
    expect(setCursor(alone(undefined), "12345678901234567890")).toEqual(
      own({ integer: "12345678901234567890" }),
    );
  });

  it("goes for a child with one value for all of its parents, and not for one with many", () => {
    const child = {
      incremental: incremental({ scope: "global" }),
      isChild: true,
      cursor: { parent: own(3), own: own(3) },
    };
    expect(setCursor(child, "1")).toEqual({ own: own(1) });
    expect(() => setCursor({ ...child, incremental: incremental() }, "1")).toThrow(
      "for each record of its parent",
    );
  });

  it("is refused where a range is read", () => {
    expect(() => setCursor(alone(undefined, { initial: 1, end: 5 }), "3")).toThrow("fixed range");
  });
});

describe("state rewind", () => {
  it.each([
    ["2026-01-31T12:00:00Z", { by: "7d" }, "2026-01-24T12:00:00Z"],
    ["2026-03-31", { by: "P1M" }, "2026-02-28"],
    [1_767_312_000, { by: "PT1H" }, 1_767_308_400],
    [1000, { by: "250" }, 750],
    [1000, { to: "1000" }, 1000],
    ["2026-01-31T12:00:00Z", { to: "2026-01-30" }, "2026-01-30T00:00:00Z"],
  ] satisfies [CursorValue, { by: string } | { to: string }, CursorValue][])(
    "%j %j leads to %j",
    (from, back, to) => {
      expect(rewindCursor(alone(from), back)).toEqual(own(to));
    },
  );

  it("goes up where the smallest value is the furthest", () => {
    expect(rewindCursor(alone(100, { func: "min" }), { by: "10" })).toEqual(own(110, {}, "min"));
    expect(() => rewindCursor(alone(100, { func: "min" }), { to: "90" })).toThrow("lies beyond 100");
  });

  it("never leads forward, and not before initial_value", () => {
    expect(() => rewindCursor(alone("2026-01-05"), { to: "2026-01-06" })).toThrow("lies beyond 2026-01-05");
    const from = alone("2026-01-05", { initial: "2026-01-01" });
    expect(rewindCursor(from, { by: "30d" })).toEqual(own("2026-01-01"));
    expect(() => rewindCursor(from, { to: "2025-12-31" })).toThrow("before initial_value");
  });

  it("moves the values of all parents that lie beyond, and has every parent visited again", () => {
    const parents = { "[1]": own(10, { keys: ["a"] }), "[2]": own(5, { keys: ["b"] }) };
    const cursor = {
      parent: own(99),
      own: { cursor_path: "at", last_value_func: "max", parents, newer: { "[3]": own(20) } },
    };
    expect(rewindCursor({ incremental: incremental(), isChild: true, cursor }, { to: "7" })).toEqual({
      own: {
        cursor_path: "at",
        last_value_func: "max",
        parents: { "[1]": own(7), "[2]": own(5, { keys: ["b"] }), "[3]": own(7) },
        newer: {},
      },
    });
  });

  it.each([
    [alone(undefined), { by: "7d" }, "nothing is remembered"],
    [{ ...alone(5), cursor: { ...own(5), cursor_path: "other" } }, { by: "1" }, "nothing is remembered"],
    [alone("abc"), { by: "7d" }, "leads nowhere"],
    [alone(5), { by: "7d" }, "leads nowhere"],
    [alone("2026-01-05"), { by: "a while" }, "neither a number nor a duration"],
  ] as const)("%j %j is refused", (resource, back, message) => {
    expect(() => rewindCursor(resource, back)).toThrow(message);
  });
});
