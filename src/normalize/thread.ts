import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Batch } from "../model/batch.js";
import { SluiceError } from "../model/error.js";
import type { Records } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { type Opened, PLACE } from "../thread/messages.js";
import { openThread, type Thread } from "../thread/thread.js";
import { RecordSender } from "./crossing.js";
import type { NormalizerOptions } from "./load.js";
import type { SetAside } from "./normalizer.js";

/** What `worker.ts` is built into (scripts/build.mjs), beside the file that this is built into. */
const FILE = new URL("./normalizer-thread.js", import.meta.url);

/** Threads that normalize in one process, at most, where nobody says how many. */
const MOST_THREADS = 4;

let isBuilt: boolean | undefined;
/** Normalizers that are open, by thread. */
const uses: number[] = [];

/** What came of a page: batches, if there was enough for them. */
export interface Taken {
  readonly batches: readonly Batch[];
  /** What is left, estimated. */
  readonly bufferedBytes: number;
}

/** All that came of the pages before: the last batches, and what `Normalizer` tells. */
export interface Normalized extends SetAside {
  readonly batches: readonly Batch[];
  readonly rows: number;
  readonly tables: readonly TableSchema[];
  readonly idsAfter: number;
  readonly collisions: readonly string[];
}

/** A normalizer in another thread. It takes pages in the order of the calls. */
export interface ThreadNormalizer {
  /** `isOwn`: the memory of the page's document is handed over, and gone here. */
  add(records: Records, isOwn: boolean): Promise<Taken>;
  /** Empties it: what is added afterwards is of the next package. */
  settle(): Promise<Normalized>;
}

/** Whether pages can be normalized in other threads: not in sources that are run uncompiled, for which there is no file. */
export function hasNormalizerThreads(): boolean {
  isBuilt ??= existsSync(FILE);
  return isBuilt;
}

/** Two threads fewer than processors, up to four: the lanes have one, and so has the destination. */
export function usualThreads(): number {
  return Math.max(0, Math.min(MOST_THREADS, availableParallelism() - 2));
}

/** A thread for the normalizer of one lane. */
export interface NormalizerThread {
  /** Resolves when it has started. */
  readonly ready: Promise<unknown>;
  open(options: NormalizerOptions): Promise<ThreadNormalizer>;
  /** Gives it back, with what is open. */
  release(): void;
}

/**
 * Starts that one of so many threads that has the fewest normalizers, or joins it.
 *
 * @throws SluiceError internal/bug when that thread broke before.
 */
export function startNormalizerThread(threads: number): NormalizerThread {
  const number = leastUsed(threads);
  const thread = openThread(FILE, { number, broken: brokenThread });
  uses[number] = (uses[number] ?? 0) + 1;
  let opened: number | undefined;
  let isReleased = false;
  const giveBack = (): void => {
    uses[number]! -= 1;
    thread.release();
  };
  return {
    ready: thread.call(PLACE, "ready", []),
    async open(options) {
      const { id } = await thread.call<Opened>(PLACE, "open", [options]);
      opened = id;
      return normalizerIn(thread, id);
    },
    release() {
      if (isReleased) return;
      isReleased = true;
      if (opened === undefined) giveBack();
      else void thread.dispose(opened).then(giveBack, giveBack);
    },
  };
}

function leastUsed(threads: number): number {
  const used = Array.from({ length: threads }, (_, number) => uses[number] ?? 0);
  return used.indexOf(Math.min(...used));
}

function normalizerIn(thread: Thread, id: number): ThreadNormalizer {
  const sender = new RecordSender();
  return {
    add(page, isOwn) {
      const { records, buffers } = sender.send(page, isOwn);
      return thread.call<Taken>(id, "add", [records], buffers);
    },
    settle: () => thread.call<Normalized>(id, "settle", []),
  };
}

function brokenThread(why: string): SluiceError {
  return new SluiceError("internal/bug", `the thread that turns pages into columns broke (${why})`, {
    hint:
      "What was committed is in the destination, and the next run goes on from there. If it breaks again, give the " +
      "process more memory, or report it.",
  });
}
