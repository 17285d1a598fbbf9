import { retryAfterMs } from "./retry.js";

/** What a response says about one of the API's limits. */
export interface Quota {
  /** Tells the limits of one API apart. */
  readonly name: string;
  /** Requests that are left; never negative. */
  readonly remaining: number;
  /** When there are new ones, in milliseconds of our clock. */
  readonly resetAt?: number;
  /** How many there are then. */
  readonly limit?: number;
}

type Headers = Readonly<Record<string, string>>;

/**
 * The limits that a response tells of. Understood are
 *
 * - `RateLimit: "default";r=50;t=30` with `RateLimit-Policy: "default";q=100;w=60` (IETF draft 8 and later)
 * - `RateLimit: limit=100, remaining=50, reset=30` (draft 7) and `RateLimit-Limit`, `-Remaining`, `-Reset` (before)
 * - `X-RateLimit-*` and `X-Rate-Limit-*`, whose reset is seconds from now, or a time as seconds or milliseconds since
 *   1970 or as a date (GitHub, Twitter and many others), or `-Reset-After` (Discord)
 * - `X-Shopify-Shop-Api-Call-Limit: 32/40`, a bucket that leaks
 *
 * A limit without a number of remaining requests, or of nothing at all, says nothing.
 */
export function quotasIn(headers: Headers, now: number): Quota[] {
  const standard = structured(headers, now);
  const named = standard.length > 0 ? standard : plain(headers, now);
  return [...named, ...shopify(headers, now)];
}

/** The wait in milliseconds that `Retry-After` asks for on 429 and 503, if it asks for any. */
export function askedWait(status: number, headers: Headers, now: number): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  const asked = retryAfterMs(headers["retry-after"], now);
  return asked !== undefined && asked > 0 ? asked : undefined;
}

/** The `RateLimit` field, a structured list (RFC 9651) of items with parameters; draft 7 had a dictionary. */
function structured(headers: Headers, now: number): Quota[] {
  const field = headers["ratelimit"];
  if (field === undefined) return [];
  const members = field.split(",").map((member) => member.trim());
  const flat = Object.fromEntries(members.map((member) => member.split("=")));
  if ("remaining" in flat) return quota("ratelimit", flat["remaining"], flat["reset"], flat["limit"], now);
  const policies = new Map(
    (headers["ratelimit-policy"] ?? "").split(",").map((policy) => {
      const { name, parameters } = item(policy);
      return [name, parameters["q"]];
    }),
  );
  return members.flatMap((member) => {
    const { name, parameters } = item(member);
    return quota(`ratelimit ${name}`, parameters["r"], parameters["t"], policies.get(name), now);
  });
}

function item(text: string): { readonly name: string; readonly parameters: Headers } {
  const [name = "", ...rest] = text.split(";").map((part) => part.trim());
  return {
    name: name.replaceAll('"', ""),
    parameters: Object.fromEntries(rest.map((parameter) => parameter.split("="))) as Headers,
  };
}

/** The names of one family of headers, written out: they are looked for in every response. */
const FAMILIES = ["ratelimit", "x-ratelimit", "x-rate-limit"].map((prefix) => ({
  prefix,
  remaining: `${prefix}-remaining`,
  reset: `${prefix}-reset`,
  resetAfter: `${prefix}-reset-after`,
  limit: `${prefix}-limit`,
}));

function plain(headers: Headers, now: number): Quota[] {
  return FAMILIES.flatMap(({ prefix, remaining, reset, resetAfter, limit }) => {
    const left = headers[remaining];
    if (left === undefined) return [];
    const skew = prefix === "ratelimit" ? 0 : skewOf(headers, now);
    return quota(prefix, left, headers[resetAfter] ?? headers[reset], headers[limit], now, skew);
  });
}

/** How far the server's clock is ahead; 0 within what rounding and the way may explain. */
function skewOf(headers: Headers, now: number): number {
  const skew = Date.parse(headers["date"] ?? "") - now;
  return Math.abs(skew) > 2000 ? skew : 0;
}

/** Shopify's bucket leaks at 2 requests a second or more, so a full one has room after a second. */
function shopify(headers: Headers, now: number): Quota[] {
  const [, used, size] = /^(\d+)\/(\d+)$/.exec(headers["x-shopify-shop-api-call-limit"] ?? "") ?? [];
  if (used === undefined || size === undefined) return [];
  return [{ name: "shopify", remaining: Math.max(0, Number(size) - Number(used)), resetAt: now + 1000 }];
}

function quota(
  name: string,
  remaining: string | undefined,
  reset: string | undefined,
  limit: string | undefined,
  now: number,
  skew = 0,
): Quota[] {
  const left = numberIn(remaining);
  const most = numberIn(limit);
  if (left === undefined || (most !== undefined && most <= 0)) return [];
  const resetAt = resetTime(reset, now, skew);
  return [
    {
      name,
      remaining: Math.max(0, left),
      ...(resetAt === undefined ? {} : { resetAt }),
      ...(most === undefined ? {} : { limit: most }),
    },
  ];
}

/** The first number of a header; drafts wrote `100, 100;w=60`. */
function numberIn(text: string | undefined): number | undefined {
  const [number] = /^-?\d+(\.\d+)?/.exec(text?.trim() ?? "") ?? [];
  return number === undefined ? undefined : Math.floor(Number(number));
}

/** Seconds since 1970 began to look like this in 2001; as seconds from now it would be 31 years. */
const FIRST_EPOCH_S = 1e9;
const FIRST_EPOCH_MS = 1e12;

function resetTime(text: string | undefined, now: number, skew: number): number | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  if (!/^\d+(\.\d+)?$/.test(trimmed)) {
    // A date, and not what Date.parse makes of "soon 1".
    const at = /^([a-z]{3,9},? |\d{4}-\d\d-\d\d)/i.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
    return Number.isNaN(at) ? undefined : at - skew;
  }
  const value = Number(trimmed);
  if (value >= FIRST_EPOCH_MS) return value - skew;
  if (value >= FIRST_EPOCH_S) return value * 1000 - skew;
  // "In 0 seconds" is within this second.
  return now + (value === 0 ? 1000 : Math.ceil(value * 1000));
}
