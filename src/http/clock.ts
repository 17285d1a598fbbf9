import type { Runtime } from "../model/source.js";

/** A clock that never goes back, and moves on when its user sleeps. */
export interface SteadyClock {
  /** Milliseconds since 1970, give or take what the system's clock was set back meanwhile. */
  now(runtime: Runtime): number;
  sleep(ms: number, runtime: Runtime, signal: AbortSignal): Promise<void>;
}

/**
 * Limits count time that has passed, which a clock that is set back does not tell. Timers that fire a moment early
 * don't count as such: what is left is slept again by whoever looks at the clock.
 */
export function createSteadyClock(): SteadyClock {
  let ahead = 0;
  let last = -Infinity;
  const now = (runtime: Runtime): number => {
    const at = runtime.now() + ahead;
    if (at >= last) return (last = at);
    ahead += last - at;
    return last;
  };
  return {
    now,
    async sleep(ms, runtime, signal) {
      const before = now(runtime);
      await runtime.sleep(ms, signal);
      // A clock that stands still, or was set back meanwhile, would let nobody go; timers are early by a moment only.
      const slept = now(runtime) - before;
      if (slept < ms / 2) ahead += ms - slept;
    },
  };
}
