import type { Json, JsonObject } from "../../model/json.js";
import type { Incremental } from "./incremental.js";
import { momentOf, type Style, shifted, styleOf, writeMoment } from "./step.js";
import { type CursorValue, fromStored, type Measured, measure, toStored } from "./value.js";

/** One walk over the endpoint: the whole range, or one step of it. It is fixed when it starts, and stored with every position. */
export interface Pass {
  /** Records before it are dropped. */
  readonly start: CursorValue | undefined;
  readonly isStartOpen: boolean;
  /** What the request asks for. */
  readonly from: CursorValue | undefined;
  readonly to: CursorValue | undefined;
  /** Where the last pass ends. */
  readonly end: CursorValue | undefined;
}

/** The first pass of a run that goes on from `last`; undefined when there is nothing to ask for yet. */
export function firstPass(
  incremental: Incremental,
  last: CursorValue | undefined,
  nowMs: number,
): Pass | undefined {
  const { initial, isStartOpen } = incremental;
  const start = last === undefined ? initial : lagged(incremental, last);
  const end =
    incremental.end ??
    (incremental.now === undefined ? undefined : nowAs(incremental.now, nowMs, incremental));
  const whole: Pass = { start, isStartOpen, from: start, to: end, end };
  if (incremental.step === undefined || start === undefined || end === undefined) return whole;
  return stepFrom(incremental, whole, likeInitial(start, initial), {});
}

/** The pass after this one; undefined after the last. */
export function nextPass(incremental: Incremental, pass: Pass): Pass | undefined {
  const { to, end } = pass;
  if (incremental.step === undefined || to === undefined || end === undefined) return undefined;
  if (compareRaw(to, end) >= 0) return undefined;
  // Closed dates are whole days, so the next step starts a day later; of anything else the boundary itself is through.
  const isDay = incremental.isEndClosed && isDate(to);
  const from = isDay ? (shifted(to, { amount: 1 }, 1) ?? to) : to;
  return stepFrom(incremental, pass, from, { start: from, isStartOpen: incremental.isEndClosed && !isDay });
}

function stepFrom(
  incremental: Incremental,
  pass: Pass,
  from: CursorValue,
  changed: Partial<Pass>,
): Pass | undefined {
  const { end } = pass;
  if (end === undefined || incremental.step === undefined) return undefined;
  const isDay = incremental.isEndClosed && isDate(from);
  const order = compareRaw(from, end);
  if (isDay ? order > 0 : order >= 0) return undefined;
  const stepped = shifted(from, incremental.step, 1);
  const next = stepped !== undefined && isDay ? shifted(stepped, { amount: 1 }, -1) : stepped;
  const isInside = next !== undefined && compareRaw(next, end) < 0 && (isDay || compareRaw(next, from) > 0);
  return { ...pass, ...changed, from, to: isInside ? next : end };
}

function lagged({ func, lag, initial, order }: Incremental, last: CursorValue): CursorValue {
  if (lag === undefined) return last;
  const [reached, floor] = [measure(last), initial === undefined ? undefined : measure(initial)];
  if (reached === undefined || (floor !== undefined && order(reached, floor) <= 0)) return last;
  // The start is above where the smallest value is the furthest.
  const back = measure(shifted(last, lag, func === "min" ? 1 : -1) ?? last);
  if (back === undefined) return last;
  return floor !== undefined && order(back, floor) < 0 ? floor.value : back.value;
}

/** The start of the run. A date that is not closed ends before its day begins, so it is tomorrow that takes in today. */
function nowAs(style: Style, nowMs: number, { isEndClosed }: Incremental): CursorValue {
  const seconds = Math.floor(nowMs / 1000);
  const isTomorrow = style.kind === "date" && !isEndClosed;
  return writeMoment(
    { seconds: isTomorrow ? seconds + 86_400 : seconds, nanos: (nowMs % 1000) * 1e6 },
    style,
  );
}

/** A time written as `initial_value` is; never later than it, so that the request asks for nothing less. */
function likeInitial(value: CursorValue, initial: CursorValue | undefined): CursorValue {
  const own = styleOf(value);
  const style = typeof initial === "string" ? styleOf(initial) : undefined;
  return own === undefined || style === undefined ? value : writeMoment(momentOf(value, own), style);
}

function isDate(value: CursorValue): boolean {
  return measure(value)?.type === "date";
}

/** Steps go upwards whatever the records do; both values are of the configuration's own type. */
function compareRaw(one: CursorValue, other: CursorValue): number {
  const [a, b] = [measure(one), measure(other)];
  if (a === undefined || b === undefined) return 0;
  if (a.major !== b.major) return a.major < b.major ? -1 : 1;
  return a.nanos - b.nanos;
}

/** Where a value lies: before the start, in the range, or at or beyond its end. */
export type Locate = (measured: Measured) => "before" | "start" | "inside" | "beyond";

export function locator(incremental: Incremental, pass: Pass): Locate {
  const { order, func, isEndClosed } = incremental;
  const start = pass.start === undefined ? undefined : measure(pass.start);
  const isDay = isEndClosed && pass.to !== undefined && func === "max" && isDate(pass.to);
  const end = pass.to === undefined ? undefined : isDay ? shifted(pass.to, { amount: 1 }, 1) : pass.to;
  const endPoint = end === undefined ? undefined : measure(end);
  const isClosed = isEndClosed && !isDay;
  return (measured) => {
    if (endPoint !== undefined) {
      const past = order(measured, endPoint);
      if (isClosed ? past > 0 : past >= 0) return "beyond";
    }
    if (start === undefined) return "inside";
    const past = order(measured, start);
    if (past < 0) return "before";
    if (past > 0) return "inside";
    return pass.isStartOpen ? "before" : "start";
  };
}

const VALUES = ["start", "from", "to", "end"] as const;

export function passToStored(pass: Pass): JsonObject {
  const values = VALUES.flatMap((name): [string, Json][] => {
    const value = pass[name];
    return value === undefined ? [] : [[name, toStored(value)]];
  });
  return { ...Object.fromEntries(values), ...(pass.isStartOpen ? { start_open: true } : {}) };
}

export function passFromStored(stored: JsonObject): Pass {
  return {
    start: fromStored(stored["start"]),
    from: fromStored(stored["from"]),
    to: fromStored(stored["to"]),
    end: fromStored(stored["end"]),
    isStartOpen: stored["start_open"] === true,
  };
}
