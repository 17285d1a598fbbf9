import type { SluiceError } from "../model/error.js";
import { type Ask, DEFAULT_MAX_CONCURRENCY, type Slot, WaitTooLong } from "./budget.js";
import type { Fetched } from "./fetch.js";
import { type Job, located, place } from "./job.js";
import type { HttpRequest } from "./message.js";
import { askedWait } from "./rate-headers.js";
import { retryWait } from "./retry.js";
import { originOf } from "./url.js";

/** A request with its credentials that may leave now. */
export interface Admission {
  readonly ready: HttpRequest;
  readonly slot: Slot;
}

/** Credentials that are older than this when their request may leave are obtained again. */
const FRESH_MS = 30_000;

/**
 * Waits until the request may leave. Its credentials are asked for first, because obtaining them may take a request
 * of its own to the same origin, which could then never leave; after a long wait once more.
 *
 * @throws SluiceError http/rate-limit
 */
export async function admitted(
  job: Job,
  authorized: () => Promise<HttpRequest>,
  url: string,
  attempt: number,
): Promise<Admission> {
  const ready = await authorized();
  const slot = await acquired(job, url, attempt > 1);
  if (slot.waitedMs < FRESH_MS) return { ready, slot };
  slot.giveBack();
  return { ready: await authorized(), slot: await acquired(job, url, true) };
}

async function acquired(job: Job, url: string, first: boolean): Promise<Slot> {
  const { budgets, emit, maxConcurrency, rateLimitedOrigin, rateRules, resource, retry, rule, runtime } =
    job.context;
  const origin = originOf(url) ?? "";
  const ask: Ask = {
    rules: origin === (rateLimitedOrigin ?? rule.own) ? (rateRules ?? []) : [],
    maxConcurrency: maxConcurrency ?? DEFAULT_MAX_CONCURRENCY,
    first,
    longestMs: retry.maxDelayS * 1000,
    runtime,
    signal: job.signal,
    onWait: (waitMs, reason) => emit({ type: "wait", resource, origin, waitMs, reason }),
  };
  try {
    return await budgets.of(origin, runtime).acquire(ask);
  } catch (error) {
    throw error instanceof WaitTooLong ? tooLong(job, error) : error;
  }
}

function tooLong(job: Job, { message, waitMs }: WaitTooLong): SluiceError {
  const seconds = Math.ceil(waitMs / 1000);
  const longest = job.context.retry.maxDelayS;
  return located(
    job,
    "http/rate-limit",
    `${message} for another ${seconds} s, longer than the ${longest} s of client.retry.max_delay: ${place(job).request}`,
    { hint: `Run again after that time, or set client.retry.max_delay to ${seconds} or more.` },
  );
}

/** Tells the budget what a response says and how far it has come. */
export function answering(job: Job, slot: Slot, response: Fetched, attempt: number): Fetched {
  const { respectRetryAfter } = job.context.retry;
  slot.answered(respectRetryAfter ? response.headers : undefined, coolDown(job, response, attempt));
  return {
    ...response,
    async read(maxBytes) {
      slot.reading();
      try {
        return await response.read(maxBytes);
      } finally {
        slot.done();
      }
    },
    discard() {
      slot.done();
      response.discard();
    },
  };
}

/** How long no request shall leave after this response: as long as it asks for, or as the next attempt would wait. */
function coolDown(job: Job, { headers, status }: Fetched, attempt: number): number | undefined {
  const { retry, runtime } = job.context;
  const asked = retry.respectRetryAfter ? askedWait(status, headers, runtime.now()) : undefined;
  if (asked !== undefined || status !== 429) return asked;
  const usual = retryWait({ ...retry, maxRetries: attempt }, attempt, undefined, runtime.now(), 0);
  return usual.kind === "wait" ? usual.ms : undefined;
}
