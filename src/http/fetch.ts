import type { Dispatcher } from "undici";
import { AttemptError } from "./attempt-error.js";
import { bodyContentType, bodyText } from "./body.js";
import { Incoming } from "./incoming.js";
import type { HttpRequest } from "./message.js";
import { networkFailure } from "./network-failure.js";
import { publicOnly } from "./private-network.js";
import { loadUndici } from "./undici.js";
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
 * nobody has used for 4 seconds, or as long as the server's `Keep-Alive` allows, is closed. HTTP/1.1 only (docs/decisions/0012).
 */
export interface Pool {
  readonly timeouts: Timeouts;
  dispatcher(): Dispatcher;
  /** Closes every connection, also those in use. Idempotent. */
  close(): Promise<void>;
}

/**
 * A pool of connections. Nothing is opened, and the HTTP library is loaded (`http/undici.ts`) by the first request, if it is not yet.
 *
 * @example
 * const pool = createPool();
 * const client = createClient({ ...options, pool });
 */
export function createPool(
  timeouts: Timeouts = DEFAULT_TIMEOUTS,
  { blockPrivateNetwork = false }: Reach = {},
): Pool {
  let agent: Dispatcher | undefined;
  return {
    timeouts,
    dispatcher: () => (agent ??= createAgent(timeouts, blockPrivateNetwork)),
    async close() {
      await agent?.destroy();
    },
  };
}

function createAgent({ connectS }: Timeouts, blockPrivateNetwork: boolean): Dispatcher {
  const { Agent, buildConnector } = loadUndici();
  const connect = { timeout: connectS * 1000 };
  return new Agent({
    connect: blockPrivateNetwork
      ? publicOnly(({ lookup }) => buildConnector({ ...connect, lookup }))
      : connect,
  });
}

/** How one request is sent, beside what it says. */
export interface Sending {
  /** Headers for requests that have none of that name. */
  readonly defaults: Readonly<Record<string, string>>;
  /** The pool's limit on connecting holds for all its requests; the others are for this one. Default: the pool's. */
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
  const headers = headersOf(request, defaults);
  const method = request.method.toUpperCase() as Dispatcher.HttpMethod;
  const incoming = new Incoming(method, signal, onSent);
  const options: Dispatcher.DispatchOptions = {
    origin,
    path,
    method,
    headers,
    body: bodyText(request.body) ?? null,
    headersTimeout: timeouts.headersS * 1000,
    bodyTimeout: timeouts.bodyS * 1000,
  };
  if (!signal.aborted) pool.dispatcher().dispatch(options, incoming);
  try {
    await incoming.arrived;
  } catch (error) {
    throw networkFailure(error, timeouts);
  }
  return {
    status: incoming.status,
    headers: incoming.headers,
    async read(maxBytes) {
      try {
        return await incoming.read(maxBytes);
      } catch (error) {
        throw networkFailure(error, timeouts);
      }
    },
    discard: () => incoming.discard(),
  };
}

function headersOf(request: HttpRequest, defaults: Readonly<Record<string, string>>): Record<string, string> {
  const contentType = request.body === undefined ? undefined : bodyContentType(request.body);
  const headers: Record<string, string> = {
    accept: "*/*",
    "accept-encoding": "gzip, br, deflate",
    ...defaults,
    ...(contentType === undefined ? {} : { "content-type": contentType }),
  };
  for (const [name, value] of Object.entries(request.headers)) {
    requireSendable(name, value);
    // The length of the body is ours to say.
    if (name.toLowerCase() !== "content-length") headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** RFC 9110 §5.5 and §5.6.2. The value is not in the message: it may be a secret. */
function requireSendable(name: string, value: string): void {
  if (/^[!#$%&'*+.^_`|~\w-]+$/.test(name) && /^[\t -~\u0080-\u00ff]*$/.test(value)) return;
  throw new AttemptError({
    code: "config/invalid",
    reason: `the header ${JSON.stringify(name)} has a name or value that HTTP can't carry`,
    retry: "never",
    hint: "Look for a line break or a character beyond Latin-1; a secret that was stored with its line end is the usual cause.",
  });
}
