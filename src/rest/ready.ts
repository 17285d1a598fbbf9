import type { Json } from "../model/json.js";
import type { Page, Resource } from "../model/source.js";
import type { Endpoint } from "./endpoint.js";
import type { PlanEnvironment } from "./environment.js";
import type { Finding, Findings } from "./finding.js";
import { holdsSecret } from "./request.js";
import { resolveValue } from "./values.js";

/**
 * A resource whose records stand in the configuration: one page, no request. With `selected: false` it is a mere list of
 * what its children are asked for, dlt's seed resource. A plain value is the record `{ value }`.
 */
export function planRecords(
  records: readonly unknown[],
  env: PlanEnvironment,
  path: Finding["path"],
  findings: Findings,
): Pick<Endpoint, "read" | "described"> {
  const resolved = resolveValue(records, env, path, findings) as readonly Json[];
  if (holdsSecret(resolved)) findings.add(path, "a secret can't be part of records: they are loaded");
  const values = resolved.map((record) =>
    typeof record === "object" && record !== null ? record : { value: record },
  );
  return {
    async *read(): AsyncGenerator<Page, void, undefined> {
      yield { records: { kind: "objects", values }, bytes: 0, completeness: "proved" };
    },
    described: { records: values },
  };
}

/**
 * A resource of the user's own (`defineResource`) as a parent reads it. What it keeps of its own walks, its cursor, is
 * not the child's: all of its records are read.
 */
export function readAll(resource: Resource): Resource["read"] {
  return (from, { notes, signal, runtime, emit }) => resource.read(from, { notes, signal, runtime, emit });
}
