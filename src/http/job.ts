import { type ErrorOptions, type ErrorPlace, SluiceError } from "../model/error.js";
import type { ErrorCode } from "../model/error-codes.js";
import type { Budgets } from "./budgets.js";
import type { ClientOptions } from "./client.js";
import type { Pool, Timeouts } from "./fetch.js";
import type { HttpRequest } from "./message.js";
import type { OriginRule } from "./origin.js";
import type { RetryPolicy } from "./retry.js";
import { displayUrl } from "./url.js";

/** The options of a client with their defaults filled in. */
export interface Context extends ClientOptions {
  readonly pool: Pool;
  readonly rule: OriginRule;
  readonly retry: RetryPolicy;
  readonly maxBodyBytes: number;
  readonly timeouts: Timeouts;
  readonly budgets: Budgets;
}

/** One call of `send`. */
export interface Job {
  readonly context: Context;
  readonly request: HttpRequest;
  readonly signal: AbortSignal;
  /**
   * Whether newer credentials were asked for after a refusal, and whether there were any. `sent` is the newest request to
   * the own origin, with its credentials; `masked` is the newest one as it may be shown.
   */
  readonly progress: {
    asked: boolean;
    renewed: boolean;
    sent?: HttpRequest | undefined;
    masked?: () => HttpRequest;
  };
}

/** Where an error of this job happened. */
export function place(job: Job): ErrorPlace {
  const { method, url } = job.request;
  return { resource: job.context.resource, request: `${method} ${shown(job, url)}` };
}

/** A URL as it may appear in events and errors. */
export function shown(job: Job, url: string): string {
  return job.context.redactor.redact(displayUrl(url));
}

/** An error of this job, redacted. */
export function located(
  job: Job,
  code: ErrorCode,
  message: string,
  { hint, cause }: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
): SluiceError {
  const options: ErrorOptions = { at: place(job), cause, ...(hint === undefined ? {} : { hint }) };
  return new SluiceError(code, job.context.redactor.redact(message), options);
}

/** An error of the decoder or of `authorize`, with the place that only the client knows. */
export function relocated(job: Job, error: SluiceError): SluiceError {
  if (error.at.request !== undefined) return error;
  const known = error.located(place(job));
  const message = job.context.redactor.redact(known.message);
  if (message === known.message) return known;
  // Without its cause: that would still hold the secret.
  const { at, code, hint, problems } = known;
  return new SluiceError(code, message, { at, problems, ...(hint === undefined ? {} : { hint }) });
}
