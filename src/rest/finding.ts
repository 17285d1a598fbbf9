import type { ZodError, ZodType } from "zod";
import { SluiceError } from "../model/error.js";
import type { ErrorCode } from "../model/error-codes.js";

/** A mistake found in a configuration, before it has a file and a line. */
export type Finding = {
  /** Where in the configuration: `["resources", 0, "endpoint", "path"]`. */
  readonly path: readonly (string | number)[];
} & (
  | { readonly message: string; readonly hint?: string; readonly code?: ErrorCode }
  | { readonly error: ZodError; readonly schema: ZodType }
);

/** What `work` gives; an error it throws on purpose is a finding at `path`. */
export function attempt<T>(work: () => T, path: Finding["path"], findings: Findings): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return findings.add(path, error.message, error.hint === undefined ? {} : { hint: error.hint });
  }
}

/** Collects mistakes, so that all are told at once; what several resources share is told once. */
export class Findings {
  readonly all: Finding[] = [];
  readonly #known = new Set<string>();

  add(path: Finding["path"], message: string, rest: { hint?: string; code?: ErrorCode } = {}): undefined {
    return this.#addNew({ path, message, ...rest }, message);
  }

  addZod(path: Finding["path"], error: ZodError, schema: ZodType): undefined {
    return this.#addNew({ path, error, schema }, error.message);
  }

  #addNew(finding: Finding, message: string): undefined {
    const key = JSON.stringify([finding.path, message]);
    if (!this.#known.has(key)) this.all.push(finding);
    this.#known.add(key);
    return undefined;
  }
}
