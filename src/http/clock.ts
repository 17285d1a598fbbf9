import type { Runtime } from "../model/source.js";

/** A clock that never goes back, and has moved on by at least as much as was slept. */
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
      // A clock that stands still would never let anyone go.
      if (now(runtime) === before) ahead += ms;
    },
  };
}
