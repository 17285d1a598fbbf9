import { SluiceError } from "../../model/error.js";
import type { Incremental } from "./incremental.js";
import { momentOf, styleOf, writeMoment } from "./step.js";
import { type CursorValue, measure } from "./value.js";

/**
 * A cursor value that somebody has typed, of the type and in the writing of one that is known: a date given for a
 * timestamp becomes its midnight, a time given for a number of seconds since 1970 that number. Without one that is known
 * what looks like a number is one; quotes make it a text.
 *
 * @throws SluiceError config/usage for a value of another type.
 * @example typedValue("2026-01-01", "2025-06-30T12:00:00Z", "updated_at") // "2026-01-01T00:00:00Z"
 */
export function typedValue(text: string, known: CursorValue | undefined, path: string): CursorValue {
  const given = unquoted(text);
  if (given === "") throw mistyped(text, "it is empty", path);
  const like = known === undefined ? undefined : measure(known);
  if (like === undefined) return given === text ? (numberIn(text) ?? text) : given;
  if (like.type === "text") return given;
  const style = known === undefined ? undefined : styleOf(known);
  const measured = measure(given);
  if (style !== undefined && (measured?.type === "date" || measured?.type === "timestamp")) {
    const own = styleOf(given);
    if (own !== undefined) return own.kind === style.kind ? given : writeMoment(momentOf(given, own), style);
  }
  const number = like.type === "number" ? numberIn(text) : undefined;
  if (number === undefined) throw mistyped(text, `the values there are like ${String(known)}`, path);
  return number;
}

/** What a configured bound, or a value that is remembered, says of the type of all values. */
export function knownValue(
  { initial, end }: Incremental,
  remembered: CursorValue | undefined,
): CursorValue | undefined {
  return remembered ?? initial ?? end;
}

/**
 * The same read between two values that somebody has typed: as if they stood in the configuration as `initial_value` and
 * `end_value`, so nothing is remembered of it.
 *
 * @throws SluiceError config/usage for a value of another type, and for a range that ends before it starts.
 */
export function between(incremental: Incremental, from: string, to: string): Incremental {
  const path = incremental.path.source;
  const initial = typedValue(from, knownValue(incremental, undefined), path);
  const end = typedValue(to, knownValue(incremental, initial), path);
  const [one, other] = [measure(initial), measure(end)];
  if (one !== undefined && other !== undefined && incremental.order(one, other) > 0) {
    throw new SluiceError("config/usage", `the range from ${from} to ${to} ends before it starts`, {
      hint: "--to lies beyond --from, in the direction of last_value_func.",
    });
  }
  return { ...incremental, initial, end, lag: undefined };
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}

/** Exactly: an integer that a double can't hold is a bigint, as in a record. */
function numberIn(text: string): number | bigint | undefined {
  if (!/^-?\d+(?:\.\d+)?$/u.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) || text.includes(".") ? number : BigInt(text);
}

function mistyped(text: string, why: string, path: string): SluiceError {
  return new SluiceError("config/usage", `${text} is no value of ${path}: ${why}`, {
    hint: "Give a number, an ISO 8601 date or timestamp, or a text, as the records have it there.",
  });
}
