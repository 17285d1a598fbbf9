import * as fc from "fast-check";
import { expect, it } from "vitest";
import { isWholeDays, momentOf, parseStep, shifted, styleOf, writeMoment } from "./step.js";
import { measure } from "./value.js";

it.each([
  ["P1M", { months: 1, seconds: 0 }],
  ["P1Y2M3W4DT5H6M7S", { months: 14, seconds: 3 * 604_800 + 4 * 86_400 + 5 * 3600 + 6 * 60 + 7 }],
  ["PT6H", { months: 0, seconds: 21_600 }],
  ["30d", { months: 0, seconds: 2_592_000 }],
  ["2 h", { months: 0, seconds: 7200 }],
  ["1mo", { months: 1, seconds: 0 }],
  [500, { amount: 500 }],
])("reads the step %j", (text, step) => {
  expect(parseStep(text)).toEqual(step);
});

it.each(["", "P", "PT", "P1", "1m", "d", "-1d", "P0D", "0h", "1.5d", " 1d", "P1DT", 0, -1, Number.NaN])(
  "refuses the step %j",
  (text) => {
    expect(parseStep(text)).toBeUndefined();
  },
);

it.each([
  ["2024-01-31", "P1M", 1, "2024-02-29"],
  ["2023-01-31T10:00:00Z", "P1M", 1, "2023-02-28T10:00:00Z"],
  ["2024-03-31", "P1M", -1, "2024-02-29"],
  ["2024-02-29", "P1Y", 1, "2025-02-28"],
  ["2024-01-01", "P30D", 1, "2024-01-31"],
  ["2024-01-01", 3, -1, "2023-12-29"],
  ["2024-01-01T00:00:00Z", 3, -1, "2023-12-31T23:59:57Z"],
  ["2024-01-01T00:00:00.250+02:00", "PT1H", -1, "2023-12-31T23:00:00.250+02:00"],
  ["2024-01-01 00:00:00", "PT1H", 1, "2024-01-01 01:00:00"],
  ["20240101T000000Z", "1d", 1, "20240102T000000Z"],
  [1_700_000_000, "1d", 1, 1_700_086_400],
  [1_700_000_000_123, "1d", 1, 1_700_086_400_123],
  [41, 1, 1, 42],
  [9_007_199_254_740_993n, 1, -1, 9_007_199_254_740_992n],
  [41, "1d", 1, undefined],
  ["abc", 1, 1, undefined],
  ["abc", "1d", 1, undefined],
] as const)("shifts %s by %s in direction %s to %s", (value, step, direction, expected) => {
  const parsed = parseStep(step);
  expect(parsed === undefined ? "no step" : shifted(value, parsed, direction)).toBe(expected);
});

it("writes a time back as it was written, in every style", () => {
  const instant = fc.record({ seconds: fc.integer({ min: 1e9, max: 4e9 }), nanos: fc.nat(999_999_999) });
  const example = fc.constantFrom(
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00.123-05:00",
    "2024-01-01 00:00:00.123456789",
    "20240101T000000+0530",
    1_700_000_000,
    1_700_000_000_000,
    1_700_000_000_000_000,
  );
  fc.assert(
    fc.property(instant, example, (moment, like) => {
      const style = styleOf(like);
      if (style === undefined) throw new Error("no style");
      const written = writeMoment(moment, style);
      // What was cut off is never later, and is cut once.
      const read = momentOf(written, style);
      expect(read.seconds).toBeLessThanOrEqual(moment.seconds);
      expect(styleOf(written)).toEqual(style);
      expect(writeMoment(read, style)).toBe(written);
      if (typeof like === "string" && style.kind === "timestamp")
        expect(measure(written)?.major).toBe(moment.seconds);
    }),
  );
});

it("knows the steps that keep a date a date", () => {
  const whole = (text: string | number) => {
    const step = parseStep(text);
    return step !== undefined && isWholeDays(step);
  };
  expect(["P1M", "1w", "PT24H", 2].map(whole)).toEqual([true, true, true, true]);
  expect(["PT6H", "P1DT1S", 0.5].map(whole)).toEqual([false, false, false]);
});
