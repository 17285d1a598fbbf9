import type { Batch } from "../model/batch.js";
import type { Connection, PackageHeader, Receipt, Stage } from "../model/destination.js";
import { asSluiceError, SluiceError } from "../model/error.js";
import type { ErrorCode } from "../model/error-codes.js";
import type { Event } from "../model/event.js";
import type { JsonObject } from "../model/json.js";
import type { Completeness, Io, Notes, Page, Resource, Runtime, WriteDisposition } from "../model/source.js";
import type {
  HeldWalk,
  PipelineState,
  Position,
  ResourceState,
  SetAsideCounts,
  Unfinished,
} from "../model/state.js";
import type { SchemaChange, TableSchema } from "../model/table.js";
import { mergeColumns, nullKeys, unmetTypes } from "../normalize/declared.js";
import { diffTables } from "../schema/diff.js";
import { findDrift } from "../schema/drift.js";
import { schemaHash } from "../schema/hash.js";
import { namingOf } from "../schema/naming.js";
import { unread, withBackfill } from "./edit-state.js";
import { interrupted, rejectedError, shortWalk, tooManyRejects } from "./lane-errors.js";
import { Normalizing } from "./normalizing.js";
import {
  refuseLosingHistory,
  refuseNulls,
  refuseUnfit,
  refuseVanished,
  type StandingTables,
  standingTables,
} from "./tables.js";
import { writeBehind } from "./write-behind.js";

/** When to commit in the middle of a walk; whichever comes first. */
export interface Checkpoint {
  /** Root rows since the last commit; default 500,000. */
  readonly rows: number;
  /** Bytes of staged columns since the last commit; default 1 GiB. */
  readonly bytes: number;
  /** Seconds since the last commit; default 60. */
  readonly seconds: number;
}

export const DEFAULT_CHECKPOINT: Checkpoint = { rows: 500_000, bytes: 1024 * 1024 * 1024, seconds: 60 };

/** What one lane needs: one resource on its way into one destination. */
export interface LaneContext {
  readonly pipeline: string;
  readonly loadId: string;
  /** Names of all resources that this load sets out to load. */
  readonly loadResources: readonly string[];
  readonly startedAt: number;
  /** When the load began, which a continued one did in an earlier run. */
  readonly loadStartedAt: number;
  readonly connection: Connection;
  /** `Destination.maxIdentifierBytes`. */
  readonly maxIdentifier: number | undefined;
  readonly state: PipelineState | undefined;
  readonly fullRefresh: boolean;
  /** `RunOptions.isBackfill`. */
  readonly isBackfill: boolean;
  readonly checkpoint: Checkpoint;
  /** `PipelinePlan.normalizerThreads`. */
  readonly normalizerThreads: number;
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
  let lane: Lane | undefined;
  try {
    lane = await startLane(resource, context);
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
    const isOver = !signal.aborted && error.kind !== "destination" && error.code !== "state/unfinished";
    if (lane !== undefined && isOver) await recordFailure(lane, context, resource.name);
    emit({
      type: "resource-finished",
      resource: resource.name,
      status: error.kind === "interrupted" ? "interrupted" : "failed",
      completeness: error.code === "paginator/short" ? "short" : "unknown",
      error: error.toReport(),
    });
  }
}

async function startLane(resource: Resource, context: LaneContext): Promise<Lane> {
  const started = (resumed: Unfinished | undefined): void =>
    context.emit({ type: "resource-started", resource: resource.name, resumed: resumed !== undefined });
  try {
    if (context.isBackfill) checkBackfill(resource, context);
    const tables = await standingTables(resource, context);
    const resumed = tables.mustRestart ? undefined : unfinishedWalk(resource, context);
    started(resumed);
    const lane = new Lane(resource, context, resumed, tables);
    lane.warnOfUnmetTypes();
    return lane;
  } catch (error) {
    started(undefined);
    throw error;
  }
}

/** Tells of rows that may come twice, and refuses what would drop the parts of a walk. */
function checkBackfill({ name, hints }: Resource, { emit, state }: LaneContext): void {
  if (hints.writeDisposition === "append") {
    emit({
      type: "warning",
      resource: name,
      code: "backfill/append",
      message: "its rows are appended: those of the range that are there already will be there twice",
    });
  }
  if (state?.resources[name]?.held === undefined) return;
  throw new SluiceError(
    "state/unfinished",
    "rows of its last walk, which was cut short, are kept back, and a backfill would drop them",
    { at: { resource: name }, hint: "Run without --from and --to first, or reset its state." },
  );
}

/** The walk that was cut short, with the position where it was, if this is still the same walk. */
function unfinishedWalk(resource: Resource, context: LaneContext): Unfinished | undefined {
  const before = context.state?.resources[resource.name];
  const state = context.isBackfill ? before?.backfill : before;
  if (context.fullRefresh || state?.position === undefined) return undefined;
  if (isSameWalk(state, resource)) return state;
  context.emit({
    type: "warning",
    resource: resource.name,
    code: "state/restarted",
    message: context.isBackfill
      ? "its configuration or the range is another one than when its last backfill was cut short, so its walk starts again"
      : "its configuration changed since the run that was cut short, so its walk starts again",
  });
  return undefined;
}

/** Whether a walk that was cut short is one of this resource as it is configured now. */
export function isSameWalk(walk: Unfinished, resource: Resource): boolean {
  // Rows that were kept back belong to a walk that is loaded whole, and rows in sight to one that is not.
  const isHeld = walk.held !== undefined;
  return walk.fingerprint === resource.fingerprint && isHeld === isWhole(resource);
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
  readonly #normalizing: Normalizing;
  #stage: Stage | undefined;
  /** The tables as last committed. */
  #committed: readonly TableSchema[];
  /** Those of them that this load found gone. */
  #missing: ReadonlySet<string>;
  #packages: number;
  /** Records and values set aside in this walk. */
  #setAside = 0;
  #settled: boolean;
  #stagedBytes = 0;
  #pageRows = 0;
  #rowsAtCommit = 0;
  #committedAt: number;
  readonly #from: Position | undefined;
  /** `StagePlan.walk`: what the parts of a walk that is loaded whole are known by; undefined for other walks. */
  readonly #walk: string | undefined;
  /** What is kept back of this walk as last committed. */
  #held: HeldWalk | undefined;
  readonly #standing: StandingTables;
  /** The commit that is under way. */
  #committing: Promise<void> | undefined;
  /** Where to go on after the last commit. */
  #committedPosition: Position | undefined;
  /** Where to go on after the pages that are staged; undefined before the first page and where a source can't resume. */
  #resume: Position | undefined;
  /** What the next complete walk begins with, after the pages that are staged, and as last committed. */
  #cursor: JsonObject | undefined;
  #committedCursor: JsonObject | undefined;

  constructor(
    resource: Resource,
    context: LaneContext,
    resumed: Unfinished | undefined,
    standing: StandingTables,
  ) {
    const before = context.state?.resources[resource.name];
    this.#resource = resource;
    this.#standing = standing;
    this.#context = context;
    this.#packages = before?.loadId === context.loadId ? before.packages : 0;
    this.#from = resumed?.position;
    this.#committedPosition = this.#from;
    this.#held = resumed?.held;
    this.#walk =
      isWhole(resource) && context.connection.keepsParts === true
        ? (this.#held?.walk ?? this.#newWalk())
        : undefined;
    this.#setAside = resumed?.rejects?.all ?? 0;
    this.rejected = this.#setAside - (resumed?.rejects?.discarded ?? 0);
    this.#committedAt = context.runtime.now();
    this.#committed = standing.known;
    this.#missing = standing.missing;
    this.#settled = before?.settled === true;
    // A replaced table holds what this walk brings and nothing else.
    const isAfresh = context.isBackfill || resource.hints.writeDisposition === "replace";
    this.#committedCursor = context.fullRefresh ? undefined : before?.cursor;
    this.#cursor = this.#held?.cursor ?? (isAfresh ? undefined : this.#committedCursor);
    const options = {
      resource: resource.name,
      table: resource.table,
      hints: resource.hints,
      known: this.#held?.tables ?? this.#committed,
      settled: before?.settled === true,
      loadId: context.loadId,
      now: Math.max(context.startedAt, this.#held?.idsFrom ?? 0),
      boundary: this.#boundary(),
      ...(context.maxIdentifier === undefined ? {} : { maxIdentifier: context.maxIdentifier }),
    };
    this.#normalizing = new Normalizing(options, {
      schema: resource.schema,
      threads: context.normalizerThreads,
      write: (batch) => this.#stageBatch(batch),
    });
  }

  warnOfUnmetTypes(): void {
    const { hints, name } = this.#resource;
    const naming = namingOf(hints, this.#context.maxIdentifier);
    for (const message of unmetTypes(hints, naming, this.#normalizing.tablesBefore))
      this.#context.emit({ type: "warning", resource: name, code: "schema/type-kept", message });
  }

  async read(): Promise<{ readonly completeness: Completeness; readonly why?: string }> {
    await using stage = await this.#openStage(this.#resource.hints.writeDisposition, this.#walk);
    this.#stage = stage;
    try {
      return await this.#readInto(stage);
    } finally {
      await this.#normalizing.release();
    }
  }

  async #readInto(stage: Stage): Promise<{ readonly completeness: Completeness; readonly why?: string }> {
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
      await this.#settle();
    } catch (error) {
      await this.#settle();
      await this.#saveProgress(stage, error);
      throw error;
    }
    if (completeness === "short" && this.#resource.hints.allowShort !== true) {
      // Merged rows do no harm when the next walk brings them again; appended ones would be there twice.
      if (this.#resource.hints.writeDisposition === "merge" && !isWhole(this.#resource))
        await this.#commit(stage, "running");
      // What was lost may be among the rows that are kept back: the next run reads all of them again.
      if (this.#walk !== undefined) this.#forgetWalk();
      throw shortWalk(this.#resource.name, why);
    }
    await this.#commit(stage, "done", completeness);
    return { completeness, ...(why === undefined ? {} : { why }) };
  }

  /** Commits nothing but the fact that this load is over for the resource, and where the next one goes on. */
  async recordFailure(): Promise<void> {
    // Append, whatever the resource's disposition: an empty replace would empty its tables.
    await using stage = await this.#openStage("append", this.#held?.walk);
    await stage.commit({
      ...this.#nextPackage(this.#committed),
      changes: [],
      rejects: [],
      ...(this.#held === undefined ? {} : { isPart: true }),
      state: this.#state("failed", {
        position: this.#committedPosition,
        cursor: this.#committedCursor,
        held: this.#held,
        rejects: this.#rejects(),
      }),
    });
  }

  /** No two walks have the same: this one's first package has a number that none had before. */
  #newWalk(): string {
    return `${this.#context.loadId}/${this.#packages + 1}`;
  }

  #forgetWalk(): void {
    this.#held = undefined;
    this.#committedPosition = undefined;
  }

  async #openStage(writeDisposition: WriteDisposition, walk: string | undefined): Promise<Stage> {
    const { connection, pipeline, loadId } = this.#context;
    const { hints } = this.#resource;
    const { columns, merge } = hints;
    const naming = namingOf(hints, this.#context.maxIdentifier);
    const root = this.#standing.known.find(({ parent }) => parent === undefined);
    const nulls = hints.writeDisposition === "merge" ? nullKeys(hints, naming, root) : [];
    const stage = await connection.stage({
      pipeline,
      loadId,
      resource: this.#resource.name,
      writeDisposition,
      ...(walk === undefined ? {} : { walk }),
      ...(merge === undefined ? {} : { merge: mergeColumns(merge, naming, root, columns) }),
      ...(nulls.length === 0 ? {} : { nullKeys: nulls }),
    });
    return writeBehind(stage);
  }

  #nextPackage(
    tables: readonly TableSchema[],
  ): Pick<PackageHeader, "id" | "tables" | "startedAt" | "boundary" | "schemaHash"> {
    const { loadId, startedAt } = this.#context;
    this.#packages += 1;
    const id = `${loadId}/${this.#resource.name}/${this.#packages}`;
    return { id, tables, startedAt, boundary: this.#boundary(), schemaHash: schemaHash(tables) };
  }

  /** When versions that this walk brings begin. */
  #boundary(): number {
    return this.#resource.hints.merge?.boundary ?? this.#walkStartedAt();
  }

  /** A walk that the source broke off goes on in another load, with rows that have the time of the first one. */
  #walkStartedAt(): number {
    return this.#held?.startedAt ?? this.#context.loadStartedAt;
  }

  #state(status: ResourceState["status"], at: Reached): ResourceState {
    const { isBackfill, loadId, loadStartedAt, loadResources, runtime, state } = this.#context;
    const { position, cursor, completeness, held, rejects } = at;
    const walk: Unfinished = {
      fingerprint: this.#resource.fingerprint,
      ...(position === undefined ? {} : { position }),
      ...(position === undefined || rejects.all === 0 ? {} : { rejects }),
      ...(held === undefined ? {} : { held }),
    };
    const before = state?.resources[this.#resource.name];
    if (isBackfill) return withBackfill(before ?? unread(this.#resource), walk);
    const { backfill } = before ?? {};
    return {
      ...walk,
      status,
      ...(cursor === undefined ? {} : { cursor }),
      ...(completeness === undefined ? {} : { completeness }),
      ...(this.#settled ? { settled: true } : {}),
      // Its parts, if there are any, go with the first commit of this walk.
      ...(backfill === undefined || backfill.held !== undefined ? {} : { backfill }),
      loadId,
      loadStartedAt,
      loadResources,
      packages: this.#packages,
      committedAt: runtime.now(),
    };
  }

  /** What was set aside in this walk, with what is about to be committed. */
  #rejects(all = 0, discarded = 0): SetAsideCounts {
    return { all: this.#setAside + all, discarded: this.#setAside - this.rejected + discarded };
  }

  #io(): Io {
    const { notes, runtime, signal, emit } = this.#context;
    return { ...(this.#cursor === undefined ? {} : { cursor: this.#cursor }), notes, runtime, signal, emit };
  }

  async #take(page: Page, stage: Stage): Promise<void> {
    this.#context.signal.throwIfAborted();
    const { records } = page;
    const rows = records.kind === "document" ? records.places.length : records.values.length;
    await this.#normalizing.add(page);
    this.#resume = page.resume;
    this.#cursor = page.cursor ?? this.#cursor;
    this.#pageRows += rows;
    this.#context.emit({ type: "page", resource: this.#resource.name, rows, bytes: page.bytes });
    if (page.resume !== undefined && this.#isCheckpointDue()) await this.#startCommit(stage, "running");
  }

  async #stageBatch(batch: Batch): Promise<void> {
    refuseNulls(batch, this.#standing.notNull, this.#resource.name);
    await this.#stage?.write(batch);
    this.#stagedBytes += batch.bytes;
  }

  #isCheckpointDue(): boolean {
    if (!this.#canStop()) return false;
    const { checkpoint, runtime } = this.#context;
    return (
      this.#pageRows >= checkpoint.rows ||
      this.#stagedBytes + this.#normalizing.bufferedBytes >= checkpoint.bytes ||
      runtime.now() - this.#committedAt >= checkpoint.seconds * 1000
    );
  }

  /** Whether a walk can be committed in its middle. */
  #canStop(): boolean {
    return !isWhole(this.#resource) || this.#walk !== undefined;
  }

  /** Keeps what was read before the source failed, if the next run can go on from there. */
  async #saveProgress(stage: Stage, error: unknown): Promise<void> {
    if (this.#resume === undefined || this.#pageRows === 0) return;
    if (!this.#canStop() || !isSourceGone(error, this.#context.signal)) return;
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
    if (!tellsMissing(this.#resource)) return false;
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
    if (this.#context.isBackfill) return "it brings a range";
    if (this.#cursor !== undefined) return "it brings only what is new";
    if (completeness !== "proved" && completeness !== "likely")
      return `its completeness is ${completeness ?? "unknown"}`;
    return hasRejects ? "records were set aside" : undefined;
  }

  async #commit(stage: Stage, status: "running" | "done", completeness?: Completeness): Promise<void> {
    await this.#startCommit(stage, status, completeness);
    await this.#settle();
  }

  /** Waits for the commit that is under way, and throws what went wrong in it. */
  async #settle(): Promise<void> {
    const committing = this.#committing;
    this.#committing = undefined;
    await committing;
  }

  /** Sends a commit on its way. The next pages may be read meanwhile; they are of the next package. */
  async #startCommit(stage: Stage, status: "running" | "done", completeness?: Completeness): Promise<void> {
    const { connection, runtime } = this.#context;
    const resource = this.#resource.name;
    const { tables, rows, rejects, discarded, collisions, idsAfter } = await this.#normalizing.settle();
    await this.#settle();
    const held = status === "running" ? this.#hold(tables, idsAfter) : undefined;
    const found = await connection.describe(tables.map((table) => table.name));
    refuseVanished(findDrift(this.#committed, found), this.#missing, resource);
    refuseUnfit(findDrift(tables, found), resource);
    refuseLosingHistory(this.#resource, found);
    const changes = held === undefined ? diffTables(found, tables) : [];
    this.#refuseTooMany(rejects.length);
    const position = status === "running" ? this.#resume : undefined;
    const cursor = held === undefined ? this.#cursor : this.#committedCursor;
    const pkg = this.#nextPackage(tables);
    this.#settled ||= status === "done";
    const setAside = this.#rejects(rejects.length, discarded);
    const state = this.#state(status, { position, cursor, completeness, held, rejects: setAside });
    const snapshot = held === undefined && this.#isSnapshot(completeness, setAside.all > 0);
    const committing = stage.commit({
      ...pkg,
      changes,
      rejects,
      state,
      ...(snapshot ? { snapshot } : {}),
      ...(held === undefined ? {} : { isPart: true }),
    });
    const sent: Sent = {
      id: pkg.id,
      tables,
      changes,
      rejects: rejects.length,
      discarded,
      collisions,
      rows: rows - this.#rowsAtCommit,
      position,
      cursor,
      held,
    };
    this.#committing = committing.then((receipt) => this.#finishCommit(sent, receipt));
    // `#settle` tells it.
    this.#committing.catch(() => {});
    this.#committedAt = runtime.now();
    this.#rowsAtCommit = rows;
    this.#stagedBytes = 0;
    this.#pageRows = 0;
  }

  #finishCommit(sent: Sent, receipt: Receipt): void {
    const { emit } = this.#context;
    const resource = this.#resource.name;
    const { id, tables, changes, rejects, discarded, collisions, rows, position, cursor, held } = sent;
    if (receipt.replayed)
      throw new SluiceError("internal/bug", `package ${id} was there before it was committed`);

    for (const change of changes) emit({ type: "schema-change", resource, change });
    for (const message of shortList(collisions)) {
      emit({ type: "warning", resource, code: "data/names", message });
    }
    for (const message of receipt.warnings ?? []) {
      emit({ type: "warning", resource, code: "destination/replaced", message });
    }
    emit({ type: "commit", resource, package: id, rows, tables: receipt.tables });
    this.rejected += rejects - discarded;
    this.#setAside += rejects;
    this.#held = held;
    if (held === undefined) {
      this.#committed = tables;
      this.#missing = new Set();
    }
    this.#committedPosition = position;
    this.#committedCursor = cursor;
  }

  /** What there is to remember of rows that are kept back; undefined where rows become visible at once. */
  #hold(tables: readonly TableSchema[], idsAfter: number): HeldWalk | undefined {
    if (this.#walk === undefined) return undefined;
    const cursor = this.#cursor;
    return {
      walk: this.#walk,
      tables,
      ...(cursor === undefined ? {} : { cursor }),
      startedAt: this.#walkStartedAt(),
      idsFrom: idsAfter,
    };
  }
}

/** What is known of a package that was sent, for when it is there. */
interface Sent {
  readonly id: string;
  readonly tables: readonly TableSchema[];
  readonly changes: readonly SchemaChange[];
  readonly rejects: number;
  readonly discarded: number;
  readonly collisions: readonly string[];
  readonly rows: number;
  readonly position: Position | undefined;
  readonly cursor: JsonObject | undefined;
  readonly held: HeldWalk | undefined;
}

/** How far a walk has come, for its state. */
interface Reached {
  readonly position: Position | undefined;
  readonly cursor: JsonObject | undefined;
  readonly completeness?: Completeness | undefined;
  readonly held: HeldWalk | undefined;
  readonly rejects: SetAsideCounts;
}

/** Warnings that people read: after some of a kind, how many more there are. */
function shortList(messages: readonly string[]): readonly string[] {
  if (messages.length <= MAX_COLLISIONS) return messages;
  const rest = messages.length - MAX_COLLISIONS + 1;
  return [...messages.slice(0, MAX_COLLISIONS - 1), `and ${rest} more names of this kind`];
}

const MAX_COLLISIONS = 10;

/**
 * Whether the rows of a walk become visible all at once: a replaced table shows its new rows only when all of them are there, and these
 * rules of merge speak of all rows of a walk together.
 */
function isWhole({ hints: { merge, writeDisposition } }: Resource): boolean {
  if (writeDisposition === "replace") return true;
  if (writeDisposition !== "merge" || merge === undefined) return false;
  const { dedupSort, deleteMissing, mergeKey = [], strategy } = merge;
  if (dedupSort !== undefined || deleteMissing !== undefined) return true;
  return strategy === "scd2" || mergeKey.length > 0;
}

/** Whether rows that a complete walk does not bring are to be treated as gone. */
function tellsMissing({ hints: { merge, writeDisposition } }: Resource): boolean {
  if (writeDisposition !== "merge" || merge === undefined) return false;
  const { deleteMissing, mergeKey = [], strategy } = merge;
  return deleteMissing !== undefined || (strategy === "scd2" && mergeKey.length === 0);
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
