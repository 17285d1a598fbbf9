import { staying } from "../../json/records.js";
import type { JsonObject } from "../../model/json.js";
import type { Completeness, Io, Page } from "../../model/source.js";
import type { Position } from "../../model/state.js";
import { worse } from "../completeness.js";
import { isCutPage } from "../ignored.js";
import { fieldsOf } from "../record-fields.js";
import { type Incremental, placeholderValues } from "./incremental.js";
import { firstPass, nextPass, type Pass, passFromStored, passToStored } from "./pass.js";
import { keysIn, Progress } from "./progress.js";
import { acceptor, canEndEarly, untilOutOfRange } from "./stages.js";
import { type CursorValue, fromStored } from "./value.js";

/** What a pass does to the walk that reads it. */
export interface Bounds {
  /** Values of `{incremental.…}`. */
  readonly values: JsonObject;
  /** False where the order of the records may end the walk, so that no page is requested in vain. */
  readonly mayRunAhead: boolean;
  /** Ends one walk over the endpoint where its records are sorted and out of range. */
  readonly end: (pages: AsyncGenerator<Page, void, undefined>) => AsyncGenerator<Page, void, undefined>;
}

/** For endpoints that are not incremental. */
export const UNBOUNDED: Bounds = { values: {}, mayRunAhead: true, end: (pages) => pages };

/** An incremental endpoint and the walk over it. */
export interface IncrementalRead {
  readonly resource: string;
  readonly incremental: Incremental;
  /** What the last complete read gave as `Page.cursor`. */
  readonly cursor: JsonObject | undefined;
  /** Set where a walk may end before the pages do, so that it proves nothing. */
  readonly maxPages: number | undefined;
  /** All pages between the bounds, with whatever the configuration does to their records. */
  readonly walk: (bounds: Bounds, from: Position | undefined) => AsyncIterable<Page>;
}

/** Where a read stands: in which pass, where in its walk (null: before it), and what it has seen. */
interface Place {
  readonly walk: Position | null;
  readonly pass: JsonObject;
  readonly seen: JsonObject;
  readonly completeness: Completeness;
  /** A pass before was cut: what came after it is read again. */
  readonly isHeld?: true;
}

/**
 * Reads what is new since `cursor`, in one pass or step by step. The bounds are fixed when the read starts and are part
 * of every position, so a read that goes on after a stop has the same ones. `Page.cursor` is given with the last page of
 * each pass and never before: what lies behind it is complete.
 */
export async function* readIncremental(
  { resource, incremental, cursor, maxPages, walk }: IncrementalRead,
  from: Position | undefined,
  io: Io,
): AsyncGenerator<Page, void, undefined> {
  const last = fromStored(cursor?.["value"]);
  const place = from as Place | undefined;
  const progress = new Progress(incremental.order, incremental.key, place?.seen ?? cursor);
  let pass =
    place === undefined ? firstPass(incremental, last, io.runtime.now()) : passFromStored(place.pass);
  let inner = place?.walk ?? undefined;
  let worst: Completeness = place?.completeness ?? "proved";
  // Once a pass was cut, the cursor stays where it was safe: later passes would carry it past what was not read.
  let isHeld = place?.isHeld === true;
  if (pass === undefined) {
    yield { records: { kind: "objects", values: [] }, bytes: 0, completeness: "proved" };
    return;
  }
  while (pass !== undefined) {
    const current: Pass = pass;
    const following: Pass | undefined = nextPass(incremental, current);
    // Only at the value where the last run ended can there be records that it had.
    const known = current.start === last ? keysIn(cursor) : new Set<string>();
    const accepts = acceptor(incremental, current, known, progress);
    for await (const page of walk(boundsOf(incremental, current, last, resource, io), inner)) {
      const { completeness, resume, cursor: _, ...rest } = page;
      const fields = fieldsOf(page.records);
      const records = staying(page.records, (index) => accepts(fields, index));
      progress.settle();
      if (completeness === undefined) {
        const at = resume === undefined ? undefined : placeAt(current, resume, progress, worst, isHeld);
        yield { ...rest, records, ...(at === undefined ? {} : { resume: at }) };
        continue;
      }
      worst = worse(worst, completeness);
      const isBroken = completeness === "short";
      const wasCut = isCut(page, completeness);
      const reached = isBroken || isHeld ? undefined : reachedBy(current, following, wasCut);
      isHeld ||= wasCut;
      if (following === undefined || isBroken) {
        // Whoever reads this for a parent's record must come back to it.
        yield { ...rest, records, completeness: worst, ...reached, ...(isHeld ? { isCut: true } : {}) };
        return;
      }
      yield { ...rest, records, resume: placeAt(following, null, progress, worst, isHeld), ...reached };
    }
    pass = following;
    inner = undefined;
  }

  /** Whether the pass ended before everything in its range was read, as far as that can be told. */
  function isCut(page: Page, completeness: Completeness): boolean {
    const by = isCutPage(page)
      ? "an ignored response cut the walk"
      : maxPages !== undefined && completeness === "unknown"
        ? "max_pages may have cut the walk"
        : undefined;
    if (by === undefined) return false;
    if (incremental.runsTo !== "end") {
      warn("incremental/cut", `${by}, so the next run starts where this one did`);
    }
    return true;
  }

  function reachedBy(current: Pass, following: Pass | undefined, wasCut: boolean): { cursor?: JsonObject } {
    if (incremental.end !== undefined) return {};
    // What was read of a cut pass says how far everything is there only if the records are sorted.
    if (wasCut && incremental.runsTo !== "end") return {};
    if (incremental.step !== undefined && !wasCut) {
      // The last step may be under way still: its end is only as far as its records are.
      const value = following === undefined ? current.start : following.start;
      if (value !== undefined) progress.raise(value);
    }
    if (progress.furthest === undefined) return {};
    if (progress.isCrowded && following === undefined) {
      warn(
        "incremental/ties",
        `so many records share the last value of ${incremental.path.source} that the next run reads all of them again`,
      );
    }
    return { cursor: { ...describedCursor(incremental), ...progress.toStored() } };
  }

  function warn(code: string, message: string): void {
    io.emit({ type: "warning", resource, code, message });
  }
}

function placeAt(
  pass: Pass,
  walk: Position | null,
  progress: Progress,
  completeness: Completeness,
  isHeld: boolean,
): Position {
  const place: Place = {
    walk,
    pass: passToStored(pass),
    seen: progress.toStored(),
    completeness,
    ...(isHeld ? { isHeld } : {}),
  };
  return { ...place };
}

function boundsOf(
  incremental: Incremental,
  pass: Pass,
  last: CursorValue | undefined,
  resource: string,
  io: Io,
): Bounds {
  const endsEarly = canEndEarly(incremental, pass);
  return {
    values: placeholderValues(incremental, {
      start: pass.from,
      last: last ?? incremental.initial,
      end: pass.to,
    }),
    mayRunAhead: !endsEarly,
    end: (pages) => (endsEarly ? untilOutOfRange(pages, incremental, pass, io.emit, resource) : pages),
  };
}

/** Part of every cursor: one of another path or function means nothing here. */
export function describedCursor({ path, func }: Incremental): JsonObject {
  return { cursor_path: path.source, last_value_func: func };
}

/** A stored cursor, if it is one of this configuration; otherwise everything is read from `initial_value`, with a warning. */
export function usableCursor(
  incremental: Incremental,
  stored: JsonObject | undefined,
  resource: string,
  io: Io,
): JsonObject | undefined {
  if (stored === undefined || incremental.end !== undefined) return undefined;
  const { path, func } = incremental;
  if (stored["cursor_path"] === path.source && stored["last_value_func"] === func) return stored;
  io.emit({
    type: "warning",
    resource,
    code: "incremental/changed",
    message: `what was remembered belongs to another cursor_path or last_value_func than ${path.source} and ${func}, so everything is read from initial_value`,
  });
  return undefined;
}
