import type { JsonObject } from "./json.js";
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
  /** `running`: a load was cut short after a checkpoint, `position` says where. `done`: the last walk was complete. */
  readonly status: "running" | "done";
  readonly position?: Position;
  /** The load that committed this state. */
  readonly loadId: string;
  /** Milliseconds since 1970 of that commit. */
  readonly committedAt: number;
}

/** All that a destination knows of a pipeline. */
export interface PipelineState {
  readonly resources: Readonly<Record<string, ResourceState>>;
  /** The tables as last committed by this pipeline: column order, sources, variants. */
  readonly tables: readonly TableSchema[];
}
