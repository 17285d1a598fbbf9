import type { Resource, WriteDisposition } from "../model/source.js";
import type { PipelineState, ResourceState } from "../model/state.js";
import { isSameWalk } from "../pipeline/lane.js";
import { withReadablePlaceholders } from "../rest/reference.js";
import type { Pipeline } from "./load.js";

/** What a run would do, as far as it can be known without a request. */
export interface PlanResult {
  readonly pipeline: string;
  readonly dataset: string;
  readonly destination: {
    readonly type: string;
    readonly location: string;
    /** False when the first run will create it. */
    readonly exists: boolean;
  };
  /** Parents before their children. */
  readonly resources: readonly PlanStep[];
}

export interface PlanStep {
  readonly name: string;
  /** The resource whose records its requests are made from. */
  readonly parent?: string;
  /** False for one that is only read as a parent. */
  readonly loaded: boolean;
  readonly table: string;
  readonly write_disposition: WriteDisposition;
  readonly primary_key: readonly string[];
  /** The first request, without credentials; absent for a resource of one's own. */
  readonly request?: { readonly method: string; readonly url: string };
  /** The paginator's type and who says that it is this one. */
  readonly paginator?: string;
  /** What the destination remembers of it; absent before its first commit. */
  readonly state?: Pick<ResourceState, "status" | "position" | "cursor" | "completeness" | "committedAt">;
  /** `start`: reads from the start; `resume`: goes on where it was cut short; `restart`: its configuration changed. */
  readonly begins: "start" | "resume" | "restart";
  /** How many requests it will take, where that is known beforehand; null where it is not. */
  readonly requests: number | null;
}

/**
 * What a run would do: which resources are read from which others, what is asked for first, how rows meet rows, and
 * where each walk begins. Sends nothing to the API; opens the destination to read the state, if it is there.
 *
 * @throws SluiceError of kind destination when the destination is there and can't be opened.
 */
export async function plan(pipeline: Pipeline): Promise<PlanResult> {
  const { plan: plans, planned, redactor } = pipeline.parts;
  const { state, exists } = await stateOf(pipeline);
  const loaded = new Map(plans.resources.map((resource) => [resource.name, resource]));
  const names = new Set([...loaded.keys(), ...parentsOf([...loaded.keys()], planned)]);
  const steps = [...names].flatMap((name): PlanStep[] => {
    const entry = planned[name];
    const resource = loaded.get(name) ?? entry?.resource;
    if (resource === undefined) return [];
    const known = state?.resources[name];
    const { hints } = resource;
    return [
      {
        name,
        ...(entry?.parent === undefined ? {} : { parent: entry.parent }),
        loaded: loaded.has(name),
        table: resource.table,
        write_disposition: hints.writeDisposition,
        primary_key: hints.primaryKey,
        ...(entry?.first === undefined
          ? {}
          : { request: { method: entry.first.method, url: withReadablePlaceholders(entry.first.url) } }),
        ...(entry?.paginator === undefined ? {} : { paginator: entry.paginator }),
        ...(known === undefined ? {} : { state: shownState(known) }),
        begins: beginOf(known, resource),
        requests:
          entry?.parent === undefined && entry?.paginator?.startsWith("single_page") === true ? 1 : null,
      },
    ];
  });
  return redactor.redactDeep({
    pipeline: pipeline.name,
    dataset: pipeline.dataset,
    destination: { ...pipeline.destination, exists },
    resources: parentsFirst(steps),
  });
}

async function stateOf(
  pipeline: Pipeline,
): Promise<{ readonly state: PipelineState | undefined; readonly exists: boolean }> {
  const { plan: plans } = pipeline.parts;
  if ((await plans.destination.exists?.()) === false) return { state: undefined, exists: false };
  await using connection = await plans.destination.connect(plans.dataset, new AbortController().signal);
  return { state: await connection.state(plans.name), exists: true };
}

function parentsOf(names: readonly string[], planned: Pipeline["parts"]["planned"]): string[] {
  const parents = names.flatMap((name) => planned[name]?.parent ?? []);
  return parents.length === 0 ? [] : [...parents, ...parentsOf(parents, planned)];
}

function shownState(state: ResourceState): NonNullable<PlanStep["state"]> {
  const { status, position, cursor, completeness, committedAt } = state;
  return {
    status,
    committedAt,
    ...(position === undefined ? {} : { position }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(completeness === undefined ? {} : { completeness }),
  };
}

function beginOf(state: ResourceState | undefined, resource: Resource): PlanStep["begins"] {
  if (state?.position === undefined) return "start";
  return isSameWalk(state, resource) ? "resume" : "restart";
}

/** Each parent, followed by its children and theirs. */
function parentsFirst(steps: readonly PlanStep[], parent?: string): PlanStep[] {
  return steps
    .filter((step) => step.parent === parent)
    .flatMap((step) => [step, ...parentsFirst(steps, step.name)]);
}
