/** When a failed request is sent again, and after how long. */
export interface RetryPolicy {
  /** Sends after the first one. 0 turns retries off. Default 3. */
  readonly maxRetries: number;
  /** Seconds before the first retry; each further wait is twice as long. Default 2: 2, 4, 8 s. */
  readonly backoffFactor: number;
  /** Statuses that are worth another try, for every method. Default 429, 500, 502, 503, 504. */
  readonly statusCodes: readonly number[];
  /** The longest wait in seconds. A server that asks for more is not asked again in this run. Default 300. */
  readonly maxDelayS: number;
  /** Whether a `Retry-After` header replaces the computed wait. Default true. */
  readonly respectRetryAfter: boolean;
}

export const DEFAULT_RETRY: RetryPolicy = {
  maxRetries: 3,
  backoffFactor: 2,
  statusCodes: [429, 500, 502, 503, 504],
  maxDelayS: 300,
  respectRetryAfter: true,
};

/** What to do after a failed attempt. `too-long`: the server asks to wait longer than the policy's longest wait. */
export type RetryDecision =
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "stop" }
  | { readonly kind: "too-long"; readonly ms: number };

/**
 * The wait before retry n is `backoffFactor × 2^(n−1)` seconds, as in dlt, plus up to half of it by chance (so that
 * many clients don't come back together), and never more than `maxDelayS`. A `Retry-After` header (RFC 9110 §10.2.3:
 * seconds, here also with a fraction, or an HTTP date) is obeyed exactly. One that is 0, past or unreadable says
 * nothing about when to come back, so the computed wait holds.
 *
 * @param attempt The number of the attempt that failed, from 1; its retry has the same number.
 * @param random A number in [0, 1).
 * @example
 * retryWait(DEFAULT_RETRY, 2, undefined, Date.now(), 0); // { kind: "wait", ms: 4000 }
 */
export function retryWait(
  policy: RetryPolicy,
  attempt: number,
  retryAfterHeader: string | undefined,
  nowMs: number,
  random: number,
): RetryDecision {
  if (attempt > policy.maxRetries) return { kind: "stop" };
  const longest = policy.maxDelayS * 1000;
  const asked = policy.respectRetryAfter ? retryAfterMs(retryAfterHeader, nowMs) : undefined;
  if (asked !== undefined && asked > 0) {
    return asked > longest ? { kind: "too-long", ms: asked } : { kind: "wait", ms: asked };
  }
  const backoff = policy.backoffFactor * 1000 * 2 ** (attempt - 1);
  return { kind: "wait", ms: Math.min(longest, Math.round(backoff * (1 + random / 2))) };
}

/** The wait in milliseconds that a `Retry-After` header asks for; undefined without one that can be read. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // Every form of an HTTP date begins with the name of a weekday; the oldest one leaves out that it is GMT.
  if (!/^[a-z]{3,9},? /i.test(text)) return undefined;
  const at = Date.parse(/(GMT|UTC|[+-]\d{4})$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(at) ? undefined : at - nowMs;
}
