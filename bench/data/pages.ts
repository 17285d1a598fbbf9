import { gzipSync } from "node:zlib";
import { type Dataset, FIRST_ID, type Range, recordAt } from "./dataset.js";

/** The list of records in a page. */
export const SELECTOR = "calls";

export interface PageOptions extends Range {
  /** Records in a page. */
  readonly size: number;
  readonly gzip: boolean;
}

export interface Pages {
  /** How many there are; one without records if there are no rows. */
  readonly count: number;
  /** Bytes of JSON in all of them, before compression. */
  readonly bytes: number;
  /** The body of a page, until `at` is called for one that is a period away. */
  at(page: number): Buffer;
}

/**
 * Bodies that are made before the first request. With more rows than the dataset's period they are used again and
 * again: only the ids are written anew, in place, so ten million rows take the memory of one period.
 */
export function createPages(dataset: Dataset, options: PageOptions): Pages {
  const { rows, size, step } = options;
  const count = Math.max(1, Math.ceil(rows / size));
  const perPeriod = dataset.period / size;
  const rotates = count > perPeriod;
  if (rotates && (step !== 1 || options.gzip || rows % size !== 0)) {
    throw new Error(`more than ${dataset.period} rows need full pages, without gzip and a step`);
  }
  const made = Array.from({ length: Math.min(count, perPeriod) }, (_, page) =>
    makePage(dataset, options, page, count),
  );
  const holds = made.map((_, page) => page);
  const bytes = Array.from({ length: count }, (_, page) => made[page % made.length]!.bytes);
  return {
    count,
    bytes: bytes.reduce((sum, size) => sum + size, 0),
    at(page) {
      const slot = page % made.length;
      const { body, ids } = made[slot]!;
      if (holds[slot] !== page) {
        const first = FIRST_ID + options.from + page * size;
        ids.forEach((offset, row) => writeDigits(body, offset, first + row));
        holds[slot] = page;
      }
      return body;
    },
  };
}

interface MadePage {
  readonly body: Buffer;
  readonly bytes: number;
  /** Where the digits of each record's id begin. */
  readonly ids: readonly number[];
}

function makePage(dataset: Dataset, options: PageOptions, page: number, count: number): MadePage {
  const { rows, size, from, step, edition, gzip } = options;
  const records = Array.from({ length: Math.max(0, Math.min(size, rows - page * size)) }, (_, row) =>
    Buffer.from(JSON.stringify(recordAt(dataset, from + (page * size + row) * step, edition))),
  );
  const parts = [Buffer.from(`{"total":${rows},"pages":${count},"${SELECTOR}":[`)];
  const ids: number[] = [];
  let length = parts[0]!.length;
  for (const record of records) {
    if (ids.length > 0) length += parts.push(COMMA) && 1;
    ids.push(length + dataset.beforeId.length);
    length += record.length;
    parts.push(record);
  }
  parts.push(Buffer.from("]}"));
  const body = Buffer.concat(parts);
  return { body: gzip ? gzipSync(body) : body, bytes: body.length, ids };
}

const COMMA = Buffer.from(",");
const DIGITS = 10;
const ZERO = 48;

function writeDigits(body: Buffer, offset: number, value: number): void {
  let rest = value;
  for (let at = offset + DIGITS - 1; at >= offset; at--) {
    const tenth = Math.floor(rest / 10);
    body[at] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
}
