import type { Pruned } from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import type { JsonObject } from "../model/json.js";
import { systemRuntime } from "../model/runtime.js";
import type { Resource } from "../model/source.js";
import type { PipelineState } from "../model/state.js";
import { commitCursor } from "../pipeline/edit-state.js";
import { type Back, type Rewindable, rewindCursor, setCursor } from "../rest/incremental/rewind.js";
import { requireDuration } from "./history.js";
import type { Pipeline } from "./load.js";
import { selectResources } from "./selection.js";

/** What the destination remembers of a pipeline; undefined before its first commit. */
export async function readState(pipeline: Pipeline): Promise<PipelineState | undefined> {
  const { plan, redactor } = pipeline.parts;
  await using connection = await plan.destination.connect(plan.dataset, new AbortController().signal);
  return redactor.redactDeep(await connection.state(plan.name));
}

/**
 * Forgets where the pipeline, or the named resources, stopped: the next run starts their walks anew. Tables and rows
 * stay. Refused while another run holds the pipeline.
 */
export async function resetState(pipeline: Pipeline, resources?: readonly string[]): Promise<void> {
  const { plan } = pipeline.parts;
  selectResources(plan.resources, resources);
  await using connection = await plan.destination.connect(plan.dataset, new AbortController().signal);
  await using _lease = await connection.acquire(plan.name);
  await connection.resetState(plan.name, resources);
}

/**
 * Forgets records of loads that are older than a duration (`90d`, `6mo`, `P1Y`), with what they set aside, and older schema
 * versions. What the state speaks of and all rows stay. Resources that the configuration no longer has and whose last
 * walk was cut short are forgotten, with the rows that were kept back for them.
 *
 * @throws SluiceError config/usage for what is no duration, and for a destination that keeps no such records;
 *   destination/locked while another run holds the pipeline.
 * @example (await pruneHistory(await loadPipeline(), "90d")).loads; // 1420
 */
export async function pruneHistory(
  pipeline: Pipeline,
  olderThan: string,
): Promise<Pruned & { readonly resources: readonly string[] }> {
  const age = requireDuration(olderThan);
  const { plan, runtime = systemRuntime } = pipeline.parts;
  await using connection = await plan.destination.connect(plan.dataset, new AbortController().signal);
  await using _lease = await connection.acquire(plan.name);
  if (connection.prune === undefined) {
    throw new SluiceError("config/usage", `${plan.destination.type} has nothing to forget in this way`, {
      hint: "Load records are pruned where they are tables. `sluice files prune` removes files that are no longer needed.",
    });
  }
  const state = await connection.state(plan.name);
  const configured = new Set(plan.resources.map(({ name }) => name));
  const resources = Object.entries(state?.resources ?? {}).flatMap(([name, { held }]) =>
    held === undefined || configured.has(name) ? [] : [name],
  );
  if (resources.length > 0) await connection.resetState(plan.name, resources);
  return { ...(await connection.prune(plan.name, runtime.now() - age)), resources };
}

/** A cursor that was changed by hand, before and after: `ResourceState.cursor`. */
export interface MovedCursor {
  readonly before?: JsonObject;
  readonly after: JsonObject;
  /** Where the move leaves something to think about: a sentence. */
  readonly warning?: string;
}

/**
 * Makes the next run of an incremental resource start at `value`, whatever it has read: records before it that were not
 * read yet are skipped, records from it on come again. A walk that was cut short starts again. Rows stay.
 *
 * @param value as the records have it; a date will do for a timestamp. What looks like a number is one, unless it is in
 *   double quotes or the values that are known are texts.
 * @throws SluiceError config/usage for a value of another type, and for a resource that does not remember one last value;
 *   destination/locked while another run holds the pipeline.
 * @example await setLastValue(await loadPipeline(), "orders", "2026-01-01T00:00:00Z");
 */
export function setLastValue(pipeline: Pipeline, resource: string, value: string): Promise<MovedCursor> {
  return moveCursor(pipeline, resource, (rewindable) => setCursor(rewindable, value));
}

/**
 * Makes the next run of an incremental resource start further back than it has read: at a value, or by a number or
 * duration (`7d`, `PT6H`, `P1M`) before its last one, though not before `initial_value`. A resource with a last value for
 * each record of its parent moves all of them that lie beyond. Records from there on come again: merged rows are
 * replaced, appended ones repeated. A walk that was cut short starts again.
 *
 * @throws SluiceError config/usage where nothing is remembered, and for a value that lies beyond the last one;
 *   destination/locked while another run holds the pipeline.
 * @example await rewindLastValue(await loadPipeline(), "orders", { by: "7d" });
 */
export function rewindLastValue(pipeline: Pipeline, resource: string, back: Back): Promise<MovedCursor> {
  return moveCursor(pipeline, resource, (rewindable) => rewindCursor(rewindable, back));
}

async function moveCursor(
  pipeline: Pipeline,
  name: string,
  move: (resource: Rewindable) => JsonObject,
): Promise<MovedCursor> {
  const { plan, planned, redactor, runtime = systemRuntime } = pipeline.parts;
  const [resource] = selectResources(plan.resources, [name], Object.keys(planned));
  const { incremental, parent } = planned[name] ?? {};
  if (resource === undefined || incremental === undefined) throw notIncremental(name);
  if (resource.hints.writeDisposition === "replace") throw replaced(name);
  await using connection = await plan.destination.connect(plan.dataset, new AbortController().signal);
  await using _lease = await connection.acquire(plan.name);
  const state = await connection.state(plan.name);
  const before = state?.resources[name]?.cursor;
  const after = located(name, () => move({ incremental, isChild: parent !== undefined, cursor: before }));
  await commitCursor(connection, plan.name, resource, state, after, runtime);
  const warning = warningFor(resource);
  return redactor.redactDeep({
    after,
    ...(before === undefined ? {} : { before }),
    ...(warning === undefined ? {} : { warning }),
  });
}

function located<T>(resource: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof SluiceError ? error.located({ resource }) : error;
  }
}

function warningFor({ hints }: Resource): string | undefined {
  if (hints.writeDisposition !== "append") return undefined;
  return "its rows are appended: records that are there already and come again will be there twice";
}

function notIncremental(resource: string): SluiceError {
  return new SluiceError("config/usage", "it is not incremental, so there is no last value to change", {
    at: { resource },
    hint: "Set endpoint.incremental, or make it start again with `sluice state reset`.",
  });
}

function replaced(resource: string): SluiceError {
  return new SluiceError("config/usage", "each load replaces its table, so no last value is used", {
    at: { resource },
    hint: "Set write_disposition: merge or append.",
  });
}
