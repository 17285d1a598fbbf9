import type { Json } from "../model/json.js";
import type { Notes, Runtime } from "../model/source.js";
import { Budget } from "./budget.js";

/** The budgets of all origins that a run talks to. Whoever sends to the same origin shares one. */
export interface Budgets {
  of(origin: string, runtime: Runtime): Budget;
  /** Where budgets that are made from now on find what earlier runs have spent, and where `store` writes. */
  attach(notes: Notes): void;
  /**
   * Stores what the next run has to know, if that has changed: at most every five seconds, or `atOnce`. Nothing is
   * written where no limit is longer than a few seconds.
   */
  store(runtime: Runtime, atOnce?: boolean): Promise<void>;
}

const STORE_EVERY_MS = 5000;

/** Only the origin: paths and queries may hold secrets. */
const noteOf = (origin: string): string => `rate-limit ${origin}`;

/**
 * @example
 * const budgets = createBudgets();
 * const slot = await budgets.of("https://api.example.com", runtime).acquire(ask);
 */
export function createBudgets(): Budgets {
  const budgets = new Map<string, Budget>();
  const stored = new Map<string, string>();
  let notes: Notes | undefined;
  let storedAt = -Infinity;
  let storing: Promise<void> | undefined;

  const storeAll = async (to: Notes, runtime: Runtime): Promise<void> => {
    for (const [origin, budget] of budgets) {
      // What was stored must not stay when it is over and done with.
      const value: Json | undefined = budget.notes(runtime) ?? (stored.has(origin) ? {} : undefined);
      const text = JSON.stringify(value);
      if (value === undefined || text === stored.get(origin)) continue;
      stored.set(origin, text);
      await to.write(noteOf(origin), value);
    }
  };

  return {
    of(origin, runtime) {
      const known = budgets.get(origin);
      if (known !== undefined) return known;
      const budget = new Budget();
      budgets.set(origin, budget);
      const note = notes?.read(noteOf(origin));
      if (note !== undefined) stored.set(origin, JSON.stringify(note));
      budget.restore(note, runtime);
      return budget;
    },
    attach(to) {
      notes = to;
    },
    async store(runtime, atOnce = false) {
      const to = notes;
      if (to === undefined) return;
      if (!atOnce && Math.abs(runtime.now() - storedAt) < STORE_EVERY_MS) return;
      storedAt = runtime.now();
      // One after the other: an older fact must not be written over a newer one.
      const before = storing ?? Promise.resolve();
      const mine = before.catch(() => {}).then(() => storeAll(to, runtime));
      storing = mine;
      await mine;
    },
  };
}
