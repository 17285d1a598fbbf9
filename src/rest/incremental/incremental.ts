import type { JsonPath } from "../../expression/path.js";
import { SluiceError } from "../../model/error.js";
import type { Json, JsonObject } from "../../model/json.js";
import type { RecordFields } from "../record-fields.js";
import type { ConvertFunction } from "./options.js";
import type { Step, Style } from "./step.js";
import { type CursorValue, type Measured, measure, type Order } from "./value.js";

/** Incremental loading of one endpoint, with nothing left to decide. */
export interface Incremental {
  readonly path: JsonPath;
  /** `max`, `min` or `custom`. */
  readonly func: string;
  readonly order: Order;
  readonly initial: CursorValue | undefined;
  /** Set: nothing is remembered. */
  readonly end: CursorValue | undefined;
  /** Where each run ends that has no `end`, at its own start, written like this. */
  readonly now: Style | undefined;
  readonly step: Step | undefined;
  readonly lag: Step | undefined;
  /** As configured, for `{incremental.lag}`. */
  readonly lagValue: Json;
  readonly isStartOpen: boolean;
  readonly isEndClosed: boolean;
  readonly missing: "raise" | "include" | "exclude";
  /** Fields that identify a record at the start; none: the whole record does; undefined: they all come again. */
  readonly key: readonly JsonPath[] | undefined;
  /** Which end of the range the records run towards, if they are sorted. */
  readonly runsTo: "start" | "end" | undefined;
  readonly scope: "parent" | "global";
  readonly convert: ConvertFunction | undefined;
}

/** Names in `{incremental.…}`. */
export const PLACEHOLDERS = ["start_value", "initial_value", "last_value", "end_value", "lag"] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];

/**
 * The furthest of the values that a record of a page has; undefined when it has none.
 *
 * @throws SluiceError incremental/types for a value that has no order.
 */
export function measureRecord(
  incremental: Incremental,
  fields: RecordFields,
  index: number,
): Measured | undefined {
  let furthest: Measured | undefined;
  for (const value of fields.find(index, incremental.path)) {
    if (value === null) continue;
    const measured = measure(value);
    if (measured === undefined) throw unordered(incremental.path.source, value);
    if (furthest === undefined || incremental.order(measured, furthest) > 0) furthest = measured;
  }
  return furthest;
}

function unordered(path: string, value: Json): SluiceError {
  const type = typeof value === "boolean" ? "a boolean" : Array.isArray(value) ? "a list" : "an object";
  return new SluiceError("incremental/types", `the cursor value at ${path} is ${type}, which has no order`, {
    hint: "cursor_path must lead to numbers, dates, timestamps or other texts; items[*].updated_at leads into a list.",
  });
}

/** What the placeholders stand for; `convert` sees every value but the lag, and never null. */
export function placeholderValues(
  incremental: Incremental,
  values: Readonly<Record<"start" | "last" | "end", CursorValue | undefined>>,
): JsonObject {
  const { convert, initial, lagValue, path } = incremental;
  const written = (value: CursorValue | undefined): Json => {
    if (value === undefined) return null;
    if (convert === undefined) return value;
    try {
      return convert(value);
    } catch (cause) {
      throw new SluiceError("expression/failed", `convert failed on a value of ${path.source}`, {
        hint: "It is called with the value as the records have it, and with initial_value and end_value as configured.",
        cause,
      });
    }
  };
  const known: Readonly<Record<Placeholder, Json>> = {
    start_value: written(values.start),
    initial_value: written(initial),
    last_value: written(values.last),
    end_value: written(values.end),
    lag: lagValue,
  };
  return known;
}
