import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Lease } from "../../model/destination.js";
import { SluiceError } from "../../model/error.js";
import { folderName, type Manifest, SYSTEM_FOLDER, update } from "./manifest.js";
import type { Store } from "./store.js";

/** A lease that was taken: its number grows with each renewal, and says who may still publish. */
export interface HeldLease extends Lease {
  /** @throws SluiceError `destination/locked` when another writer has taken the lease over, as this manifest says or the lease itself. */
  check(manifest: Manifest): void;
}

/** Time as a lease needs it. */
export interface LeaseClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls a task again and again, without keeping the process alive; gives what ends that. */
  every(milliseconds: number, task: () => void): () => void;
}

const SYSTEM_CLOCK: LeaseClock = {
  now: () => Date.now(),
  every(milliseconds, task) {
    const timer = setInterval(task, milliseconds).unref();
    return () => clearInterval(timer);
  },
};

/** A lease is renewed this often, and free when it was not renewed for so long. In milliseconds. */
export const RENEW_MS = 20_000;
export const EXPIRE_MS = 90_000;

interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  readonly since: string;
  readonly renewed_at: string;
  readonly released?: true;
}

interface Numbered {
  readonly number: number;
  /** Undefined: it can't be read, or was replaced meanwhile. */
  readonly holder: Holder | undefined;
}

/** What this process holds: a lease with our pid and another token is left of an earlier process. */
const held = new Set<string>();

/** Others that take the lease at the same time, before we give up. */
const ATTEMPTS = 5;

/**
 * Takes the lease of a pipeline and renews it until it is disposed.
 *
 * A lease is a file whose number can be created once; the highest one counts. Taking, renewing and giving back each create
 * the next number, so of two that take an abandoned lease one gets it. It is abandoned when its process has ended on this
 * machine, or when it was not renewed for 90 seconds, wherever its process is. The clocks of two machines need not agree
 * for the rows: whoever takes a lease that was not given back puts its number into the manifest, and a commit of a lower
 * number is refused from then on.
 *
 * @throws SluiceError `destination/locked` naming the holder.
 */
export async function takeLease(
  store: Store,
  dataset: string,
  pipeline: string,
  clock: LeaseClock = SYSTEM_CLOCK,
): Promise<HeldLease> {
  const leases = leasesOf(store, dataset, pipeline);
  const mine = {
    token: randomUUID(),
    pid: process.pid,
    host: hostname(),
    since: new Date(clock.now()).toISOString(),
  };
  const text = (more: { released?: true } = {}): string =>
    `${JSON.stringify({ ...mine, renewed_at: new Date(clock.now()).toISOString(), ...more })}\n`;

  held.add(mine.token);
  let number = 0;
  try {
    const before = await take();
    number = before.number + 1;
    if (before.number > 0 && before.holder?.released !== true) await raiseFence();
  } catch (error) {
    held.delete(mine.token);
    if (number > 0) await leases.create(number + 1, text({ released: true })).catch(() => false);
    throw error;
  }
  let lost = false;
  let working: Promise<void> = Promise.resolve();
  const stop = clock.every(RENEW_MS, () => {
    // What fails once is tried again the next time; until then the lease lasts.
    working = working.then(() => advance()).catch(() => undefined);
  });

  async function take(): Promise<Numbered> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const newest = await leases.newest();
      if (isHeld(newest.holder, clock.now())) throw locked(pipeline, dataset, newest.holder);
      if (await leases.create(newest.number + 1, text())) return newest;
    }
    throw locked(pipeline, dataset, (await leases.newest()).holder);
  }

  async function raiseFence(): Promise<void> {
    await update(store, dataset, (manifest) => ({
      ...manifest,
      fences: { ...manifest.fences, [pipeline]: number },
    }));
  }

  async function advance(more: { released?: true } = {}): Promise<void> {
    if (lost) return;
    if (await leases.create(number + 1, text(more))) {
      number += 1;
      return;
    }
    // A renewal whose answer was lost has taken the number itself.
    const newest = await leases.newest();
    lost = newest.holder?.token !== mine.token;
    number = lost ? number : newest.number;
    if (more.released === true) await advance(more);
  }

  return {
    pipeline,
    check({ fences }) {
      if (lost || (fences[pipeline] ?? 0) > number) throw overtaken(pipeline);
    },
    async [Symbol.asyncDispose]() {
      if (!held.delete(mine.token)) return;
      stop();
      await working;
      await advance({ released: true });
    },
  };
}

/** The numbered files of one pipeline's lease. */
function leasesOf(store: Store, dataset: string, pipeline: string) {
  const prefix = `${dataset}/${SYSTEM_FOLDER}/lease-${folderName(pipeline)}-`;
  const nameOf = (number: number): string => `${prefix}${String(number).padStart(9, "0")}.json`;

  async function numbers(): Promise<number[]> {
    const found = await store.list(prefix);
    return found.flatMap(({ name }) => {
      const [, digits] = /^(\d{9})\.json$/u.exec(name.slice(prefix.length)) ?? [];
      return digits === undefined ? [] : [Number(digits)];
    });
  }

  return {
    async newest(): Promise<Numbered> {
      const number = Math.max(0, ...(await numbers()));
      return { number, holder: number === 0 ? undefined : parse(await store.get(nameOf(number))) };
    },
    /** False: the number is taken, or of the past. */
    async create(number: number, text: string): Promise<boolean> {
      if (!(await store.putIfAbsent(nameOf(number), text))) return false;
      const all = await numbers();
      // Numbers below the highest are removed, so a slow writer may find one of them free.
      const isHighest = all.every((other) => other <= number);
      const superseded = isHighest ? all.filter((other) => other < number) : [number];
      for (const other of superseded) await store.remove(nameOf(other));
      return isHighest;
    },
  };
}

function parse(text: string | undefined): Holder | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Holder);
  } catch {
    return undefined;
  }
}

function isHeld(holder: Holder | undefined, now: number): holder is Holder {
  if (holder === undefined || holder.released === true) return false;
  if (now - Date.parse(holder.renewed_at) > EXPIRE_MS) return false;
  if (holder.host !== hostname()) return true;
  return holder.pid === process.pid ? held.has(holder.token) : isAlive(holder.pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to someone else.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function locked(pipeline: string, dataset: string, holder: Holder | undefined): SluiceError {
  const who =
    holder === undefined ? "another run" : `process ${holder.pid} of ${holder.host}, since ${holder.since}`;
  return new SluiceError(
    "destination/locked",
    `pipeline ${pipeline} is being written to dataset ${dataset} by ${who}`,
    {
      hint: `Wait for that run to end. If it is gone, its lease ends ${EXPIRE_MS / 1000} seconds after it was last renewed.`,
    },
  );
}

function overtaken(pipeline: string): SluiceError {
  return new SluiceError(
    "destination/locked",
    `this run no longer holds pipeline ${pipeline}: it did not renew its lease for ${EXPIRE_MS / 1000} seconds, and another run has taken it over`,
    { hint: "Nothing of the package was committed. Run again to go on from the last commit." },
  );
}
