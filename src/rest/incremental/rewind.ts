import { SluiceError } from "../../model/error.js";
import { isObject, type JsonObject } from "../../model/json.js";
import { knownValue, typedValue } from "./bound.js";
import type { Incremental } from "./incremental.js";
import { childCursor } from "./parents.js";
import { describedCursor } from "./read.js";
import { parseStep, shifted } from "./step.js";
import { type CursorValue, fromStored, measure, toStored } from "./value.js";

/** An incremental resource whose last value is changed by hand. */
export interface Rewindable {
  readonly incremental: Incremental;
  /** It is a child: what is remembered of its parent is forgotten, so that every parent is visited again. */
  readonly isChild: boolean;
  /** `ResourceState.cursor`. */
  readonly cursor: JsonObject | undefined;
}

/** How far back: to a value, or by a number or duration. */
export type Back = { readonly to: string } | { readonly by: string };

/**
 * The cursor that goes on from `text`, whatever is remembered. No record is known at that value: those that have it come
 * again.
 *
 * @throws SluiceError config/usage for a value of another type, and where there is not one last value.
 */
export function setCursor({ incremental, isChild, cursor }: Rewindable, text: string): JsonObject {
  refuseRange(incremental);
  if (isChild && incremental.scope === "parent") {
    throw new SluiceError(
      "config/usage",
      "it has a last value for each record of its parent, not one for all",
      {
        hint: "`sluice state rewind` moves all of them back; `sluice state reset` forgets them.",
      },
    );
  }
  const known = fromStored(ownOf({ incremental, isChild, cursor })?.["value"]);
  const value = typedValue(text, knownValue(incremental, known), incremental.path.source);
  return asCursor({ ...describedCursor(incremental), value: toStored(value) }, isChild);
}

/**
 * The cursor moved back; never forward, and never before `initial_value`. Of a child every parent's value that lies
 * beyond is moved. No record is known at the new values: those that have them come again.
 *
 * @throws SluiceError config/usage where nothing is remembered, and for a way that does not lead back.
 */
export function rewindCursor(resource: Rewindable, back: Back): JsonObject {
  const { incremental, isChild } = resource;
  refuseRange(incremental);
  const own = ownOf(resource);
  if (own === undefined) {
    throw new SluiceError("config/usage", "nothing is remembered of it that could be moved back", {
      hint: "The next run starts at initial_value, or from the start. `sluice state set` makes it start elsewhere.",
    });
  }
  const move = mover(incremental, back);
  if (!("parents" in own)) return asCursor(moved(own, move, "refuse"), isChild);
  const parents = Object.entries({ ...objectAt(own, "parents"), ...objectAt(own, "newer") }).map(
    ([key, value]) => [key, isObject(value) ? moved(value, move, "keep") : value] as const,
  );
  return asCursor(
    { ...describedCursor(incremental), parents: Object.fromEntries(parents), newer: {} },
    isChild,
  );
}

type Move = (present: CursorValue) => { readonly value: CursorValue; readonly leads: "back" | "forward" };

function mover(incremental: Incremental, back: Back): Move {
  const { func, initial, order, path } = incremental;
  const target =
    "to" in back
      ? (present: CursorValue) => typedValue(back.to, present, path.source)
      : stepper(back.by, func === "min" ? 1 : -1);
  const floor = initial === undefined ? undefined : measure(initial);
  return (present) => {
    const value = target(present);
    const [from, to] = [measure(present), measure(value)];
    if (from === undefined || to === undefined || order(to, from) > 0) return { value, leads: "forward" };
    if (floor === undefined || order(to, floor) >= 0 || order(from, floor) < 0)
      return { value, leads: "back" };
    if ("by" in back) return { value: floor.value, leads: "back" };
    throw new SluiceError(
      "config/usage",
      `${String(value)} lies before initial_value, ${String(floor.value)}`,
      {
        hint: "`sluice state reset` makes the next run start at initial_value; `sluice run --from --to` reads what lies before.",
      },
    );
  };
}

function moved(cursor: JsonObject, move: Move, forward: "refuse" | "keep"): JsonObject {
  const present = fromStored(cursor["value"]);
  if (present === undefined) return cursor;
  const { value, leads } = move(present);
  if (leads === "forward") {
    if (forward === "keep") return cursor;
    throw new SluiceError(
      "config/usage",
      `${String(value)} lies beyond ${String(present)}, which it has come to`,
      {
        hint: "Records in between would never be read. `sluice state set` skips them all the same.",
      },
    );
  }
  const { keys: _keys, crowded: _crowded, ...rest } = cursor;
  return { ...rest, value: toStored(value) };
}

function stepper(by: string, direction: 1 | -1): (present: CursorValue) => CursorValue {
  const step = parseStep(/^\d+(?:\.\d+)?$/u.test(by) ? Number(by) : by);
  if (step === undefined) {
    throw new SluiceError("config/usage", `${by} is neither a number nor a duration`, {
      hint: "For example 7d, 6h, P1M, PT30M, or for numbers 1000.",
    });
  }
  return (present) => {
    const value = shifted(present, step, direction);
    if (value !== undefined) return value;
    throw new SluiceError("config/usage", `${by} leads nowhere from ${String(present)}`, {
      hint: "A duration needs dates, timestamps, or numbers that look like times since 1970; numbers go back by a number. --to VALUE works for all.",
    });
  };
}

/** Its own last value, or those for each parent, if they are of this configuration. */
function ownOf({ incremental, isChild, cursor }: Rewindable): JsonObject | undefined {
  const own = isChild ? childCursor(cursor).own : cursor;
  const { path, func } = incremental;
  return own?.["cursor_path"] === path.source && own["last_value_func"] === func ? own : undefined;
}

function asCursor(own: JsonObject, isChild: boolean): JsonObject {
  return isChild ? { own } : own;
}

function objectAt(own: JsonObject, name: string): JsonObject {
  const value = own[name];
  return isObject(value) ? value : {};
}

function refuseRange({ end }: Incremental): void {
  if (end === undefined) return;
  throw new SluiceError("config/usage", "it reads a fixed range, up to end_value, and remembers nothing", {
    hint: "Change initial_value and end_value in the configuration.",
  });
}
