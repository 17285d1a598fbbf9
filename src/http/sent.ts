import { bodyText } from "./body.js";
import { MASK, maskedRequestHeaders } from "./masks.js";
import type { HttpRequest } from "./message.js";
import { displayUrl, getParam, withParam } from "./url.js";

/**
 * A request as it was sent, for people: whatever its authorization has added or changed is masked, however short.
 *
 * @example
 * maskedRequest(request, authorized).headers; // { accept: "application/json", authorization: "***" }
 */
export function maskedRequest(request: HttpRequest, authorized: HttpRequest): HttpRequest {
  const plain = maskedRequestHeaders(request.headers);
  const headers = Object.entries(authorized.headers).map(([name, value]): [string, string] => [
    name,
    plain[name] === value ? value : MASK,
  ]);
  const names = new Set(new URL(authorized.url).searchParams.keys());
  const added = [...names].filter((name) => getParam(authorized.url, name) !== getParam(request.url, name));
  const { url } = added.reduce((masked, name) => withParam(masked, name, MASK), authorized);
  const hasOwnBody = bodyText(authorized.body) === bodyText(request.body);
  const body = hasOwnBody ? request.body : ({ kind: "raw", text: MASK } as const);
  return {
    method: authorized.method,
    url: displayUrl(url),
    headers: Object.fromEntries(headers),
    ...(body === undefined ? {} : { body }),
  };
}
