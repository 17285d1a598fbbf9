import type { HttpRequest } from "../http/message.js";
import { SluiceError } from "../model/error.js";
import type { Notes } from "../model/source.js";
import type { Authenticator, AuthIo } from "./authenticator.js";
import { headerValue } from "./header-value.js";

/** A token and when it ends. */
export interface Token {
  readonly value: string;
  /** Seconds from when it was asked for; without it the token serves until the API answers 401. */
  readonly lifetimeS?: number;
}

/** How a token is obtained and sent. */
export interface TokenOptions {
  /** Default `authorization`. */
  readonly header?: string;
  /** The header's value. Default: `Bearer <token>` (RFC 6750 §2.1). */
  readonly format?: (token: string) => string;
  /** Obtains a token; never called twice at the same time. */
  readonly obtain: (io: AuthIo) => Promise<Token>;
  /** A token that is there already. It serves until the API answers 401. */
  readonly initial?: string;
}

/** A token in use, as milliseconds of the clock. */
interface Present {
  readonly header: string;
  readonly renewAt: number;
}

/**
 * An authenticator that obtains a token with the first request, sends it in a header, and obtains another one shortly
 * before it ends (a tenth of its lifetime, at most 60 s) or when the API refuses it. However many requests wait, one
 * token is obtained for all; a request that was refused with an older token than the present one is just sent again.
 * When `obtain` throws `auth/rejected`, that holds for the rest of the run: it is not called again.
 *
 * @example
 * create: ({ key }) => tokenAuthenticator({ obtain: async (io) => ({ value: await login(key, io), lifetimeS: 600 }) })
 */
export function tokenAuthenticator(options: TokenOptions): Authenticator {
  const name = (options.header ?? "authorization").toLowerCase();
  const format = options.format ?? ((token) => `Bearer ${token}`);
  const presentOf = (value: string, renewAt: number): Present => ({
    header: headerValue(format(value), "the token"),
    renewAt,
  });
  let present =
    options.initial === undefined ? undefined : presentOf(options.initial, Number.POSITIVE_INFINITY);

  let refused: { readonly notes: Notes; readonly error: SluiceError } | undefined;

  const renew = shared(async (io) => {
    // Asking again with what was refused could lock the account.
    if (refused?.notes === io.notes) throw refused.error;
    const askedAt = io.now();
    const token = await options.obtain(io).catch((error: unknown) => {
      if (error instanceof SluiceError && error.code === "auth/rejected")
        refused = { notes: io.notes, error };
      throw error;
    });
    io.conceal(token.value);
    const lifetimeMs = (token.lifetimeS ?? Number.POSITIVE_INFINITY) * 1000;
    present = presentOf(token.value, askedAt + lifetimeMs - Math.min(60_000, lifetimeMs / 10));
    return present;
  });

  return {
    queryNames: [],
    async authorize(request, io) {
      const { header } = present !== undefined && io.now() < present.renewAt ? present : await renew(io);
      return { ...request, headers: { ...request.headers, [name]: header } };
    },
    async refresh(sent: HttpRequest, io) {
      if (present !== undefined && sent.headers[name] === present.header) await renew(io);
      return true;
    },
  };
}

/**
 * Work that is done once for all who ask for it while it is under way. Who asks may leave, by its signal, without
 * disturbing the others; the work is aborted when all have left.
 */
function shared<T>(work: (io: AuthIo) => Promise<T>): (io: AuthIo) => Promise<T> {
  let flight: { readonly result: Promise<T>; readonly abort: AbortController; waiting: number } | undefined;
  return async (io) => {
    io.signal.throwIfAborted();
    if (flight === undefined) {
      const abort = new AbortController();
      const result = work({ ...io, signal: abort.signal });
      flight = { result, abort, waiting: 0 };
      const ended = (): void => {
        if (flight?.result === result) flight = undefined;
      };
      result.then(ended, ended);
    }
    const joined = flight;
    joined.waiting += 1;
    try {
      return await untilAborted(joined.result, io.signal);
    } finally {
      joined.waiting -= 1;
      if (joined.waiting === 0) {
        if (flight === joined) flight = undefined;
        joined.abort.abort();
      }
    }
  };
}

function untilAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
