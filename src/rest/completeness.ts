import type { Completeness } from "../model/source.js";

const FROM_WORST: readonly Completeness[] = ["short", "unknown", "likely", "proved"];

/** The verdict on two walks together: the worse of theirs. */
export function worse(one: Completeness, other: Completeness): Completeness {
  return FROM_WORST.indexOf(one) < FROM_WORST.indexOf(other) ? one : other;
}
