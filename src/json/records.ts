import type { JsonDocument } from "../model/document.js";
import type { Json } from "../model/json.js";
import type { DocumentRecords, Records } from "../model/source.js";
import { LIST, VALUE_WORDS } from "./document.js";
import { valueAt } from "./values.js";

/** The list at a place in a document's tape as records; undefined if no list is there. */
export function recordsAt(document: JsonDocument, list: number): DocumentRecords | undefined {
  const { tape } = document;
  if (tape[list] !== LIST) return undefined;
  const end = tape[list + 3]!;
  let count = 0;
  for (let at = list + VALUE_WORDS; at < end; at = tape[at + 3]!) count++;
  let values: readonly Json[] | undefined;
  return {
    kind: "document",
    document,
    list,
    count,
    get values() {
      values ??= valueAt(document, list) as readonly Json[];
      return values;
    },
  };
}

/** How many records a page has. */
export function countOf(records: Records): number {
  return records.kind === "document" ? records.count : records.values.length;
}

/** The first record alone. */
export function firstOf(records: Records): Json | undefined {
  if (records.kind === "objects") return records.values[0];
  return records.count === 0 ? undefined : valueAt(records.document, records.list + VALUE_WORDS);
}

/** The last record alone. */
export function lastOf(records: Records): Json | undefined {
  if (records.kind === "objects") return records.values.at(-1);
  const { tape } = records.document;
  let last = records.list + VALUE_WORDS;
  const end = tape[records.list + 3]!;
  if (last === end) return undefined;
  while (tape[last + 3]! < end) last = tape[last + 3]!;
  return valueAt(records.document, last);
}

/** Whether two lists are written in the same way. */
export function sameBytes(one: DocumentRecords, other: DocumentRecords): boolean {
  return textOf(one).equals(textOf(other));
}

function textOf({ document: { bytes, tape }, list }: DocumentRecords): Buffer {
  const start = tape[list + 1]!;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, tape[list + 2]! - start);
}
