import { RetryableError } from "../http/message.js";
import { SluiceError } from "../model/error.js";

/**
 * What a user's function threw, without its message, which may quote a record or a secret: `a TypeError at
 * steps.ts:12:7`.
 */
export function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return "something that is no Error";
  const kind = /^[A-Z]\w*$/.test(error.constructor.name) ? error.constructor.name : "Error";
  const trace = (error.stack ?? "").replace(error.message, "");
  const [, place] = /\bat [^\n]*?([\w.-]+:\d+:\d+)\)?(?:\n|$)/.exec(trace) ?? [];
  return `${/^[AEIO]/.test(kind) ? "an" : "a"} ${kind}${place === undefined ? "" : ` at ${place}`}`;
}

/**
 * A failure of a component of the user's own. What it threw on purpose (a `SluiceError`, a `RetryableError`) and the end
 * of an aborted request stay what they are.
 *
 * @param what the component in words: `next of paginator "ticket"`
 */
export function componentFailure(what: string, error: unknown): unknown {
  const isMeant = error instanceof SluiceError || error instanceof RetryableError;
  if (isMeant || (error instanceof Error && error.name === "AbortError")) return error;
  return componentMistake(what, `threw ${kindOf(error)}`, error);
}

/** A component of the user's own gave something that it must not. */
export function componentMistake(what: string, wrong: string, cause?: unknown): SluiceError {
  return new SluiceError("component/failed", `${what} ${wrong}`, {
    hint: "This is code of your own, not of Sluice. What was thrown is not shown, for it may quote a record; throw a SluiceError to say it in your own words.",
    ...(cause === undefined ? {} : { cause }),
  });
}
