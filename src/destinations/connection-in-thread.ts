import type { Connection, Lease, Stage } from "../model/destination.js";
import type { Opens } from "../thread/host.js";
import { batchToTransfer, type Opened, PLACE } from "../thread/messages.js";
import type { Thread } from "../thread/thread.js";

/** What is known of a connection without asking. */
interface ConnectionFacts {
  readonly keepsParts?: true;
  readonly prunes?: true;
}

/** What the methods of a thread with connections open there. */
export const OPENS: Opens = {
  connect: ({ keepsParts, prune }: Partial<Connection>): ConnectionFacts => ({
    ...(keepsParts === undefined ? {} : { keepsParts }),
    ...(prune === undefined ? {} : { prunes: true }),
  }),
  acquire: () => ({}),
  stage: () => ({}),
};

/**
 * A connection that is opened in a thread, and used from this one as if it were here. Disposing it releases the thread.
 *
 * @param args What the thread's `connect` takes.
 */
export async function connectIn(thread: Thread, args: readonly unknown[]): Promise<Connection> {
  try {
    return connectionIn(thread, await thread.call<Opened<ConnectionFacts>>(PLACE, "connect", args));
  } catch (error) {
    thread.release();
    throw error;
  }
}

function connectionIn(thread: Thread, { id, keepsParts, prunes }: Opened<ConnectionFacts>): Connection {
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

function stageIn(thread: Thread, { id }: Opened): Stage {
  return {
    async write(batch) {
      const sent = batchToTransfer(batch);
      await thread.call(id, "write", [sent.batch], sent.buffers);
    },
    commit: (pkg) => thread.call(id, "commit", [pkg]),
    [Symbol.asyncDispose]: once(() => thread.dispose(id)),
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
