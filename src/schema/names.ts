import { createHash } from "node:crypto";

/**
 * The names in use in one place (the columns of a table, the tables of a resource), so that two sources never share
 * one. Who comes first keeps the plain name; who comes later gets `_` and six characters of a hash of its identity,
 * which is the same in every run. Names that differ only in case count as equal, because databases fold case.
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
  readonly #maxLength: number;
  readonly #byIdentity = new Map<string, string>();
  readonly #taken = new Set<string>();

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
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

  /** The name of a source: the one it has, or `wanted` if it is free, or `wanted` with a suffix. */
  claim(identity: string, wanted: string): string {
    const known = this.#byIdentity.get(identity);
    if (known !== undefined) return known;
    let name = wanted;
    for (let attempt = 0; this.has(name); attempt++) {
      name = `${wanted.slice(0, this.#maxLength - 7)}_${tag(identity, attempt)}`;
    }
    this.seed(identity, name);
    return name;
  }
}

/** How `Names` tells sources apart: the path itself, in a form that no other path has. */
export function identityOf(path: readonly string[]): string {
  return JSON.stringify(path);
}

function tag(identity: string, attempt: number): string {
  const text = attempt === 0 ? identity : `${identity}#${attempt}`;
  return createHash("sha256").update(text).digest("hex").slice(0, 6);
}
