import type { Batch, Column } from "../model/batch.js";
import { formatDecimal } from "../schema/decimal.js";

/**
 * A value read back from a batch: bigint and decimal in full (a decimal as text), timestamp and time as microseconds,
 * date as days since 1970, json as its text, binary as bytes.
 */
export type Cell = null | boolean | number | bigint | string | Uint8Array;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The rows of a batch as objects, for previews and tests. Loading never needs it.
 *
 * @example
 * batchRows(batch)[0]; // { _sluice_id: "…", _sluice_load_id: "…", id: 1n, name: "Ada" }
 */
export function batchRows(batch: Batch): Record<string, Cell>[] {
  return Array.from({ length: batch.rows }, (_, row) =>
    Object.fromEntries(batch.columns.map((column) => [column.schema.name, cellAt(column, row)])),
  );
}

/** One value of a column; null if it is absent. */
export function cellAt(column: Column, row: number): Cell {
  const { validity } = column;
  if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) return null;
  switch (column.kind) {
    case "bits":
      return column.data[row] === 1;
    case "int128":
      return formatDecimal(
        (column.data[2 * row + 1]! << 64n) | BigInt.asUintN(64, column.data[2 * row]!),
        column.schema.scale ?? 0,
      );
    case "text": {
      const bytes = column.data.subarray(column.offsets[row], column.offsets[row + 1]);
      return column.schema.type === "binary" ? bytes : decoder.decode(bytes);
    }
    default:
      return column.data[row]!;
  }
}
