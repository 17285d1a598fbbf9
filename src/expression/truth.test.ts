import { expect, test } from "vitest";
import { isTruthy } from "./truth.js";

test.each([undefined, null, false, 0, -0, 0n, Number.NaN, "", " ", "false", "FALSE", " False ", "0", [], {}])(
  "%o is false",
  (value) => {
    expect(isTruthy(value)).toBe(false);
  },
);

test.each([true, 1, -1, 5n, "true", "TRUE", "1", "no", "None", "0.0", "{}", [0], { a: null }])(
  "%o is true",
  (value) => {
    expect(isTruthy(value)).toBe(true);
  },
);
