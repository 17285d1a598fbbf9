import { createHash } from "node:crypto";
import type { JsonPath } from "../../expression/path.js";
import { isObject, type Json, type JsonObject } from "../../model/json.js";
import type { RecordFields } from "../record-fields.js";
import { type CursorValue, fromStored, type Measured, measure, type Order, toStored } from "./value.js";

/**
 * Records with the furthest value that are remembered, so that the next run knows them again. If there are more, none
 * is: all of them come again then, which does no harm to merged tables and is told of.
 */
export const MAX_TIES = 10_000;

/** The furthest value so far, and the records that have it. */
export class Progress {
  readonly #order: Order;
  readonly #key: readonly JsonPath[] | undefined;
  #furthest: Measured | undefined;
  #keys: Set<string>;
  /** Records of a page whose keys are not worth computing while a further value may follow. */
  #fresh: (readonly [fields: RecordFields, index: number])[] = [];
  #isCrowded: boolean;
  /** What `toStored` gave; every page asks for it, and most pages change nothing. */
  #stored: JsonObject | undefined;

  constructor(order: Order, key: readonly JsonPath[] | undefined, stored: JsonObject | undefined) {
    const value = fromStored(stored?.["value"]);
    this.#order = order;
    this.#key = key;
    this.#furthest = value === undefined ? undefined : measure(value);
    this.#keys = key === undefined ? new Set() : keysIn(stored);
    this.#isCrowded = stored?.["crowded"] === true;
  }

  get furthest(): Measured | undefined {
    return this.#furthest;
  }

  /** More records share the furthest value than are remembered. */
  get isCrowded(): boolean {
    this.settle();
    return this.#isCrowded;
  }

  add(measured: Measured, fields: RecordFields, index: number): void {
    const further = this.#furthest === undefined ? 1 : this.#order(measured, this.#furthest);
    if (further < 0) return;
    if (further > 0) this.#moveTo(measured);
    if (this.#key === undefined || this.#isCrowded) return;
    this.#stored = undefined;
    this.#fresh.push([fields, index]);
    if (this.#fresh.length > MAX_TIES) this.settle();
  }

  /** Nothing before this value is left to read, even if no record has it. */
  raise(value: CursorValue): void {
    const measured = measure(value);
    if (measured === undefined) return;
    if (this.#furthest !== undefined && this.#order(measured, this.#furthest) <= 0) return;
    this.#moveTo(measured);
  }

  toStored(): JsonObject {
    this.settle();
    this.#stored ??= {
      ...(this.#furthest === undefined ? {} : { value: toStored(this.#furthest.value) }),
      ...(this.#keys.size === 0 ? {} : { keys: [...this.#keys].sort() }),
      ...(this.#isCrowded ? { crowded: true } : {}),
    };
    return this.#stored;
  }

  /** Lets go of the pages that were added. */
  settle(): void {
    if (this.#fresh.length === 0) return;
    for (const [fields, index] of this.#fresh) this.#keys.add(keyOf(fields, index, this.#key ?? []));
    this.#fresh = [];
    if (this.#keys.size <= MAX_TIES) return;
    this.#keys = new Set();
    this.#isCrowded = true;
  }

  #moveTo(furthest: Measured): void {
    this.#furthest = furthest;
    this.#keys = new Set();
    this.#fresh = [];
    this.#isCrowded = false;
    this.#stored = undefined;
  }
}

/** The keys in what `Progress.toStored` gave. */
export function keysIn(stored: JsonObject | undefined): Set<string> {
  const keys = stored?.["keys"];
  return new Set(Array.isArray(keys) ? (keys as readonly string[]) : []);
}

/** What identifies a record: the fields named, or the whole record if there are none or it lacks one. 16 characters. */
export function keyOf(fields: RecordFields, index: number, paths: readonly JsonPath[]): string {
  const values = paths.map((path) => fields.first(index, path));
  const identity =
    values.length === 0 || values.includes(undefined) ? fields.whole(index) : (values as readonly Json[]);
  return createHash("sha256").update(canonicalText(identity)).digest("base64url").slice(0, 16);
}

/** JSON text in which the order of keys says nothing: APIs do not keep it. */
function canonicalText(value: Json): string {
  return JSON.stringify(value, (_, item: Json) => {
    if (typeof item === "bigint") return { integer: String(item) };
    return isObject(item)
      ? Object.fromEntries(Object.entries(item).sort(([one], [other]) => (one < other ? -1 : 1)))
      : item;
  });
}
