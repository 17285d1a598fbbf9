import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { AttemptError, tooLarge } from "./attempt-error.js";
import { bodyContentType, bodyText } from "./body.js";
import { decompress } from "./decompress.js";
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
  const { Agent, buildConnector, request } = loadUndici();
  const connect = { timeout: connectS * 1000 };
  const agent = new Agent({
    connect: blockPrivateNetwork
      ? publicOnly(({ lookup }) => buildConnector({ ...connect, lookup }))
      : connect,
  });
  const dispatch = agent.dispatch.bind(agent);
  agent.dispatch = (options, handler) => dispatch(options, tellingStart(handler, options));
  return Object.assign(agent, { request });
}

/**
 * The library tells a handler when its request is written to the socket, which is what rate limits count from, but not
 * those who call `request`. Its interceptors would take every response apart and put it together again for that.
 */
function tellingStart(
  handler: Dispatcher.DispatchHandler,
  options: Dispatcher.DispatchOptions,
): Dispatcher.DispatchHandler {
  const onConnect = handler.onConnect?.bind(handler);
  const { onSent } = options as { onSent?: () => void };
  if (onConnect === undefined || onSent === undefined) return handler;
  handler.onConnect = (...context) => {
    onSent();
    onConnect(...context);
  };
  return handler;
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

/** What a body that nobody wants may still cost to keep its connection alive. */
const DRAIN_BYTES = 64 * 1024;

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
  const dispatcher = pool.dispatcher();
  try {
    const options = {
      origin,
      path,
      method: request.method.toUpperCase() as Dispatcher.HttpMethod,
      headers,
      body: bodyText(request.body) ?? null,
      headersTimeout: timeouts.headersS * 1000,
      bodyTimeout: timeouts.bodyS * 1000,
      signal,
      onSent,
    };
    const response = await dispatcher.request(options);
    return fetched(response, request.method.toUpperCase() !== "HEAD", timeouts);
  } catch (error) {
    throw networkFailure(error, timeouts);
  }
}

function fetched(response: Dispatcher.ResponseData, hasBody: boolean, timeouts: Timeouts): Fetched {
  const { body } = response;
  const headers = joinHeaders(response.headers);
  return {
    status: response.statusCode,
    headers,
    async read(maxBytes) {
      const raw = await receive(body, hasBody ? lengthOf(headers) : undefined, maxBytes, timeouts);
      return decompress(raw, headers["content-encoding"], maxBytes);
    },
    discard() {
      void body.dump({ limit: DRAIN_BYTES });
    },
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

function joinHeaders(headers: Dispatcher.ResponseData["headers"]): Record<string, string> {
  const joined = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  }
  return joined;
}

function lengthOf(headers: Readonly<Record<string, string>>): number | undefined {
  const text = headers["content-length"];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

async function receive(
  body: Readable,
  length: number | undefined,
  maxBytes: number,
  timeouts: Timeouts,
): Promise<Uint8Array> {
  if (length !== undefined && length > maxBytes) {
    body.destroy();
    throw tooLarge(maxBytes);
  }
  try {
    return await (length === undefined ? collect(body, maxBytes) : fill(body, length));
  } catch (error) {
    throw error instanceof AttemptError ? error : networkFailure(error, timeouts);
  }
}

/** Into one buffer of the announced size, with its own memory: no copy, and it can be handed to another thread. */
async function fill(body: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array> {
  const whole = Buffer.allocUnsafeSlow(length);
  let received = 0;
  for await (const chunk of body) {
    if (received + chunk.length <= length) whole.set(chunk, received);
    received += chunk.length;
  }
  if (received === length) return whole;
  throw new AttemptError({
    code: "http/network",
    reason: `the body has ${received} bytes, but ${length} were announced`,
    retry: "safe",
  });
}

async function collect(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of body) {
    received += chunk.length;
    if (received > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, received);
}
