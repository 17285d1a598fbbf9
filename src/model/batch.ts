import type { ColumnSchema, TableSchema } from "./table.js";

/**
 * Rows of one table in columns: what the normalizer makes and a destination's stage takes. Values move one way, so
 * whoever receives a batch owns its buffers; the maker does not touch them again.
 *
 * `columns` has the order of `table.columns`, one entry each, and every entry holds `rows` values.
 */
export interface Batch {
  readonly table: TableSchema;
  readonly rows: number;
  readonly columns: readonly Column[];
  /** Bytes of all buffers: what the stage has to hold, and what checkpoints count. */
  readonly bytes: number;
}

/**
 * One column of a batch.
 *
 * `validity` is a bitmap, least significant bit first: bit i is 1 if value i is present. Absent means: no nulls.
 * The data under a null is unspecified.
 *
 * - `bits`    (bool): one byte a value, 0 or 1
 * - `int32`   (date): days since 1970-01-01
 * - `int64`   (bigint; timestamp: microseconds since 1970-01-01T00:00:00Z; time: microseconds of the day)
 * - `int128`  (decimal): the unscaled integer, two 64-bit little-endian words a value, low word first
 * - `float64` (double)
 * - `text`    (text, json: UTF-8; binary: bytes): value i is `data[offsets[i] .. offsets[i + 1])`
 */
export type Column = { readonly schema: ColumnSchema; readonly validity?: Uint8Array } & (
  | { readonly kind: "bits"; readonly data: Uint8Array }
  | { readonly kind: "int32"; readonly data: Int32Array }
  | { readonly kind: "int64"; readonly data: BigInt64Array }
  | { readonly kind: "int128"; readonly data: BigInt64Array }
  | { readonly kind: "float64"; readonly data: Float64Array }
  | { readonly kind: "text"; readonly data: Uint8Array; readonly offsets: Uint32Array }
);
