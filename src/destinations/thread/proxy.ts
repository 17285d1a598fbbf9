import type { Connection, Lease, Stage } from "../../model/destination.js";
import { batchToTransfer, type Opened, PLACE } from "./messages.js";
import type { Thread } from "./thread.js";

/**
 * Bytes of batches that may be on their way into one stage before `write` waits: three batches of the usual 8 MiB, so
 * that the thread has its next one at hand when it ends one, and memory stays small when it is the slower side.
 */
const UNDER_WAY_BYTES = 24 * 1024 * 1024;

/**
 * A connection that is opened in a thread, and used from this one as if it were here. Disposing it releases the thread.
 *
 * @param args What the thread's `connect` takes.
 */
export async function connectIn(thread: Thread, args: readonly unknown[]): Promise<Connection> {
  try {
    return connectionIn(thread, await thread.call<Opened>(PLACE, "connect", args));
  } catch (error) {
    thread.release();
    throw error;
  }
}

function connectionIn(thread: Thread, { id, keepsParts, prunes }: Opened): Connection {
  return {
    ...(keepsParts === undefined ? {} : { keepsParts }),
    async acquire(pipeline) {
      return leaseIn(thread, pipeline, await thread.call<Opened>(id, "acquire", [pipeline]));
    },
    state: (pipeline) => thread.call(id, "state", [pipeline]),
    describe: (tables) => thread.call(id, "describe", [tables]),
    async stage(plan) {
      return stageIn(thread, await thread.call<Opened>(id, "stage", [plan]));
    },
    remember: (pipeline, key, value) => thread.call(id, "remember", [pipeline, key, value]),
    ...(prunes === undefined
      ? {}
      : { prune: (pipeline: string, before: number) => thread.call(id, "prune", [pipeline, before]) }),
    resetState: (pipeline, resources) => thread.call(id, "resetState", [pipeline, resources]),
    [Symbol.asyncDispose]: once(async () => {
      try {
        await thread.dispose(id);
      } finally {
        thread.release();
      }
    }),
  };
}

function leaseIn(thread: Thread, pipeline: string, { id }: Opened): Lease {
  return { pipeline, [Symbol.asyncDispose]: once(() => thread.dispose(id)) };
}

/** A stage whose `write` returns before its rows are in: what goes wrong then is thrown by the call after it. */
function stageIn(thread: Thread, { id }: Opened): Stage {
  const writes: Promise<void>[] = [];
  let underWay = 0;
  let failure: { readonly error: unknown } | undefined;

  async function send(batch: Parameters<Stage["write"]>[0]): Promise<void> {
    const { bytes } = batch;
    underWay += bytes;
    try {
      const sent = batchToTransfer(batch);
      await thread.call(id, "write", [sent.batch], sent.buffers);
    } catch (error) {
      failure ??= { error };
    }
    underWay -= bytes;
    // Calls of one stage are answered in their order.
    void writes.shift();
  }

  function refuseAfterFailure(): void {
    if (failure !== undefined) throw failure.error;
  }

  const hasToWait = (): boolean => underWay >= UNDER_WAY_BYTES && failure === undefined;

  return {
    async write(batch) {
      refuseAfterFailure();
      if (batch.rows === 0) return;
      writes.push(send(batch));
      while (hasToWait()) await writes[0];
      refuseAfterFailure();
    },
    async commit(pkg) {
      await writes.at(-1);
      refuseAfterFailure();
      return thread.call(id, "commit", [pkg]);
    },
    [Symbol.asyncDispose]: once(async () => {
      await writes.at(-1);
      await thread.dispose(id);
    }),
  };
}

/** Disposing again does nothing, as the ports have it. */
function once(dispose: () => Promise<unknown>): () => Promise<void> {
  let isDone = false;
  return async () => {
    if (isDone) return;
    isDone = true;
    await dispose();
  };
}
