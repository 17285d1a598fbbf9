import { isDeepStrictEqual } from "node:util";
import { countOf, recordAt, sameBytes } from "../json/records.js";
import type { Records } from "../model/source.js";

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
  readonly #anchor = new Anchor<string>();

  has(fingerprint: string): boolean {
    return (
      this.#recent.has(fingerprint) || this.#before.has(fingerprint) || this.#anchor.held === fingerprint
    );
  }

  add(fingerprint: string): void {
    this.#anchor.pass(fingerprint);
    this.#recent.add(fingerprint);
    if (this.#recent.size < RECENT) return;
    this.#before = this.#recent;
    this.#recent = new Set();
  }
}

/**
 * The pages that a walk has seen, to notice when their content comes again: at once if it is that of the page before,
 * within a few rounds if the API begins anew (Brent's rule as above). Two pages are held in memory.
 */
export class PageTrail {
  #before: Records | undefined;
  readonly #anchor = new Anchor<Records>();

  /** Which earlier page has the same records: the one before, or one further back. */
  repeated(records: Records): "before" | "earlier" | undefined {
    if (sameRecords(records, this.#before)) return "before";
    return sameRecords(records, this.#anchor.held) ? "earlier" : undefined;
  }

  add(records: Records): void {
    this.#before = records;
    if (countOf(records) > 0) this.#anchor.pass(records);
  }
}

/** Brent's rule: of the items that pass, the first, second, fourth, eighth … is held until the next of them. */
class Anchor<T> {
  held: T | undefined = undefined;
  #passed = 0;
  #next = 1;

  pass(item: T): void {
    this.#passed++;
    if (this.#passed < this.#next) return;
    this.held = item;
    this.#next *= 2;
  }
}

function sameRecords(one: Records, other: Records | undefined): boolean {
  if (other === undefined || countOf(one) === 0 || countOf(one) !== countOf(other)) return false;
  if (one.kind === "document" && other.kind === "document") return sameBytes(one, other);
  return (
    isDeepStrictEqual(recordAt(one, 0), recordAt(other, 0)) && isDeepStrictEqual(one.values, other.values)
  );
}
