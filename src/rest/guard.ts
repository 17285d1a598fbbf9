import type { HttpRequest } from "../http/message.js";
import { isUrl } from "../http/url.js";
import type { Json } from "../model/json.js";
import type { Authenticator } from "./authenticator.js";
import type { Decode } from "./decoder.js";
import type { Next, Paginator } from "./paginator.js";
import { componentFailure, componentMistake } from "./thrown.js";

/**
 * A paginator of the user's own, held to what every paginator promises: what it throws is told as its failure, and what
 * it gives is a request or an end.
 *
 * @param own its name for people: `paginator "ticket"`
 * @throws SluiceError `component/failed`
 */
export function guardPaginator(paginator: Paginator, own: string): Paginator {
  const guarded: Paginator = {
    needs: paginator.needs,
    first: (request) => {
      const first: unknown = called(`first of ${own}`, () => paginator.first(request));
      if (!isRequest(first)) throw componentMistake(`first of ${own}`, gaveNo("request", first));
      return first;
    },
    next: (page) => {
      const next: unknown = called(`next of ${own}`, () => paginator.next(page));
      if (!isNext(next)) throw componentMistake(`next of ${own}`, gaveNo("request and no end", next));
      return next;
    },
  };
  if (paginator.ahead === undefined) return guarded;
  return {
    ...guarded,
    ahead: (page, count) => called(`ahead of ${own}`, () => paginator.ahead?.(page, count) ?? []),
  };
}

/** An auth method of the user's own; as `guardPaginator`. */
export function guardAuthenticator(authenticator: Authenticator, own: string): Authenticator {
  const guarded: Authenticator = {
    queryNames: authenticator.queryNames ?? [],
    authorize: async (request, io) => {
      const sent: unknown = await awaited(`authorize of ${own}`, async () =>
        authenticator.authorize(request, io),
      );
      if (!isRequest(sent)) throw componentMistake(`authorize of ${own}`, gaveNo("request", sent));
      return sent;
    },
  };
  if (authenticator.refresh === undefined) return guarded;
  return {
    ...guarded,
    refresh: async (sent, io) =>
      awaited(`refresh of ${own}`, async () => (await authenticator.refresh?.(sent, io)) ?? false),
  };
}

/** A decoder of the user's own; as `guardPaginator`. */
export function guardDecode(decode: Decode, own: string): Decode {
  const checked = (value: unknown): Json | undefined => {
    if (typeof value === "function" || typeof value === "symbol")
      throw componentMistake(own, gaveNo("JSON value", value));
    return value as Json | undefined;
  };
  return (body, head) => {
    const value: unknown = called(own, () => decode(body, head));
    return value instanceof Promise ? awaited(own, async () => checked(await value)) : checked(value);
  };
}

function called<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw componentFailure(what, error);
  }
}

async function awaited<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw componentFailure(what, error);
  }
}

function gaveNo(wanted: string, given: unknown): string {
  return `gave no ${wanted}${given instanceof Promise ? ", but a promise: it must not be async" : ""}`;
}

function isRequest(value: unknown): value is HttpRequest {
  return isObject(value) && typeof value["url"] === "string" && isUrl(value["url"]);
}

function isNext(value: unknown): value is Next {
  return isObject(value) && ("request" in value ? isRequest(value["request"]) : "end" in value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
