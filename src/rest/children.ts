import { createHash } from "node:crypto";
import type { HttpRequest } from "../http/message.js";
import { fingerprint } from "../http/url.js";
import { SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Completeness, Io, Page, Records } from "../model/source.js";
import type { Position } from "../model/state.js";
import { Ahead } from "./ahead.js";
import { type Verdict, worseVerdict } from "./completeness.js";
import { type CutPage, gatherIgnored, isCutPage } from "./ignored.js";

/** One endpoint that is walked once for each record of another one. */
export interface ChildSpec {
  readonly resource: string;
  readonly parent: string;
  /** Reads the parent. A page's request leaves when the page is asked for: its children may take a long time. */
  readonly readParent: (from: Position | undefined, io: Io) => AsyncIterable<Page>;
  /**
   * The first request for one record of the parent, without what differs from run to run; throws for a record that has
   * no usable value.
   */
  readonly request: (record: Json) => HttpRequest;
  /** What a parent record gives to each of its children's records. */
  readonly included: (record: Json) => JsonObject;
  /** Walks one parent record's children; the walk runs ahead of its reader only once its turn has come. */
  readonly readChild: (
    walk: ChildWalk,
    from: Position | undefined,
    io: Io,
  ) => AsyncGenerator<Page, void, undefined>;
  /** How many records of the parent are asked for their children at the same time. */
  readonly parallelized: number;
}

/** One walk among those of a child. */
export interface ChildWalk {
  readonly request: HttpRequest;
  readonly record: Json;
  /** Recognizes the parent's record by what it gives to the request and to the children's records. */
  readonly key: string;
  /** What the parent's record gives to each of its children's records. */
  readonly included: JsonObject;
  readonly mayRunAhead: () => boolean;
}

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
  /** One of the walks that are over was cut. */
  readonly isCut?: true;
}

/** A parent record, ready to be asked for its children. */
interface Visit {
  readonly index: number;
  readonly key: string;
  readonly request: HttpRequest;
  readonly record: Json;
  readonly included: JsonObject;
  /** Where its walk goes on if it was cut short. */
  readonly from?: Position;
}

/** A visit and the page of parents it is on. `at` leads there, which is unknown if the parent can't be resumed. */
interface PlacedVisit extends Visit {
  readonly at: Position | undefined;
  readonly isKnown: boolean;
  /** The parent's cursor once all children of the pages before have been read. */
  readonly parentCursor: JsonObject | undefined;
}

/** A visit under way: its first page is on its way, the others come when they are asked for. */
interface Started extends PlacedVisit {
  /** Set when its pages are the next to be handed over. */
  hasTurn: boolean;
  readonly pages: AsyncGenerator<Page, void, undefined>;
  readonly first: Promise<IteratorResult<Page, void>>;
}

/**
 * Reads the children of all records of a parent: the parent page by page, and for each record a walk of its own, with
 * its own loop guards. The first pages of several walks are fetched at the same time, also across pages of the parent;
 * pages come in the order of the parents all the same. No more than two pages of parents and one page of each walk
 * under way are held in memory.
 *
 * Of the records of one parent page that lead to the same request and give the same values, the first is visited.
 *
 * `Page.cursor` holds two things: as `parent` the parent's own one, once all children up to there were read, and as
 * `visit` what came with the page of a child.
 *
 * @throws SluiceError parent/value when a record has no usable value for the request; what parent and children throw.
 */
export async function* readChildren(
  spec: ChildSpec,
  from: Position | undefined,
  io: Io,
): AsyncGenerator<Page, void, undefined> {
  const start = from as Place | undefined;
  const abort = new AbortController();
  const ignored = gatherIgnored(spec.parent, io);
  const inner = { ...ignored.io, signal: AbortSignal.any([io.signal, abort.signal]) };
  const parents = new Parents(spec, start, inner);
  const visits = parents.visits();
  // Whoever looks closely sees one record's children after the other's.
  const atOnce = io.trace === undefined ? spec.parallelized : 1;
  const ahead = new Ahead(visits, (visit) => startVisit(spec, visit, inner), atOnce);
  let worst: Ended = {
    completeness: start?.completeness ?? "proved",
    ...(start?.isCut === true ? { isCut: true } : {}),
  };
  try {
    let current = await ahead.next();
    for (; current !== undefined; current = await ahead.next()) {
      current.hasTurn = true;
      for (let step = await current.first; step.done !== true; step = await current.pages.next()) {
        const { records, bytes, completeness, cursor, why, resume } = step.value;
        const isOver = completeness !== undefined;
        if (isOver) {
          worst = endedWith(
            worst,
            { completeness, ...(why === undefined ? {} : { why }) },
            isCutPage(step.value),
          );
          await current.pages.return();
          ahead.finished();
        }
        if (isOver && !(await ahead.hasMore())) {
          const end = endedWith(worst, parents.end, false);
          yield { records, bytes, ...reachedAt(end, parents.cursor, cursor), ...end };
          return;
        }
        const child = isOver ? null : resume;
        const isPlace = current.isKnown && child !== undefined;
        yield {
          records,
          bytes,
          // Not before the position leaves a page of parents: it is read again from there as it was.
          ...reachedAt(worst, current.parentCursor, cursor),
          ...(isPlace ? { resume: placeAfter(current, child, worst) } : {}),
        };
      }
    }
    // The parents had no children to ask for: nothing but the end is left to say.
    const end = endedWith(worst, parents.end, false);
    const records = { kind: "objects", values: [] } as const;
    yield { records, bytes: 0, ...reachedAt(end, parents.cursor, undefined), ...end };
  } finally {
    abort.abort();
    await Promise.allSettled(ahead.stop().map(({ pages }) => pages.return()));
    await visits.return();
    ignored.tell();
  }
}

/** The pages of the parent, as visits. */
class Parents {
  /** How the parent's own walk ended. */
  end: Verdict = { completeness: "unknown" };
  /** The parent's newest cursor. */
  cursor: JsonObject | undefined;
  readonly #spec: ChildSpec;
  readonly #start: Place | undefined;
  readonly #io: Io;

  constructor(spec: ChildSpec, start: Place | undefined, io: Io) {
    this.#spec = spec;
    this.#start = start;
    this.#io = io;
  }

  async *visits(): AsyncGenerator<PlacedVisit, void, undefined> {
    const spec = this.#spec;
    let start = this.#start;
    let at = start?.parent;
    let isKnown = true;
    let pageNumber = 0;
    for await (const page of spec.readParent(at, attributed(spec.resource, this.#io))) {
      pageNumber += 1;
      const { completeness, why } = page;
      if (completeness !== undefined) this.end = { completeness, ...(why === undefined ? {} : { why }) };
      const parentCursor = this.cursor;
      this.cursor = page.cursor ?? this.cursor;
      for (const visit of visitsFrom(spec, page.records, pageNumber, start, this.#io)) {
        yield { ...visit, at, isKnown, parentCursor };
      }
      start = undefined;
      at = page.resume;
      isKnown = at !== undefined;
    }
  }
}

function startVisit(spec: ChildSpec, visit: PlacedVisit, io: Io): Started {
  const { key, included, request, record, from } = visit;
  const mayRunAhead = () => started.hasTurn;
  const pages = spec.readChild({ request, record, key, included, mayRunAhead }, from, io);
  const started: Started = { ...visit, hasTurn: false, pages, first: pages.next() };
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
    const at = rest.findIndex((visit) => visit.key === start.key);
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
    if (seen.has(visit.key)) continue;
    seen.add(visit.key);
    yield visit;
  }
}

function visitOf(spec: ChildSpec, record: Json, index: number, page: number): Visit {
  try {
    const request = spec.request(record);
    const included = spec.included(record);
    return { index, key: keyOf(request, included), request, record, included };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const place = `record ${index + 1} on page ${page} of its parent "${spec.parent}"`;
    throw new SluiceError(error.code, `${place}: ${error.message}`, {
      at: { resource: spec.resource },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
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
  { index, key, at }: Started,
  child: Position | null,
  { completeness, isCut }: Ended,
): Position {
  const place: Place = {
    ...(at === undefined ? {} : { parent: at }),
    index,
    key,
    child,
    completeness,
    ...(isCut === undefined ? {} : { isCut }),
  };
  return { ...place };
}

/** How the walks that are over have ended, all together. */
type Ended = Verdict & Partial<Pick<CutPage, "isCut">>;

function endedWith(worst: Ended, verdict: Verdict, isCut: boolean): Ended {
  return {
    ...worseVerdict(worst, verdict),
    ...(isCut || worst.isCut === true ? { isCut: true } : {}),
  };
}

/** The parent is read for the child: its requests count as the child's. */
function attributed(resource: string, io: Io): Io {
  return {
    ...io,
    emit: (event) => io.emit("resource" in event ? ({ ...event, resource } as Event) : event),
  };
}

/** Behind a walk that is known to be short, or was cut, nothing is complete. */
function reachedAt(
  { completeness, isCut }: Ended,
  parent: JsonObject | undefined,
  visit: JsonObject | undefined,
): { cursor?: JsonObject } {
  const complete = completeness === "short" || isCut === true ? undefined : parent;
  if (complete === undefined && visit === undefined) return {};
  return {
    cursor: {
      ...(complete === undefined ? {} : { parent: complete }),
      ...(visit === undefined ? {} : { visit }),
    },
  };
}
