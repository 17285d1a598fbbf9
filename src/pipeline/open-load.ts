import type { Completeness, Resource } from "../model/source.js";
import type { PipelineState } from "../model/state.js";

/** A load that was cut short: it is continued under its own id, so that re-runs add up to one uninterrupted run. */
export interface OpenLoad {
  readonly id: string;
  /** Milliseconds since 1970 when it began; undefined where that was not written down. */
  readonly startedAt?: number | undefined;
  readonly resources: readonly string[];
  /** Those of the given resources that were complete in it. */
  readonly complete: readonly { readonly resource: string; readonly completeness: Completeness }[];
}

/**
 * Finds out whether the newest load was killed or stopped before all its resources had ended. A resource has ended in
 * a load when its state says `done` or `failed` under that load's id. Undefined when there is nothing to continue:
 * no such load, or none of the wanted resources is missing in it.
 */
export function findOpenLoad(
  state: PipelineState | undefined,
  wanted: readonly Resource[],
): OpenLoad | undefined {
  const states = Object.values(state?.resources ?? {});
  const newest = states.reduce<(typeof states)[number] | undefined>(
    (latest, candidate) => (latest === undefined || candidate.loadId > latest.loadId ? candidate : latest),
    undefined,
  );
  if (newest === undefined) return undefined;
  const stateIn = ({ name }: Resource) => {
    const own = state?.resources[name];
    return own?.loadId === newest.loadId ? own : undefined;
  };
  const inLoad = wanted.filter(({ name }) => newest.loadResources.includes(name));
  const missing = inLoad.filter((resource) => (stateIn(resource)?.status ?? "running") === "running");
  if (missing.length === 0) return undefined;
  const complete = inLoad.flatMap((resource) => {
    const own = stateIn(resource);
    // What was complete under another configuration is read again.
    if (own?.status !== "done" || own.fingerprint !== resource.fingerprint) return [];
    return [{ resource: resource.name, completeness: own.completeness ?? "unknown" }];
  });
  const resources = [...new Set([...newest.loadResources, ...wanted.map(({ name }) => name)])];
  return { id: newest.loadId, startedAt: newest.loadStartedAt, resources, complete };
}
