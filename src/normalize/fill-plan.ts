import { BIGINT, BOOL, type ColumnBuilder, DECIMAL, DOUBLE, TEXT, TIMESTAMP } from "./column-builder.js";
import type { Field, Shape } from "./fields.js";
import type { Load } from "./load.js";
import type { TableBuilder } from "./table-builder.js";

/** Types of columns that `wasm/fill-columns.ts` fills. */
const FILLED: ReadonlySet<number> = new Set([TEXT, BIGINT, DOUBLE, DECIMAL, BOOL, TIMESTAMP]);
/** Bytes of a cell of text: where it begins and ends in its document. */
const TEXT_CELL_BYTES = 8;
/** Bytes that cells of the root table, and those of all its children, should take together. */
const ROOT_BYTES = 1024 * 1024;
const CHILD_BYTES = 2 * 1024 * 1024;
/** Rows that there is room for, whatever that takes. */
const FEWEST_ROWS = 16;
/** Rows of a child table for each record that there is room for. */
const CHILDREN = 8;
const MOST_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const MOST_LONG = 2n ** 63n - 1n;
const ALIGNMENT = 16;
/** Below it the memory is the program's own. */
const FIRST_ADDRESS = 1024;

/** The sizes of what stands in the plan: see `wasm/fill-columns.ts`. */
export interface PlanSizes {
  readonly FIELD_BYTES: number;
  readonly COLUMN_BYTES: number;
  readonly TABLE_BYTES: number;
}

export interface PlannedColumn {
  readonly builder: ColumnBuilder;
  readonly address: number;
  readonly cells: number;
}

export interface PlannedTable {
  readonly builder: TableBuilder;
  readonly address: number;
  readonly columns: readonly PlannedColumn[];
  /** Number of its parent; 0 for the root itself. */
  readonly parent: number;
  /** For each row of a child table a word: the row of its parent, and its place in the list. */
  readonly parents: number;
  readonly indexes: number;
}

/** What is known of a load's tables, as addresses in the memory of the program that fills them. */
export interface FillPlan {
  readonly keys: readonly string[];
  /** The root first. */
  readonly tables: readonly PlannedTable[];
  readonly tablesAt: number;
  readonly fieldsAt: number;
  readonly requiredAt: number;
  readonly requiredCount: number;
  /** Room for a word for each row, of all tables, and how many there are at most. */
  readonly begunAt: number;
  readonly rows: number;
  /** Room for a word, and for a bit, for each row of a table. */
  readonly endsAt: number;
  readonly bitsAt: number;
  /** The first byte behind all of this. */
  readonly end: number;
  /** Writes it. The memory has at least `end` bytes. */
  write(memory: ArrayBuffer): void;
}

/** Lays out all that is known of the tables of a load, for `records` records at once of documents with this list of keys. */
export function fillPlan(load: Load, keys: readonly string[], sizes: PlanSizes, records: number): FillPlan {
  let end = FIRST_ADDRESS;
  const take = (bytes: number): number => {
    const address = end;
    end = (end + bytes + ALIGNMENT - 1) & -ALIGNMENT;
    return address;
  };
  const builders = load.tables.map((table) => ({
    table,
    columns: table.columns.builders.filter(({ code }) => FILLED.has(code)),
  }));
  const rowBytes = builders.map(({ columns }) =>
    columns.reduce((sum, column) => sum + cellBytes(column) + 1, 12),
  );
  const rootRows = clamp(ROOT_BYTES / rowBytes[0]!, records);
  const childRows = clamp(CHILD_BYTES / sum(rowBytes.slice(1)), CHILDREN * records);
  const roomOf = (number: number): number => (number === 0 ? rootRows : childRows);

  const tablesAt = take(sizes.TABLE_BYTES * builders.length);
  const tables = builders.map(({ table, columns }, number): PlannedTable => {
    const room = roomOf(number);
    const columnsAt = take(sizes.COLUMN_BYTES * columns.length);
    return {
      builder: table,
      address: tablesAt + number * sizes.TABLE_BYTES,
      parent: table.plan.parent === undefined ? 0 : load.tables.indexOf(table.plan.parent),
      parents: take(4 * room),
      indexes: take(4 * room),
      columns: columns.map((builder, at) => ({
        builder,
        address: columnsAt + at * sizes.COLUMN_BYTES,
        // One whole load of sixteen bytes may begin at the last row.
        cells: take(cellBytes(builder) * room + room + ALIGNMENT),
      })),
    };
  });
  const columnAt = new Map(tables.flatMap(({ columns }) => columns.map((one) => [one.builder, one.address])));
  const fields = fieldsOf(load, keys);
  const fieldsAt = take(4 * keys.length);
  const fieldAt = new Map([...fields.keys()].map((field) => [field, take(sizes.FIELD_BYTES)]));
  const required = load.required.map(({ column }) =>
    column === undefined ? 0 : (columnAt.get(column) ?? 0),
  );
  const requiredAt = take(4 * required.length);
  const rows = sum(builders.map((_, number) => roomOf(number)));
  const begunAt = take(4 * rows);
  const mostRows = Math.max(rootRows, childRows);
  const endsAt = take(4 * mostRows);
  const bitsAt = take(mostRows / 8 + ALIGNMENT);
  const shapes = new Map(
    [...new Set([...fields.values()].map(({ shape }) => shape))].map((one, at) => [one, at + 1]),
  );

  function write(memory: ArrayBuffer): void {
    const view = new DataView(memory);
    new Uint8Array(memory, FIRST_ADDRESS, end - FIRST_ADDRESS).fill(0);
    const words = (address: number, values: readonly number[]): void =>
      values.forEach((value, at) => view.setUint32(address + 4 * at, value, true));
    tables.forEach(({ builder, address, columns, parents, indexes }, number) => {
      const room = roomOf(number);
      const { item, shape } = builder;
      words(address, [
        0,
        room,
        columns[0]?.address ?? 0,
        columns.length,
        shapes.get(shape) ?? 0,
        fieldAt.get(item) ?? 0,
        parents,
        indexes,
      ]);
      for (const { builder: column, address: at, cells } of columns) {
        words(at, [column.code, cellBytes(column), cells, cells + cellBytes(column) * room]);
        // A larger integer marks the column, once.
        if (column.code === BIGINT)
          view.setBigInt64(at + 16, column.schema.beyondDouble === true ? MOST_LONG : MOST_SAFE, true);
        else view.setFloat64(at + 16, column.decimalUnit, true);
        view.setFloat64(at + 24, column.decimalLimit, true);
      }
    });
    for (const [field, { shape, numbers }] of fields) {
      const at = fieldAt.get(field)!;
      const items = field.items === undefined ? -1 : load.tables.indexOf(field.items);
      words(at, [
        shapes.get(shape)!,
        field.column === undefined ? 0 : (columnAt.get(field.column) ?? 0),
        field.object === undefined ? 0 : (shapes.get(field.object) ?? 0),
        items < 0 ? 0 : tables[items]!.address,
        0,
        field.whole ? 1 : 0,
      ]);
      for (const number of numbers) view.setUint32(fieldsAt + 4 * number, at, true);
    }
    words(requiredAt, required);
  }

  return {
    keys,
    tables,
    tablesAt,
    fieldsAt,
    requiredAt,
    requiredCount: required.length,
    begunAt,
    rows,
    endsAt,
    bitsAt,
    end,
    write,
  };
}

interface Numbered {
  readonly shape: Shape;
  readonly numbers: readonly number[];
}

/** All fields of a load: the shape that each is in, and the numbers of its key. */
function fieldsOf({ tables }: Load, keys: readonly string[]): ReadonlyMap<Field, Numbered> {
  const found = new Map<Field, Numbered>();
  const search = (shape: Shape): void => {
    const numbers = new Map<Field, number[]>(shape.fields.map((field) => [field, []]));
    shape.numbered(keys).forEach((field, number) => {
      if (field !== undefined) numbers.get(field)?.push(number);
    });
    for (const [field, its] of numbers) {
      found.set(field, { shape, numbers: its });
      if (field.object !== undefined) search(field.object);
    }
  };
  for (const { shape, item } of tables) {
    search(shape);
    found.set(item, { shape, numbers: [] });
  }
  return found;
}

function cellBytes({ width }: ColumnBuilder): number {
  return width === 0 ? TEXT_CELL_BYTES : width;
}

function clamp(rows: number, most: number): number {
  return Math.min(most, Math.max(FEWEST_ROWS, Math.floor(rows)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
