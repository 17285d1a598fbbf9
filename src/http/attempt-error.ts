import type { ErrorCode } from "../model/error-codes.js";
import type { Fetched } from "./fetch.js";
import type { ResponseHead } from "./message.js";

/** What is known of one failed attempt. The client decides from it whether there is another one. */
export interface AttemptFailure {
  /** The code of the error that is raised if there is no further attempt. */
  readonly code: ErrorCode;
  /** A few words without URL: "503 Service Unavailable", "connection reset", "no data for 60 s". */
  readonly reason: string;
  /** `always`: for every method, the server has not acted. `safe`: for GET, HEAD and OPTIONS. `never`: it would fail again. */
  readonly retry: "always" | "safe" | "never";
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** An answer with an error status whose body has not been read. */
  readonly response?: Fetched;
  /** The head of an answer that says how long to wait. Default: that of `response`. */
  readonly answer?: Pick<ResponseHead, "headers">;
}

/** Thrown inside `http/`, and by decoders that judge a response; the client turns the last one into a `SluiceError`. */
export class AttemptError extends Error {
  override readonly name = "AttemptError";
  readonly failure: AttemptFailure;

  constructor(failure: AttemptFailure) {
    super(failure.reason, { cause: failure.cause });
    this.failure = failure;
  }
}

/** A response that is larger than the client takes. It would be as large the next time. */
export function tooLarge(maxBytes: number): AttemptError {
  return new AttemptError({
    code: "http/too-large",
    reason: `the response is larger than ${maxBytes} bytes`,
    retry: "never",
    hint: "Ask for fewer records per page, or raise client.max_body_bytes.",
  });
}
