import type { Batch } from "../model/batch.js";
import type { Normalizer } from "./normalizer.js";

/** Batches are handed over at about this size: small enough to stay in cache, large enough to pay. */
const BATCH_ROWS = 8192;
const BATCH_BYTES = 8 * 1024 * 1024;

/** What a normalizer has buffered, if that is enough for batches. */
export function fullBatches(normalizer: Normalizer): Batch[] {
  const { bufferedRows, bufferedBytes } = normalizer;
  return bufferedRows >= BATCH_ROWS || bufferedBytes >= BATCH_BYTES ? normalizer.take() : [];
}
