import type { Completeness, ErrorReport, Event } from "../../api.js";

/** What is known of one resource while a run is under way. */
export interface ResourceProgress {
  readonly name: string;
  readonly status: "waiting" | "running" | "ok" | "failed" | "interrupted";
  readonly pages: number;
  /** Rows read; those of the last commit are `committed`. */
  readonly rows: number;
  readonly committed: number;
  readonly bytes: number;
  readonly retries: number;
  /** Milliseconds since 1970. */
  readonly startedAt?: number;
  readonly finishedAt?: number;
  /** Set while it waits for a rate limit, or before it sends a request again. */
  readonly pause?: { readonly until: number; readonly reason: string };
  readonly completeness?: Completeness;
  readonly error?: ErrorReport;
}

/** Progress by resource, in the order of the configuration. */
export type Progress = ReadonlyMap<string, ResourceProgress>;

/** The progress after an event. A pure function: time is given. */
export function advance(progress: Progress, event: Event, now: number): Progress {
  if (event.type === "run-started") {
    return new Map(event.resources.map((name) => [name, created(name)]));
  }
  if (event.type === "load-started") {
    return event.continued.reduce<Progress>(
      (all, { resource, completeness }) =>
        new Map(all).set(resource, { ...created(resource), status: "ok", completeness }),
      progress,
    );
  }
  if (!("resource" in event) || event.resource === undefined) return progress;
  const before = progress.get(event.resource) ?? created(event.resource);
  return new Map(progress).set(event.resource, changed(before, event, now));
}

function created(name: string): ResourceProgress {
  return { name, status: "waiting", pages: 0, rows: 0, committed: 0, bytes: 0, retries: 0 };
}

function changed(before: ResourceProgress, event: Event, now: number): ResourceProgress {
  if (event.type === "retry") {
    const pause = { until: now + event.waitMs, reason: event.reason };
    return { ...before, retries: before.retries + 1, pause };
  }
  if (event.type === "wait") return { ...before, pause: { until: now + event.waitMs, reason: event.reason } };
  // Whatever else happens to a resource ends its pause.
  const { pause: _, ...awake } = before;
  switch (event.type) {
    case "resource-started":
      return { ...awake, status: "running", startedAt: now };
    case "page":
      return {
        ...awake,
        pages: before.pages + 1,
        rows: before.rows + event.rows,
        bytes: before.bytes + event.bytes,
      };
    case "commit":
      return { ...awake, committed: before.committed + event.rows };
    case "resource-finished":
      return {
        ...awake,
        status: event.status,
        finishedAt: now,
        completeness: event.completeness,
        ...(event.error === undefined ? {} : { error: event.error }),
      };
    default:
      return event.type === "request" ? awake : before;
  }
}

/** Rows per second since the resource started; undefined in its first tenth of a second. */
export function rowsPerSecond(resource: ResourceProgress, now: number): number | undefined {
  if (resource.startedAt === undefined) return undefined;
  const ms = (resource.finishedAt ?? now) - resource.startedAt;
  return ms < 100 ? undefined : (resource.rows / ms) * 1000;
}

/** Milliseconds from the resource's start to its end, or to now. */
export function elapsed(resource: ResourceProgress, now: number): number {
  return resource.startedAt === undefined ? 0 : (resource.finishedAt ?? now) - resource.startedAt;
}
