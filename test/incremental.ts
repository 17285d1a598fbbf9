import { parsePath } from "../src/expression/path.js";
import type { Incremental } from "../src/rest/incremental/incremental.js";
import { orderOf } from "../src/rest/incremental/value.js";

/** An incremental configuration with `cursor_path: at` and nothing else. */
export const incrementalAt = (more: Partial<Incremental> = {}): Incremental => ({
  path: parsePath("at"),
  func: "max",
  order: orderOf(more.func === "min" ? "min" : "max", "at"),
  initial: undefined,
  end: undefined,
  now: undefined,
  step: undefined,
  lag: undefined,
  lagValue: null,
  isStartOpen: false,
  isEndClosed: false,
  missing: "raise",
  key: [],
  runsTo: undefined,
  scope: "parent",
  convert: undefined,
  ...more,
});
