import type { Send } from "../http/message.js";
import { fingerprint } from "../http/url.js";
import type { JsonObject } from "../model/json.js";
import type { Io, Page } from "../model/source.js";

/** What a server gave to recognize an answer by (RFC 9110 §8.8), and the request it belongs to. */
interface Validator extends JsonObject {
  readonly request: string;
  readonly etag?: string;
  readonly last_modified?: string;
}

/** Where the validator stands in a resource's cursor. */
const KEY = "conditional";

/**
 * Asks for an answer only if it has changed since it was last loaded (RFC 9110 §13.1): the validators of the last
 * complete load are sent along, and a 304 has no records. They are committed with the rows they belong to, so an answer
 * that was not committed is never taken for known. For endpoints with one page: a 304 says nothing of further pages.
 *
 * @param read walks the endpoint with the given `send`.
 */
export async function* readIfChanged(
  io: Io,
  send: Send,
  read: (send: Send) => AsyncIterable<Page>,
): AsyncGenerator<Page, void, undefined> {
  const known = io.cursor?.[KEY] as Validator | undefined;
  let seen: Validator | undefined;
  let isSame = false;
  const sendIfChanged: Send = async (request, signal) => {
    const print = fingerprint(request);
    const sent = known?.request === print ? known : undefined;
    const headers = {
      ...request.headers,
      ...(sent?.etag === undefined ? {} : { "if-none-match": sent.etag }),
      ...(sent?.last_modified === undefined ? {} : { "if-modified-since": sent.last_modified }),
    };
    const exchange = await send({ ...request, headers }, signal);
    return {
      ...exchange,
      async read(decode) {
        const result = await exchange.read(decode);
        isSame = result.head.status === 304;
        seen = isSame ? sent : validatorOf(print, result.head.headers);
        return result;
      },
    };
  };
  for await (const page of read(sendIfChanged)) {
    if (page.completeness === undefined || seen === undefined) yield page;
    else if (isSame) yield { ...page, completeness: "proved", why: "304: not changed since it was loaded" };
    else yield { ...page, cursor: { ...io.cursor, [KEY]: seen } };
  }
}

function validatorOf(request: string, headers: Readonly<Record<string, string>>): Validator | undefined {
  const { etag, "last-modified": lastModified } = headers;
  if (etag === undefined && lastModified === undefined) return undefined;
  return {
    request,
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { last_modified: lastModified }),
  };
}
