import type { Connection, PackageHeader, Stage } from "../model/destination.js";
import { asSluiceError, SluiceError } from "../model/error.js";
import type { ErrorCode } from "../model/error-codes.js";
import type { Event } from "../model/event.js";
import type { JsonObject } from "../model/json.js";
import type { Completeness, Io, Notes, Page, Resource, Runtime, WriteDisposition } from "../model/source.js";
import type { PipelineState, Position, ResourceState } from "../model/state.js";
import type { TableSchema } from "../model/table.js";
import { mergeColumns } from "../normalize/declared.js";
import { createNormalizer, type Normalizer } from "../normalize/normalizer.js";
import { addPage } from "../normalize/validate.js";
import { diffTables } from "../schema/diff.js";
import { schemaHash } from "../schema/hash.js";

/** When to commit in the middle of a walk; whichever comes first. */
export interface Checkpoint {
  /** Root rows since the last commit; default 500,000. */
  readonly rows: number;
  /** Bytes of staged columns since the last commit; default 256 MiB. */
  readonly bytes: number;
  /** Seconds since the last commit; default 60. */
  readonly seconds: number;
}

export const DEFAULT_CHECKPOINT: Checkpoint = { rows: 500_000, bytes: 256 * 1024 * 1024, seconds: 60 };

/** Rows are handed to the stage in batches of about this size: small enough to stay in cache, large enough to pay. */
const BATCH_ROWS = 8192;
const BATCH_BYTES = 8 * 1024 * 1024;

/** What one lane needs: one resource on its way into one destination. */
export interface LaneContext {
  readonly pipeline: string;
  readonly loadId: string;
  /** Names of all resources that this load sets out to load. */
  readonly loadResources: readonly string[];
  readonly startedAt: number;
  readonly connection: Connection;
  /** `Destination.maxIdentifierBytes`. */
  readonly maxIdentifier: number | undefined;
  readonly state: PipelineState | undefined;
  readonly fullRefresh: boolean;
  readonly checkpoint: Checkpoint;
  readonly notes: Notes;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly emit: (event: Event) => void;
}

/**
 * Reads one resource to its end: pages → batches → stage → commits. Never rejects: how it went is said by the
 * `resource-finished` event, so that one resource's failure spares the others.
 */
export async function runLane(resource: Resource, context: LaneContext): Promise<void> {
  const { emit, signal } = context;
  const from = resumePosition(resource, context);
  emit({ type: "resource-started", resource: resource.name, resumed: from !== undefined });
  const lane = new Lane(resource, context, from);
  try {
    const { completeness, why } = await lane.read();
    const { rejected } = lane;
    emit({
      type: "resource-finished",
      resource: resource.name,
      status: "ok",
      completeness,
      ...(why === undefined ? {} : { why }),
      ...(rejected === 0 ? {} : { error: rejectedError(resource.name, rejected).toReport() }),
    });
  } catch (thrown) {
    const error = signal.aborted
      ? interrupted(resource.name)
      : asSluiceError(thrown).located({ resource: resource.name });
    // A stopped load stays open and is continued; a load that the source broke off is over.
    if (!signal.aborted && error.kind !== "destination") await recordFailure(lane, context, resource.name);
    emit({
      type: "resource-finished",
      resource: resource.name,
      status: error.kind === "interrupted" ? "interrupted" : "failed",
      completeness: error.code === "paginator/short" ? "short" : "unknown",
      error: error.toReport(),
    });
  }
}

/** Where the last walk was cut short, if this is still the same walk. */
function resumePosition(resource: Resource, context: LaneContext): Position | undefined {
  const state = context.state?.resources[resource.name];
  if (context.fullRefresh || state?.position === undefined) return undefined;
  // One that is loaded whole leaves no position: it was loaded in another way then.
  if (state.fingerprint === resource.fingerprint && !isWhole(resource)) return state.position;
  context.emit({
    type: "warning",
    resource: resource.name,
    code: "state/restarted",
    message: "its configuration changed since the run that was cut short, so its walk starts again",
  });
  return undefined;
}

async function recordFailure(lane: Lane, context: LaneContext, resource: string): Promise<void> {
  try {
    await lane.recordFailure();
  } catch (error) {
    const { message } = asSluiceError(error);
    context.emit({ type: "warning", resource, code: "state/not-recorded", message });
  }
}

/** The moving parts of one resource's load. */
class Lane {
  rejected = 0;
  readonly #resource: Resource;
  readonly #context: LaneContext;
  readonly #normalizer: Normalizer;
  /** The tables as last committed. */
  #committed: readonly TableSchema[];
  #packages: number;
  /** Records and values set aside in this run. */
  #setAside = 0;
  #settled: boolean;
  #stagedBytes = 0;
  #pageRows = 0;
  #rowsAtCommit = 0;
  #committedAt: number;
  readonly #from: Position | undefined;
  /** Where to go on after the last commit. */
  #committedPosition: Position | undefined;
  /** Where to go on after the pages that are staged; undefined before the first page and where a source can't resume. */
  #resume: Position | undefined;
  /** What the next complete walk begins with, after the pages that are staged, and as last committed. */
  #cursor: JsonObject | undefined;
  #committedCursor: JsonObject | undefined;

  constructor(resource: Resource, context: LaneContext, from: Position | undefined) {
    this.#resource = resource;
    this.#context = context;
    this.#from = from;
    this.#committedPosition = from;
    this.#committedAt = context.runtime.now();
    this.#committed = (context.state?.tables ?? []).filter((table) => table.resource === resource.name);
    const before = context.state?.resources[resource.name];
    this.#settled = before?.settled === true;
    // A replaced table holds what this walk brings and nothing else.
    const isAfresh = context.fullRefresh || resource.hints.writeDisposition === "replace";
    this.#cursor = isAfresh ? undefined : before?.cursor;
    this.#committedCursor = this.#cursor;
    this.#packages = before?.loadId === context.loadId ? before.packages : 0;
    this.#normalizer = createNormalizer({
      resource: resource.name,
      table: resource.table,
      hints: resource.hints,
      known: this.#committed,
      settled: before?.settled === true,
      loadId: context.loadId,
      now: context.startedAt,
      ...(context.maxIdentifier === undefined ? {} : { maxIdentifier: context.maxIdentifier }),
    });
  }

  async read(): Promise<{ readonly completeness: Completeness; readonly why?: string }> {
    await using stage = await this.#openStage(this.#resource.hints.writeDisposition);
    let completeness: Completeness = "unknown";
    let why: string | undefined;
    try {
      for await (const page of this.#resource.read(this.#from, this.#io())) {
        await this.#take(page, stage);
        completeness = page.completeness ?? completeness;
        why = page.why ?? why;
      }
      // A generator may answer a stop by ending: that is no complete walk.
      this.#context.signal.throwIfAborted();
    } catch (error) {
      await this.#saveProgress(stage, error);
      throw error;
    }
    if (completeness === "short" && this.#resource.hints.allowShort !== true) {
      // Merged rows do no harm when the next walk brings them again; appended ones would be there twice.
      if (this.#resource.hints.writeDisposition === "merge" && !isWhole(this.#resource))
        await this.#commit(stage, "running");
      throw shortWalk(this.#resource.name, why);
    }
    await this.#commit(stage, "done", completeness);
    return { completeness, ...(why === undefined ? {} : { why }) };
  }

  /** Commits nothing but the fact that this load is over for the resource, and where the next one goes on. */
  async recordFailure(): Promise<void> {
    // Append, whatever the resource's disposition: an empty replace would empty its tables.
    await using stage = await this.#openStage("append");
    await stage.commit({
      ...this.#nextPackage(this.#committed),
      changes: [],
      rejects: [],
      state: this.#state("failed", this.#committedPosition, this.#committedCursor),
    });
  }

  #openStage(writeDisposition: WriteDisposition): Promise<Stage> {
    const { connection, pipeline, loadId } = this.#context;
    const { merge } = this.#resource.hints;
    return connection.stage({
      pipeline,
      loadId,
      resource: this.#resource.name,
      writeDisposition,
      ...(merge === undefined ? {} : { merge: mergeColumns(merge, this.#context.maxIdentifier) }),
    });
  }

  #nextPackage(
    tables: readonly TableSchema[],
  ): Pick<PackageHeader, "id" | "tables" | "startedAt" | "schemaHash"> {
    const { loadId, startedAt } = this.#context;
    this.#packages += 1;
    const id = `${loadId}/${this.#resource.name}/${this.#packages}`;
    return { id, tables, startedAt, schemaHash: schemaHash(tables) };
  }

  #state(
    status: ResourceState["status"],
    position: Position | undefined,
    cursor: JsonObject | undefined,
    completeness?: Completeness,
  ): ResourceState {
    const { loadId, loadResources, runtime } = this.#context;
    return {
      fingerprint: this.#resource.fingerprint,
      status,
      ...(position === undefined ? {} : { position }),
      ...(cursor === undefined ? {} : { cursor }),
      ...(completeness === undefined ? {} : { completeness }),
      ...(this.#settled ? { settled: true } : {}),
      loadId,
      loadResources,
      packages: this.#packages,
      committedAt: runtime.now(),
    };
  }

  #io(): Io {
    const { notes, runtime, signal, emit } = this.#context;
    return { ...(this.#cursor === undefined ? {} : { cursor: this.#cursor }), notes, runtime, signal, emit };
  }

  async #take(page: Page, stage: Stage): Promise<void> {
    this.#context.signal.throwIfAborted();
    await addPage(this.#normalizer, page.records, this.#resource.schema);
    this.#resume = page.resume;
    this.#cursor = page.cursor ?? this.#cursor;
    const rows = page.records.values.length;
    this.#pageRows += rows;
    this.#context.emit({ type: "page", resource: this.#resource.name, rows, bytes: page.bytes });
    const { bufferedRows, bufferedBytes } = this.#normalizer;
    if (bufferedRows >= BATCH_ROWS || bufferedBytes >= BATCH_BYTES) await this.#stageBatches(stage);
    if (page.resume !== undefined && this.#isCheckpointDue()) await this.#commit(stage, "running");
  }

  async #stageBatches(stage: Stage): Promise<void> {
    for (const batch of this.#normalizer.take()) {
      await stage.write(batch);
      this.#stagedBytes += batch.bytes;
    }
  }

  #isCheckpointDue(): boolean {
    if (isWhole(this.#resource)) return false;
    const { checkpoint, runtime } = this.#context;
    return (
      this.#normalizer.rows - this.#rowsAtCommit >= checkpoint.rows ||
      this.#stagedBytes + this.#normalizer.bufferedBytes >= checkpoint.bytes ||
      runtime.now() - this.#committedAt >= checkpoint.seconds * 1000
    );
  }

  /** Keeps what was read before the source failed, if the next run can go on from there. */
  async #saveProgress(stage: Stage, error: unknown): Promise<void> {
    if (this.#resume === undefined || this.#pageRows === 0) return;
    if (isWhole(this.#resource) || !isSourceGone(error, this.#context.signal)) return;
    await this.#commit(stage, "running");
  }

  #refuseTooMany(more: number): void {
    const { maxRejected } = this.#resource.hints;
    const count = this.#setAside + more;
    if (maxRejected !== undefined && count > maxRejected)
      throw tooManyRejects(this.#resource.name, count, maxRejected);
  }

  /** Whether what is missing in this package is gone at the source; where it should tell and can't, a warning does. */
  #isSnapshot(completeness: Completeness | undefined, hasRejects: boolean): boolean {
    if (this.#resource.hints.merge?.deleteMissing === undefined) return false;
    const why = this.#whyPartial(completeness, hasRejects);
    if (why === undefined) return true;
    this.#context.emit({
      type: "warning",
      resource: this.#resource.name,
      code: "data/not-deleted",
      message: `rows that were missing in this walk are kept, because they may still be there: ${why}`,
    });
    return false;
  }

  #whyPartial(completeness: Completeness | undefined, hasRejects: boolean): string | undefined {
    if (this.#cursor !== undefined) return "it brings only what is new";
    if (completeness !== "proved" && completeness !== "likely")
      return `its completeness is ${completeness ?? "unknown"}`;
    return hasRejects ? "records were set aside" : undefined;
  }

  async #commit(stage: Stage, status: "running" | "done", completeness?: Completeness): Promise<void> {
    const { connection, runtime, emit } = this.#context;
    const resource = this.#resource.name;
    await this.#stageBatches(stage);
    const tables = this.#normalizer.tables();
    const changes = diffTables(await connection.describe(tables.map((table) => table.name)), tables);
    const { rejects, discarded } = this.#normalizer.takeRejects();
    this.#refuseTooMany(rejects.length);
    const position = status === "running" ? this.#resume : undefined;
    const pkg = this.#nextPackage(tables);
    this.#settled ||= status === "done";
    const state = this.#state(status, position, this.#cursor, completeness);
    const snapshot = this.#isSnapshot(completeness, rejects.length > 0);
    const receipt = await stage.commit({
      ...pkg,
      changes,
      rejects,
      state,
      ...(snapshot ? { snapshot } : {}),
    });
    if (receipt.replayed)
      throw new SluiceError("internal/bug", `package ${pkg.id} was there before it was committed`);

    for (const change of changes) emit({ type: "schema-change", resource, change });
    for (const message of receipt.warnings ?? []) {
      emit({ type: "warning", resource, code: "destination/replaced", message });
    }
    const rows = this.#normalizer.rows - this.#rowsAtCommit;
    emit({ type: "commit", resource, package: pkg.id, rows, tables: receipt.tables });
    this.rejected += rejects.length - discarded;
    this.#setAside += rejects.length;
    this.#committed = tables;
    this.#committedPosition = position;
    this.#committedCursor = this.#cursor;
    this.#committedAt = runtime.now();
    this.#rowsAtCommit = this.#normalizer.rows;
    this.#stagedBytes = 0;
    this.#pageRows = 0;
  }
}

/**
 * Whether a load is one package or none: a replaced table shows its new rows only when all of them are there, and these
 * rules of merge speak of all rows of a load together.
 */
function isWhole({ hints: { merge, writeDisposition } }: Resource): boolean {
  if (writeDisposition === "replace") return true;
  if (writeDisposition !== "merge" || merge === undefined) return false;
  const { dedupSort, deleteMissing, mergeKey = [] } = merge;
  return dedupSort !== undefined || deleteMissing !== undefined || mergeKey.length > 0;
}

/** Failures of the source that say nothing against the pages before them. */
const HARMLESS_TO_PAGES: ReadonlySet<ErrorCode> = new Set([
  "auth/rejected",
  "http/status",
  "http/rate-limit",
  "http/network",
  "http/timeout",
  "parent/value",
]);

/**
 * Whether the pages read so far are good: the network broke, the API refused, the user stopped the run. After other
 * errors (a loop, a page that can't be read) they may be wrong, and are dropped.
 */
function isSourceGone(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || HARMLESS_TO_PAGES.has(asSluiceError(error).code);
}

function interrupted(resource: string): SluiceError {
  return new SluiceError("run/interrupted", "the run was stopped before this resource was complete", {
    at: { resource },
    hint: "Run again: it goes on from the last commit.",
  });
}

function shortWalk(resource: string, why: string | undefined): SluiceError {
  const reason = why === undefined ? "" : `: ${why}`;
  return new SluiceError(
    "paginator/short",
    `the walk ended although the API says that there is more${reason}`,
    {
      at: { resource },
      hint: "Check the paginator's options against a response: `sluice preview` shows where it ends. Merged rows are kept; appended and replaced ones since the last commit are not. endpoint.allow_short: true takes it as it is.",
    },
  );
}

function tooManyRejects(resource: string, count: number, max: number): SluiceError {
  return new SluiceError(
    "data/too-many-rejects",
    `${count} records or values would be set aside, and max_rejected is ${max}`,
    {
      at: { resource },
      hint: "`sluice preview` shows the records. Nothing since the last commit is kept; correct the columns or the contract, or raise max_rejected.",
    },
  );
}

function rejectedError(resource: string, count: number): SluiceError {
  return new SluiceError(
    "data/rejected",
    `${count} ${count === 1 ? "record was" : "records were"} set aside in _sluice_rejects because of the declared schema`,
    {
      at: { resource },
      hint: `Look at them: select reason, path, record from _sluice_rejects where resource = '${resource}'.`,
    },
  );
}
