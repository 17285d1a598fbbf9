import { hash } from "node:crypto";
import { SluiceError } from "../model/error.js";
import { bodyText } from "./body.js";
import type { HttpRequest } from "./message.js";

/**
 * Joins `base_url` and an endpoint's path as dlt does: all slashes between the two become one, and the base's own path
 * is always kept (RFC 3986 resolution would drop its last segment). A path that is an http or https URL is used
 * instead of the base. Beyond dlt: a query in the base is kept, and the path's query wins where both name a parameter;
 * a query that holds nothing (`calls.json?`) is dropped.
 *
 * @example
 * joinUrl("https://api.example.com/v3/a/", "/7/calls.json?"); // "https://api.example.com/v3/a/7/calls.json"
 * joinUrl("https://api.example.com/v3?team=1", "calls");      // "https://api.example.com/v3/calls?team=1"
 */
export function joinUrl(baseUrl: string, path: string): string {
  const to = split(path);
  if (/^https?:\/\//i.test(path)) return to.query === "" ? to.address + to.fragment : path;
  const from = split(baseUrl);
  const own = new Set(paramsOf(to.query).map(nameOf));
  const inherited = paramsOf(from.query).filter((param) => !own.has(nameOf(param)));
  return build(joinPaths(from.address, to.address), [...inherited, ...paramsOf(to.query)], to.fragment);
}

function joinPaths(base: string, path: string): string {
  if (path === "" || base === "") return base + path;
  let end = base.length;
  while (base[end - 1] === "/") end--;
  let start = 0;
  while (path[start] === "/") start++;
  return `${base.slice(0, end)}/${path.slice(start)}`;
}

/**
 * The request with a query parameter set: the first one of that name gets the value, further ones go, and without any
 * it is added at the end. All other bytes of the URL stay as they are, so a signed link keeps its other parameters.
 *
 * @example
 * withParam({ method: "GET", url: "https://h/x?page=1&q=a+b", headers: {} }, "page", 2).url; // "https://h/x?page=2&q=a+b"
 */
export function withParam(request: HttpRequest, name: string, value: string | number): HttpRequest {
  const { address, query, fragment } = split(request.url);
  const param = `${encode(name)}=${encode(String(value))}`;
  const params = paramsOf(query);
  const first = params.findIndex((other) => nameOf(other) === name);
  const rest = params.filter((other) => nameOf(other) !== name);
  rest.splice(first === -1 ? rest.length : first, 0, param);
  return { ...request, url: build(address, rest, fragment) };
}

/** The URL without the query parameters of these names. All other bytes stay as they are. */
export function withoutParams(url: string, names: readonly string[]): string {
  const { address, query, fragment } = split(url);
  const params = paramsOf(query);
  const kept = params.filter((param) => !names.includes(nameOf(param)));
  return kept.length === params.length ? url : build(address, kept, fragment);
}

/** The decoded value of the first query parameter of that name, or undefined. `+` means a space, as in forms. */
export function getParam(url: string, name: string): string | undefined {
  const param = paramsOf(split(url).query).find((other) => nameOf(other) === name);
  if (param === undefined) return undefined;
  const equals = param.indexOf("=");
  return equals === -1 ? "" : decode(param.slice(equals + 1));
}

/**
 * The address that a link leads to, seen from the URL that answered (RFC 3986 §5). An absolute http or https link is
 * returned byte for byte, so a signed one stays valid.
 *
 * @throws SluiceError `paginator/value` if the link is no URL. The link itself is not in the message: it may hold a key.
 */
export function resolveLink(current: string, link: string): string {
  const trimmed = link.trim();
  const isPlain = /^https?:\/\/[!-~]+$/i.test(trimmed);
  if (isPlain && originOf(trimmed) !== undefined) return trimmed;
  if (!isUrl(trimmed, current)) {
    throw new SluiceError(
      "paginator/value",
      `A link in the response (${link.length} characters long) can't be read as a URL; expected an absolute or relative URL`,
      { hint: "Check that the paginator's path, header or cursor_value points to the link itself." },
    );
  }
  return isPlain ? trimmed : new URL(trimmed, current).href;
}

/**
 * Scheme, host and port, as browsers compare them: `https://API.example.com:443/x` and `https://api.example.com` have
 * one origin. Undefined for anything that is not an http or https URL.
 */
export function originOf(url: string): string | undefined {
  // A host that is written plainly is read by itself: nothing behind it changes the origin, or makes it none.
  const authority = /^https?:\/\/[\w.:-]+(?=[/?#])/i.exec(url)?.[0];
  if (authority === undefined) return parsedOrigin(url);
  if (authority === lastAuthority) return lastOrigin;
  lastOrigin = parsedOrigin(`${authority}/`);
  lastAuthority = authority;
  return lastOrigin;
}

/** Each request is judged several times, and a run talks to few origins. */
let lastAuthority: string | undefined;
let lastOrigin: string | undefined;

function parsedOrigin(url: string): string | undefined {
  if (!isUrl(url)) return undefined;
  const { origin, protocol } = new URL(url);
  return protocol === "http:" || protocol === "https:" ? origin : undefined;
}

/**
 * Whether a text is a URL, seen from `base` if there is one. Unlike `URL.canParse`, which in Node 20 comes to refuse
 * hosts with characters beyond ASCII once it was called a few thousand times.
 */
export function isUrl(text: string, base?: string): boolean {
  try {
    return new URL(text, base) instanceof URL;
  } catch {
    return false;
  }
}

/**
 * What makes two requests of one walk the same: method, URL without fragment, headers (some APIs take the cursor there)
 * and body. 22 characters, safe in a file name.
 */
export function fingerprint(request: HttpRequest): string {
  const known = fingerprints.get(request);
  if (known !== undefined) return known;
  const { address, query } = split(request.url);
  const headers = Object.entries(request.headers).map(([name, value]) => `${name.toLowerCase()}: ${value}`);
  const head = [request.method.toUpperCase(), `${address}?${query}`, ...headers.toSorted()];
  const text = [...head, bodyText(request.body) ?? ""].join("\n");
  const print = hash("sha256", text, "base64url").slice(0, 22);
  fingerprints.set(request, print);
  return print;
}

/** A walk asks several times for each request. */
const fingerprints = new WeakMap<HttpRequest, string>();

/** The URL for people: without user information and control characters. Known secrets are the redactor's business. */
export function displayUrl(url: string): string {
  return withoutUserinfo(url.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ""));
}

/** The URL without `user:password@`; all other bytes stay as they are. */
export function withoutUserinfo(url: string): string {
  return url.replace(/^(\s*[a-z][a-z0-9+.-]*:[/\\]*)[^/\\?#]*@/i, "$1");
}

/**
 * Where a request for this URL goes: the origin to connect to, and path with query as sent, byte for byte. Only what
 * no request line may hold (spaces, quotes, angle brackets, controls, characters beyond ASCII) is percent-encoded. User
 * information and fragment are not part of it.
 */
export function requestTarget(url: string): { readonly origin: string; readonly path: string } {
  const [, path] = /^https?:\/\/[^/?#\\]+([/?][^#\\]*)?(?:#.*)?$/is.exec(url) ?? [];
  const origin = originOf(url);
  // Whatever is not written plainly (backslashes, a missing slash) is sent as the URL standard reads it.
  if (path === undefined || origin === undefined) {
    const { origin, pathname, search } = new URL(url);
    return { origin, path: pathname + search };
  }
  const whole = path.startsWith("/") ? path : `/${path}`;
  return { origin, path: whole.replaceAll(/[^!-~]+|["<>]/gu, encode) };
}

interface UrlParts {
  /** Everything before the query. */
  readonly address: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  /** With its `#`. */
  readonly fragment: string;
}

function split(url: string): UrlParts {
  const hash = url.indexOf("#");
  const main = hash === -1 ? url : url.slice(0, hash);
  const fragment = hash === -1 ? "" : url.slice(hash);
  const mark = main.indexOf("?");
  if (mark === -1) return { address: main, query: "", fragment };
  return { address: main.slice(0, mark), query: main.slice(mark + 1), fragment };
}

function build(address: string, params: readonly string[], fragment: string): string {
  return params.length === 0 ? address + fragment : `${address}?${params.join("&")}${fragment}`;
}

/** The parameters as written. Empty ones (`?&&`) mean nothing and are left out. */
function paramsOf(query: string): string[] {
  return query.split("&").filter((param) => param !== "");
}

function nameOf(param: string): string {
  const equals = param.indexOf("=");
  return decode(equals === -1 ? param : param.slice(0, equals));
}

function decode(text: string): string {
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

function encode(text: string): string {
  // A lone surrogate has no UTF-8 form and would throw; going through bytes makes it U+FFFD.
  return encodeURIComponent(Buffer.from(text, "utf8").toString("utf8"));
}
