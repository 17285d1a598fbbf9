import type { Batch, Column } from "../model/batch.js";
import { type ColumnSchema, type DataType, SYSTEM_COLUMNS, type TableSchema } from "../model/table.js";
import { columnName } from "../schema/naming.js";
import type { ColumnBuilder } from "./column-builder.js";
import type { Declared } from "./declared.js";
import { Field, Shape } from "./fields.js";
import { ID_BYTES, ID_WORDS, type Ids } from "./ids.js";
import { type ColumnsPlan, TableColumns } from "./table-columns.js";

/** What a table is beside its columns. */
export interface TablePlan extends ColumnsPlan {
  readonly name: string;
  readonly resource: string;
  readonly parent?: TableBuilder;
  readonly source?: readonly string[];
  readonly loadId: string;
  /** Objects and lists around the table's records. */
  readonly level: number;
  readonly maxLevel: number;
  /** System columns beside those that every root table has. */
  readonly system?: readonly ColumnBuilder[];
}

const ID = systemColumn(SYSTEM_COLUMNS.id, "text");
const LOAD_ID = systemColumn(SYSTEM_COLUMNS.loadId, "text");
const PARENT_ID = systemColumn(SYSTEM_COLUMNS.parentId, "text");
const ROOT_ID = systemColumn(SYSTEM_COLUMNS.rootId, "text");
const LIST_IDX = systemColumn(SYSTEM_COLUMNS.listIdx, "bigint");
const VALUE = columnName([]);
const ROOT_COLUMNS = [ID, LOAD_ID];
const CHILD_COLUMNS = [ID, PARENT_ID, ROOT_ID, LIST_IDX];

/** Collects the rows of one table. */
export class TableBuilder {
  readonly plan: TablePlan;
  readonly columns: TableColumns;
  /** Keys of the records, if they are objects. */
  readonly shape: Shape;
  /** The records themselves, if they are scalars or lists. */
  readonly item: Field;
  /** Rows buffered. */
  rows = 0;
  /** Rows before the root record that is being added: a rejected one is rolled back to here. */
  mark = 0;
  /** Ids of the buffered rows, three words each. */
  ids: Uint32Array = new Uint32Array(0);
  #parentIds: Uint32Array = new Uint32Array(0);
  #rootIds: Uint32Array = new Uint32Array(0);
  #indexes = new Int32Array(0);
  readonly #loadId: Buffer;
  readonly #system: readonly ColumnBuilder[];
  #schema: TableSchema | undefined = undefined;
  #schemaVersion = -1;

  constructor(plan: TablePlan) {
    this.plan = plan;
    this.columns = new TableColumns(plan);
    this.shape = new Shape([], plan.level);
    const declared = plan.declared.find((one) => one.name === VALUE);
    this.item = new Field("", [], plan.level, plan.level >= plan.maxLevel, declared);
    this.#loadId = Buffer.from(plan.loadId);
    // Children inherit the plan of their parent.
    this.#system = plan.parent === undefined ? (plan.system ?? []) : [];
  }

  /** Estimated bytes of what is buffered. */
  get size(): number {
    const system =
      this.plan.parent === undefined ? ID_BYTES + this.#loadId.length + 8 : 3 * (ID_BYTES + 4) + 8;
    let bytes = this.rows * system;
    for (const column of [...this.#system, ...this.columns.builders])
      bytes += column.size(this.rows) + (this.rows >> 3);
    return bytes;
  }

  addRow(ids: Ids): number {
    const row = this.rows++;
    if (ID_WORDS * this.rows > this.ids.length) this.ids = grown(this.ids);
    ids.next(this.ids, ID_WORDS * row);
    return row;
  }

  /** A row for the item at `index` of a list in the parent's row. */
  addChildRow(ids: Ids, parentRow: number, root: TableBuilder, rootRow: number, index: number): number {
    const row = this.addRow(ids);
    if (this.#parentIds.length < this.ids.length) {
      this.#parentIds = resized(this.#parentIds, this.ids.length);
      this.#rootIds = resized(this.#rootIds, this.ids.length);
      const indexes = new Int32Array(this.ids.length);
      indexes.set(this.#indexes);
      this.#indexes = indexes;
    }
    copyId((this.plan.parent ?? root).ids, parentRow, this.#parentIds, row);
    copyId(root.ids, rootRow, this.#rootIds, row);
    this.#indexes[row] = index;
    return row;
  }

  /** Forgets the rows since the mark, or after the first `rows`. */
  rollBack(rows = this.mark): void {
    if (this.rows === rows) return;
    for (const column of this.columns.builders) column.truncate(rows, this.rows);
    this.rows = rows;
  }

  /** The table as it is now. The same value is given until something changes. */
  schema(): TableSchema {
    if (this.#schema === undefined || this.#schemaVersion !== this.columns.version) {
      const { name, resource, parent, source, declared } = this.plan;
      this.#schema = {
        name,
        resource,
        ...(parent === undefined ? {} : { parent: parent.plan.name }),
        ...(source === undefined ? {} : { source }),
        primaryKey: primaryKey(declared),
        columns: [
          ...(parent === undefined ? ROOT_COLUMNS : CHILD_COLUMNS),
          ...this.#system.map((builder) => builder.schema),
          ...this.columns.builders.map((builder) => builder.schema),
        ],
      };
      this.#schemaVersion = this.columns.version;
    }
    return this.#schema;
  }

  /** What is buffered as a batch; the builder is empty afterwards. */
  take(): Batch {
    const table = this.schema();
    const { rows } = this;
    const system = this.plan.parent === undefined ? this.#rootColumns() : this.#childColumns();
    const stamps = this.#system.map((builder) => builder.take(rows));
    const columns = [...system, ...stamps, ...this.columns.builders.map((builder) => builder.take(rows))];
    this.rows = 0;
    return { table, rows, columns, bytes: columns.reduce((sum, column) => sum + bytesOf(column), 0) };
  }

  #rootColumns(): readonly Column[] {
    const size = this.#loadId.length;
    const data = new Uint8Array(this.rows * size);
    Buffer.from(data.buffer).fill(this.#loadId);
    return [
      idColumn(ID, this.ids, this.rows),
      { schema: LOAD_ID, kind: "text", data, offsets: evenOffsets(this.rows, size) },
    ];
  }

  #childColumns(): readonly Column[] {
    return [
      idColumn(ID, this.ids, this.rows),
      idColumn(PARENT_ID, this.#parentIds, this.rows),
      idColumn(ROOT_ID, this.#rootIds, this.rows),
      { schema: LIST_IDX, kind: "int64", data: longs(this.#indexes, this.rows) },
    ];
  }
}

/** A merge needs all of it: as long as a part of the key has no column there is no row either. */
function primaryKey(declared: readonly Declared[]): readonly string[] {
  const names = declared.filter((column) => column.primaryKey).map((column) => column.column?.schema.name);
  return names.every((name) => name !== undefined) ? names : [];
}

function systemColumn(name: string, type: DataType): ColumnSchema {
  return { name, type, nullable: false };
}

function idColumn(schema: ColumnSchema, ids: Uint32Array, rows: number): Column {
  const data = new Uint8Array(ids.slice(0, ID_WORDS * rows).buffer);
  return { schema, kind: "text", data, offsets: evenOffsets(rows, ID_BYTES) };
}

/** Small integers as 64-bit ones, without making a BigInt of each. */
function longs(values: Int32Array, rows: number): BigInt64Array {
  const data = new BigInt64Array(rows);
  const words = new Int32Array(data.buffer);
  for (let row = 0; row < rows; row++) words[2 * row] = values[row]!;
  return data;
}

function evenOffsets(rows: number, size: number): Uint32Array {
  const offsets = new Uint32Array(rows + 1);
  for (let row = 1; row <= rows; row++) offsets[row] = row * size;
  return offsets;
}

function copyId(from: Uint32Array, fromRow: number, to: Uint32Array, toRow: number): void {
  const source = ID_WORDS * fromRow;
  const target = ID_WORDS * toRow;
  to[target] = from[source]!;
  to[target + 1] = from[source + 1]!;
  to[target + 2] = from[source + 2]!;
}

function grown(words: Uint32Array): Uint32Array {
  return resized(words, Math.max(2 * words.length, ID_WORDS * 64));
}

function resized(words: Uint32Array, length: number): Uint32Array {
  const copy = new Uint32Array(length);
  copy.set(words);
  return copy;
}

function bytesOf(column: Column): number {
  const offsets = column.kind === "text" ? column.offsets.byteLength : 0;
  return column.data.byteLength + offsets + (column.validity?.byteLength ?? 0);
}
