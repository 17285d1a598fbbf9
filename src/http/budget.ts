import type { Json, JsonObject } from "../model/json.js";
import type { Runtime } from "../model/source.js";
import { createSteadyClock, type SteadyClock } from "./clock.js";
import { type Quota, quotasIn } from "./rate-headers.js";
import { type RateRule, RateWindow } from "./rate-window.js";

/** Requests under way at once to one origin, unless configured. */
export const DEFAULT_MAX_CONCURRENCY = 10;

/** A rule and whose requests it counts: all with the same scope share one window. */
export interface ScopedRule extends RateRule {
  readonly scope: string;
}

/** What a request needs before it may leave. */
export interface Ask {
  readonly rules: readonly ScopedRule[];
  /** Responses that have not been received completely, at most. */
  readonly maxConcurrency: number;
  /** Whether the request goes before the ones that wait: it has waited already. */
  readonly first: boolean;
  /** The longest wait in milliseconds that a server may ask for; the budget's own rules are not bound by it. */
  readonly longestMs: number;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** Told when the request has to wait, and again if it has to wait longer; the sum is the whole wait. */
  readonly onWait: (waitMs: number, reason: string) => void;
}

/** The leave to send one request. Told step by step how the request goes; `done` ends it in any case. */
export interface Slot {
  readonly waitedMs: number;
  /** The request was written to the socket. */
  sent(): void;
  /**
   * The headers have arrived. `headers` are learned from, unless they are left out; `coolMs` is how long no request
   * shall leave for this origin.
   */
  answered(headers?: Readonly<Record<string, string>>, coolMs?: number): void;
  /** The body is being received. */
  reading(): void;
  /** The response is over, or there was none. Idempotent. */
  done(): void;
  /** The request is not sent after all. */
  giveBack(): void;
}

/** Thrown by `acquire` when the server wants a longer wait than the request may take. */
export class WaitTooLong extends Error {
  override readonly name = "WaitTooLong";
  readonly waitMs: number;

  constructor(waitMs: number, reason: string) {
    super(reason);
    this.waitMs = waitMs;
  }
}

/** When a request may leave, and what holds it. `byServer`: a server's word rather than a configured rule. */
interface Opening {
  readonly at: number;
  readonly reason: string;
  readonly byServer: boolean;
}

interface Ticket {
  readonly ask: Ask;
  readonly windows: readonly RateWindow[];
  readonly since: number;
  /** Until when its wait has been told. */
  toldUntil: number;
  readonly resolve: (slot: Slot) => void;
  readonly reject: (reason: unknown) => void;
}

/** A quota as it was told last, and the number of the request that it was told to. */
interface KnownQuota extends Quota {
  readonly heard: number;
}

/** When the queue is looked at again. */
interface Alarm {
  readonly at: number;
  readonly abort: AbortController;
}

/** Windows that are shorter are over before the next run begins. */
const WORTH_KEEPING_MS = 5000;
const KEPT_GROUPS = 60;

/** `setTimeout` can't wait longer than 24 days, and clocks are set meanwhile. */
const LONGEST_SLEEP_MS = 3_600_000;

/** Waits that nobody would notice. */
const TOLD_FROM_MS = 1;

/**
 * What may be sent to one origin, and when. Requests leave in the order of asking, except that one which is held by
 * a rule of its own lets others pass.
 *
 * Four things hold requests back: the rules of the configuration; the number of responses under way; the server's word
 * that nothing is left until a time (`quotasIn`); and a cool-down after 429. After a cool-down one request goes alone,
 * and only its answer lets the others follow.
 *
 * A response counts as under way until its body is received; but not while nobody reads it, since that may take as long
 * as other requests, which would then wait for each other for ever.
 */
export class Budget {
  readonly #windows = new Map<string, RateWindow>();
  /** Spent before this run, for windows that have not been asked for yet. */
  #restored: Readonly<Record<string, [number, number][]>> = {};
  readonly #quotas = new Map<string, KnownQuota>();
  #queue: Ticket[] = [];
  #underWay = 0;
  #unanswered = 0;
  #granted = 0;
  #coolUntil = 0;
  /** The cool-down is known from an earlier run only. */
  #isHearsay = false;
  #probing = false;
  #alarm: Alarm | undefined;
  readonly #clock: SteadyClock = createSteadyClock();

  /**
   * Resolves when the request may leave. Rejects with the signal's reason when aborted.
   *
   * @throws WaitTooLong
   */
  acquire(ask: Ask): Promise<Slot> {
    ask.signal.throwIfAborted();
    const now = this.#clock.now(ask.runtime);
    const windows = ask.rules.map((rule) => this.#window(rule, now));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#queue = this.#queue.filter((other) => other !== ticket);
        reject(ask.signal.reason as Error);
        this.#pump(ask.runtime);
      };
      const settle = (): void => ask.signal.removeEventListener("abort", onAbort);
      const ticket: Ticket = {
        ask,
        windows,
        since: now,
        toldUntil: now,
        resolve: (slot) => (settle(), resolve(slot)),
        reject: (reason) => (settle(), reject(reason as Error)),
      };
      ask.signal.addEventListener("abort", onAbort, { once: true });
      if (ask.first) this.#queue.unshift(ticket);
      else this.#queue.push(ticket);
      this.#pump(ask.runtime);
    });
  }

  /** Sleeps by the budget's clock, so that a refused request and the cool-down that it caused end together. */
  sleep(ms: number, runtime: Runtime, signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, runtime, signal);
  }

  /** What the next run has to know, as plain JSON; undefined if that is nothing. Times are milliseconds since 1970. */
  notes(runtime: Runtime): JsonObject | undefined {
    const now = this.#clock.now(runtime);
    const ahead = now - runtime.now();
    const kept = now + WORTH_KEEPING_MS;
    const windows: Record<string, Json> = {};
    for (const [key, spent] of Object.entries(this.#restored)) {
      // A rule that nobody has asked for in this run; its interval is in its key.
      const from = now - Number(key.slice(key.lastIndexOf("/") + 1)) * 1000;
      if (spent.some(([at]) => at > from)) windows[key] = spent;
    }
    for (const [key, window] of this.#windows) {
      if (window.rule.intervalS * 1000 < WORTH_KEEPING_MS) continue;
      const spent = window.spent(now, KEPT_GROUPS);
      if (spent.length > 0) windows[key] = spent.map(([at, count]) => [Math.round(at - ahead), count]);
    }
    const spentUntil = [...this.#quotas.values()].map((quota) =>
      quota.remaining === 0 ? (quota.resetAt ?? 0) : 0,
    );
    const until = Math.max(this.#coolUntil, ...spentUntil);
    if (until < kept && Object.keys(windows).length === 0) return undefined;
    return { windows, ...(until < kept ? {} : { until: Math.round(until - ahead) }) };
  }

  /** Goes on with what `notes` gave in an earlier run; anything else is passed over. */
  restore(notes: Json | undefined, runtime: Runtime): void {
    if (typeof notes !== "object" || notes === null || !("windows" in notes)) return;
    const { windows, until } = notes;
    const now = this.#clock.now(runtime);
    if (typeof until === "number") {
      this.#coolUntil = until;
      this.#isHearsay = true;
    }
    if (typeof windows !== "object" || windows === null) return;
    this.#restored = Object.fromEntries(
      Object.entries(windows)
        .map(([key, spent]): [string, [number, number][]] => [key, pairsIn(spent, now)])
        .filter(([, spent]) => spent.length > 0),
    );
  }

  #window(rule: ScopedRule, now: number): RateWindow {
    const key = `${rule.scope} ${rule.requests}/${rule.intervalS}`;
    const known = this.#windows.get(key);
    if (known !== undefined) return known;
    const window = new RateWindow(rule);
    const { [key]: spent, ...others } = this.#restored;
    window.restore(spent ?? [], now);
    this.#restored = others;
    this.#windows.set(key, window);
    return window;
  }

  /** Lets go whoever may, and sets the alarm for the next one. */
  #pump(runtime: Runtime): void {
    const now = this.#clock.now(runtime);
    const ahead = new Map<RateWindow, number>();
    let soonest = Infinity;
    // `#leave` makes a new queue, so this one stays as it is.
    for (const ticket of this.#queue) {
      let opening = this.#opening(ticket, now);
      if (this.#isHearsay && opening.byServer && opening.at - now > ticket.ask.longestMs) {
        // The limit may have been raised since: one request finds out, instead of a failure that nothing can end.
        this.#forgetHearsay();
        opening = this.#opening(ticket, now);
      }
      if (opening.byServer && opening.at - now > ticket.ask.longestMs) {
        this.#leave(ticket);
        ticket.reject(new WaitTooLong(opening.at - now, opening.reason));
        continue;
      }
      if (opening.at <= now) {
        this.#leave(ticket);
        ticket.resolve(this.#grant(ticket, now));
        continue;
      }
      soonest = Math.min(soonest, opening.at);
      tell(ticket, this.#opening(ticket, now, ahead));
      for (const window of ticket.windows) ahead.set(window, (ahead.get(window) ?? 0) + 1);
    }
    this.#setAlarm(soonest, now, runtime);
  }

  #leave(ticket: Ticket): void {
    this.#queue = this.#queue.filter((other) => other !== ticket);
  }

  /** The latest of all that holds a ticket, with `ahead` others waiting for the same windows. */
  #opening(ticket: Ticket, now: number, ahead?: ReadonlyMap<RateWindow, number>): Opening {
    let latest: Opening = { at: now, reason: "", byServer: false };
    const hold = (at: number, reason: string, byServer: boolean): void => {
      if (at > latest.at) latest = { at, reason, byServer };
    };
    if (this.#underWay >= ticket.ask.maxConcurrency) hold(Infinity, "", false);
    for (const window of ticket.windows) {
      const { requests, intervalS } = window.rule;
      hold(
        window.freeAt(now, ahead?.get(window)),
        `rate limit of ${requests} per ${intervalS} s (rate_limit)`,
        false,
      );
    }
    if (this.#coolUntil > now) latest = later(latest, this.#coolUntil, "the API asked to wait");
    else if (this.#probing && this.#unanswered > 0) hold(Infinity, "", false);
    for (const quota of this.#quotas.values()) {
      const at = this.#quotaOpening(quota, now);
      if (at === Infinity) hold(at, "", false);
      else if (at > now) latest = later(latest, at, "the API's rate limit is used up");
    }
    return latest;
  }

  #quotaOpening(quota: KnownQuota, now: number): number {
    const { limit, name, resetAt } = quota;
    if (resetAt !== undefined && resetAt <= now) {
      // One request finds out where the server does not say how many there are now.
      this.#quotas.set(name, {
        name,
        remaining: limit ?? 1,
        heard: this.#granted,
        ...(limit === undefined ? {} : { limit }),
      });
      return (limit ?? 1) > this.#unanswered ? now : Infinity;
    }
    // The server may not have counted those that are on their way.
    if (quota.remaining > this.#unanswered) return now;
    if (resetAt !== undefined) return this.#unanswered > 0 && quota.remaining > 0 ? Infinity : resetAt;
    return this.#unanswered > 0 ? Infinity : now;
  }

  #grant(ticket: Ticket, now: number): Slot {
    const { windows, ask } = ticket;
    const { runtime } = ask;
    const number = ++this.#granted;
    const key = {};
    let step: "held" | "sent" | "answered" | "over" = "held";
    let counts = true;
    for (const window of windows) window.take(key);
    this.#underWay += 1;
    this.#unanswered += 1;
    const uncount = (): void => {
      if (counts) this.#underWay -= 1;
      counts = false;
    };
    const arrive = (): void => {
      const at = this.#clock.now(runtime);
      for (const window of windows) window.answered(key, at);
      this.#unanswered -= 1;
    };
    let isRead = false;
    return {
      waitedMs: now - ticket.since,
      sent: () => {
        if (step !== "held" && step !== "sent") return;
        step = "sent";
        const at = this.#clock.now(runtime);
        for (const window of windows) window.sent(key, at);
        if (this.#queue.length > 0) this.#pump(runtime);
      },
      answered: (headers, coolMs) => {
        if (step === "answered" || step === "over") return;
        step = "answered";
        arrive();
        if (headers !== undefined) this.#learn(headers, number, runtime);
        if (coolMs === undefined) this.#probing = false;
        else this.#cool(coolMs, runtime);
        this.#pump(runtime);
        // Whoever has waited for the headers reads the body in this same turn, or later than others may have to wait.
        setImmediate(() => {
          if (isRead || step === "over") return;
          uncount();
          this.#pump(runtime);
        });
      },
      reading: () => {
        isRead = true;
        if (counts || step === "over") return;
        counts = true;
        this.#underWay += 1;
      },
      done: () => {
        if (step === "over") return;
        if (step === "held") for (const window of windows) window.giveBack(key);
        if (step !== "answered") {
          arrive();
          this.#probing = false;
        }
        step = "over";
        uncount();
        this.#pump(runtime);
      },
      giveBack: () => {
        if (step !== "held") return;
        step = "over";
        for (const window of windows) window.giveBack(key);
        this.#unanswered -= 1;
        uncount();
        this.#pump(runtime);
      },
    };
  }

  #forgetHearsay(): void {
    this.#isHearsay = false;
    this.#coolUntil = 0;
    this.#probing = true;
  }

  #cool(ms: number, runtime: Runtime): void {
    this.#isHearsay = false;
    this.#coolUntil = Math.max(this.#coolUntil, this.#clock.now(runtime) + ms);
    this.#probing = true;
  }

  /** Of two answers that overtook each other the later request's counts, or the one with fewer left. */
  #learn(headers: Readonly<Record<string, string>>, heard: number, runtime: Runtime): void {
    const now = this.#clock.now(runtime);
    const told = quotasIn(headers, now);
    for (const quota of told) {
      const known = this.#quotas.get(quota.name);
      if (known !== undefined && heard < known.heard && quota.remaining >= known.remaining) continue;
      this.#quotas.set(quota.name, { ...quota, heard: Math.max(heard, known?.heard ?? 0) });
    }
    // What is only told now and then holds until its reset, and no longer.
    for (const { heard: before, name, resetAt } of this.#quotas.values()) {
      if (resetAt === undefined && heard > before && told.every((quota) => quota.name !== name)) {
        this.#quotas.delete(name);
      }
    }
  }

  #setAlarm(at: number, now: number, runtime: Runtime): void {
    if (this.#alarm?.at === at) return;
    this.#alarm?.abort.abort();
    this.#alarm = undefined;
    if (at === Infinity) return;
    const alarm = { at, abort: new AbortController() };
    this.#alarm = alarm;
    void this.#wakeAt(alarm, Math.min(LONGEST_SLEEP_MS, Math.ceil(at - now)), runtime);
  }

  async #wakeAt(alarm: Alarm, ms: number, runtime: Runtime): Promise<void> {
    try {
      await this.#clock.sleep(ms, runtime, alarm.abort.signal);
    } catch (error) {
      if (this.#alarm !== alarm) return;
      this.#alarm = undefined;
      for (const ticket of this.#queue.splice(0)) ticket.reject(error);
      return;
    }
    if (this.#alarm !== alarm) return;
    this.#alarm = undefined;
    this.#pump(runtime);
  }
}

/** A known end, even a far one, says more than having to wait for an answer; the later of two ends counts. */
function later(opening: Opening, at: number, reason: string): Opening {
  return Number.isFinite(opening.at) && opening.at >= at ? opening : { at, reason, byServer: true };
}

function tell(ticket: Ticket, { at, reason }: Opening): void {
  if (!Number.isFinite(at) || at - ticket.toldUntil < TOLD_FROM_MS) return;
  const waitMs = Math.ceil(at - ticket.toldUntil);
  ticket.toldUntil = at;
  ticket.ask.onWait(waitMs, reason);
}

function pairsIn(spent: Json | undefined, now: number): [number, number][] {
  if (!Array.isArray(spent)) return [];
  return (spent as readonly Json[]).flatMap((pair): [number, number][] => {
    const [at, count] = Array.isArray(pair) ? (pair as readonly Json[]) : [];
    const isUsable = typeof at === "number" && typeof count === "number" && count > 0;
    return isUsable ? [[Math.min(at, now), count]] : [];
  });
}
