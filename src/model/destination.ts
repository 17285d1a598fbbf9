import type { Batch } from "./batch.js";
import type { Json } from "./json.js";
import type { MergeRules, WriteDisposition } from "./source.js";
import type { PipelineState, ResourceState } from "./state.js";
import type { Supports } from "./supports.js";
import type { FoundTable, SchemaChange, TableSchema } from "./table.js";

/**
 * A place that holds tables. An adapter implements this port and nothing else; write dispositions, schema diffs,
 * checkpoints and retries are core functions that call it.
 *
 * Order of calls in one run: `connect` → `acquire` → `state` → `describe` → for each resource `stage` → `write`* →
 * `commit`, perhaps again `write`* → `commit` … → dispose stage → release lease → dispose connection. Stages of
 * different resources are open at the same time; calls on one stage never overlap.
 */
export interface Destination {
  /** `duckdb`, `postgres` … the scheme of its URI. */
  readonly type: string;
  /** Where it is, for people; without credentials. */
  readonly location: string;
  /** The longest name of a table or column in bytes; the core makes names that fit. Absent: 255. */
  readonly maxIdentifierBytes?: number;
  /** What it can do, where that is not everything; the core refuses the rest before anything is read. */
  readonly supports?: Supports;
  /** A command line that shows some rows of a table, for people; without credentials. */
  queryHint?(dataset: string, table: string): string;
  /** What a commit runs for these changes, for people. Absent where there are no statements. */
  statements?(dataset: string, changes: readonly SchemaChange[]): readonly string[];
  /**
   * Whether it is there: false where connecting would create it. Absent where connecting creates nothing that stays.
   * Throws `destination/unreachable` if it is not there and can't be created.
   */
  exists?(): Promise<boolean>;
  /** Opens it. `dataset` is the schema that holds the tables; it is there from the first commit on. */
  connect(dataset: string, signal: AbortSignal): Promise<Connection>;
}

export interface Connection extends AsyncDisposable {
  /**
   * Makes the caller the only writer of `pipeline`. A second caller, in this process or another, gets a `SluiceError`
   * of kind `locked` that names the holder as well as the system can tell. Disposing the lease lets the next one in.
   */
  acquire(pipeline: string): Promise<Lease>;
  /** The last committed state, or undefined before the first commit. Reads nothing uncommitted. */
  state(pipeline: string): Promise<PipelineState | undefined>;
  /** The tables of the dataset that exist now, by those names; missing ones are left out. System columns included. */
  describe(tables: readonly string[]): Promise<readonly FoundTable[]>;
  /** Whether stages keep parts (`PackageHeader.isPart`). Without it the core commits a whole walk at once, or nothing. */
  readonly keepsParts?: true;
  /** Opens a stage for one resource; `config/unsupported` for what `Destination.supports` does not have. Nothing of a stage outlives its process unless it was committed. */
  stage(plan: StagePlan): Promise<Stage>;
  /** Stores a note of a pipeline at once, outside of any package; dataset and system tables are created when missing. */
  remember(pipeline: string, key: string, value: Json): Promise<void>;
  /**
   * Forgets the loads of a pipeline that ended before `before` (milliseconds since 1970) with what they set aside, and
   * older versions of its schemas; never what the state speaks of, and no rows. Absent: nothing is forgotten.
   */
  prune?(pipeline: string, before: number): Promise<Pruned>;
  /** Forgets the state of a pipeline, or of the named resources, and drops their parts. Tables, rows and notes stay. */
  resetState(pipeline: string, resources?: readonly string[]): Promise<void>;
}

/** How much was forgotten: rows of system tables. */
export interface Pruned {
  readonly loads: number;
  readonly rejects: number;
  readonly schemas: number;
}

/** Held while a run may write. */
export interface Lease extends AsyncDisposable {
  readonly pipeline: string;
}

/** What a stage is for. */
export interface StagePlan {
  readonly pipeline: string;
  readonly loadId: string;
  readonly resource: string;
  readonly writeDisposition: WriteDisposition;
  /** By names of columns. Absent: delete-insert by the primary key. */
  readonly merge?: MergeRules;
  /**
   * Set where all rows of a walk become visible at once: a name for the walk, by which its parts are known. Parts of this
   * pipeline and resource with another name, or left by a stage that has one where this has none, are of no more use: the
   * next commit drops them.
   */
  readonly walk?: string;
  /** Columns of the primary key in which null is a value that equals itself. Default: none; they hold no null. */
  readonly nullKeys?: readonly string[];
}

/**
 * Collects batches of one resource out of readers' sight, then makes them visible at once.
 *
 * Batches of one table arrive with schemas that only grow (columns are added at the end, types widen), never shrink.
 * Children of a row arrive in the same package as the row.
 */
export interface Stage extends AsyncDisposable {
  write(batch: Batch): Promise<void>;
  /**
   * One transaction: dataset and system tables (created when missing), schema changes, rows by the write disposition,
   * rejects, state, load record. All of it, or nothing. A package id that was committed before changes nothing and
   * returns its receipt with `replayed: true`. Afterwards the stage is empty and takes the next package.
   *
   * How rows meet rows:
   * - append: staged rows are added.
   * - replace: the resource's tables hold exactly the staged rows afterwards; also when none were staged.
   * - merge: by the root table's primary key. Of several staged rows with one key the last one (highest `_sluice_id`)
   *   stays. A row that exists is replaced whole, and its children with it. Without a primary key merge is append.
   *   `StagePlan.merge` refines this; with `deleteMissing` and `PackageHeader.snapshot` rows that are not staged go too
   *   (`soft`: they stay, with `_sluice_deleted_at`).
   *   With `scd2` no row goes: those that are replaced get `_sluice_valid_to`, and what is there already is not added.
   *
   * A part (`PackageHeader.isPart`) brings rejects, state and load record, and no row into sight: its rows are kept, with
   * those of the parts of its walk before it, for as long as it takes. The first package of that walk that is no part
   * meets the tables with the rows of all parts and the staged ones, as if they had all been staged now, in the order in
   * which they came; then the parts are gone. Until then tables and schema versions stay as they are.
   */
  commit(pkg: PackageHeader): Promise<Receipt>;
}

/** Everything a commit needs beside the staged rows. */
export interface PackageHeader {
  /** Unique per package; the same id again is the same package. */
  readonly id: string;
  /** All tables of the resource as they must be afterwards, parents before children. */
  readonly tables: readonly TableSchema[];
  /** What must change in the destination for that, in this order (computed by the core from `describe`). */
  readonly changes: readonly SchemaChange[];
  /** The staged rows are all that the source has, so what is missing is gone there. Default false. */
  readonly snapshot?: boolean;
  /** The rows are kept out of sight with those of `StagePlan.walk`; `changes` is empty. Only where `keepsParts`. */
  readonly isPart?: true;
  readonly state: ResourceState;
  readonly rejects: readonly Reject[];
  /** Milliseconds since 1970 when the load began. */
  readonly startedAt: number;
  /** Milliseconds since 1970: when versions that are replaced end and missing rows are marked, the same for a whole load. Default `startedAt`. */
  readonly boundary?: number;
  /** Hash of `tables`; a schema version is stored when it is new. */
  readonly schemaHash: string;
}

/** A value or record that could not be stored as it is, kept in `_sluice_rejects`. */
export interface Reject {
  readonly resource: string;
  readonly table: string;
  /** JSON path of the offending value in the record. */
  readonly path: string;
  /** A stable code such as `null-in-not-null`, and a sentence without the value. */
  readonly reason: string;
  readonly column?: string;
  /** The offending value and the whole record, as JSON text. */
  readonly value?: string;
  readonly record: string;
}

export interface Receipt {
  readonly replayed: boolean;
  /** Rows by table: what the commit did. */
  readonly tables: Readonly<Record<string, TableCounts>>;
  /** What the commit did to values that the destination can't hold as they are: sentences with a count, by no value. */
  readonly warnings?: readonly string[];
}

export interface TableCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly rejected: number;
}
