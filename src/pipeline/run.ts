import type { Connection, Destination } from "../model/destination.js";
import { asSluiceError, type ErrorReport, SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Report } from "../model/report.js";
import type { Redactor } from "../model/secret.js";
import type { Notes, Resource, Runtime } from "../model/source.js";
import type { PipelineState } from "../model/state.js";
import { usualThreads } from "../normalize/thread.js";
import { type Checkpoint, type LaneContext, runLane } from "./lane.js";
import { newLoadId } from "./load-id.js";
import { findOpenLoad, type OpenLoad } from "./open-load.js";
import { createReporter } from "./report.js";
import { missingSystemText, refuseLostState } from "./tables.js";

/** A pipeline with nothing left to decide: resources on one side, a destination on the other. */
export interface PipelinePlan {
  readonly name: string;
  readonly dataset: string;
  readonly destination: Destination;
  /** Those to load, in order. */
  readonly resources: readonly Resource[];
  readonly checkpoint: Checkpoint;
  /** How many resources are read at the same time. */
  readonly concurrency: number;
  /** Threads that turn pages into columns. Default: `usualThreads`. */
  readonly normalizerThreads?: number | undefined;
  /** How long records of loads are kept, in milliseconds. Default: for ever. */
  readonly historyMs?: number;
}

export interface RunOptions {
  /** Forget stored positions and start every walk from its beginning. */
  readonly fullRefresh: boolean;
  /** The resources read a part of what they have, on purpose: what is remembered of them stays as it is. Default false. */
  readonly isBackfill?: boolean;
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
  readonly redactor: Redactor;
  onEvent(event: Event): void;
}

/**
 * Runs a pipeline once and reports. It never rejects: a failure of the destination or of a resource is in the report,
 * so that whatever happened, there is one document that says so.
 */
export async function runPipeline(plan: PipelinePlan, options: RunOptions): Promise<Report> {
  const { runtime, redactor } = options;
  const startedAt = runtime.now();
  const reporter = createReporter(plan.name);
  const emit = (event: Event): void => {
    const safe = redactor.redactDeep(event);
    reporter.observe(safe);
    options.onEvent(safe);
  };
  emit({ type: "run-started", pipeline: plan.name, resources: plan.resources.map(({ name }) => name) });

  let error: ErrorReport | undefined;
  try {
    await using connection = await plan.destination.connect(plan.dataset, options.signal);
    await using _lease = await connection.acquire(plan.name);
    if (plan.historyMs !== undefined) await connection.prune?.(plan.name, startedAt - plan.historyMs);
    const state = await connection.state(plan.name);
    refuseLostState(state, plan.name, options.fullRefresh);
    const lost = missingSystemText(state);
    if (lost !== undefined) emit({ type: "warning", code: "destination/changed", message: lost });
    const isAfresh = options.fullRefresh || options.isBackfill === true;
    const load = chooseLoad(plan, isAfresh, state, startedAt);
    emit({ type: "load-started", loadId: load.id, continued: load.complete });
    const context: LaneContext = {
      pipeline: plan.name,
      loadId: load.id,
      loadResources: load.resources,
      startedAt,
      loadStartedAt: load.startedAt ?? startedAt,
      connection,
      maxIdentifier: plan.destination.maxIdentifierBytes,
      state,
      fullRefresh: options.fullRefresh,
      isBackfill: options.isBackfill ?? false,
      checkpoint: plan.checkpoint,
      normalizerThreads: plan.normalizerThreads ?? usualThreads(),
      notes: notesIn(connection, plan.name, state),
      runtime,
      signal: options.signal,
      emit,
    };
    const wanted = plan.resources.filter(({ name }) =>
      load.complete.every(({ resource }) => resource !== name),
    );
    await inParallel(wanted, plan.concurrency, (resource) => runLane(resource, context));
  } catch (thrown) {
    error = redactor.redactDeep(destinationError(thrown, options.signal).toReport());
  }
  const report = reporter.finish({
    durationMs: runtime.now() - startedAt,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    ...(error === undefined ? {} : { error }),
  });
  options.onEvent({ type: "run-finished", report });
  return report;
}

function notesIn(connection: Connection, pipeline: string, state: PipelineState | undefined): Notes {
  const known = new Map(Object.entries(state?.notes ?? {}));
  return {
    read: (key) => known.get(key),
    async write(key, value) {
      known.set(key, value);
      await connection.remember(pipeline, key, value);
    },
  };
}

/** The load that was cut short, or a new one. */
function chooseLoad(
  plan: PipelinePlan,
  isAfresh: boolean,
  state: PipelineState | undefined,
  now: number,
): OpenLoad {
  const open = isAfresh ? undefined : findOpenLoad(state, plan.resources);
  return open ?? { id: newLoadId(now), resources: plan.resources.map(({ name }) => name), complete: [] };
}

function destinationError(thrown: unknown, signal: AbortSignal): SluiceError {
  if (signal.aborted)
    return new SluiceError("run/interrupted", "the run was stopped before it began to load");
  return asSluiceError(thrown);
}

async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}
