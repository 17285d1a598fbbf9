import { setTimeout as delay } from "node:timers/promises";
import type { Runtime } from "./source.js";

/** The real clock and real chance. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
  random: () => Math.random(),
};
