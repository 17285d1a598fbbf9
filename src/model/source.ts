import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { JsonDocument } from "./document.js";
import type { Event } from "./event.js";
import type { Json, JsonObject } from "./json.js";
import type { Position } from "./state.js";
import type { DataType } from "./table.js";
import type { PageTrace } from "./trace.js";

/** How the rows of a load meet the rows that are there (design §6). */
export type WriteDisposition = "append" | "replace" | "merge";

/**
 * How merge treats a row whose key is there.
 * - `delete-insert` it is replaced whole, with its children; the default
 * - `upsert`        the same, by the primary key alone
 * - `insert-only`   the row that is there stays, whatever arrives
 * - `scd2`          the row that is there stays as the version that ended, if what arrives differs from it; rows that
 *                   a complete walk has not brought end too, unless there is a merge key
 */
export const MERGE_STRATEGIES = ["delete-insert", "upsert", "insert-only", "scd2"] as const;
export type MergeStrategy = (typeof MERGE_STRATEGIES)[number];

/** What becomes of rows that a complete walk does not bring. */
export const DELETE_MISSING = ["hard", "soft"] as const;
export type DeleteMissing = (typeof DELETE_MISSING)[number];

/**
 * What merge goes by beside the primary key. In `ResourceHints` keys of the record as written in the source, in
 * `StagePlan` names of columns of the root table; one that has no column yet has no effect.
 */
export interface MergeRules {
  /** Default `delete-insert`. */
  readonly strategy?: MergeStrategy;
  /** All rows that share these with an arriving row go, whatever their primary key. */
  readonly mergeKey?: readonly string[];
  /** Of rows with one primary key in a load the first in this order stays, null after all. Default: the last to arrive. */
  readonly dedupSort?: { readonly column: string; readonly order: "asc" | "desc" };
  /** A row with true here (of another type: with any value) removes its key and is not stored. */
  readonly hardDelete?: string;
  /** Rows whose primary key a complete walk has not brought are removed, or (`soft`) marked by `_sluice_deleted_at`. */
  readonly deleteMissing?: DeleteMissing;
  /** Milliseconds since 1970: when versions of scd2 begin and end. Default: when the load began. */
  readonly boundary?: number;
}

/** A declared column: `data_type`, `nullable` (default true), `precision` and `scale` for decimals. */
export interface ColumnHint {
  readonly name: string;
  readonly dataType?: DataType;
  readonly nullable?: boolean;
  readonly precision?: number;
  readonly scale?: number;
  /** The keys that lead to its values. Then `name` is the column's own; else it is the key, or keys with dots between them. */
  readonly source?: readonly string[];
}

/** Declared columns of the table for a list inside of the records, however deep. */
export interface TableHint {
  /** Its name, by which it exists from the first load on. Absent: the first row makes it, by the naming's name. */
  readonly name?: string;
  /** For each list on the way there, the keys that lead to it from the record or item above. */
  readonly path: readonly (readonly string[])[];
  /** None of them `nullable: false`. */
  readonly columns: readonly ColumnHint[];
}

/**
 * What happens to a value that would change the schema.
 * - `evolve`        the schema changes
 * - `freeze`        the resource fails, and nothing of the package is committed
 * - `discard_row`   its row is set aside, with the rows below it
 * - `discard_value` the value is set aside, the row stays without it
 */
export type ContractMode = "evolve" | "freeze" | "discard_row" | "discard_value";

/** A resource's schema contract: for tables that would be new, columns that would be new, columns of another type. */
export interface SchemaContract {
  readonly tables: ContractMode;
  readonly columns: ContractMode;
  readonly dataType: ContractMode;
}

/** How keys become names of tables and columns (`schema/naming`). */
export const NAMING_CONVENTIONS = ["snake_case", "preserve"] as const;
export type NamingConvention = (typeof NAMING_CONVENTIONS)[number];
/**
 * Where a value goes whose type its column can't take without loss.
 * - `variant` a column beside it, one for each type: `price__v_text`, `price__v_bool`
 * - `text`    one column beside it, as text: `price__v_text`
 * - `reject`  its row is set aside, as a mistake in the data
 */
export const TYPE_CONFLICTS = ["variant", "text", "reject"] as const;
export type TypeConflict = (typeof TYPE_CONFLICTS)[number];

/** What the configuration says about a resource's tables. */
export interface ResourceHints {
  readonly writeDisposition: WriteDisposition;
  /** Only for merge. */
  readonly merge?: MergeRules;
  /** Keys of the record that identify it, as written in the source (they pass through naming like all keys). */
  readonly primaryKey: readonly string[];
  readonly columns: readonly ColumnHint[];
  /** Tables below the root, parents before children. Of two with one path the columns of both count. */
  readonly tables?: readonly TableHint[];
  /**
   * How keys become names. Default `snake_case`. Columns and tables that are there keep their names when it changes; new
   * ones follow it.
   */
  readonly naming?: NamingConvention;
  /** How many levels of objects and lists are unpacked; below that they are kept whole as `json`. Default: no limit. */
  readonly maxTableNesting?: number;
  /** Default `variant`. */
  readonly typeConflict?: TypeConflict;
  /** Default: everything evolves. */
  readonly contract?: SchemaContract;
  /** A walk that is `short` is committed all the same. Default false: it fails. */
  readonly allowShort?: boolean;
  /** How many records and values may be set aside in one run before the resource fails. Default: no limit. */
  readonly maxRejected?: number;
}

/**
 * What any source yields: a REST endpoint, or a user's async generator.
 *
 * The pipeline calls `read` once per run, possibly for several resources at the same time, and pulls one page after
 * the other: the next page is asked for when the one before has been normalized, so a slow destination slows the
 * source down. It stops early by returning the iterator or by aborting `io.signal`; `read` must then stop sending
 * within one request. What `read` throws ends this resource only.
 */
export interface Resource {
  readonly name: string;
  /** Name of the root table before naming rules; the resource's name unless the configuration says otherwise. */
  readonly table: string;
  readonly hints: ResourceHints;
  /**
   * Hash of everything that gives a stored position its meaning (URL, parameters, paginator). When it differs from the
   * stored one, the walk starts again and says so.
   */
  readonly fingerprint: string;
  /**
   * Validates each record before it is loaded (https://standardschema.dev); what it gives is what is loaded. The columns
   * that it declares are in `hints` already.
   */
  readonly schema?: StandardSchemaV1;
  read(from: Position | undefined, io: Io): AsyncIterable<Page>;
}

/** What a resource is given to work with; the only door to clock, chance and the outside. */
export interface Io {
  /**
   * The last `Page.cursor` that was committed, by whatever run. Absent before the first one, after a reset, and where
   * everything is to be read again (`--full-refresh`, replace).
   */
  readonly cursor?: JsonObject;
  readonly notes: Notes;
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
  readonly emit: (event: Event) => void;
  /**
   * Told how each page came about, before it is handed over. Whoever sets it looks closely: nothing is asked for before
   * it is wanted, and a child's parents one after the other. Default: nobody looks, and it costs nothing.
   */
  readonly trace?: (page: PageTrace) => void;
}

/**
 * Small facts that outlive a run and belong to no rows: what is left of a rate limit, a token that was handed out for
 * the next time. Unlike a cursor they are stored at once, and stay when a load fails or the state is reset.
 */
export interface Notes {
  /** Undefined for a key that was never written. */
  read(key: string): Json | undefined;
  /**
   * Resolves when the value is stored. Never a secret in clear: notes are part of the state. `vital`: losing it would
   * lock the user out, so that it is stored even by whoever only looks.
   */
  write(key: string, value: Json, options?: { readonly vital?: boolean }): Promise<void>;
}

/** Clock and chance, injected so that tests need no waiting. */
export interface Runtime {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** A number in [0, 1). */
  random(): number;
}

/** One page of records, in the order of the walk. */
export interface Page {
  /** What is to be loaded: what the selector found, after the resource's processing steps and incremental filter. */
  readonly records: Records;
  /** Go on after this page with `read(resume)`. Absent on the last page, and where a source can't resume. */
  readonly resume?: Position;
  /**
   * What the next complete walk begins with (`Io.cursor`), committed together with the rows up to here. Set it only
   * where nothing older can follow: it also holds if the walk ends right after this page. Absent: as it was.
   */
  readonly cursor?: JsonObject;
  /** Bytes of the response body as received after decompression; 0 if the source is not a network one. */
  readonly bytes: number;
  /**
   * Nobody else looks at the document of the records, now or later: whoever takes the page may hand its memory to another
   * thread. Default false.
   */
  readonly isOwn?: boolean;
  /** Only on the last page: how sure it is that the walk saw everything. */
  readonly completeness?: Completeness;
  /** Beside `completeness`: the reason, in a few words such as "total of 250 records reached". */
  readonly why?: string;
}

/**
 * A page's records: as values, or in a document, where they become values only if somebody asks for `values`. Of those
 * in a document some may be left out, and all may be given the same fields; who changes more makes them objects.
 */
export type Records = ObjectRecords | DocumentRecords;

export interface ObjectRecords {
  readonly kind: "objects";
  readonly values: readonly Json[];
}

export interface DocumentRecords {
  readonly kind: "document";
  readonly document: JsonDocument;
  /** Where they are in the document's tape. */
  readonly places: readonly number[];
  /**
   * Fields that each of them has besides, which count over its own; one that is no object is an object with its `value`
   * then.
   */
  readonly added?: JsonObject;
  /** Made when it is first asked for, with what is added. */
  readonly values: readonly Json[];
}

/**
 * The verdict on a walk that ended without an error.
 * - `proved`  the API said so: an explicit end, or its own total was reached
 * - `likely`  an empty or short page
 * - `unknown` nothing in the responses tells
 * - `short`   the responses contradict the end: a larger total, a full page and an unused link
 */
export type Completeness = "proved" | "likely" | "unknown" | "short";
