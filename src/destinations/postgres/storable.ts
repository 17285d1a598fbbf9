import type { Batch, Column } from "../../model/batch.js";

/** A batch that PostgreSQL can hold, and how many values of which columns were changed for that. */
export interface Storable {
  readonly batch: Batch;
  readonly replaced: ReadonlyMap<string, number>;
}

/**
 * PostgreSQL's text can't hold the character NUL, and its jsonb neither NUL nor half of a surrogate pair, as escapes.
 * They become U+FFFD, which is also what a lone surrogate becomes in text (docs/decisions, "What PostgreSQL can't hold"). Bytes stay as they are.
 */
export function storable(batch: Batch): Storable {
  const replaced = new Map<string, number>();
  const columns = batch.columns.map((column) => {
    if (column.kind !== "text" || column.schema.type === "binary") return column;
    const clean = CLEAN[column.schema.type === "json" ? "json" : "text"];
    if (!clean.suspect(bytesOf(column, 0, batch.rows))) return column;
    const { column: rewritten, count } = rewrite(column, batch.rows, clean.text);
    if (count > 0) replaced.set(column.schema.name, count);
    return rewritten;
  });
  return replaced.size === 0 ? { batch, replaced } : { batch: { ...batch, columns }, replaced };
}

type TextColumn = Column & { readonly kind: "text" };

const CLEAN = {
  text: {
    suspect: (bytes: Buffer) => bytes.includes(0),
    text: (text: string) => text.replaceAll("\0", "\ufffd"),
  },
  json: {
    suspect: (bytes: Buffer) => bytes.includes("\\u0000") || bytes.includes("\\ud") || bytes.includes("\\uD"),
    text: cleanJson,
  },
} as const;

/** An escape, of a surrogate pair both halves at once; a plain character needs no look. */
const ESCAPES = /\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([0-9a-fA-F]{4})|[^u])/g;

/**
 * JSON text without escapes that jsonb refuses.
 *
 * @example
 * cleanJson(String.raw`["\u0000", "\\u0000"]`); // String.raw`["\ufffd", "\\u0000"]`
 */
export function cleanJson(text: string): string {
  return text.replaceAll(ESCAPES, (escape, code: string | undefined) =>
    code !== undefined && /^(?:0000|d[89a-f]..)$/i.test(code) ? "\\ufffd" : escape,
  );
}

function bytesOf({ data, offsets }: TextColumn, from: number, to: number): Buffer {
  return Buffer.from(data.buffer, data.byteOffset + offsets[from]!, offsets[to]! - offsets[from]!);
}

function rewrite(
  column: TextColumn,
  rows: number,
  clean: (text: string) => string,
): { column: TextColumn; count: number } {
  const { validity } = column;
  const offsets = new Uint32Array(rows + 1);
  const parts: Buffer[] = [];
  let count = 0;
  for (let row = 0; row < rows; row += 1) {
    const isNull = validity !== undefined && (validity[row >> 3]! & (1 << (row & 7))) === 0;
    const bytes = bytesOf(column, row, isNull ? row : row + 1);
    const text = bytes.toString("utf8");
    const cleaned = clean(text);
    const part = cleaned === text ? bytes : Buffer.from(cleaned);
    if (part !== bytes) count += 1;
    parts.push(part);
    offsets[row + 1] = offsets[row]! + part.length;
  }
  return { column: { ...column, data: Buffer.concat(parts), offsets }, count };
}
