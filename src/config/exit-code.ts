import type { ErrorKind, ErrorReport } from "../model/error.js";
import { ERROR_CODES, type ErrorCode } from "../model/error-codes.js";
import type { Report } from "../model/report.js";

/** Exit codes of the command line by kind of error (design §8, contract). */
const EXIT_CODES: Readonly<Record<ErrorKind, number>> = {
  bug: 1,
  config: 2,
  auth: 3,
  source: 4,
  data: 5,
  destination: 6,
  locked: 7,
  interrupted: 130,
};

/**
 * The exit code for a report or an error: 0 when all is well. A run's own error counts first, then a resource that was
 * interrupted, then the first resource that failed.
 */
export function exitCodeOf(outcome: Report | Pick<ErrorReport, "kind">): number {
  if ("kind" in outcome) return EXIT_CODES[outcome.kind];
  if (outcome.error !== undefined) return EXIT_CODES[outcome.error.kind];
  const errors = Object.values(outcome.resources).flatMap(({ error }) =>
    error === undefined ? [] : [error],
  );
  const decisive =
    errors.find(({ kind }) => kind === "interrupted") ??
    errors.find(({ kind }) => kind !== "data") ??
    errors[0];
  return decisive === undefined ? 0 : EXIT_CODES[decisive.kind];
}

export interface Explanation {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly title: string;
  readonly explain: string;
  readonly exitCode: number;
}

/** What an error code means; undefined for an unknown one. */
export function explain(code: string): Explanation | undefined {
  if (!Object.hasOwn(ERROR_CODES, code)) return undefined;
  const known = code as ErrorCode;
  return { code: known, ...ERROR_CODES[known], exitCode: EXIT_CODES[ERROR_CODES[known].kind] };
}
