import type { Completeness, Page } from "../model/source.js";

const FROM_WORST: readonly Completeness[] = ["short", "unknown", "likely", "proved"];

/** The verdict on two walks together: the worse of theirs. */
export function worse(one: Completeness, other: Completeness): Completeness {
  return FROM_WORST.indexOf(one) < FROM_WORST.indexOf(other) ? one : other;
}

/** How sure it is that everything was seen, and why. */
export type Verdict = Required<Pick<Page, "completeness">> & Pick<Page, "why">;

/** As `worse`, with the reason of the one that decides. */
export function worseVerdict(one: Verdict, other: Verdict): Verdict {
  return FROM_WORST.indexOf(one.completeness) <= FROM_WORST.indexOf(other.completeness) ? one : other;
}
