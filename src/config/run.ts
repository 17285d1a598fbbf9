import { asSluiceError, SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Report } from "../model/report.js";
import { systemRuntime } from "../model/runtime.js";
import type { Resource, Runtime } from "../model/source.js";
import { runPipeline } from "../pipeline/run.js";
import type { PipelineConfig } from "./define.js";
import { definePipeline, type LoadOptions, type Pipeline, type PipelineParts } from "./load.js";
import { selectResources } from "./selection.js";

export interface RunOptions {
  /** Names of the resources to load; default all. */
  readonly select?: readonly string[];
  /** Forget stored positions and start every walk from its beginning. Default false. */
  readonly fullRefresh?: boolean;
  /**
   * Reads the records of incremental resources between two values, as `initial_value` and `end_value` would, and leaves
   * what is remembered of them as it is. A backfill that was cut short goes on where it stopped when the same one is run
   * again. Merged rows are replaced; appended ones that are there already are repeated.
   */
  readonly backfill?: Range;
  /** Aborting it stops the run after the current commit; the next run goes on from there. */
  readonly signal?: AbortSignal;
  /**
   * As `LoadOptions.blockPrivateNetwork`, for a configuration given as an object. A loaded pipeline must have been loaded
   * with it. Default: as it was loaded.
   */
  readonly blockPrivateNetwork?: boolean;
  /** Called for every event, in order. */
  onEvent?(event: Event): void;
  /** Clock and chance, for tests. */
  readonly runtime?: Runtime;
}

/** Two values of `cursor_path`, from the first to the second without it; `range_start` and `range_end` may change that. */
export interface Range {
  readonly from: string;
  readonly to: string;
}

/**
 * A run under way. Await it for the report, or iterate over it for the events; both at once is fine. It never rejects
 * for what went wrong with a source or a destination: that is in the report.
 */
export interface Run extends PromiseLike<Report>, AsyncIterable<Event> {}

/**
 * Loads a pipeline once.
 *
 * @throws SluiceError config/* at once when a configuration object is not valid.
 * @example
 * const report = await run(config);
 * @example
 * for await (const event of run(config)) if (event.type === "commit") console.log(event.tables);
 */
export function run(pipeline: Pipeline | PipelineConfig, options: RunOptions = {}): Run {
  const { parts } = "parts" in pipeline ? pipeline : definePipeline(pipeline, loadOptions(options));
  if (options.blockPrivateNetwork === true && !parts.blocksPrivateNetwork) {
    throw new SluiceError("config/usage", "the pipeline was loaded without blockPrivateNetwork", {
      hint: "Give it to loadPipeline or definePipeline: connections are planned there.",
    });
  }
  const events = new EventLog();
  const selected = selectResources(parts.plan.resources, options.select, Object.keys(parts.planned));
  const resources = options.backfill === undefined ? selected : inRange(selected, parts, options);
  const report = runPipeline(
    { ...parts.plan, resources },
    {
      fullRefresh: options.fullRefresh ?? false,
      isBackfill: options.backfill !== undefined,
      signal: options.signal ?? new AbortController().signal,
      runtime: options.runtime ?? parts.runtime ?? systemRuntime,
      redactor: parts.redactor,
      onEvent(event) {
        events.push(event);
        options.onEvent?.(event);
      },
    },
  ).finally(() => events.close());
  // Whoever only iterates must not get an unhandled rejection as well.
  report.catch((error: unknown) => asSluiceError(error));
  return {
    then: (onfulfilled, onrejected) => report.then(onfulfilled, onrejected),
    [Symbol.asyncIterator]: () => events.read(),
  };
}

function inRange(
  resources: readonly Resource[],
  { planned }: PipelineParts,
  { backfill, fullRefresh }: RunOptions,
): readonly Resource[] {
  if (fullRefresh === true) {
    throw new SluiceError("config/usage", "a backfill and a full refresh are two things", {
      hint: "--from and --to read a range and leave the state alone; --full-refresh starts walks anew.",
    });
  }
  const others = resources.filter(({ name }) => planned[name]?.between === undefined);
  if (others.length > 0) {
    const names = others.map(({ name }) => name).join(", ");
    throw new SluiceError("config/usage", `${names} can't be read between two values: not incremental`, {
      hint: "Choose incremental resources with --select.",
    });
  }
  return resources.map((resource) => {
    const { name, hints } = resource;
    if (hints.writeDisposition === "replace") {
      throw new SluiceError(
        "config/usage",
        "a range would take the place of the whole table: it is replaced",
        {
          at: { resource: name },
          hint: "Choose resources that are merged or appended with --select.",
        },
      );
    }
    return located(
      name,
      () => planned[name]?.between?.(backfill?.from ?? "", backfill?.to ?? "") ?? resource,
    );
  });
}

function located<T>(resource: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof SluiceError ? error.located({ resource }) : error;
  }
}

function loadOptions({ blockPrivateNetwork }: RunOptions): LoadOptions {
  return blockPrivateNetwork === undefined ? {} : { blockPrivateNetwork };
}

/** Hands the events of one run to whoever iterates, and keeps nothing when nobody does. */
class EventLog {
  readonly #readers = new Set<EventQueue>();
  /** Events from before the caller had a chance to iterate: the first one is emitted before `run` returns. */
  #early: Event[] | undefined = [];
  #closed = false;

  constructor() {
    setImmediate(() => {
      this.#early = undefined;
    });
  }

  push(event: Event): void {
    this.#early?.push(event);
    for (const reader of this.#readers) reader.push(event);
  }

  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.close();
  }

  async *read(): AsyncGenerator<Event, void, undefined> {
    const queue = new EventQueue(this.#early ?? []);
    if (this.#closed) queue.close();
    this.#readers.add(queue);
    try {
      yield* queue;
    } finally {
      this.#readers.delete(queue);
    }
  }
}

class EventQueue {
  #events: Event[];
  #closed = false;
  #wake: () => void = () => {};

  constructor(events: readonly Event[]) {
    this.#events = [...events];
  }

  push(event: Event): void {
    this.#events.push(event);
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, undefined> {
    for (;;) {
      const events = this.#events;
      this.#events = [];
      yield* events;
      if (this.#events.length > 0) continue;
      if (this.#closed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
