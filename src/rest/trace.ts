import { bodyText } from "../http/body.js";
import { maskedRequestHeaders, maskedResponseHeaders } from "../http/masks.js";
import type { HttpRequest, ResponseHead } from "../http/message.js";
import { displayUrl } from "../http/url.js";
import type { PageTrace, TracedRequest } from "../model/trace.js";
import type { Next } from "./paginator.js";
import type { Select } from "./select.js";

/** What the walk knows of a page that it is about to hand over. */
export interface Traced {
  readonly resource: string;
  readonly request: HttpRequest;
  readonly head: ResponseHead;
  readonly select: Select;
  readonly paginator: string;
  readonly next: Next;
}

/** A page's story for whoever asked for it with `Io.trace`. */
export function traceOf({ resource, request, head, select, paginator, next }: Traced): PageTrace {
  const why = next.why === undefined ? {} : { why: next.why };
  return {
    resource,
    request: tracedRequest(request),
    response: { status: head.status, headers: maskedResponseHeaders(head.headers) },
    selection: select.explain?.() ?? "the body",
    paginator,
    next: "request" in next ? { request: tracedRequest(next.request), ...why } : { end: next.end, ...why },
  };
}

function tracedRequest({ method, url, headers, body }: HttpRequest): TracedRequest {
  const text = bodyText(body);
  return {
    method,
    url: displayUrl(url),
    headers: maskedRequestHeaders(headers),
    ...(text === undefined ? {} : { body: text }),
  };
}
