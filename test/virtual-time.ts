import type { Runtime } from "../src/model/source.js";

interface Sleeper {
  readonly at: number;
  wake(): void;
}

/** A clock that only moves when everybody sleeps. */
export interface VirtualTime {
  readonly runtime: Runtime;
  /** Milliseconds since the start. */
  elapsed(): number;
  /**
   * Runs until `done` is settled: whenever nothing is left to do but to sleep, the clock jumps to the next one who wants
   * to be woken. `isBusy` says that something outside (a socket) is under way that no sleeper stands for.
   */
  until<T>(done: Promise<T>, isBusy?: () => boolean): Promise<T>;
}

const START = Date.UTC(2030, 0, 1);

export function virtualTime(random: () => number = () => 0): VirtualTime {
  let now = START;
  let sleepers: Sleeper[] = [];
  const runtime: Runtime = {
    now: () => now,
    random,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        const leave = (): void => {
          sleepers = sleepers.filter((other) => other !== sleeper);
          reject(signal.reason as Error);
        };
        const sleeper = {
          at: now + ms,
          wake: () => {
            signal.removeEventListener("abort", leave);
            resolve();
          },
        };
        signal.addEventListener("abort", leave, { once: true });
        sleepers.push(sleeper);
      }),
  };
  return {
    runtime,
    elapsed: () => now - START,
    async until(done, isBusy = () => false) {
      const state = { isOver: false };
      const end = (): void => void (state.isOver = true);
      done.then(end, end);
      let idle = 0;
      while (!state.isOver) {
        await nextTurn();
        idle = isBusy() ? 0 : idle + 1;
        // Promises are through after one turn of the event loop; what they have set for the next turn, after two.
        if (idle < 3 || sleepers.length === 0) continue;
        idle = 0;
        now = Math.max(now, Math.min(...sleepers.map(({ at }) => at)));
        const due = sleepers.filter(({ at }) => at <= now);
        sleepers = sleepers.filter(({ at }) => at > now);
        for (const sleeper of due) sleeper.wake();
      }
      return done;
    },
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
