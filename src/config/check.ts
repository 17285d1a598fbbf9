import { asSluiceError, type ErrorReport } from "../model/error.js";
import { memoryNotes } from "../model/notes.js";
import type { Completeness, Notes, Resource } from "../model/source.js";
import { withReadablePlaceholders } from "../rest/reference.js";
import { borrowedNotes } from "./borrowed-notes.js";
import type { Pipeline } from "./load.js";
import { firstPage } from "./preview.js";
import { selectResources } from "./selection.js";

export interface CheckOptions {
  /** Also reach the API (first page of each resource) and the destination. Default false: no network. */
  readonly connect?: boolean;
  /** Names of the resources to try; default all. */
  readonly select?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface CheckResult {
  readonly ok: boolean;
  readonly resources: readonly CheckedResource[];
  readonly destination: {
    readonly location: string;
    /** With `connect`: whether a run could write there now. */
    readonly reached?: boolean;
    /** False when the first run will create it. */
    readonly exists?: boolean;
    readonly error?: ErrorReport;
  };
}

export interface CheckedResource {
  readonly name: string;
  /** Its first request, without credentials. */
  readonly request?: string;
  /** With `connect`: the status that was answered, how many records the first page has, and how it goes on. */
  readonly status?: number;
  readonly records?: number;
  readonly next?: string;
  readonly end?: Completeness;
  readonly error?: ErrorReport;
}

/**
 * Tells whether a pipeline that loaded without a problem would also run: with `connect` it reads one page of each
 * resource, of a child that of its parent's first record, and takes the lease of the destination for a moment. Loads
 * nothing, and creates nothing where the destination is not there yet.
 *
 * @throws SluiceError config/usage for a selected name that no resource has.
 */
export async function check(pipeline: Pipeline, options: CheckOptions = {}): Promise<CheckResult> {
  const { plan, planned, redactor } = pipeline.parts;
  const { connect = false, signal } = options;
  const resources: CheckedResource[] = [];
  const notes = connect ? await borrowedNotes(pipeline) : memoryNotes();
  for (const resource of selectResources(plan.resources, options.select, Object.keys(planned))) {
    const request = planned[resource.name]?.request;
    resources.push({
      name: resource.name,
      ...(request === undefined
        ? {}
        : { request: `${request.method} ${withReadablePlaceholders(request.url)}` }),
      ...(connect ? await tryResource(pipeline, resource, notes, signal) : {}),
    });
  }
  const destination = {
    location: pipeline.destination.location,
    ...(connect ? await tryDestination(pipeline, signal) : {}),
  };
  const ok = destination.error === undefined && resources.every(({ error }) => error === undefined);
  return redactor.redactDeep({ ok, resources, destination });
}

async function tryResource(
  pipeline: Pipeline,
  resource: Resource,
  notes: Notes,
  signal: AbortSignal | undefined,
): Promise<Partial<CheckedResource>> {
  try {
    const page = await firstPage(pipeline, resource, notes, signal);
    if (page === undefined) return { records: 0 };
    const { records, next, end, trace } = page;
    return {
      ...(trace === undefined ? {} : { status: trace.response.status }),
      records,
      ...(next === undefined ? {} : { next }),
      ...(end === undefined ? {} : { end }),
    };
  } catch (error) {
    return { error: asSluiceError(error).located({ resource: resource.name }).toReport() };
  }
}

async function tryDestination(
  pipeline: Pipeline,
  signal = new AbortController().signal,
): Promise<Partial<CheckResult["destination"]>> {
  const { plan } = pipeline.parts;
  const { destination } = plan;
  try {
    if ((await destination.exists?.()) === false) return { reached: true, exists: false };
    await using connection = await destination.connect(plan.dataset, signal);
    await using _lease = await connection.acquire(plan.name);
    await connection.state(plan.name);
    return { reached: true };
  } catch (error) {
    return { reached: false, error: asSluiceError(error).toReport() };
  }
}
