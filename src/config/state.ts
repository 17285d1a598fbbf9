import type { PipelineState } from "../model/state.js";
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
