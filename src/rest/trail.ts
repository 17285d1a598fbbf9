import { isDeepStrictEqual } from "node:util";
import { ESCAPED, STRING } from "../json/document.js";
import { parseExactJson } from "../json/exact.js";
import { countOf, recordAt } from "../json/records.js";
import type { DocumentRecords, Records } from "../model/source.js";

/** As many of the latest requests are remembered one by one, and up to as many before them. */
const RECENT = 50_000;

/**
 * The requests that a walk has sent, to notice when one comes again. A circle of up to 50,000 requests is noticed at
 * its first repeat. A longer one is noticed too, by Brent's rule: one request is held back and compared with all later
 * ones, and is replaced each time the walk has become twice as long. So memory does not grow with the walk.
 */
export class RequestTrail {
  #recent = new Set<string>();
  #before: ReadonlySet<string> = new Set();
  readonly #doubling = new Doubling();
  #anchor: string | undefined;

  has(fingerprint: string): boolean {
    return this.#recent.has(fingerprint) || this.#before.has(fingerprint) || this.#anchor === fingerprint;
  }

  add(fingerprint: string): void {
    if (this.#doubling.pass()) this.#anchor = fingerprint;
    this.#recent.add(fingerprint);
    if (this.#recent.size < RECENT) return;
    this.#before = this.#recent;
    this.#recent = new Set();
  }
}

/**
 * The pages that a walk has seen, to notice when their content comes again: at once if it is that of the page before,
 * within a few rounds if the API begins anew (Brent's rule as above). Two pages are held in memory; what is held of a
 * document is a copy, since its own memory may leave with the page.
 */
export class PageTrail {
  readonly #before = new Held();
  readonly #doubling = new Doubling();
  readonly #anchor = new Held();

  /** Which earlier page has the same records: the one before, or one further back. */
  repeated(records: Records): "before" | "earlier" | undefined {
    if (this.#before.isSame(records)) return "before";
    return this.#anchor.isSame(records) ? "earlier" : undefined;
  }

  add(records: Records): void {
    this.#before.hold(records);
    if (countOf(records) > 0 && this.#doubling.pass()) this.#anchor.hold(records);
  }
}

/** Brent's rule: of the items that pass, the first, second, fourth, eighth … is held until the next of them. */
class Doubling {
  #passed = 0;
  #next = 1;

  /** Whether the item that passes is to be held. */
  pass(): boolean {
    this.#passed++;
    if (this.#passed < this.#next) return false;
    this.#next *= 2;
    return true;
  }
}

/** The records of a page that was seen: values, or the bytes of a document from its first record to its last. */
class Held {
  #count = 0;
  #values: Records | undefined;
  /** Kept from page to page, so that holding one makes no garbage. */
  #memory = Buffer.alloc(0);
  #size = 0;

  hold(records: Records): void {
    this.#count = countOf(records);
    this.#values = undefined;
    if (records.kind === "objects") this.#values = records;
    else if (this.#count > 0) this.#copy(spanOf(records));
  }

  isSame(records: Records): boolean {
    if (this.#count === 0 || countOf(records) !== this.#count) return false;
    if (this.#values !== undefined) {
      return (
        isDeepStrictEqual(recordAt(records, 0), recordAt(this.#values, 0)) &&
        isDeepStrictEqual(records.values, this.#values.values)
      );
    }
    const held = this.#memory.subarray(0, this.#size);
    if (records.kind === "document") return held.equals(spanOf(records));
    return isDeepStrictEqual(records.values, parseExactJson(`[${held.toString("utf8")}]`));
  }

  #copy(span: Uint8Array): void {
    if (span.length > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(span.length);
    this.#memory.set(span);
    this.#size = span.length;
  }
}

/** What stands in a document from its first record to its last. */
function spanOf({ document: { bytes, tape }, places }: DocumentRecords): Uint8Array {
  const first = places[0]!;
  const last = places.at(-1)!;
  return bytes.subarray(tape[first + 1]! - quoteAt(tape, first), tape[last + 2]! + quoteAt(tape, last));
}

/** The tape has text without its quotes. */
function quoteAt(tape: Uint32Array, place: number): 0 | 1 {
  const kind = tape[place];
  return kind === STRING || kind === ESCAPED ? 1 : 0;
}
