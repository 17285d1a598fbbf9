import * as fc from "fast-check";
import { expect, it } from "vitest";
import { RateWindow } from "./rate-window.js";

it("gives out its requests at once, and the next ones as those count no longer", () => {
  const window = new RateWindow({ requests: 2, intervalS: 10 });
  const [a, b] = [{}, {}];
  expect(window.freeAt(0)).toBe(0);
  window.take(a);
  window.take(b);
  expect(window.freeAt(0)).toBe(Infinity);
  window.sent(a, 0);
  // Until it is answered it may arrive for another 5 % of the interval.
  expect(window.freeAt(1)).toBe(10_502);
  window.answered(a, 100);
  expect(window.freeAt(100)).toBe(10_102);
  window.giveBack(b);
  expect(window.freeAt(100)).toBe(100);
});

it("foretells when those are through who wait before", () => {
  const window = new RateWindow({ requests: 2, intervalS: 10 });
  for (const at of [0, 1000]) {
    const key = {};
    window.take(key);
    window.sent(key, at);
    window.answered(key, at);
  }
  expect([0, 1, 2, 3].map((ahead) => window.freeAt(1000, ahead))).toEqual([10_002, 11_002, 20_004, 21_004]);
});

it("keeps what is spent for the next run, rounded to the safe side", () => {
  const rule = { requests: 1000, intervalS: 3600 };
  const window = new RateWindow(rule);
  for (let at = 0; at < 1_800_000; at += 2000) {
    const key = {};
    window.take(key);
    window.answered(key, at);
  }
  const spent = window.spent(1_800_000, 60);
  expect(spent.length).toBeLessThan(62);
  expect(spent.reduce((sum, [, count]) => sum + count, 0)).toBe(900);
  const next = new RateWindow(rule);
  next.restore(spent, 1_800_000);
  expect(next.freeAt(1_800_000, 99)).toBe(1_800_000);
  expect(next.freeAt(1_800_000, 100)).toBeGreaterThanOrEqual(3_600_000);
  expect(next.freeAt(1_800_000, 100)).toBeLessThan(3_700_000);
});

it("never has more arrivals in any window than its rule, and never waits in vain", () => {
  const rules = fc.record({
    requests: fc.integer({ min: 1, max: 12 }),
    intervalS: fc.constantFrom(0.1, 1, 60, 86_400),
  });
  const request = fc.record({
    /** Parts of the interval: until it is wanted, its way to the server, and its answer's way back. */
    pause: fc.double({ min: 0, max: 0.3, noNaN: true }),
    out: fc.double({ min: 0, max: 0.0499, noNaN: true }),
    back: fc.double({ min: 0, max: 2, noNaN: true }),
    fails: fc.boolean(),
  });
  fc.assert(
    fc.property(rules, fc.array(request, { minLength: 1, maxLength: 80 }), (rule, requests) => {
      const window = new RateWindow(rule);
      const length = rule.intervalS * 1000;
      const answers: { at: number; key: object }[] = [];
      const sent: number[] = [];
      const arrived: number[] = [];
      const answerUntil = (now: number): void => {
        for (const { at, key } of answers.toSorted((a, b) => a.at - b.at)) {
          if (at <= now) window.answered(key, at);
        }
        answers.splice(0, answers.length, ...answers.filter(({ at }) => at > now));
      };
      let now = 0;
      for (const { back, fails, out, pause } of requests) {
        now += pause * length;
        answerUntil(now);
        const wanted = now;
        for (let free = window.freeAt(now); free > now; free = window.freeAt(now)) {
          now = Math.min(free, ...answers.map(({ at }) => at));
          answerUntil(now);
        }
        if (now > wanted) {
          const before = sent.at(-rule.requests);
          expect(before).toBeDefined();
          expect(now).toBeLessThanOrEqual((before ?? 0) + length * 1.0511 + 3);
        }
        const key = {};
        window.take(key);
        if (fails) {
          window.giveBack(key);
          continue;
        }
        window.sent(key, now);
        sent.push(now);
        arrived.push(now + out * length);
        answers.push({ at: now + (out + back) * length, key });
      }
      const inOrder = arrived.toSorted((a, b) => a - b);
      for (const [index, at] of inOrder.entries()) {
        const first = inOrder[index - rule.requests];
        if (first !== undefined) expect(at - first).toBeGreaterThanOrEqual(length);
      }
    }),
    { numRuns: 300 },
  );
});
