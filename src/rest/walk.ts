import { isDeepStrictEqual } from "node:util";
import { statusText } from "../http/judge.js";
import {
  type Exchange,
  type HttpRequest,
  type ResponseHead,
  ResponseIgnored,
  type Send,
} from "../http/message.js";
import { displayUrl, fingerprint, withoutParams } from "../http/url.js";
import { SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import type { Decode } from "./decoder.js";
import type { Next, Paginator } from "./paginator.js";
import type { Select } from "./select.js";

/** One endpoint, ready to be walked. Nothing in it changes during a walk. */
export interface WalkSpec {
  readonly resource: string;
  /** Without the paginator's own parameters and without credentials. */
  readonly request: HttpRequest;
  readonly paginator: Paginator;
  /** Pages after which the walk ends, those before a resume included; undefined: no such end. */
  readonly maxPages?: number | undefined;
  readonly decode: Decode;
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
}

/** Where a walk stands: what to ask for next, what its paginator must know for it, and how many pages came before. */
interface Place {
  readonly request: HttpRequest;
  readonly memo?: JsonObject | undefined;
  readonly pages: number;
}

/** A request on its way. It may be dropped when the page before it turns out to lead elsewhere. */
interface Flight extends Place {
  readonly exchange: Promise<Exchange>;
  cancel(): void;
}

/**
 * Reads the pages of one endpoint in order. The next request leaves as soon as it is known: with a paginator that
 * needs the head alone, before this page's body is read; otherwise before this page is handed over. At most one
 * request is under way beyond the page that the consumer has.
 *
 * A response that is ignored ends the walk like an empty page, with a warning; what it would have led to is unknown.
 *
 * @throws SluiceError paginator/loop when a request comes a second time, or a page repeats the one before.
 */
export async function* walk(
  spec: WalkSpec,
  from: Position | undefined,
  send: Send,
  io: Io,
): AsyncGenerator<Page, void, undefined> {
  const select = spec.select();
  const sent = new Set<string>();
  const mayRunAhead = spec.mayRunAhead ?? (() => true);
  const start = (place: Place): Flight => {
    sent.add(fingerprint(place.request));
    const abort = new AbortController();
    const exchange = send(place.request, AbortSignal.any([io.signal, abort.signal]));
    // The failure is told when the walk gets there; until then it must not count as unhandled.
    exchange.catch(() => {});
    return { ...place, exchange, cancel: () => cancelFlight(exchange, abort) };
  };

  let flight: Flight | undefined = start(
    from === undefined ? { request: spec.paginator.first(spec.request), pages: 0 } : placeFrom(from),
  );
  let firstPage = from === undefined;
  let before: readonly Json[] | undefined;
  let ahead: Flight | undefined;
  try {
    while (flight !== undefined) {
      const at: Place = flight;
      const pages = at.pages + 1;
      const exchange: Exchange = await flight.exchange;
      let next: Next | undefined;
      if (spec.paginator.needs === "head") {
        next = nextOf(spec, at, exchange.head);
        if (isNew(next, sent) && mayRunAhead()) ahead = start({ ...next, pages });
      }
      const firstHead = exchange.head;
      const { head, value: body, bytes } = await exchange.read(spec.decode);
      const records = select(body, firstPage);
      if (next === undefined) {
        next = nextOf(spec, at, head, { ...(body === undefined ? {} : { body }), records });
      } else if (head !== firstHead) {
        next = nextOf(spec, at, head);
        if (
          ahead !== undefined &&
          !("request" in next && fingerprint(next.request) === fingerprint(ahead.request))
        ) {
          ahead.cancel();
          sent.delete(fingerprint(ahead.request));
          ahead = undefined;
        }
      }
      const repeats = "request" in next && next.repeats === true;
      if (!repeats) refuseRepeatedPage(spec, at.request, records, before);
      const loops = "request" in next && ahead === undefined && sent.has(fingerprint(next.request));
      if ("request" in next && !loops && mayRunAhead()) ahead ??= start({ ...next, pages });

      yield {
        records: { kind: "objects", values: repeats ? [] : records },
        bytes,
        ...("request" in next
          ? loops
            ? {}
            : resumeAt(spec, { ...next, pages })
          : { completeness: next.end }),
      };
      if (loops) throw repeatedRequest(spec, "request" in next ? next.request : at.request);
      before = records;
      firstPage = false;
      flight = "request" in next ? (ahead ?? start({ ...next, pages })) : undefined;
      ahead = undefined;
    }
  } catch (error) {
    if (!(error instanceof ResponseIgnored) || flight === undefined) throw error;
    ahead?.cancel();
    io.emit(ignored(spec, flight.request, error.head));
    yield { records: { kind: "objects", values: [] }, bytes: 0, completeness: "unknown" };
  } finally {
    flight?.cancel();
    ahead?.cancel();
  }
}

function isNew(next: Next, sent: ReadonlySet<string>): next is Extract<Next, { request: HttpRequest }> {
  return "request" in next && !sent.has(fingerprint(next.request));
}

function nextOf(
  spec: WalkSpec,
  { request, memo, pages }: Place,
  head: ResponseHead,
  content: { body?: Json; records?: readonly Json[] } = {},
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
  records: readonly Json[],
  before: readonly Json[] | undefined,
): void {
  if (before === undefined || records.length === 0 || records.length !== before.length) return;
  // A single record without a key may rightly occur twice, as in a log.
  if (!spec.hasPrimaryKey && records.length === 1) return;
  if (!isDeepStrictEqual(records[0], before[0]) || !isDeepStrictEqual(records, before)) return;
  throw new SluiceError("paginator/loop", "a page has the same records as the page before it", {
    at: placeOf(spec, request),
    hint: "The API seems to ignore the parameter that asks for the next page, or repeats its last page. Check the paginator's parameter names, or add a stop_condition.",
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
function cancelFlight(exchange: Promise<Exchange>, abort: AbortController): void {
  exchange.then(
    (response) => response.discard(),
    () => {},
  );
  abort.abort();
}
