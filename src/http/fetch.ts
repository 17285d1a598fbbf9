import { ClientRequest } from "node:http";
import { AttemptError } from "./attempt-error.js";
import { bodyContentType, bodyText } from "./body.js";
import { type Route, routeTo } from "./connections.js";
import { Incoming } from "./incoming.js";
import type { HttpRequest } from "./message.js";
import { networkFailure } from "./network-failure.js";
import { requestTarget } from "./url.js";

/** Time limits in seconds. There is none on a whole response: a large one may take its time as long as it moves. */
export interface Timeouts {
  /** Until the connection stands, with TLS. Default 10. */
  readonly connectS: number;
  /** From the request to the headers of the answer. Default 60. */
  readonly headersS: number;
  /** The longest pause inside a body. Default 60. */
  readonly bodyS: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = { connectS: 10, headersS: 60, bodyS: 60 };

/** The most that one response may have after decompression: 256 MiB. */
export const DEFAULT_MAX_BODY_BYTES = 256 * 1024 * 1024;

/** Where connections may lead. */
export interface Reach {
  /** Refuse loopback, private and other special addresses (`http/private-network`), whoever names them. Default false. */
  readonly blockPrivateNetwork?: boolean | undefined;
}

/**
 * Keep-alive connections, shared by the clients of one run. There is no limit of its own on them: a connection carries
 * one request at a time, so to one origin there are as many as requests under way (`client.max_concurrency`). One that
 * nobody has used for 4 seconds, or as long as the server's `Keep-Alive` allows, is closed. HTTP/1.1 only
 * (docs/decisions/0012).
 */
export interface Pool {
  readonly timeouts: Timeouts;
  /** Begins a request on a free or a new connection; it is to be ended. Header names are in lower case. */
  request(
    origin: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
  ): ClientRequest;
  /** Closes every connection, also those in use. Idempotent. */
  close(): void;
}

/**
 * A pool of connections. Nothing is opened before the first request.
 *
 * @param timeouts those of requests that have none of their own.
 * @example
 * const pool = createPool();
 * const client = createClient({ ...options, pool });
 */
export function createPool(
  timeouts: Timeouts = DEFAULT_TIMEOUTS,
  { blockPrivateNetwork = false }: Reach = {},
): Pool {
  const routes = new Map<string, Route>();
  let isClosed = false;
  return {
    timeouts,
    request(origin, method, path, headers) {
      if (isClosed) throw new Error("the pool is closed");
      let route = routes.get(origin);
      if (route === undefined) routes.set(origin, (route = routeTo(origin, blockPrivateNetwork)));
      const request = new ClientRequest({ ...route, method, path, headers });
      // The parser has a limit on their size; one on their number would drop the rest.
      request.maxHeadersCount = 0;
      return request;
    },
    close() {
      isClosed = true;
      for (const { agent } of routes.values()) agent.destroy();
    },
  };
}

/** How one request is sent, beside what it says. */
export interface Sending {
  /** Headers for requests that have none of that name. */
  readonly defaults: Readonly<Record<string, string>>;
  /** Default: the pool's. */
  readonly timeouts?: Timeouts;
  /** Called when the request is written to a connection: after waiting for one, and before its answer. */
  readonly onSent?: () => void;
}

/** An answer of any status whose headers have arrived. Either `read` or `discard` is called, once. */
export interface Fetched {
  readonly status: number;
  /** Names in lower case; no inherited keys. */
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body, decompressed. Throws `AttemptError` if it breaks off, stalls, or is larger than that. */
  read(maxBytes: number): Promise<Uint8Array>;
  discard(): void;
}

/**
 * Sends one request once: no credentials are added, no redirect is followed, no status is judged, nothing is repeated.
 *
 * @throws AttemptError when no answer came.
 */
export async function fetchOnce(
  pool: Pool,
  request: HttpRequest,
  { defaults, timeouts = pool.timeouts, onSent }: Sending,
  signal: AbortSignal,
): Promise<Fetched> {
  const { origin, path } = requestTarget(request.url);
  const method = request.method.toUpperCase();
  const text = bodyText(request.body);
  // As bytes: with a text, Node would encode the headers like it.
  const body = text === undefined ? undefined : Buffer.from(text);
  const headers = headersOf(request, method, defaults, body?.length);
  let incoming: Incoming;
  try {
    signal.throwIfAborted();
    const outgoing = pool.request(origin, method, path, headers);
    incoming = new Incoming(outgoing, timeouts, signal, onSent);
    outgoing.end(body);
    await incoming.arrived;
  } catch (error) {
    throw networkFailure(error);
  }
  return {
    status: incoming.status,
    headers: incoming.headers,
    async read(maxBytes) {
      try {
        return await incoming.read(maxBytes);
      } catch (error) {
        throw networkFailure(error);
      }
    },
    discard: () => incoming.discard(),
  };
}

function headersOf(
  request: HttpRequest,
  method: string,
  defaults: Readonly<Record<string, string>>,
  bodyBytes: number | undefined,
): Record<string, string> {
  const contentType = request.body === undefined ? undefined : bodyContentType(request.body);
  const headers: Record<string, string> = {
    accept: "*/*",
    "accept-encoding": "gzip, br, deflate",
    ...defaults,
    ...(contentType === undefined ? {} : { "content-type": contentType }),
  };
  for (const [name, value] of Object.entries(request.headers)) {
    requireSendable(name, value);
    headers[name.toLowerCase()] = value;
  }
  // The length of the body is ours to say, and the length of none where one is expected (RFC 9110 §8.6).
  delete headers["content-length"];
  if (bodyBytes !== undefined || !BODILESS.has(method)) headers["content-length"] = String(bodyBytes ?? 0);
  return headers;
}

/** The methods whose requests have no body unless they say so. */
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"]);

/** The headers of one connection, or of a body that comes in a way of its own. */
const RESERVED: ReadonlySet<string> = new Set([
  "expect",
  "keep-alive",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** RFC 9110 §5.5, §5.6.2 and §7.6.1. The value is not in the message: it may be a secret. */
function requireSendable(name: string, value: string): void {
  if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name) || !/^[\t -~\u0080-\u00ff]*$/.test(value)) {
    throw new AttemptError({
      code: "config/invalid",
      reason: `the header ${JSON.stringify(name)} has a name or value that HTTP can't carry`,
      retry: "never",
      hint: "Look for a line break or a character beyond Latin-1; a secret that was stored with its line end is the usual cause.",
    });
  }
  const lower = name.toLowerCase();
  if (RESERVED.has(lower) || (lower === "connection" && !/^(?:close|keep-alive)$/i.test(value.trim()))) {
    throw new AttemptError({
      code: "config/invalid",
      reason: `the header ${JSON.stringify(name)} can't be set: it is about the connection`,
      retry: "never",
      hint: "Remove it from the headers of client and endpoint.",
    });
  }
}
