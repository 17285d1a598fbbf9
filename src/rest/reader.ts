import type { HttpRequest } from "../http/message.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import { readChildren } from "./children.js";
import type { Endpoint } from "./endpoint.js";
import type { Incremental } from "./incremental/incremental.js";
import {
  type ChildCursor,
  childCursor,
  ParentCursors,
  type Reached,
  withoutKeys,
  withParentCursors,
} from "./incremental/parents.js";
import {
  type Bounds,
  type IncrementalRead,
  readIncremental,
  UNBOUNDED,
  usableCursor,
} from "./incremental/read.js";
import type { WalkSpec } from "./walk.js";

type Pages = AsyncGenerator<Page, void, undefined>;

/** A resource's parent, and how the children of one of its records are walked. */
export interface Family {
  readonly parent: string;
  readonly readParent: (from: Position | undefined, io: Io) => AsyncIterable<Page>;
  readonly included: (record: Json) => JsonObject;
  readonly readChild: ReadChild;
}

export type ReadChild = (
  walk: { readonly request: HttpRequest; readonly included: JsonObject; readonly mayRunAhead: () => boolean },
  from: Position | undefined,
  io: Io,
) => Pages;

/** Reads a resource without a parent: everything, or what is new. */
export function readAlone(
  resource: string,
  endpoint: Endpoint,
  read: (walk: Partial<WalkSpec>, from: Position | undefined) => Pages,
  from: Position | undefined,
  io: Io,
): Pages {
  const { incremental, maxPages } = endpoint;
  if (incremental === undefined) return read({}, from);
  return readIncremental(
    {
      resource,
      incremental,
      cursor: usableCursor(incremental, io.cursor, resource, io),
      maxPages,
      walk: (bounds, from) =>
        bounds.end(
          read(
            {
              request: endpoint.bind({ incremental: bounds.values }),
              ...(bounds.mayRunAhead ? {} : { mayRunAhead: () => false }),
            },
            from,
          ),
        ),
    },
    from,
    io,
  );
}

/**
 * Reads a resource for each record of its parent. What is remembered of the parent is the child's own: a child that
 * failed must find the parents that it missed, even if the parent's own load has gone on.
 */
export function readOfParents(
  resource: string,
  endpoint: Endpoint,
  family: Family,
  from: Position | undefined,
  io: Io,
): Pages {
  const { incremental, maxPages } = endpoint;
  const { parent, own: stored } = childCursor(io.cursor);
  const own = incremental === undefined ? undefined : ownCursor(incremental, stored, resource, io);
  const before: ChildCursor = {
    ...(parent === undefined ? {} : { parent }),
    ...(own === undefined ? {} : { own }),
  };
  const readAll = (visitAs: VisitAs, from: Position | undefined): Pages =>
    readVisits(resource, endpoint, family, before, visitAs, from, io);

  if (incremental === undefined) {
    const pages = readAll((visit, _key, from) => visit(UNBOUNDED, from), from);
    return withParentCursors(pages, before, undefined, resource, io);
  }
  if (incremental.scope === "global") {
    const walk = (bounds: Bounds, from: Position | undefined) =>
      readAll((visit, _key, from) => visit(bounds, from), from);
    return readGlobally({ resource, incremental, cursor: own, maxPages, walk }, before, from, io);
  }
  const cursors = new ParentCursors(incremental, own, endpoint.isMerged);
  const pages = readAll(
    (visit, key, from, io) =>
      withKey(
        key,
        readIncremental({ resource, incremental, cursor: cursors.of(key), maxPages, walk: visit }, from, io),
      ),
    from,
  );
  return withParentCursors(pages, before, cursors, resource, io);
}

/** One last value for all parents can't be told apart into theirs, nor theirs be made one. */
function ownCursor(
  incremental: Incremental,
  stored: JsonObject | undefined,
  resource: string,
  io: Io,
): JsonObject | undefined {
  const own = usableCursor(incremental, stored, resource, io);
  if (own === undefined || "parents" in own === (incremental.scope === "parent")) return own;
  io.emit({
    type: "warning",
    resource,
    code: "incremental/changed",
    message:
      "what was remembered belongs to another incremental.scope, so everything is read from initial_value",
  });
  return undefined;
}

/** The walk over the children of one record of the parent, and how it becomes a visit. */
type Visit = (bounds: Bounds, from: Position | undefined) => Pages;
type VisitAs = (visit: Visit, key: string, from: Position | undefined, io: Io) => Pages;

function readVisits(
  resource: string,
  endpoint: Endpoint,
  family: Family,
  before: ChildCursor,
  visitAs: VisitAs,
  from: Position | undefined,
  io: Io,
): Pages {
  // A parent that may have new children is asked again, if what it has had can be told from them.
  const isAskedAgain = endpoint.incremental !== undefined || endpoint.isMerged;
  const parentCursor =
    before.parent === undefined || !isAskedAgain ? before.parent : withoutKeys(before.parent);
  return readChildren(
    {
      resource,
      parent: family.parent,
      readParent: (from, io) => family.readParent(from, withCursor(io, parentCursor)),
      request: (record) => endpoint.bind({ record }),
      included: family.included,
      parallelized: endpoint.parallelized,
      readChild: ({ record, included, mayRunAhead }, from, io) => {
        const visit: Visit = (bounds, from) => {
          const request = endpoint.bind({ record, incremental: bounds.values });
          const mayRun = () => bounds.mayRunAhead && mayRunAhead();
          return bounds.end(family.readChild({ request, included, mayRunAhead: mayRun }, from, io));
        };
        return visitAs(visit, endpoint.parentKey(record), from, io);
      },
    },
    from,
    io,
  );
}

/** One last value for all parents. The parent's own cursor waits for the end as well: each pass reads all parents again. */
async function* readGlobally(
  read: IncrementalRead,
  before: ChildCursor,
  from: Position | undefined,
  io: Io,
): Pages {
  let parent: JsonObject | undefined;
  async function* walk(bounds: Bounds, from: Position | undefined): Pages {
    for await (const page of read.walk(bounds, from)) {
      parent = (page.cursor as Reached | undefined)?.parent ?? parent;
      yield page;
    }
  }
  for await (const page of readIncremental({ ...read, walk }, from, io)) {
    const { cursor: own = before.own, ...rest } = page;
    const isOver = page.completeness !== undefined && page.completeness !== "short";
    const reached = (isOver ? parent : undefined) ?? before.parent;
    if (page.cursor === undefined && reached === before.parent) {
      yield page;
      continue;
    }
    const cursor = {
      ...(reached === undefined ? {} : { parent: reached }),
      ...(own === undefined ? {} : { own }),
    };
    yield { ...rest, cursor };
  }
}

async function* withKey(key: string, pages: Pages): Pages {
  for await (const page of pages)
    yield page.cursor === undefined ? page : { ...page, cursor: { key, cursor: page.cursor } };
}

function withCursor(io: Io, cursor: JsonObject | undefined): Io {
  const { cursor: _, ...rest } = io;
  return cursor === undefined ? rest : { ...rest, cursor };
}
