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

/** At most so many threads normalize in one process, and one less than it has processors. */
const MOST_THREADS = 4;

let isThreaded: boolean | undefined;
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

/**
 * Whether pages can be normalized in another thread: not with one processor, nor in sources that are run uncompiled, for
 * which there is no file.
 */
export function hasNormalizerThread(): boolean {
  isThreaded ??= availableParallelism() > 1 && existsSync(FILE);
  return isThreaded;
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
 * Starts the thread that has the fewest normalizers, or joins it: there are up to four, and one less than processors.
 *
 * @throws SluiceError internal/bug when that thread broke before.
 */
export function startNormalizerThread(): NormalizerThread {
  const number = leastUsed();
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

function leastUsed(): number {
  const threads = Math.min(MOST_THREADS, availableParallelism() - 1);
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
