import type { Json, JsonObject } from "./json.js";
import type { Completeness } from "./source.js";
import type { TableSchema } from "./table.js";

/**
 * Where a resource's walk goes on: plain JSON that only the resource understands (for REST: the next request, without
 * credentials). Give it to `Resource.read` to continue after the page it came with.
 */
export type Position = JsonObject;

/** What a destination remembers of one resource of one pipeline, updated in place by each commit. */
export interface ResourceState {
  /** Resource.fingerprint of the configuration the position belongs to; another one restarts the walk. */
  readonly fingerprint: string;
  /**
   * - `running`: pages were committed and more follow. Found at a start, it means that the run was killed or stopped.
   * - `failed`: the source broke the walk off; the next load goes on from `position`.
   * - `done`: the last walk was complete.
   */
  readonly status: "running" | "failed" | "done";
  readonly position?: Position;
  /** The last `Page.cursor`: from where an incremental resource goes on. */
  readonly cursor?: JsonObject;
  readonly completeness?: Completeness;
  /** Whether a walk was ever complete: from then on its schema contract holds for the tables that are there. */
  readonly settled?: true;
  /** Records and values set aside so far in the walk that goes on at `position`. */
  readonly rejects?: SetAsideCounts;
  /** What is kept out of sight of the walk that goes on at `position`. */
  readonly held?: HeldWalk;
  /** A backfill (`run --from --to`) that was cut short: all that is remembered of one. */
  readonly backfill?: Unfinished;
  /** The load that committed this state, and the resources that it set out to load. */
  readonly loadId: string;
  /** Milliseconds since 1970 when that load began; a load that is continued keeps it. */
  readonly loadStartedAt?: number;
  readonly loadResources: readonly string[];
  /** Packages of this resource in that load so far; the next package's id follows from it. */
  readonly packages: number;
  /** Milliseconds since 1970 of that commit. */
  readonly committedAt: number;
}

/** A walk that was cut short: what `ResourceState` has of one under the same names. */
export type Unfinished = Pick<ResourceState, "fingerprint" | "position" | "held" | "rejects">;

/** How many were set aside, and how many of them because the schema contract asks for it. */
export interface SetAsideCounts {
  readonly all: number;
  readonly discarded: number;
}

/** A walk whose rows become visible all at once, as far as it has come: what is needed to go on with it. */
export interface HeldWalk {
  /** `StagePlan.walk` of its parts. */
  readonly walk: string;
  /** The tables of the rows that are kept; `PipelineState.tables` has those that are in sight. */
  readonly tables: readonly TableSchema[];
  /** The last `Page.cursor`. `ResourceState.cursor` stays as it was before the walk, for as long as its rows are kept back. */
  readonly cursor?: JsonObject;
  /** Milliseconds since 1970 when the load began in which the walk did: all its versions begin then (scd2). */
  readonly startedAt: number;
  /** Milliseconds since 1970 of which ids are made that are later than those of all rows that are kept. */
  readonly idsFrom: number;
}

/** All that a destination knows of a pipeline. */
export interface PipelineState {
  readonly resources: Readonly<Record<string, ResourceState>>;
  /** What `Connection.remember` was given, by key. */
  readonly notes: Readonly<Record<string, Json>>;
  /** The tables as last committed by this pipeline: column order, sources, variants. */
  readonly tables: readonly TableSchema[];
  /** System tables that are gone although this pipeline was loaded here; the rest of the state lacks what they held. */
  readonly missing?: readonly string[];
}
