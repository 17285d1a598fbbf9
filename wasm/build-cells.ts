// AssemblyScript: DuckDB's cells of text that lies end to end (src/destinations/duckdb/vectors.ts). A cell of 16 bytes is
// `duckdb_string_t`: the length, then up to 12 bytes of the text, zeros behind them, or its first four and its address.

const INLINE_BYTES: u32 = 12;
const CELL_BYTES: u32 = 16;

/**
 * Builds `rows` cells at `cells`. Where text `row` begins and ends stand at `offsets`, as the first byte of all of them
 * stands at `text`; behind the last one 16 bytes are readable. DuckDB has them at `address`. Up to four bytes more are
 * written than the cells have.
 *
 * @returns whether the offsets increase
 */
export function build(text: u32, offsets: u32, rows: u32, address: u64, cells: u32): bool {
  const first = load<u32>(offsets);
  let from = first;
  for (let row: u32 = 0; row < rows; row++) {
    const to = load<u32>(offsets + 4 * row, 4);
    if (to < from) return false;
    const length = to - from;
    const source = text + (from - first);
    store<u32>(cells, length);
    if (length > INLINE_BYTES) {
      store<u32>(cells, load<u32>(source), 4);
      store<u64>(cells, address + (from - first), 8);
    } else {
      store<u64>(cells, lowBytes(load<u64>(source), length), 4);
      store<u32>(cells, <u32>lowBytes(load<u32>(source + 8), length > 8 ? length - 8 : 0), 12);
    }
    cells += CELL_BYTES;
    from = to;
  }
  return true;
}

/** The first `count` bytes, and zeros for the others. */
function lowBytes(bytes: u64, count: u32): u64 {
  return count >= 8 ? bytes : bytes & (((<u64>1) << (8 * count)) - 1);
}
