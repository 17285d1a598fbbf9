import { SluiceError } from "../../model/error.js";
import type { Event } from "../../model/event.js";
import type { Page } from "../../model/source.js";
import { fieldsOf, type RecordFields } from "../record-fields.js";
import { type Incremental, measureRecord } from "./incremental.js";
import { locator, type Pass } from "./pass.js";
import { keyOf, type Progress } from "./progress.js";
import type { Measured } from "./value.js";

/**
 * Whether a record of a page belongs to the pass. One that does counts as progress; one with the very value that the last run
 * ended at is left out if that run had it.
 *
 * @throws SluiceError incremental/missing for a record without a value, unless it is to be included or excluded.
 */
export function acceptor(
  incremental: Incremental,
  pass: Pass,
  known: ReadonlySet<string>,
  progress: Progress,
): (fields: RecordFields, index: number) => boolean {
  const { key, missing, path } = incremental;
  const locate = locator(incremental, pass);
  return (fields, index) => {
    const measured = measureRecord(incremental, fields, index);
    if (measured === undefined) {
      if (missing === "raise") throw missingValue(path.source);
      return missing === "include";
    }
    const place = locate(measured);
    if (place === "before" || place === "beyond") return false;
    if (place === "start" && key !== undefined && known.size > 0 && known.has(keyOf(fields, index, key)))
      return false;
    progress.add(measured, fields, index);
    return true;
  };
}

function missingValue(path: string): SluiceError {
  return new SluiceError(
    "incremental/missing",
    `a record has no value at ${path}, by which it would be loaded`,
    {
      hint: "Check cursor_path; if records may lack the value, set on_cursor_value_missing to include or exclude.",
    },
  );
}

/** Whether the order of the records can end this pass before its pages do. */
export function canEndEarly({ runsTo }: Incremental, pass: Pass): boolean {
  return (runsTo === "start" && pass.start !== undefined) || (runsTo === "end" && pass.to !== undefined);
}

/**
 * Ends a walk over sorted records after the first page whose last record is out of range. That is a proved end: all
 * that could follow is further out, by the order that the configuration promises. A page that breaks the promise turns
 * this off.
 */
export async function* untilOutOfRange(
  pages: AsyncGenerator<Page, void, undefined>,
  incremental: Incremental,
  pass: Pass,
  warn: (event: Event) => void,
  resource: string,
): AsyncGenerator<Page, void, undefined> {
  const locate = locator(incremental, pass);
  const out = incremental.runsTo === "start" ? "before" : "beyond";
  const forwards = incremental.runsTo === "start" ? -1 : 1;
  let before: Measured | undefined;
  let isSorted = true;
  for await (const page of pages) {
    let last: Measured | undefined;
    const fields = fieldsOf(page.records);
    const count = isSorted ? fields.count : 0;
    for (let index = 0; index < count; index++) {
      const measured = measureRecord(incremental, fields, index);
      if (measured === undefined) continue;
      if (before !== undefined && incremental.order(measured, before) * forwards < 0) isSorted = false;
      before = measured;
      last = measured;
    }
    if (!isSorted && before !== undefined) {
      warn({
        type: "warning",
        resource,
        code: "incremental/order",
        message: `records are not in the order that row_order promises for ${incremental.path.source}, so all pages are read`,
      });
      before = undefined;
    }
    if (isSorted && page.completeness === undefined && last !== undefined && locate(last) === out) {
      const { resume: _, ...rest } = page;
      yield { ...rest, completeness: "proved" };
      return;
    }
    yield page;
  }
}
