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

/** All that a destination knows of a pipeline. */
export interface PipelineState {
  readonly resources: Readonly<Record<string, ResourceState>>;
  /** What `Connection.remember` was given, by key. */
  readonly notes: Readonly<Record<string, Json>>;
  /** The tables as last committed by this pipeline: column order, sources, variants. */
  readonly tables: readonly TableSchema[];
}
