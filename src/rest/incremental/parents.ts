import { SluiceError } from "../../model/error.js";
import { isObject, type JsonObject } from "../../model/json.js";
import type { Io, Page } from "../../model/source.js";
import type { Incremental } from "./incremental.js";
import { keysIn } from "./progress.js";
import { describedCursor } from "./read.js";
import { fromStored, measure } from "./value.js";

/** Parents whose last values are remembered. */
export const MAX_PARENTS = 50_000;

/** Parents that came since the large object was made anew; it is not copied for each of them. */
const NEWER_PARENTS = 256;

/** What a child remembers: how far it has read its parent, and how far it has read by itself, for each parent or for all. */
export interface ChildCursor {
  readonly parent?: JsonObject;
  readonly own?: JsonObject;
}

export function childCursor(stored: JsonObject | undefined): ChildCursor {
  const part = (name: keyof ChildCursor): Partial<ChildCursor> => {
    const value = stored?.[name];
    return isObject(value) ? { [name]: value } : {};
  };
  return { ...part("parent"), ...part("own") };
}

/**
 * A cursor of the parent for which no record is known: those with its very value come again. A record that is the same
 * as before may have new children all the same, if they came within the same second.
 */
export function withoutKeys(cursor: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(cursor).flatMap(([name, value]) =>
      name === "keys" ? [] : [[name, isObject(value) ? withoutKeys(value) : value]],
    ),
  );
}

/** What a page of a child says of cursors, before it is made one. */
export interface Reached {
  /** How far the parent has been read with all the children that it has up to there. */
  readonly parent?: JsonObject;
  /** How far the children of one record of the parent have been read. */
  readonly visit?: { readonly key: string; readonly cursor: JsonObject };
}

/** The last values of all parents. When it is full, those that are in it stay: the others are read from the start each time. */
export class ParentCursors {
  /** Whether it does no harm to read the others again. */
  readonly isMerged: boolean;
  readonly #incremental: Incremental;
  /** As the walk began: a parent that comes twice in a walk starts both times where the last walk ended. */
  readonly #before: ReadonlyMap<string, JsonObject>;
  readonly #all: Map<string, JsonObject>;
  readonly #set = new Set<string>();
  #parents: JsonObject;
  #newer: Record<string, JsonObject>;
  #isFull = false;

  constructor(incremental: Incremental, own: JsonObject | undefined, isMerged: boolean) {
    this.#incremental = incremental;
    this.isMerged = isMerged;
    this.#parents = objectAt(own, "parents");
    this.#newer = { ...objectAt(own, "newer") } as Record<string, JsonObject>;
    this.#before = new Map(Object.entries({ ...this.#parents, ...this.#newer }) as [string, JsonObject][]);
    this.#all = new Map(this.#before);
  }

  /** Some parent found no room. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** As `readIncremental` takes it. */
  of(key: string): JsonObject | undefined {
    const entry = this.#before.get(key);
    return entry === undefined ? undefined : { ...describedCursor(this.#incremental), ...entry };
  }

  set(key: string, cursor: JsonObject): void {
    if (!this.#all.has(key) && this.#all.size >= MAX_PARENTS) {
      this.#isFull = true;
      return;
    }
    const { cursor_path: _path, last_value_func: _func, ...entry } = cursor;
    const earlier = this.#set.has(key) ? this.#all.get(key) : undefined;
    const kept = earlier === undefined ? entry : further(this.#incremental, earlier, entry);
    this.#set.add(key);
    this.#all.set(key, kept);
    this.#newer = { ...this.#newer, [key]: kept };
    if (Object.keys(this.#newer).length < NEWER_PARENTS) return;
    this.#parents = Object.fromEntries(this.#all);
    this.#newer = {};
  }

  toStored(): JsonObject {
    return { ...describedCursor(this.#incremental), parents: this.#parents, newer: this.#newer };
  }
}

/** Of two cursors that the same parent came to in one walk; where they are equally far, the records of both are known. */
function further({ order }: Incremental, one: JsonObject, other: JsonObject): JsonObject {
  const [a, b] = [one, other].map((cursor) => measure(fromStored(cursor["value"]) ?? null));
  const difference = a === undefined || b === undefined ? -1 : order(a, b);
  if (difference !== 0) return difference > 0 ? one : other;
  const keys = [...new Set([...keysIn(one), ...keysIn(other)])].sort();
  return { ...one, ...other, ...(keys.length === 0 ? {} : { keys }) };
}

function objectAt(own: JsonObject | undefined, name: string): JsonObject {
  const value = own?.[name];
  return isObject(value) ? value : {};
}

/**
 * Makes the cursors of a child's pages: everything that is remembered, as of that page.
 *
 * @throws SluiceError incremental/too-many-parents when there is no room for one whose children would be appended anew in each run.
 */
export async function* withParentCursors(
  pages: AsyncIterable<Page>,
  before: ChildCursor,
  cursors: ParentCursors | undefined,
  resource: string,
  io: Io,
): AsyncGenerator<Page, void, undefined> {
  let { parent, own } = before;
  let isTold = false;
  for await (const page of pages) {
    const { cursor, ...rest } = page;
    const reached = cursor as Reached | undefined;
    if (reached === undefined) {
      yield rest;
      continue;
    }
    parent = reached.parent ?? parent;
    if (reached.visit !== undefined && cursors !== undefined) {
      cursors.set(reached.visit.key, reached.visit.cursor);
      own = cursors.toStored();
      if (cursors.isFull && !cursors.isMerged) throw tooManyParents();
      if (cursors.isFull && !isTold) {
        isTold = true;
        io.emit({
          type: "warning",
          resource,
          code: "incremental/parents",
          message: `the last values of ${MAX_PARENTS} parents are remembered and there are more; the others are read from initial_value each time`,
        });
      }
    }
    yield {
      ...rest,
      cursor: { ...(parent === undefined ? {} : { parent }), ...(own === undefined ? {} : { own }) },
    };
  }
}

function tooManyParents(): SluiceError {
  return new SluiceError(
    "incremental/too-many-parents",
    `the last values of ${MAX_PARENTS} parents are remembered and there are more; the children of the others would be appended again in each run`,
    {
      hint: "Set write_disposition: merge with a primary_key, or incremental.scope: global for one last value of all.",
    },
  );
}
