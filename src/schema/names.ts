import { createHash } from "node:crypto";
import { SYSTEM_PREFIX } from "../model/table.js";

/** A source that could not have the name that it wanted, because another one has it. */
export interface Collision {
  readonly identity: string;
  readonly wanted: string;
  readonly name: string;
}

/**
 * The names in use in one place (the columns of a table, the tables of a resource), so that two sources never share
 * one. Who comes first keeps the plain name; who comes later gets `_` and six characters of a hash of its identity,
 * which is the same in every run. Names that differ only in case count as equal, because databases fold case. A name with
 * the prefix of system columns and tables is nobody's.
 *
 * Seed it from the stored schema before anything else, and later runs give the same names.
 *
 * @example
 * const names = new Names(255);
 * names.claim('["Id"]', "id"); // "id"
 * names.claim('["id"]', "id"); // "id_0a4b5c"
 * names.claim('["Id"]', "id"); // "id"
 */
export class Names {
  /** Those since the start, in their order. */
  readonly collisions: Collision[] = [];
  readonly #maxBytes: number;
  readonly #byIdentity = new Map<string, string>();
  readonly #taken = new Set<string>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes a name that no source may have: a system column, a declared column that has no source yet. */
  reserve(name: string): void {
    this.#taken.add(name.toLowerCase());
  }

  /** Gives a source a name that was fixed before (stored schema, declared column); it may be reserved already. */
  seed(identity: string, name: string): void {
    this.reserve(name);
    this.#byIdentity.set(identity, name);
  }

  has(name: string): boolean {
    return this.#taken.has(name.toLowerCase());
  }

  /** As `claim`, for a name that was chosen with care: it may have the prefix of system columns. */
  grant(identity: string, wanted: string): string {
    if (!this.#byIdentity.has(identity) && !this.has(wanted)) this.seed(identity, wanted);
    return this.claim(identity, wanted);
  }

  /** The name of a source: the one it has, or `wanted` if it is free, or `wanted` with a suffix. */
  claim(identity: string, wanted: string): string {
    const known = this.#byIdentity.get(identity);
    if (known !== undefined) return known;
    const suffixed = (attempt: number) => `${cutBytes(wanted, this.#maxBytes - 7)}_${tag(identity, attempt)}`;
    const isSystem = wanted.toLowerCase().startsWith(SYSTEM_PREFIX);
    let name = isSystem ? suffixed(0) : wanted;
    for (let attempt = isSystem ? 1 : 0; this.has(name); attempt++) name = suffixed(attempt);
    this.seed(identity, name);
    if (name !== wanted) this.collisions.push({ identity, wanted, name });
    return name;
  }
}

/** How `Names` tells sources apart: the path itself, in a form that no other path has. */
export function identityOf(path: readonly string[]): string {
  return JSON.stringify(path);
}

/** As many whole characters from the start of a text as fit into so many bytes of UTF-8. */
export function cutBytes(text: string, maxBytes: number): string {
  return fitting(Array.from(text), maxBytes).join("");
}

/** As `cutBytes`, from the end. */
export function cutBytesAtStart(text: string, maxBytes: number): string {
  return fitting(Array.from(text).toReversed(), maxBytes).toReversed().join("");
}

function fitting(characters: readonly string[], maxBytes: number): string[] {
  let bytes = 0;
  const over = characters.findIndex((character) => {
    bytes += Buffer.byteLength(character);
    return bytes > maxBytes;
  });
  return over === -1 ? [...characters] : characters.slice(0, over);
}

function tag(identity: string, attempt: number): string {
  const text = attempt === 0 ? identity : `${identity}#${attempt}`;
  return createHash("sha256").update(text).digest("hex").slice(0, 6);
}
