import { statusText } from "../http/judge.js";
import {
  type Exchange,
  type HttpRequest,
  type ResponseHead,
  ResponseIgnored,
  type Send,
} from "../http/message.js";
import { displayUrl, fingerprint, withoutParams } from "../http/url.js";
import { countOf } from "../json/records.js";
import { SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { JsonObject } from "../model/json.js";
import type { Io, Page, Records } from "../model/source.js";
import type { Position } from "../model/state.js";
import { type ContentRules, contentReader, viewOf } from "./content.js";
import type { CutPage } from "./ignored.js";
import type { Next, PageView, Paginator } from "./paginator.js";
import type { Select } from "./select.js";
import { traceOf } from "./trace.js";
import { PageTrail, RequestTrail } from "./trail.js";

/** One endpoint, ready to be walked. Nothing in it changes during a walk. */
export interface WalkSpec extends ContentRules {
  readonly resource: string;
  /** Without the paginator's own parameters and without credentials. */
  readonly request: HttpRequest;
  readonly paginator: Paginator;
  /** The paginator's type and who says that it is this one; for people. */
  readonly paginatorName?: string;
  /** Pages after which the walk ends, those before a resume included; undefined: no such end. */
  readonly maxPages?: number | undefined;
  /** A new selection for each walk: detection remembers the place it found. */
  readonly select: () => Select;
  readonly hasPrimaryKey: boolean;
  /** Query parameters that carry credentials: cut from links that echo them, and set again when a request is sent. */
  readonly credentialParams: readonly string[];
  /** False for text that holds a secret: such a request can't be stored as a position. */
  readonly storable: (text: string) => boolean;
  /**
   * Whether the next request may leave now, before its page is asked for; default: always. A response that waits too
   * long to be read is closed by its server.
   */
  readonly mayRunAhead?: () => boolean;
  /** How many requests may be under way at once, where the paginator knows those to come. Default 1. */
  readonly parallelized?: number;
  /** Ask for the answer only if it has changed since the last complete load. Default false. */
  readonly conditional?: boolean;
}

/** Where a walk stands: what to ask for next, what its paginator must know for it, and how many pages came before. */
interface Place {
  readonly request: HttpRequest;
  readonly memo?: JsonObject | undefined;
  readonly pages: number;
}

/** A request on its way. It may be dropped when the pages before it turn out to lead elsewhere. */
interface Flight {
  readonly fingerprint: string;
  readonly exchange: Promise<Exchange>;
  /** Ends the request, whatever state it is in. */
  readonly abort: AbortController;
}

/** Pages without records, one after the other, after which a walk that is told to go on is taken for endless. */
const MAX_EMPTY_PAGES = 1000;

/**
 * Reads the pages of one endpoint in order. The next request leaves as soon as it is known: with a paginator that
 * needs the head alone, before this page's body is read; otherwise before this page is handed over. Where the
 * paginator knows more of the requests to come, up to `parallelized` of them are under way beyond the page that the
 * consumer has; each page is judged in its turn all the same, and what it does not lead to is dropped.
 *
 * A response that is ignored ends the walk like an empty page, with a warning; what it would have led to is unknown.
 *
 * @throws SluiceError paginator/loop when a request comes a second time, a page repeats an earlier one, or a thousand
 *   pages in a row are empty.
 */
export async function* walk(
  spec: WalkSpec,
  from: Position | undefined,
  send: Send,
  io: Io,
): AsyncGenerator<Page, void, undefined> {
  const select = spec.select();
  const requests = new RequestTrail();
  const contents = new PageTrail();
  const mayRunAhead = io.trace === undefined ? (spec.mayRunAhead ?? (() => true)) : () => false;
  const ahead: Flight[] = [];
  const reader = contentReader(spec, select, io);
  const start = (request: HttpRequest, known = fingerprint(request)): Flight => {
    const abort = new AbortController();
    if (io.signal.aborted) abort.abort(io.signal.reason);
    const exchange = send(request, abort.signal);
    // The failure is told when the walk gets there; until then it must not count as unhandled.
    exchange.catch(() => {});
    return { fingerprint: known, exchange, abort };
  };
  /** Drops the flights that lead elsewhere, and starts those that are missing. */
  const prepare = (coming: readonly HttpRequest[]): void => {
    const wanted = coming.map((request) => ({ request, known: fingerprint(request) }));
    const strays = ahead.findIndex((flight, index) => flight.fingerprint !== wanted[index]?.known);
    if (strays >= 0) for (const stray of ahead.splice(strays)) cancel(stray);
    if (!mayRunAhead()) return;
    for (const { request, known } of wanted.slice(ahead.length)) {
      if (requests.has(known)) return;
      ahead.push(start(request, known));
    }
  };

  let place: Place | undefined =
    from === undefined ? { request: spec.paginator.first(spec.request), pages: 0 } : placeFrom(from);
  let flight: Flight | undefined;
  let isFirst = from === undefined;
  let emptyPages = 0;
  // A signal of the walk, not of each request: it costs more than everything else about one.
  const stop = AbortSignal.any([io.signal]);
  const onStop = (): void => {
    for (const one of [flight, ...ahead]) one?.abort.abort(stop.reason);
  };
  stop.addEventListener("abort", onStop, { once: true });
  try {
    while (place !== undefined) {
      const at: Place = place;
      flight = ahead.shift() ?? start(at.request);
      requests.add(flight.fingerprint);
      const exchange: Exchange = await flight.exchange;
      let next: Next | undefined;
      if (spec.paginator.needs === "head") {
        next = nextOf(spec, at, exchange.head);
        prepare(comingAfter(spec, at, next));
      }
      const firstHead = exchange.head;
      const { head, value: body, bytes } = await exchange.read(reader.decode);
      const content = reader.content(body, isFirst);
      const { records } = content;
      if (next === undefined) next = nextOf(spec, at, head, viewOf(content));
      else if (head !== firstHead) next = nextOf(spec, at, head);

      const leadsOn = "request" in next;
      const repeats = "request" in next && next.repeats === true;
      if (!repeats) refuseRepeatedPage(spec, at.request, records, contents);
      contents.add(records);
      emptyPages = countOf(records) === 0 ? emptyPages + 1 : 0;
      const loops = "request" in next && requests.has(fingerprint(next.request));
      prepare(loops ? [] : comingAfter(spec, at, next, { head, ...viewOf(content) }));

      const pages = at.pages + 1;
      io.trace?.(
        traceOf({
          resource: spec.resource,
          request: exchange.sent?.() ?? at.request,
          head,
          select,
          paginator: spec.paginatorName ?? "",
          next,
        }),
      );
      yield {
        records: repeats ? { kind: "objects", values: [] } : records,
        bytes,
        isOwn: exchange.isShared !== true,
        ...("request" in next
          ? loops
            ? {}
            : resumeAt(spec, { ...next, pages })
          : { completeness: next.end, why: next.why }),
      };
      if (loops) throw repeatedRequest(spec, "request" in next ? next.request : at.request);
      if (leadsOn && emptyPages >= MAX_EMPTY_PAGES) throw endlesslyEmpty(spec, at.request);
      isFirst = false;
      place = "request" in next ? { ...next, pages } : undefined;
    }
  } catch (error) {
    if (!(error instanceof ResponseIgnored) || place === undefined) throw error;
    for (const stray of ahead.splice(0)) cancel(stray);
    io.emit(ignored(spec, place.request, error.head));
    const why = `${statusText(error.head.status)} was ignored`;
    const end: Page = { records: { kind: "objects", values: [] }, bytes: 0, completeness: "unknown", why };
    const cut: CutPage = { ...end, isCut: true };
    yield place.pages === 0 ? end : cut;
  } finally {
    stop.removeEventListener("abort", onStop);
    for (const one of [flight, ...ahead]) if (one !== undefined) cancel(one);
  }
}

/** The requests to come, as far as this page tells; at most as many as may be under way. */
function comingAfter(
  spec: WalkSpec,
  { request, memo, pages }: Place,
  next: Next,
  seen?: Omit<PageView, "request">,
): readonly HttpRequest[] {
  if (!("request" in next)) return [];
  const room = Math.min(spec.parallelized ?? 1, (spec.maxPages ?? Number.POSITIVE_INFINITY) - pages - 1) - 1;
  const { paginator } = spec;
  if (room <= 0 || seen === undefined || paginator.ahead === undefined) return [next.request];
  const page = { request, ...(memo === undefined ? {} : { memo }), ...seen };
  return [next.request, ...paginator.ahead(page, room)];
}

function nextOf(
  spec: WalkSpec,
  { request, memo, pages }: Place,
  head: ResponseHead,
  content: Pick<PageView, "body" | "records"> = {},
): Next {
  try {
    const next = spec.paginator.next({ request, head, ...(memo === undefined ? {} : { memo }), ...content });
    if (!("request" in next)) return next;
    if (spec.maxPages !== undefined && pages + 1 >= spec.maxPages)
      return { end: "unknown", why: `max_pages of ${spec.maxPages} reached` };
    return {
      ...next,
      request: { ...next.request, url: withoutParams(next.request.url, spec.credentialParams) },
    };
  } catch (error) {
    throw error instanceof SluiceError ? error.located(placeOf(spec, request)) : error;
  }
}

function refuseRepeatedPage(
  spec: WalkSpec,
  request: HttpRequest,
  records: Records,
  contents: PageTrail,
): void {
  // A single record without a key may rightly occur twice, as in a log.
  if (!spec.hasPrimaryKey && countOf(records) === 1) return;
  const repeated = contents.repeated(records);
  if (repeated === undefined) return;
  const which = repeated === "before" ? "the page before it" : "an earlier page";
  throw new SluiceError("paginator/loop", `a page has the same records as ${which}`, {
    at: placeOf(spec, request),
    hint: "The API seems to ignore the parameter that asks for the next page, or begins anew after its last page. Check the paginator's parameter names, or add a stop_condition.",
  });
}

function endlesslyEmpty(spec: WalkSpec, request: HttpRequest): SluiceError {
  return new SluiceError("paginator/loop", `${MAX_EMPTY_PAGES} pages in a row had no records`, {
    at: placeOf(spec, request),
    hint: "The API always says that there is another page. Add a rule that ends the walk: stop_after_empty_page, a total, or max_pages.",
  });
}

function repeatedRequest(spec: WalkSpec, request: HttpRequest): SluiceError {
  return new SluiceError("paginator/loop", "the next page's request was already sent in this walk", {
    at: placeOf(spec, request),
    hint: "The API repeats a link or cursor. If it does so on its last page, add a stop_condition that recognises that page.",
  });
}

function ignored(spec: WalkSpec, request: HttpRequest, head: ResponseHead): Event {
  const { request: shown } = placeOf(spec, request);
  const message = `${statusText(head.status)} was ignored, as response_actions say: ${shown}`;
  return { type: "warning", resource: spec.resource, code: "response/ignored", message };
}

function placeOf(spec: WalkSpec, request: HttpRequest): { resource: string; request: string } {
  return { resource: spec.resource, request: `${request.method} ${displayUrl(request.url)}` };
}

function resumeAt(spec: WalkSpec, { request, memo, pages }: Place): { resume?: Position } {
  // A stored position is read back by JSON.parse, which would round it.
  if (holdsBigint(request.body)) return {};
  const position = { request, pages, ...(memo === undefined ? {} : { memo }) } as unknown as JsonObject;
  return spec.storable(JSON.stringify(position)) ? { resume: position } : {};
}

function holdsBigint(value: unknown): boolean {
  if (typeof value === "bigint") return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsBigint);
}

function placeFrom(position: Position): Place {
  const { request, memo, pages = 0 } = position as unknown as Partial<Place> & { request: HttpRequest };
  return { request, memo, pages };
}

/** Stops a request that nobody waits for any more, whatever state it is in. */
function cancel({ exchange, abort }: Flight): void {
  exchange.then(
    (response) => response.discard(),
    () => {},
  );
  abort.abort();
}
