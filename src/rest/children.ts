import { createHash } from "node:crypto";
import type { HttpRequest } from "../http/message.js";
import { fingerprint } from "../http/url.js";
import { SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Completeness, Io, Page, Records } from "../model/source.js";
import type { Position } from "../model/state.js";

/** One endpoint that is walked once for each record of another one. */
export interface ChildSpec {
  readonly resource: string;
  readonly parent: string;
  /** Reads the parent. A page's request leaves when the page is asked for: its children may take a long time. */
  readonly readParent: (from: Position | undefined, io: Io) => AsyncIterable<Page>;
  /** The first request for one record of the parent; throws for a record that has no usable value. */
  readonly request: (record: Json) => HttpRequest;
  /** What a parent record gives to each of its children's records. */
  readonly included: (record: Json) => JsonObject;
  /** Walks one parent record's children; the walk runs ahead of its reader only once its turn has come. */
  readonly readChild: (
    walk: ChildWalk,
    from: Position | undefined,
    io: Io,
  ) => AsyncGenerator<Page, void, undefined>;
}

/** One walk among those of a child. */
export interface ChildWalk {
  readonly request: HttpRequest;
  /** Recognizes the parent's record by what it gives to the request and to the children's records. */
  readonly key: string;
  /** What the parent's record gives to each of its children's records. */
  readonly included: JsonObject;
  readonly mayRunAhead: () => boolean;
}

/** How many parent records are asked for their children at the same time. dlt 1.26: five workers. */
const AT_ONCE = 5;

/**
 * Where a child's walk goes on: after or within record `index` of the page of parents that `parent` leads to (absent:
 * the first page). `key` recognizes the record if the page has shifted meanwhile. `child` is where its own walk goes
 * on, null when it is over; `completeness` is the worst of the walks that are over.
 */
interface Place {
  readonly parent?: Position;
  readonly index: number;
  readonly key: string;
  readonly child: Position | null;
  readonly completeness: Completeness;
}

/** A parent record, ready to be asked for its children, or why it can't be. */
type Visit = { readonly index: number } & (
  | {
      readonly key: string;
      readonly request: HttpRequest;
      readonly included: JsonObject;
      /** Where its walk goes on if it was cut short. */
      readonly from?: Position;
    }
  | { readonly failure: SluiceError }
);

/** A visit under way: its first page is on its way, the others come when they are asked for. */
interface Started {
  readonly index: number;
  readonly key: string;
  /** Set when its pages are the next to be handed over. */
  hasTurn: boolean;
  readonly pages: AsyncGenerator<Page, void, undefined>;
  readonly first: Promise<IteratorResult<Page, void>>;
}

/**
 * Reads the children of all records of a parent: the parent page by page, and for each record a walk of its own, with
 * its own loop guards. The first pages of up to five walks are fetched at the same time; pages come in the order of
 * the parents all the same. No more than one page of parents and one page of each walk under way are held in memory.
 *
 * Of the records of one parent page that lead to the same request and give the same values, the first is visited.
 *
 * @throws SluiceError parent/value when a record has no usable value for the request; what parent and children throw.
 */
export async function* readChildren(
  spec: ChildSpec,
  from: Position | undefined,
  io: Io,
): AsyncGenerator<Page, void, undefined> {
  let start = from as Place | undefined;
  let here = start?.parent;
  let isKnown = true;
  let pageNumber = 0;
  let worst: Completeness = start?.completeness ?? "proved";
  let parentEnd: Completeness | undefined;
  const abort = new AbortController();
  const inner = { ...io, signal: AbortSignal.any([io.signal, abort.signal]) };
  const queue: Started[] = [];
  const atOnce = io.trace === undefined ? AT_ONCE : 1;
  let failure: SluiceError | undefined;
  let current: Started | undefined;
  try {
    for await (const parents of spec.readParent(here, attributed(spec.resource, inner))) {
      pageNumber += 1;
      parentEnd = parents.completeness;
      const visits = visitsFrom(spec, parents.records, pageNumber, start, io);
      start = undefined;
      const fill = (): void => {
        while (queue.length < atOnce - (current === undefined ? 0 : 1) && failure === undefined) {
          const { value: visit } = visits.next();
          if (visit === undefined) break;
          if ("failure" in visit) failure = visit.failure;
          else queue.push(startVisit(spec, visit, inner));
        }
      };
      for (fill(); (current = queue.shift()) !== undefined; fill()) {
        current.hasTurn = true;
        fill();
        for (let step = await current.first; step.done !== true; step = await current.pages.next()) {
          const { value: page } = step;
          const isOver = page.completeness !== undefined;
          worst = worse(worst, page.completeness ?? "proved");
          const isLast = isOver && parentEnd !== undefined && queue.length === 0 && failure === undefined;
          const child = isOver ? null : page.resume;
          yield {
            records: page.records,
            bytes: page.bytes,
            ...(isLast ? { completeness: worse(worst, parentEnd ?? "unknown") } : {}),
            ...(isLast || !isKnown || child === undefined
              ? {}
              : { resume: placeAfter(current, here, child, worst) }),
          };
          if (isLast) return;
        }
        current = undefined;
      }
      if (failure !== undefined) throw failure;
      here = parents.resume;
      isKnown = here !== undefined;
    }
    // The last parents had no children to ask for: nothing but the end is left to say.
    yield {
      records: { kind: "objects", values: [] },
      bytes: 0,
      completeness: worse(worst, parentEnd ?? "unknown"),
    };
  } finally {
    abort.abort();
    const open = current === undefined ? queue : [current, ...queue];
    await Promise.allSettled(open.map(({ pages }) => pages.return()));
  }
}

function startVisit(spec: ChildSpec, visit: Extract<Visit, { key: string }>, io: Io): Started {
  const { index, key, included, request, from } = visit;
  const pages = spec.readChild({ request, key, included, mayRunAhead: () => started.hasTurn }, from, io);
  const started: Started = { index, key, hasTurn: false, pages, first: pages.next() };
  // Its failure is told when its turn comes; until then it must not count as unhandled.
  started.first.catch(() => {});
  return started;
}

/** The visits that are left on a page of parents: all, or those from the stored place on. */
function* visitsFrom(
  spec: ChildSpec,
  parents: Records,
  page: number,
  start: Place | undefined,
  io: Io,
): Generator<Visit, undefined, undefined> {
  if (start !== undefined) {
    const rest = [...visitsOf(spec, parents, page)];
    const at = rest.findIndex((visit) => "key" in visit && visit.key === start.key);
    const visit = rest[at];
    if (visit !== undefined) {
      if (start.child !== null) yield { ...visit, from: start.child };
      yield* rest.slice(at + 1);
      return;
    }
    io.emit({
      type: "warning",
      resource: spec.resource,
      code: "parent/moved",
      message: `the record of "${spec.parent}" at which the walk was cut short is no longer on its page, so the children of that whole page are read again`,
    });
  }
  yield* visitsOf(spec, parents, page);
}

function* visitsOf(spec: ChildSpec, parents: Records, page: number): Generator<Visit, undefined, undefined> {
  const seen = new Set<string>();
  for (const [index, record] of parents.values.entries()) {
    const visit = visitOf(spec, record, index, page);
    if ("failure" in visit) {
      yield visit;
      return;
    }
    if (seen.has(visit.key)) continue;
    seen.add(visit.key);
    yield visit;
  }
}

function visitOf(spec: ChildSpec, record: Json, index: number, page: number): Visit {
  try {
    const request = spec.request(record);
    const included = spec.included(record);
    return { index, key: keyOf(request, included), request, included };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const place = `record ${index + 1} on page ${page} of its parent "${spec.parent}"`;
    const failure = new SluiceError(error.code, `${place}: ${error.message}`, {
      at: { resource: spec.resource },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
    return { index, failure };
  }
}

/** Two parent records with the same key have the same children. 22 characters. */
function keyOf(request: HttpRequest, included: JsonObject): string {
  const text = JSON.stringify([fingerprint(request), request.headers, included], (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

function placeAfter(
  { index, key }: Started,
  parent: Position | undefined,
  child: Position | null,
  completeness: Completeness,
): Position {
  const place: Place = { ...(parent === undefined ? {} : { parent }), index, key, child, completeness };
  return { ...place };
}

/** The parent is read for the child: its requests count as the child's. */
function attributed(resource: string, io: Io): Io {
  return {
    ...io,
    emit: (event) => io.emit("resource" in event ? ({ ...event, resource } as Event) : event),
  };
}

const FROM_WORST: readonly Completeness[] = ["short", "unknown", "likely", "proved"];

function worse(one: Completeness, other: Completeness): Completeness {
  return FROM_WORST.indexOf(one) < FROM_WORST.indexOf(other) ? one : other;
}
