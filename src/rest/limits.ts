import { z } from "zod";
import type { ScopedRule } from "../http/budget.js";
import type { Budgets } from "../http/budgets.js";
import type { Timeouts } from "../http/fetch.js";
import type { Resource } from "../model/source.js";

const seconds = z.number().positive();

const rateRule = z.strictObject({
  requests: z.int().positive().max(10_000_000).describe("At most so many requests"),
  interval: seconds.max(31 * 86_400).describe("in any interval of so many seconds."),
});

/** `{ requests: 10, interval: 1 }`, or a list of such rules that all hold. */
export const rateLimit = z.union([rateRule, z.array(rateRule)]);

/** Seconds for both, or one by one. */
export const timeout = z.union([
  seconds,
  z.strictObject({
    connect: seconds.optional().describe("Seconds to connect."),
    headers: seconds.optional().describe("Seconds until the response's headers."),
    body: seconds.optional().describe("Longest pause within a body, in seconds."),
  }),
]);

/** The rules of a `rate_limit`; those of one scope are counted together. */
export function planRules(
  configured: z.output<typeof rateLimit> | null | undefined,
  scope: string,
): ScopedRule[] {
  const rules = Array.isArray(configured) ? configured : [configured ?? []].flat();
  return rules.map(({ requests, interval }) => ({ scope, requests, intervalS: interval }));
}

/** Time limits of one endpoint; what it does not say is as in `base`. */
export function planTimeouts(
  configured: z.output<typeof timeout> | null | undefined,
  base: Timeouts,
): Timeouts {
  if (typeof configured === "number") return { ...base, headersS: configured, bodyS: configured };
  return {
    connectS: configured?.connect ?? base.connectS,
    headersS: configured?.headers ?? base.headersS,
    bodyS: configured?.body ?? base.bodyS,
  };
}

/** Reads as before, and at the end of the resource stores what is spent of the limits. */
export function storingLimits(read: Resource["read"], resource: string, budgets: Budgets): Resource["read"] {
  return async function* (from, io) {
    try {
      yield* read(from, io);
    } finally {
      await budgets.store(io.runtime, true).catch(() => {
        // Whatever goes wrong here must not hide how the walk ended.
        io.emit({
          type: "warning",
          resource,
          code: "rate-limit/not-stored",
          message: "what is spent of the rate limits could not be stored for the next run",
        });
      });
    }
  };
}
