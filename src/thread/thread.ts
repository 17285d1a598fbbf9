import { Worker } from "node:worker_threads";
import { SluiceError } from "../model/error.js";
import {
  type Answer,
  type Broken,
  type Call,
  END,
  fromCrossing,
  nameOf,
  type ThreadData,
} from "./messages.js";

/** A thread in which something is served (`host.ts`), as one of its users sees it. */
export interface Thread {
  /**
   * Calls a method there.
   *
   * @param on `PLACE`, or the number of what was opened.
   * @param transfer Buffers of the arguments that are handed over instead of copied, each one once. They are there as long
   * as the method runs, so it keeps none of them.
   * @throws what the method threw; the thread's own error (`openThread`) when it ended without having been asked to.
   */
  call<T>(on: number, method: string, args: readonly unknown[], transfer?: ArrayBuffer[]): Promise<T>;
  /** Disposes of what was opened there. Where the thread has ended nothing is left to dispose of. */
  dispose(opened: number): Promise<void>;
  /** Gives this use back; with the last one the thread ends. */
  release(): void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

interface Running extends Omit<Thread, "release"> {
  readonly end: () => void;
  uses: number;
}

/** How long a process that exits waits for what is under way, should the thread not tell. */
const EXIT_MS = 60_000;

/** A quarter of V8's default: what a call makes is garbage when it is answered, and there may be several threads. */
const YOUNG_MB = 12;

const running = new Map<string, Running>();
/** Threads that broke. What they had open may still be, and no other one may open it beside them. */
const broken = new Map<string, SluiceError>();

/** Which thread, of those that run one file, and what its users are told when it breaks. */
export interface ThreadOptions {
  /** Default 0. */
  readonly number?: number;
  /** @param why What happened, without a message that may quote anything: `TypeError`, `exit 1`. */
  readonly broken: (why: string) => SluiceError;
}

/**
 * The thread that runs a file, started now or, in this process, before. It does not keep the process alive unless a call
 * is under way.
 *
 * @throws SluiceError `options.broken` when that thread has broken in this process.
 * @example
 * const thread = openThread(new URL("./worker.js", import.meta.url), { broken: (why) => brokenThread(why) });
 */
export function openThread(file: URL, { number = 0, broken: brokenError }: ThreadOptions): Thread {
  const key = `${file.href}#${number}`;
  const error = broken.get(key);
  if (error !== undefined) throw error;
  let thread = running.get(key);
  if (thread === undefined) {
    thread = start(file, brokenError, (why) => broken.set(key, why));
    running.set(key, thread);
  }
  const joined = thread;
  joined.uses += 1;
  let released = false;
  return {
    call: joined.call,
    dispose: joined.dispose,
    release() {
      if (released) return;
      released = true;
      joined.uses -= 1;
      if (joined.uses > 0) return;
      running.delete(key);
      joined.end();
    },
  };
}

function start(
  file: URL,
  brokenError: ThreadOptions["broken"],
  onBreak: (why: SluiceError) => void,
): Running {
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  let over: SluiceError | undefined;
  const idle = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(file, {
    workerData: { idle } satisfies ThreadData,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  worker.unref();

  function end(why: SluiceError): void {
    over = why;
    for (const { reject } of waiting.values()) reject(why);
    waiting.clear();
    worker.postMessage(END, []);
    worker.unref();
  }

  function breakOff(why: string): void {
    if (over !== undefined) return;
    const error = brokenError(why);
    end(error);
    onBreak(error);
  }

  /** A process that exits takes its threads down, and this one must not be at work then (`host.ts`). */
  function awaitIdle(): void {
    worker.postMessage(END, []);
    Atomics.wait(idle, 0, 0, EXIT_MS);
  }

  function take(answer: Answer | Broken): void {
    if ("broken" in answer) return breakOff(answer.broken);
    const caller = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0) worker.unref();
    if ("error" in answer) caller?.reject(fromCrossing(answer.error));
    else caller?.resolve(answer.value as never);
  }

  worker.on("message", take);
  worker.on("messageerror", (error) => breakOff(nameOf(error)));
  worker.on("error", (error) => breakOff(nameOf(error)));
  worker.on("exit", (code) => {
    process.off("exit", awaitIdle);
    breakOff(`exit ${code}`);
  });
  process.on("exit", awaitIdle);

  async function call<T>(
    on: number,
    method: string,
    args: readonly unknown[],
    transfer: ArrayBuffer[] = [],
  ): Promise<T> {
    if (over !== undefined) throw over;
    calls += 1;
    const message: Call = { id: calls, on, method, args, handed: transfer };
    worker.postMessage(message, transfer);
    worker.ref();
    return new Promise((resolve, reject) => waiting.set(message.id, { resolve, reject }));
  }

  return {
    uses: 0,
    call,
    async dispose(opened) {
      if (over !== undefined) return;
      try {
        await call(opened, "dispose", []);
      } catch (error) {
        if (error !== over) throw error;
      }
    },
    end() {
      if (over !== undefined) return;
      end(new SluiceError("internal/bug", "a thread was used after it had been given back"));
    },
  };
}
