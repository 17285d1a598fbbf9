import { describe, expect, test } from "vitest";
import { closest, didYouMean } from "./suggest.js";

const known = ["cursor_value", "cursor_path", "stop_condition", "type", "limit"];

describe("closest", () => {
  test.each([
    ["cursor_vale", "cursor_value"],
    ["cursorValue", "cursor_value"],
    ["cursor", "cursor_value"],
    ["tpye", "type"],
    ["Type", "type"],
    ["limits", "limit"],
    ["stop_condtion", "stop_condition"],
  ])("%s → %s", (word, expected) => {
    expect(closest(word, known)).toBe(expected);
  });

  test.each(["colour", "x", "", "tip", "path_of_the_cursor"])("%s is like nothing known", (word) => {
    expect(closest(word, known)).toBeUndefined();
  });

  test("the nearest of several wins", () => {
    expect(closest("calls", ["call", "calls_v2", "calls"])).toBe("calls");
  });
});

test("didYouMean says it in words, or nothing", () => {
  expect(didYouMean("tpye", known)).toBe(' – did you mean "type"?');
  expect(didYouMean("nothing-like-it", known)).toBe("");
});
