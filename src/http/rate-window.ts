/** At most `requests` in any `intervalS` seconds. */
export interface RateRule {
  readonly requests: number;
  readonly intervalS: number;
}

/**
 * How long after it was written to the socket a request counts as not yet arrived, as a part of the interval. A
 * request that takes longer to get there may be counted by the server in a later window than by us.
 */
const SLACK = 0.05;

/** Clocks that count whole milliseconds see two instants up to this much closer together than they are. */
const ROUNDING_MS = 2;

/** Requests are kept in this many groups per interval, so a window of a million requests costs no more memory. */
const GROUPS = 1000;

/** What a request is recognized by between its steps. */
export type RateKey = object;

/**
 * Counts the requests of one rule, and says when there is room for another.
 *
 * **Why a sliding window.** Servers count in fixed windows, sliding windows, or buckets of `requests` tokens. Any
 * interval of a sliding window has at most `requests`, so it satisfies all three and can still send all of them at
 * once. A token bucket that may burst lets up to twice as many into one window; one that may not burst loses what it
 * could have sent whenever it was idle.
 *
 * **Why arrivals.** The server counts when a request arrives, which is between its being written to the socket and its
 * answer. The place that a request takes is counted from the later end of that, its answer, but at most 5 % of the
 * interval after it was written. So no window of the server holds more than `requests` as long as the way there takes
 * less than 5 % of the interval, and more than 95 % of the rate is used whatever the latency.
 *
 * A server that refuses bursts within its interval needs a rule that says so: `{ requests: 1, intervalS: 0.1 }`.
 */
export class RateWindow {
  readonly rule: RateRule;
  readonly #lengthMs: number;
  readonly #slackMs: number;
  readonly #groupMs: number;
  /** Answered requests by the time they count from, oldest first. */
  #groups: { readonly at: number; count: number }[] = [];
  #counted = 0;
  /** Requests under way, by the time they count from at the latest; Infinity before they are sent. */
  readonly #open = new Map<RateKey, number>();

  constructor(rule: RateRule) {
    this.rule = rule;
    this.#lengthMs = rule.intervalS * 1000 + ROUNDING_MS;
    this.#slackMs = rule.intervalS * 1000 * SLACK;
    this.#groupMs = (rule.intervalS * 1000) / GROUPS;
  }

  /**
   * When there is room for another request after `ahead` others that wait for it, too. `now` or earlier: at once.
   * Infinity: it depends on requests that have not been sent yet.
   */
  freeAt(now: number, ahead = 0): number {
    this.#expire(now);
    const open = [...this.#open.values()].filter((at) => at + this.#lengthMs > now).toSorted((a, b) => a - b);
    const held = this.#counted + open.length;
    let wanted = held + ahead - this.rule.requests + 1;
    if (wanted <= 0) return now;
    // Only a forecast: who waits behind a whole window of others waits for them to run out as well.
    const rounds = Math.ceil(wanted / this.rule.requests) - 1;
    wanted -= rounds * this.rule.requests;
    let nextOpen = 0;
    for (const { at, count } of this.#groups) {
      while (nextOpen < open.length && open[nextOpen]! <= at) {
        if (--wanted === 0) return open[nextOpen]! + this.#lengthMs * (1 + rounds);
        nextOpen += 1;
      }
      wanted -= count;
      if (wanted <= 0) return at + this.#lengthMs * (1 + rounds);
    }
    return (open[nextOpen + wanted - 1] ?? Infinity) + this.#lengthMs * (1 + rounds);
  }

  /** A request is about to leave; it holds its place until it is answered or given back. */
  take(key: RateKey): void {
    this.#open.set(key, Infinity);
  }

  /** The request was written to the socket. */
  sent(key: RateKey, now: number): void {
    if (this.#open.has(key)) this.#open.set(key, now + this.#slackMs);
  }

  /** The request was answered, or failed after it was sent: by now it has arrived, if it ever has. */
  answered(key: RateKey, now: number): void {
    const latest = this.#open.get(key);
    if (latest === undefined) return;
    this.#open.delete(key);
    this.#count(Math.min(now, latest), 1);
    this.#expire(now);
  }

  /** The request was not sent after all. */
  giveBack(key: RateKey): void {
    this.#open.delete(key);
  }

  /** Times and numbers of what is spent now, in at most `groups` groups; requests under way count from now. */
  spent(now: number, groups: number): [number, number][] {
    this.#expire(now);
    const size = this.#lengthMs / groups;
    const coarse = new Map<number, number>();
    const open = [...this.#open.values()].map((at) => ({ at: Math.min(now, at), count: 1 }));
    for (const { at, count } of [...this.#groups, ...open]) {
      const end = Math.min(Math.ceil(at / size) * size, Math.max(now, at));
      coarse.set(end, (coarse.get(end) ?? 0) + count);
    }
    return [...coarse];
  }

  /** Counts what an earlier run has spent. */
  restore(spent: readonly (readonly [number, number])[], now: number): void {
    // Nothing was spent in the future, whatever a clock has said.
    for (const [at, count] of spent) this.#count(Math.min(at, now), count);
    this.#expire(now);
  }

  #count(at: number, count: number): void {
    const end = Math.ceil(at / this.#groupMs) * this.#groupMs;
    let index = this.#groups.length;
    while (index > 0 && this.#groups[index - 1]!.at > end) index -= 1;
    const group = this.#groups[index - 1];
    if (group?.at === end) group.count += count;
    else this.#groups.splice(index, 0, { at: end, count });
    this.#counted += count;
  }

  #expire(now: number): void {
    const live = this.#groups.findIndex(({ at }) => at + this.#lengthMs > now);
    const gone = this.#groups.splice(0, live === -1 ? this.#groups.length : live);
    for (const { count } of gone) this.#counted -= count;
  }
}
