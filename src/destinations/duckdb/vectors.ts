import { isUtf8 } from "node:buffer";
import type { DataChunk, Vector } from "@duckdb/node-bindings";
import type { Batch, Column } from "../../model/batch.js";
import { SluiceError } from "../../model/error.js";
import type { ColumnSchema } from "../../model/table.js";
import { WASM_PAGE_BYTES, type WasmMemory, wasmInstance } from "../../wasm/instance.js";

/** The functions of `@duckdb/node-bindings` that fill vectors; the module itself is loaded by `duckdb-database.ts`. */
export type VectorBinding = Pick<
  typeof import("@duckdb/node-bindings"),
  | "copy_data_to_vector"
  | "copy_data_to_vector_validity"
  | "data_chunk_get_vector"
  | "data_chunk_reset"
  | "data_chunk_set_size"
  | "vector_assign_string_element_len"
  | "vector_ensure_validity_writable"
  | "vector_get_data"
>;

/**
 * How strings get into a vector.
 * - `arena`: one call hands over the bytes of the whole column, and the cells that point into them are built here.
 *   1.5 times as fast as
 * - `each`: one call a string.
 *
 * The arena relies on the cell layout of DuckDB's C API (`duckdb_string_t`: length, then 12 bytes inline or a 4-byte
 * prefix and a pointer) on a little-endian 64-bit machine, so it is used only after it has proved itself.
 */
export type StringMode = "arena" | "each";

/** Fills `rows` values of each column, from row `start` of a batch, into a chunk. */
export type ChunkFiller = (
  chunk: DataChunk,
  columns: readonly ColumnSchema[],
  batch: Batch,
  start: number,
  rows: number,
) => void;

/** Rows of a full chunk (STANDARD_VECTOR_SIZE). */
export const CHUNK_ROWS = 2048;

const CELL_BYTES = 16;
const INLINE_BYTES = 12;
/** Where things are in the memory of the program that builds cells; what is below is its own. */
const CELLS_AT = 1024;
const OFFSETS_AT = CELLS_AT + (CHUNK_ROWS + 1) * CELL_BYTES;
const TEXT_AT = OFFSETS_AT + (CHUNK_ROWS + 1) * 4;
/** Bytes of text that it looks at in one go. */
const TEXT_BYTES = 256 * 1024;

/**
 * A function that fills chunks by copying whole columns. `start` must be a multiple of eight, since validity is copied
 * as bytes. It keeps scratch memory: one filler per database, used from one thread.
 */
export function chunkFiller(binding: VectorBinding, strings: StringMode): ChunkFiller {
  const cells = new CellBuilder();
  const narrow = new ArrayBuffer(CHUNK_ROWS * 8);

  function fill(vector: Vector, schema: ColumnSchema, column: Column, start: number, rows: number): void {
    if (column.validity !== undefined) fillValidity(vector, column.validity, start, rows);
    if (column.kind === "text") fillText(vector, column, start, rows);
    else if (column.kind === "int128") fillDecimal(vector, schema, column, start, rows);
    else copy(vector, column.data, start, rows);
  }

  function copy(
    vector: Vector,
    data: Uint8Array | Int32Array | BigInt64Array | Float64Array,
    start: number,
    rows: number,
  ): void {
    const part = data.subarray(start, start + rows);
    // The copy below is an unchecked memory copy: a short buffer has to be found here.
    if (part.length !== rows) throw broken("a column holds fewer values than its batch has rows");
    binding.copy_data_to_vector(vector, 0, part.buffer as ArrayBuffer, part.byteOffset, part.byteLength);
  }

  function fillValidity(vector: Vector, validity: Uint8Array, start: number, rows: number): void {
    const from = start >> 3;
    const part = validity.subarray(from, from + ((rows + 7) >> 3));
    if (part.length < (rows + 7) >> 3) throw broken("a validity bitmap is shorter than its batch");
    binding.vector_ensure_validity_writable(vector);
    const buffer = part.buffer as ArrayBuffer;
    binding.copy_data_to_vector_validity(vector, 0, buffer, part.byteOffset, part.byteLength);
  }

  /** DuckDB keeps a decimal in the smallest integer that holds its precision. */
  function fillDecimal(
    vector: Vector,
    schema: ColumnSchema,
    column: Column & { kind: "int128" },
    start: number,
    rows: number,
  ): void {
    const precision = schema.precision ?? 38;
    if (precision > 18) {
      copy(vector, column.data, start * 2, rows * 2);
      return;
    }
    const values =
      precision > 9
        ? new BigInt64Array(narrow)
        : precision > 4
          ? new Int32Array(narrow)
          : new Int16Array(narrow);
    for (let row = 0; row < rows; row += 1) {
      const low = column.data[(start + row) * 2];
      if (low === undefined) throw broken("a column holds fewer values than its batch has rows");
      if (values instanceof BigInt64Array) values[row] = low;
      else values[row] = Number(BigInt.asIntN(32, low));
    }
    binding.copy_data_to_vector(vector, 0, narrow, 0, rows * values.BYTES_PER_ELEMENT);
  }

  function fillText(vector: Vector, column: Column & { kind: "text" }, start: number, rows: number): void {
    const { data, offsets, schema } = column;
    const from = offsets[start] ?? 0;
    const to = offsets[start + rows];
    if (to === undefined || to < from || to > data.length) {
      throw broken("the offsets of a text column do not fit its data");
    }
    if (strings === "each") {
      fillEach(vector, column, start, rows);
      return;
    }
    const arena = data.subarray(from, to);
    let address = 0n;
    if (arena.length > INLINE_BYTES) {
      binding.vector_assign_string_element_len(vector, 0, arena);
      const cell = binding.vector_get_data(vector, CELL_BYTES);
      const view = new DataView(cell.buffer, cell.byteOffset, CELL_BYTES);
      // DuckDB leaves the cell empty, without an error, when the bytes are not UTF-8.
      if (view.getUint32(0, true) !== arena.length) throw notUtf8(schema);
      address = view.getBigUint64(8, true);
    } else if (schema.type !== "binary" && !isUtf8(arena)) {
      throw notUtf8(schema);
    }
    const built = cells.build(arena, offsets.subarray(start, start + rows + 1), address);
    binding.copy_data_to_vector(vector, 0, built.buffer as ArrayBuffer, built.byteOffset, built.byteLength);
  }

  function fillEach(vector: Vector, column: Column & { kind: "text" }, start: number, rows: number): void {
    const { data, offsets, schema, validity } = column;
    if (schema.type !== "binary" && !isUtf8(data.subarray(offsets[start], offsets[start + rows]))) {
      throw notUtf8(schema);
    }
    for (let row = start; row < start + rows; row += 1) {
      if (validity !== undefined && (validity[row >> 3]! & (1 << (row & 7))) === 0) continue;
      const bytes = data.subarray(offsets[row], offsets[row + 1]);
      binding.vector_assign_string_element_len(vector, row - start, bytes);
    }
  }

  function fillNulls(vector: Vector, rows: number): void {
    fillValidity(vector, new Uint8Array((rows + 7) >> 3), 0, rows);
  }

  return (chunk, columns, batch, start, rows) => {
    binding.data_chunk_reset(chunk);
    columns.forEach((schema, index) => {
      const vector = binding.data_chunk_get_vector(chunk, index);
      const column = findColumn(batch, schema, index);
      if (column === undefined) fillNulls(vector, rows);
      else fill(vector, schema, column, start, rows);
    });
    binding.data_chunk_set_size(chunk, rows);
  };
}

/** Builds the cells of strings that lie end to end, in memory of its own (`wasm/build-cells.ts`). */
class CellBuilder {
  readonly #program = wasmInstance("build-cells") as CellProgram;
  readonly #heap: Uint8Array;

  constructor() {
    const { memory } = this.#program;
    memory.grow(Math.ceil((TEXT_AT + TEXT_BYTES + CELL_BYTES) / WASM_PAGE_BYTES));
    this.#heap = new Uint8Array(memory.buffer);
  }

  /** The cells of up to `CHUNK_ROWS` texts, whose bytes DuckDB has at `address`. They hold until the next call. */
  build(text: Uint8Array, offsets: Uint32Array, address: bigint): Uint8Array {
    const rows = offsets.length - 1;
    const first = offsets[0] ?? 0;
    new Uint32Array(this.#heap.buffer, OFFSETS_AT, rows + 1).set(offsets);
    let row = 0;
    while (row < rows) {
      const from = offsets[row]! - first;
      let end = rows;
      while (end > row + 1 && offsets[end]! - first - from > TEXT_BYTES) end = row + ((end - row) >> 1);
      // Of one that is longer than this the beginning is enough.
      this.#heap.set(text.subarray(from, Math.min(offsets[end]! - first, from + TEXT_BYTES)), TEXT_AT);
      const isBuilt = this.#program.build(
        TEXT_AT,
        OFFSETS_AT + row * 4,
        end - row,
        address + BigInt(from),
        CELLS_AT + row * CELL_BYTES,
      );
      if (isBuilt !== 1) throw broken("the offsets of a text column do not increase");
      row = end;
    }
    return this.#heap.subarray(CELLS_AT, CELLS_AT + rows * CELL_BYTES);
  }
}

/** What `wasm/build-cells.ts` exports. */
interface CellProgram {
  readonly memory: WasmMemory;
  build(text: number, offsets: number, rows: number, address: bigint, cells: number): number;
}

/** The batch's column of that name; usually at the same place. */
function findColumn(batch: Batch, schema: ColumnSchema, index: number): Column | undefined {
  const guess = batch.columns[index];
  const column =
    guess?.schema.name === schema.name
      ? guess
      : batch.columns.find((candidate) => candidate.schema.name === schema.name);
  if (column !== undefined && column.schema.type !== schema.type) {
    throw broken(`column ${schema.name} came as ${column.schema.type} after it was ${schema.type}`);
  }
  return column;
}

function broken(what: string): SluiceError {
  return new SluiceError("internal/bug", `a batch does not hold what it says: ${what}`);
}

function notUtf8(schema: ColumnSchema): SluiceError {
  return broken(`column ${schema.name} is not UTF-8`);
}
