import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_RETRY, retryWait } from "./retry.js";

const now = Date.UTC(2026, 10, 23, 12, 0, 0);
const wait = (ms: number) => ({ kind: "wait", ms });

describe("retryWait", () => {
  it("waits 2, 4 and 8 seconds, then stops", () => {
    const waits = [1, 2, 3, 4].map((attempt) => retryWait(DEFAULT_RETRY, attempt, undefined, now, 0));
    expect(waits).toEqual([wait(2000), wait(4000), wait(8000), { kind: "stop" }]);
  });

  it("only adds by chance, at most half, and never beyond the longest wait", () => {
    const policy = { ...DEFAULT_RETRY, maxRetries: 20 };
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, random) => {
          const plain = 2000 * 2 ** (attempt - 1);
          const { ms } = retryWait(policy, attempt, undefined, now, random) as { ms: number };
          expect(ms).toBeGreaterThanOrEqual(Math.min(plain, 300_000));
          expect(ms).toBeLessThanOrEqual(Math.min(plain * 1.5, 300_000));
        },
      ),
    );
    expect(retryWait(DEFAULT_RETRY, 1, undefined, now, 0.5)).toEqual(wait(2500));
  });

  it.each([
    ["7", 7000],
    [" 1.5 ", 1500],
    ["300", 300_000],
    ["Mon, 23 Nov 2026 12:00:30 GMT", 30_000],
    ["Monday, 23-Nov-26 12:00:30 GMT", 30_000],
    ["Mon Nov 23 12:00:30 2026", 30_000],
  ])("obeys Retry-After: %s", (header, ms) => {
    expect(retryWait(DEFAULT_RETRY, 1, header, now, 0.9)).toEqual(wait(ms));
  });

  it.each(["0", "", "soon", "-5", "1e3", "Mon, 23 Nov 2026 11:59:00 GMT", "Monday, whenever"])(
    "falls back to its own wait for Retry-After: %s",
    (header) => {
      expect(retryWait(DEFAULT_RETRY, 2, header, now, 0)).toEqual(wait(4000));
    },
  );

  it("says so when the server asks for more than the longest wait", () => {
    expect(retryWait(DEFAULT_RETRY, 1, "301", now, 0)).toEqual({ kind: "too-long", ms: 301_000 });
    expect(retryWait(DEFAULT_RETRY, 4, "301", now, 0)).toEqual({ kind: "stop" });
  });

  it("can be told to ignore Retry-After, or not to retry", () => {
    expect(retryWait({ ...DEFAULT_RETRY, respectRetryAfter: false }, 1, "7", now, 0)).toEqual(wait(2000));
    expect(retryWait({ ...DEFAULT_RETRY, maxRetries: 0 }, 1, "7", now, 0)).toEqual({ kind: "stop" });
  });
});
