import type { Batch } from "../model/batch.js";
import type { Stage } from "../model/destination.js";
import { inTurn } from "../model/in-turn.js";

/**
 * Bytes of batches that may wait for a stage before `write` waits, too: two of the largest, so that it has its
 * next one at hand when it ends one, and memory stays small when it is the slower side.
 */
export const WAITING_BYTES = 16 * 1024 * 1024;

/**
 * A stage that works while the next pages are read. `write` returns before its rows are in; what goes wrong then is
 * thrown by the next write, or by the commit, which waits for all of them. Batches that come while a commit is under way
 * belong to the next package. Calls still reach the stage one after the other.
 */
export function writeBehind(stage: Stage): Stage {
  const turn = inTurn();
  const writes: Promise<void>[] = [];
  let waiting = 0;
  let failure: { readonly error: unknown } | undefined;

  function refuseAfterFailure(): void {
    if (failure !== undefined) throw failure.error;
  }

  async function put(batch: Batch): Promise<void> {
    try {
      await turn(async () => (failure === undefined ? stage.write(batch) : undefined));
    } catch (error) {
      failure ??= { error };
    }
    waiting -= batch.bytes;
    void writes.shift();
  }

  const mustWait = (): boolean => waiting > WAITING_BYTES && failure === undefined;

  return {
    async write(batch) {
      refuseAfterFailure();
      waiting += batch.bytes;
      writes.push(put(batch));
      while (mustWait()) await writes[0];
      refuseAfterFailure();
    },
    commit: (pkg) =>
      turn(async () => {
        refuseAfterFailure();
        return stage.commit(pkg);
      }),
    [Symbol.asyncDispose]: () => turn(async () => stage[Symbol.asyncDispose]()),
  };
}
