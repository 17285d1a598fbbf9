import { ERROR_CODES, type ErrorCode } from "./error-codes.js";

/** What an error is about; it decides the exit code of the command line (design §8). */
export type ErrorKind =
  | "bug"
  | "config"
  | "auth"
  | "source"
  | "data"
  | "destination"
  | "locked"
  | "interrupted";

/** Where it happened. Whatever is known; nothing here may hold a secret or a record's value. */
export interface ErrorPlace {
  readonly resource?: string;
  readonly table?: string;
  readonly column?: string;
  /** Method and URL of the request, redacted. */
  readonly request?: string;
  /** Configuration file and line, as `file.yaml:12`. */
  readonly file?: string;
  /** Path inside the configuration, as `resources[0].endpoint.path`. */
  readonly path?: string;
}

/** The error as it appears in the report and in events. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly at: ErrorPlace;
  readonly hint?: string;
}

export interface ErrorOptions {
  readonly at?: ErrorPlace;
  /** What to do about it: one or two sentences, with the exact key or command. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** For `config/invalid`: every problem found, not only the first. */
  readonly problems?: readonly Problem[];
}

/** One finding of a configuration check. */
export interface Problem {
  /** Default `config/invalid`. */
  readonly code?: ErrorCode;
  readonly message: string;
  readonly at: ErrorPlace;
  readonly hint?: string;
}

/**
 * Every error that Sluice raises on purpose. `message` says what happened and what was expected, `at` where, `hint`
 * what to do; `code` is stable and explained by `sluice explain CODE`.
 *
 * @example
 * throw new SluiceError("paginator/loop", "the API returned a request that was already sent: GET /orders?after=c9", {
 *   at: { resource: "orders" },
 *   hint: "If the API repeats its last cursor on the final page, add a stop_condition.",
 * });
 */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly at: ErrorPlace;
  readonly hint: string | undefined;
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SluiceError";
    this.code = code;
    this.at = options.at ?? {};
    this.hint = options.hint;
    this.problems = options.problems ?? [];
  }

  get kind(): ErrorKind {
    return ERROR_CODES[this.code].kind;
  }

  /** The same error with more known about its place; what is known already stays. */
  located(place: ErrorPlace): SluiceError {
    const located = new SluiceError(this.code, this.message, {
      at: { ...place, ...this.at },
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      cause: this.cause,
      problems: this.problems,
    });
    if (this.stack !== undefined) located.stack = this.stack;
    return located;
  }

  toReport(): ErrorReport {
    return {
      code: this.code,
      kind: this.kind,
      message: this.message,
      at: this.at,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    };
  }
}

/** Any thrown value as a `SluiceError`: what is not one is a bug of ours, and says so. */
export function asSluiceError(thrown: unknown): SluiceError {
  if (thrown instanceof SluiceError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SluiceError("internal/bug", message, {
    cause: thrown,
    hint: "This is a defect in Sluice. Please report it with the configuration (without secrets) and this message.",
  });
}
