import { asSluiceError, type ErrorReport } from "../model/error.js";
import type { Pipeline } from "./load.js";
import { preview } from "./preview.js";

export interface CheckOptions {
  /** Also reach the API (first page of each resource) and the destination. Default false: no network. */
  readonly connect?: boolean;
  readonly signal?: AbortSignal;
}

export interface CheckResult {
  readonly ok: boolean;
  /** The first request of each resource, without credentials. */
  readonly resources: readonly {
    readonly name: string;
    readonly request?: string;
    /** With `connect`: records on the first page, or why there are none. */
    readonly records?: number;
    readonly error?: ErrorReport;
  }[];
  readonly destination: {
    readonly location: string;
    readonly reached?: boolean;
    readonly error?: ErrorReport;
  };
}

/**
 * Tells whether a pipeline that loaded without a problem would also run: with `connect` it reads one page of each
 * resource and opens the destination. Loads nothing.
 */
export async function check(pipeline: Pipeline, options: CheckOptions = {}): Promise<CheckResult> {
  const { requests, redactor } = pipeline.parts;
  const resources: CheckResult["resources"][number][] = [];
  for (const name of pipeline.resources) {
    const request = requests[name];
    const described = {
      name,
      ...(request === undefined ? {} : { request: `${request.method} ${request.url}` }),
    };
    resources.push({
      ...described,
      ...(options.connect === true ? await firstPage(pipeline, name, options.signal) : {}),
    });
  }
  const destination = {
    location: pipeline.destination.location,
    ...(options.connect === true ? await reachDestination(pipeline, options.signal) : {}),
  };
  const ok = destination.error === undefined && resources.every(({ error }) => error === undefined);
  return redactor.redactDeep({ ok, resources, destination });
}

async function firstPage(
  pipeline: Pipeline,
  name: string,
  signal: AbortSignal | undefined,
): Promise<{ records?: number; error?: ErrorReport }> {
  try {
    const { pages } = await preview(pipeline, name, signal === undefined ? {} : { signal });
    return { records: pages[0]?.records ?? 0 };
  } catch (error) {
    return { error: asSluiceError(error).toReport() };
  }
}

async function reachDestination(
  pipeline: Pipeline,
  signal: AbortSignal | undefined,
): Promise<{ reached?: boolean; error?: ErrorReport }> {
  const { plan } = pipeline.parts;
  try {
    await using connection = await plan.destination.connect(
      plan.dataset,
      signal ?? new AbortController().signal,
    );
    await connection.state(plan.name);
    return { reached: true };
  } catch (error) {
    return { reached: false, error: asSluiceError(error).toReport() };
  }
}
