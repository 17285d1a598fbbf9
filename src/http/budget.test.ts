import { setMaxListeners } from "node:events";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { virtualTime } from "../../test/virtual-time.js";
import type { Json } from "../model/json.js";
import type { Notes } from "../model/source.js";
import { type Ask, Budget, type Slot, WaitTooLong } from "./budget.js";
import { createBudgets } from "./budgets.js";

const never = new AbortController().signal;
setMaxListeners(0, never);

function asking(runtime: Ask["runtime"], options: Partial<Ask> = {}): Ask {
  return {
    rules: [],
    maxConcurrency: 10,
    first: false,
    longestMs: 300_000,
    runtime,
    signal: never,
    onWait: () => {},
    ...options,
  };
}

/** A response that is read at once. */
function answer(slot: Slot, headers: Record<string, string> = {}, coolMs?: number): void {
  slot.sent();
  slot.answered(headers, coolMs);
  slot.reading();
  slot.done();
}

const rule = (requests: number, intervalS: number, scope = "") => ({ scope, requests, intervalS });

/** Lets every promise go on that can. */
const settled = () =>
  new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });

describe("rules", () => {
  it("hold for several lanes, several windows and any way and wait", async () => {
    const arrivals = fc.array(
      fc.record({
        out: fc.integer({ min: 0, max: 49 }),
        back: fc.integer({ min: 0, max: 400 }),
        read: fc.boolean(),
      }),
      { minLength: 5, maxLength: 60 },
    );
    const limits = fc.record({
      perSecond: fc.integer({ min: 1, max: 9 }),
      perMinute: fc.integer({ min: 1, max: 30 }),
      lanes: fc.integer({ min: 1, max: 6 }),
      maxConcurrency: fc.integer({ min: 1, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(
        arrivals,
        limits,
        async (requests, { lanes, maxConcurrency, perMinute, perSecond }) => {
          const time = virtualTime();
          const budget = new Budget();
          const arrived: number[] = [];
          let underWay = 0;
          let most = 0;
          const rules = [rule(perSecond, 1), rule(perMinute, 60)];
          const queue = requests.values();
          const lane = async (): Promise<void> => {
            for (const { back, out, read } of queue) {
              const slot = await budget.acquire(asking(time.runtime, { rules, maxConcurrency }));
              most = Math.max(most, ++underWay);
              slot.sent();
              await time.runtime.sleep(out, never);
              arrived.push(time.runtime.now());
              await time.runtime.sleep(back, never);
              slot.answered({});
              if (read) {
                slot.reading();
                await time.runtime.sleep(back, never);
              }
              underWay -= 1;
              slot.done();
            }
          };
          await time.until(Promise.all(Array.from({ length: lanes }, lane)));
          expect(arrived).toHaveLength(requests.length);
          expect(most).toBeLessThanOrEqual(maxConcurrency);
          for (const { intervalS, requests: limit } of rules) {
            const inOrder = arrived.toSorted((a, b) => a - b);
            const gaps = inOrder.slice(limit).map((at, index) => at - inOrder[index]!);
            expect(Math.min(...gaps, Infinity)).toBeGreaterThanOrEqual(intervalS * 1000);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("of one endpoint do not hold up the others", async () => {
    const time = virtualTime();
    const budget = new Budget();
    const slow = asking(time.runtime, { rules: [rule(10, 1), rule(1, 60, "slow")] });
    const fast = asking(time.runtime, { rules: [rule(10, 1)] });
    answer(await budget.acquire(slow));
    const waiting = budget.acquire(slow);
    answer(await budget.acquire(fast));
    expect(time.elapsed()).toBe(0);
    answer(await time.until(waiting));
    expect(time.elapsed()).toBeGreaterThanOrEqual(60_000);
  });

  it("are shared, told when they hold, and the sum of what is told is the wait within 5 %", async () => {
    const time = virtualTime();
    const budget = new Budget();
    const waits: [number, string][] = [];
    const ask = asking(time.runtime, {
      rules: [rule(2, 10)],
      onWait: (ms, reason) => waits.push([ms, reason]),
    });
    const slots = await time.until(
      Promise.all(
        Array.from({ length: 6 }, async () => {
          const slot = await budget.acquire(ask);
          answer(slot);
          return slot;
        }),
      ),
    );
    // Counted in steps of a thousandth of the interval, and 2 ms for clocks that round.
    expect(slots.map(({ waitedMs }) => waitedMs)).toEqual([0, 0, 10_002, 10_002, 20_012, 20_012]);
    const told = waits.reduce((sum, [ms]) => sum + ms, 0);
    expect(told).toBeGreaterThanOrEqual(60_028);
    expect(told).toBeLessThan(60_028 * 1.05);
    expect(waits[0]?.[1]).toBe("rate limit of 2 per 10 s (rate_limit)");
    expect(waits.length).toBeLessThan(8);
  });

  it("do not count what was given back", async () => {
    const { runtime } = virtualTime();
    const budget = new Budget();
    const ask = asking(runtime, { rules: [rule(1, 10)] });
    const slot = await budget.acquire(ask);
    const next = budget.acquire(ask);
    slot.giveBack();
    expect((await next).waitedMs).toBe(0);
  });
});

it("a wait ends with its signal, and leaves its place to others", async () => {
  const time = virtualTime();
  const budget = new Budget();
  const rules = [rule(1, 10)];
  answer(await budget.acquire(asking(time.runtime, { rules })));
  const abort = new AbortController();
  const stopped = budget.acquire(asking(time.runtime, { rules, signal: abort.signal }));
  const next = budget.acquire(asking(time.runtime, { rules }));
  abort.abort(new Error("stopped"));
  await expect(stopped).rejects.toThrow("stopped");
  await time.until(next);
  expect(time.elapsed()).toBe(10_002);
});

it("a system clock that stands still or is set back does not hold anyone for ever", async () => {
  const time = virtualTime();
  let back = 0;
  const runtime = { ...time.runtime, now: () => time.runtime.now() - back };
  const budget = new Budget();
  answer(await budget.acquire(asking(runtime, { rules: [rule(1, 10)] })));
  back = 86_400_000;
  await time.until(budget.acquire(asking(runtime, { rules: [rule(1, 10)] })));
  expect(time.elapsed()).toBe(10_002);
  const still = { ...time.runtime, now: () => 0, sleep: () => Promise.resolve() };
  const other = new Budget();
  answer(await other.acquire(asking(still, { rules: [rule(1, 10)] })));
  await other.acquire(asking(still, { rules: [rule(1, 10)] }));
});

describe("responses under way", () => {
  it("are limited, those included whose body is being received", async () => {
    const { runtime } = virtualTime();
    const budget = new Budget();
    const ask = asking(runtime, { maxConcurrency: 1 });
    const first = await budget.acquire(ask);
    let isGranted = false;
    const second = budget.acquire(ask).then(() => (isGranted = true));
    first.sent();
    first.answered({});
    first.reading();
    await settled();
    expect(isGranted).toBe(false);
    first.done();
    first.done();
    await second;
  });

  it("do not count while nobody reads them, or requests would wait for each other", async () => {
    const { runtime } = virtualTime();
    const budget = new Budget();
    const ask = asking(runtime, { maxConcurrency: 1 });
    const first = await budget.acquire(ask);
    first.sent();
    first.answered({});
    const second = await budget.acquire(ask);
    first.reading();
    let isGranted = false;
    const third = budget.acquire(ask).then(() => (isGranted = true));
    second.done();
    await settled();
    expect(isGranted).toBe(false);
    first.done();
    await third;
  });
});

describe("the API's own limits", () => {
  it("hold all lanes when nothing is left, until the reset", async () => {
    const time = virtualTime();
    const budget = new Budget();
    const reasons: string[] = [];
    const ask = asking(time.runtime, { onWait: (_, reason) => reasons.push(reason) });
    answer(await budget.acquire(ask), {
      "ratelimit-limit": "5",
      "ratelimit-remaining": "0",
      "ratelimit-reset": "7",
    });
    await time.until(Promise.all([budget.acquire(ask), budget.acquire(ask)]));
    expect(time.elapsed()).toBe(7000);
    expect(reasons).toEqual(["the API's rate limit is used up", "the API's rate limit is used up"]);
  });

  it("count what is on its way", async () => {
    const time = virtualTime();
    const budget = new Budget();
    const ask = asking(time.runtime);
    const told = (remaining: number) => ({
      "x-ratelimit-remaining": String(remaining),
      "x-ratelimit-reset": "60",
    });
    answer(await budget.acquire(ask), told(2));
    const [one, two] = await Promise.all([budget.acquire(ask), budget.acquire(ask)]);
    let isGranted = false;
    const third = budget.acquire(ask).then(() => (isGranted = true));
    await settled();
    expect(isGranted).toBe(false);
    answer(two!, told(0));
    // An answer that was overtaken knows less.
    answer(one!, told(1));
    await time.until(third);
    expect(time.elapsed()).toBe(60_000);
  });

  it("are found out by one request where the API does not say how many there are after the reset", async () => {
    const time = virtualTime();
    const budget = new Budget();
    const ask = asking(time.runtime);
    answer(await budget.acquire(ask), { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "5" });
    const lanes = Array.from({ length: 4 }, () => budget.acquire(ask));
    const first = await time.until(Promise.race(lanes));
    await settled();
    expect(first.waitedMs).toBe(5000);
    let granted = 0;
    for (const lane of lanes) void lane.then(() => (granted += 1));
    await settled();
    expect(granted).toBe(1);
    answer(first);
    await time.until(Promise.all(lanes));
    expect(time.elapsed()).toBe(5000);
  });

  it("fail a request that may not wait for so long", async () => {
    const { runtime } = virtualTime();
    const budget = new Budget();
    answer(await budget.acquire(asking(runtime)), { "ratelimit-remaining": "0", "ratelimit-reset": "301" });
    await expect(budget.acquire(asking(runtime))).rejects.toBeInstanceOf(WaitTooLong);
    await expect(budget.acquire(asking(runtime))).rejects.toMatchObject({ waitMs: 301_000 });
  });

  it("are not waited for where a configured rule waits longer", async () => {
    const time = virtualTime();
    const budget = new Budget();
    const ask = asking(time.runtime, { rules: [rule(1, 3600)] });
    answer(await budget.acquire(ask), { "ratelimit-remaining": "0", "ratelimit-reset": "20" });
    await time.until(budget.acquire(ask));
    expect(time.elapsed()).toBe(3_600_002);
  });
});

describe("a cool-down", () => {
  it("holds all lanes, then lets one go alone, and the others after its answer", async () => {
    const time = virtualTime();
    const budget = new Budget();
    const ask = asking(time.runtime);
    answer(await budget.acquire(ask), {}, 4000);
    const granted: Slot[] = [];
    const lanes = Array.from({ length: 5 }, () => budget.acquire(ask).then((slot) => granted.push(slot)));
    const retried = budget.acquire({ ...ask, first: true });
    const probe = await time.until(retried);
    expect(time.elapsed()).toBe(4000);
    await settled();
    expect(granted).toHaveLength(0);
    answer(probe, {}, 1000);
    await time.until(lanes[0]!);
    await settled();
    expect([granted.length, time.elapsed()]).toEqual([1, 5000]);
    answer(granted[0]!);
    await settled();
    expect(granted).toHaveLength(5);
  });

  it("goes on when the request that was let go has failed", async () => {
    const time = virtualTime();
    const budget = new Budget();
    const ask = asking(time.runtime);
    answer(await budget.acquire(ask), {}, 4000);
    const lanes = [budget.acquire(ask), budget.acquire(ask)];
    (await time.until(lanes[0]!)).done();
    await time.until(lanes[1]!);
    expect(time.elapsed()).toBe(4000);
  });
});

function notesOf(): Notes & { readonly written: [string, Json][] } {
  const written: [string, Json][] = [];
  return {
    written,
    read: (key) => written.findLast(([name]) => name === key)?.[1],
    async write(key, value) {
      written.push([key, JSON.parse(JSON.stringify(value)) as Json]);
    },
  };
}

describe("what is spent", () => {
  const origin = "https://api.example.com";

  it("is still spent in the next run", async () => {
    const time = virtualTime();
    const notes = notesOf();
    const ask = asking(time.runtime, { rules: [rule(3, 600), rule(100, 1)] });
    const first = createBudgets();
    first.attach(notes);
    for (let count = 0; count < 2; count += 1) answer(await first.of(origin, time.runtime).acquire(ask));
    await first.store(time.runtime, true);
    await first.store(time.runtime, true);
    expect(notes.written.map(([key]) => key)).toEqual([`rate-limit ${origin}`]);

    const second = createBudgets();
    second.attach(notes);
    answer(await second.of(origin, time.runtime).acquire(ask));
    await time.until(second.of(origin, time.runtime).acquire(ask));
    expect(time.elapsed()).toBeGreaterThanOrEqual(600_000);
    expect(time.elapsed()).toBeLessThan(615_000);
  });

  it("is stored at most every five seconds, and not at all where it is soon forgotten", async () => {
    const time = virtualTime();
    const notes = notesOf();
    const budgets = createBudgets();
    budgets.attach(notes);
    const budget = budgets.of(origin, time.runtime);
    answer(await budget.acquire(asking(time.runtime, { rules: [rule(100, 4)] })));
    await budgets.store(time.runtime, true);
    expect(notes.written).toEqual([]);
    const lane = async (): Promise<void> => {
      for (let count = 0; count < 100; count += 1) {
        answer(await budget.acquire(asking(time.runtime, { rules: [rule(1000, 60)] })));
        await time.runtime.sleep(200, never);
        await budgets.store(time.runtime);
      }
    };
    await time.until(lane());
    expect(notes.written.length).toBeGreaterThanOrEqual(3);
    expect(notes.written.length).toBeLessThanOrEqual(5);
  });

  it("includes a cool-down, which the next run waits for, or tries if that would be too long", async () => {
    const time = virtualTime();
    const notes = notesOf();
    const first = createBudgets();
    first.attach(notes);
    answer(await first.of(origin, time.runtime).acquire(asking(time.runtime)), {}, 60_000);
    await first.store(time.runtime, true);
    const next = () => {
      const budgets = createBudgets();
      budgets.attach(notes);
      return budgets.of(origin, time.runtime);
    };
    const impatient = next();
    const probe = await impatient.acquire(asking(time.runtime, { longestMs: 1000 }));
    expect(probe.waitedMs).toBe(0);
    answer(probe, {}, 50_000);
    await expect(impatient.acquire(asking(time.runtime, { longestMs: 1000 }))).rejects.toBeInstanceOf(
      WaitTooLong,
    );
    await time.until(next().acquire(asking(time.runtime)));
    expect(time.elapsed()).toBe(60_000);
  });

  it.each([
    null,
    7,
    "x",
    [],
    { windows: null },
    { windows: { " 3/600": [["a", {}], 7, [1]] }, until: "soon" },
  ])("is passed over if it is not what was stored: %j", async (note) => {
    const { runtime } = virtualTime();
    const budget = new Budget();
    budget.restore(note as Json, runtime);
    expect((await budget.acquire(asking(runtime, { rules: [rule(3, 600)] }))).waitedMs).toBe(0);
  });
});
