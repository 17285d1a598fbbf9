import type { Batch } from "../model/batch.js";
import type { Reject } from "../model/destination.js";
import type { Records } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { valueAt } from "./contract.js";
import { Filler } from "./filler.js";
import { type NormalizerOptions, startLoad, takeCollisions } from "./load.js";
import type { Invalid } from "./validate.js";
import { addRecord, jsonPath } from "./values.js";

/** Turns pages of records of one resource into column batches of its root table and child tables. */
export interface Normalizer {
  /** Takes in one page. */
  add(records: Records): void;
  /**
   * Sets a record aside that the resource's schema refuses.
   *
   * @throws SluiceError data/contract where the schema contract freezes data types.
   */
  refuse(invalid: Invalid): void;
  /** Root rows accepted so far, in all. */
  readonly rows: number;
  /** Rows of all tables since the last `take`. */
  readonly bufferedRows: number;
  /** Estimated bytes of what was added since the last `take`. */
  readonly bufferedBytes: number;
  /** What is buffered, as one batch for every table that has rows, parents before children; then the buffers are empty. */
  take(): Batch[];
  /**
   * The resource's tables as they are now, the root first, parents before children. Declared columns are there even
   * if nothing ever arrived.
   */
  tables(): readonly TableSchema[];
  /** A `now` with which another normalizer gives later ids than this one has so far. */
  readonly idsAfter: number;
  /** Keys since the last call that share a name with another one, and so have one of their own; in words. */
  takeCollisions(): readonly string[];
  /** What was set aside since the last call. */
  takeRejects(): SetAside;
}

/** Records and values that are not in the tables. */
export interface SetAside {
  readonly rejects: readonly Reject[];
  /** How many of them the schema contract asked for; the others are mistakes in the data. */
  readonly discarded: number;
}

/**
 * Starts a normalizer. The rules, which are dlt's unless noted:
 *
 * - Objects become columns `a__b`, lists become tables `parent__list`, lists in lists `parent__lst__list`; scalar
 *   items, and records that are scalars, are in column `value`. Null items make rows; empty lists and objects nothing.
 * - The first value that is not null decides a column's type (`inferType`); later values of another type are
 *   converted, widen the column or go to a variant (`join`). Keys that only ever are null make no column.
 * - Two keys with one normalized name get two columns (not dlt's rule, which keeps the last).
 * - Below `maxTableNesting` levels, below 64, and in columns declared as json, objects and lists are kept as JSON text.
 * - A record without a value in a primary key or a column declared not nullable is set aside with its children.
 * - What the schema contract does not allow is an error or set aside; a row of a child table without its parent.
 *
 * Of what is no JSON and only generators or schemas yield, bytes are binary, a Map is an object, a Set a list, and what
 * has `toJSON`, such as a Date, is what that gives; undefined is null.
 *
 * @example
 * const normalizer = createNormalizer({ resource: "users", table: "users", hints, known: [], loadId, now });
 * normalizer.add({ kind: "objects", values: [{ id: 1, pets: [{ name: "Rex" }] }] });
 * normalizer.take().map((batch) => batch.table.name); // ["users", "users__pets"]
 */
export function createNormalizer(options: NormalizerOptions): Normalizer {
  const load = startLoad(options);
  const filler = new Filler(load, options.filling);
  let rows = 0;

  return {
    add(records) {
      if (records.kind === "document") rows += filler.add(records);
      else {
        filler.forget();
        for (const record of records.values) {
          if (addRecord(load, record)) rows++;
        }
      }
    },
    refuse({ record, path, what }) {
      const place = `$${path.map((key) => (typeof key === "number" ? `[${key}]` : jsonPath([String(key)]).slice(1))).join("")}`;
      const value = valueAt(record, path.map(String));
      load.guard.refuseInvalid(load.root.plan.name, place, what, value, record);
    },
    get rows() {
      return rows;
    },
    get bufferedRows() {
      return load.tables.reduce((sum, table) => sum + table.rows, 0);
    },
    get bufferedBytes() {
      return load.tables.reduce((sum, table) => sum + table.size, 0);
    },
    get idsAfter() {
      return load.ids.after;
    },
    take: () => load.tables.filter((table) => table.rows > 0).map((table) => table.take()),
    tables: () => (load.isRefused ? [] : load.tables.map((table) => table.schema())),
    takeCollisions: () => takeCollisions(load),
    takeRejects() {
      const { guard } = load;
      const { rejects, discarded } = guard;
      guard.rejects = [];
      guard.discarded = 0;
      return { rejects, discarded };
    },
  };
}
