import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDecimal, parseDecimal, sameDecimal } from "./decimal.js";

describe("parseDecimal", () => {
  it.each([
    ["12.5", 38, 9, 12_500_000_000n],
    ["-0.01", 10, 2, -1n],
    ["1e3", 10, 0, 1000n],
    ["1.50", 10, 1, 15n],
    ["1E-7", 38, 9, 100n],
    ["0", 1, 0, 0n],
    ["-0.000", 1, 0, 0n],
    ["99.99", 4, 2, 9999n],
    ["00012", 2, 0, 12n],
    ["1.123456789012345", 38, 15, 1_123_456_789_012_345n],
  ])("reads %s as decimal(%i, %i)", (text, precision, scale, unscaled) => {
    expect(parseDecimal(text, precision, scale)).toBe(unscaled);
  });

  it.each([
    ["0.125", 10, 2],
    ["100", 4, 2],
    ["1e999999999", 38, 0],
    ["1e-999999999", 38, 9],
    ["", 38, 9],
    [".", 38, 9],
    ["1,5", 38, 9],
    ["0x10", 38, 9],
    ["NaN", 38, 9],
    ["1e", 38, 9],
    [" 1", 38, 9],
  ])("refuses %j as decimal(%i, %i) instead of rounding", (text, precision, scale) => {
    expect(parseDecimal(text, precision, scale)).toBeUndefined();
  });

  it("gives back what formatDecimal wrote", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }),
        fc.nat(38),
        (unscaled, scale) => {
          expect(parseDecimal(formatDecimal(unscaled, scale), 38, scale)).toBe(unscaled);
        },
      ),
    );
  });
});

describe("sameDecimal", () => {
  it("compares numbers, not texts", () => {
    expect(sameDecimal("1.50", "15e-1")).toBe(true);
    expect(sameDecimal("0", "-0.0")).toBe(true);
    expect(sameDecimal("1", "-1")).toBe(false);
    expect(sameDecimal("1", "10")).toBe(false);
    expect(sameDecimal("x", "x")).toBe(false);
  });

  it("finds every double equal to its own text", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) =>
        sameDecimal(String(value), value.toExponential()),
      ),
    );
  });
});
