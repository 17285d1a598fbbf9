import { SluiceError } from "./error.js";
import { MERGE_STRATEGIES, type MergeRules, type MergeStrategy, type WriteDisposition } from "./source.js";

/** The write dispositions, in the order of the documentation. */
const WRITE_DISPOSITIONS = ["append", "replace", "merge"] as const satisfies WriteDisposition[];

/** What refines a merge beside its strategy. */
const MERGE_RULES = ["mergeKey", "dedupSort", "hardDelete", "deleteMissing"] as const satisfies Exclude<
  keyof MergeRules,
  "strategy"
>[];

/**
 * What a destination can do with rows; whatever is absent it can do completely. The core refuses the rest before anything
 * is read.
 */
export interface Supports {
  readonly writeDispositions?: readonly WriteDisposition[];
  readonly mergeStrategies?: readonly MergeStrategy[];
  readonly mergeRules?: readonly (typeof MERGE_RULES)[number][];
}

/** How the rows of a resource are to meet those that are there. */
interface Wanted {
  readonly writeDisposition: WriteDisposition;
  readonly merge?: MergeRules;
}

/** As in the configuration. */
const KEYS: Readonly<Record<(typeof MERGE_RULES)[number], string>> = {
  mergeKey: "merge_key",
  dedupSort: "dedup_sort",
  hardDelete: "hard_delete",
  deleteMissing: "delete_missing",
};

/**
 * What is wanted and not supported, as a phrase; undefined: everything is.
 *
 * @example
 * whatIsMissing({ writeDispositions: ["append"] }, { writeDisposition: "merge" }); // "write_disposition: merge"
 */
export function whatIsMissing(supports: Supports | undefined, wanted: Wanted): string | undefined {
  const { writeDispositions = WRITE_DISPOSITIONS, mergeStrategies = MERGE_STRATEGIES } = supports ?? {};
  const { writeDisposition, merge = {} } = wanted;
  if (!writeDispositions.includes(writeDisposition)) return `write_disposition: ${writeDisposition}`;
  if (writeDisposition !== "merge") return undefined;
  const { strategy = "delete-insert" } = merge;
  if (!mergeStrategies.includes(strategy)) return `merge with the strategy ${strategy}`;
  const rule = MERGE_RULES.find(
    (name) => merge[name] !== undefined && supports?.mergeRules?.includes(name) === false,
  );
  return rule === undefined ? undefined : `merge with ${KEYS[rule]}`;
}

/**
 * Refuses what a destination does not support: for adapters, at the beginning of `Connection.stage`.
 *
 * @throws SluiceError `config/unsupported`.
 * @example
 * refuseUnsupported("queue", { writeDispositions: ["append"] }, plan);
 */
export function refuseUnsupported(
  type: string,
  supports: Supports | undefined,
  wanted: Wanted & { readonly resource: string },
): void {
  const missing = whatIsMissing(supports, wanted);
  if (missing === undefined) return;
  throw new SluiceError("config/unsupported", unsupportedMessage(type, wanted.resource, missing), {
    at: { resource: wanted.resource },
    hint: UNSUPPORTED_HINT,
  });
}

export function unsupportedMessage(type: string, resource: string, missing: string): string {
  return `the resource "${resource}" wants ${missing}, which the destination ${type} can't do`;
}

export const UNSUPPORTED_HINT = "Choose another write_disposition for it, or another destination.";
