// The entry of a thread that normalizes (`thread.ts`). It imports what that takes and no more: its heap stays small, and
// so does what collecting garbage costs there.
import { parentPort, workerData } from "node:worker_threads";
import type { Batch } from "../model/batch.js";
import { serve } from "../thread/host.js";
import { batchToTransfer, Handed, type ThreadData } from "../thread/messages.js";
import { type CrossingRecords, RecordReceiver } from "./crossing.js";
import { fullBatches } from "./full.js";
import type { NormalizerOptions } from "./load.js";
import { createNormalizer } from "./normalizer.js";
import type { Normalized, Taken } from "./thread.js";

serve(parentPort!, { open, ready }, { open: () => ({}) }, workerData as ThreadData);

function ready(): void {}

function open(options: NormalizerOptions) {
  const normalizer = createNormalizer(options);
  const receiver = new RecordReceiver();
  return {
    add(records: CrossingRecords): Handed {
      normalizer.add(receiver.receive(records));
      const batches = fullBatches(normalizer);
      const { bufferedBytes } = normalizer;
      return handed(batches, { bufferedBytes } satisfies Omit<Taken, "batches">);
    },
    settle(): Handed {
      const batches = normalizer.take();
      const { rows, idsAfter } = normalizer;
      const tables = normalizer.tables();
      const collisions = normalizer.takeCollisions();
      const rest = { rows, idsAfter, tables, collisions, ...normalizer.takeRejects() };
      return handed(batches, rest satisfies Omit<Normalized, "batches">);
    },
  };
}

function handed(batches: readonly Batch[], rest: object): Handed {
  const sent = batches.map(batchToTransfer);
  return new Handed(
    { ...rest, batches: sent.map(({ batch }) => batch) },
    sent.flatMap(({ buffers }) => buffers),
  );
}
