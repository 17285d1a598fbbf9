import type { Connection } from "../model/destination.js";
import type { JsonObject } from "../model/json.js";
import type { Resource, Runtime } from "../model/source.js";
import type { PipelineState, ResourceState, Unfinished } from "../model/state.js";
import { schemaHash } from "../schema/hash.js";
import { newLoadId } from "./load-id.js";

/**
 * Commits a new cursor for a resource, and no rows. A walk that was cut short is over with it: it would end at a cursor
 * of its own. The caller holds the lease.
 */
export async function commitCursor(
  connection: Connection,
  pipeline: string,
  resource: Resource,
  state: PipelineState | undefined,
  cursor: JsonObject,
  runtime: Pick<Runtime, "now">,
): Promise<void> {
  const loadId = newLoadId(runtime.now());
  const tables = (state?.tables ?? []).filter((table) => table.resource === resource.name);
  // Append, so that no table changes; without parts, so that those of a walk that is over go.
  await using stage = await connection.stage({
    pipeline,
    loadId,
    resource: resource.name,
    writeDisposition: "append",
  });
  await stage.commit({
    id: `${loadId}/${resource.name}/state`,
    tables,
    changes: [],
    rejects: [],
    state: { ...withoutWalk(state?.resources[resource.name], resource), cursor, committedAt: runtime.now() },
    startedAt: runtime.now(),
    schemaHash: schemaHash(tables),
  });
}

function withoutWalk(before: ResourceState | undefined, resource: Resource): ResourceState {
  if (before === undefined) return unread(resource);
  const { position: _position, held: _held, rejects: _rejects, backfill, ...rest } = before;
  const kept = backfill === undefined || backfill.held !== undefined ? rest : { ...rest, backfill };
  return kept.status === "done" ? kept : { ...kept, status: "failed" };
}

/** The state of a resource that no load has read: older than any load, so that one which was cut short is still found. */
export function unread(resource: Resource): ResourceState {
  return {
    fingerprint: resource.fingerprint,
    status: "failed",
    loadId: "",
    loadResources: [],
    packages: 0,
    committedAt: 0,
  };
}

/** A state with what there is to remember of a backfill: nothing, when it is over. All else stays as it is. */
export function withBackfill(state: ResourceState, walk: Unfinished): ResourceState {
  const { backfill: _backfill, ...rest } = state;
  return walk.position === undefined ? rest : { ...rest, backfill: walk };
}
