import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { Redactor } from "../model/secret.js";
import type { AttemptFailure } from "./attempt-error.js";
import { bodyText } from "./body.js";
import { MASK, maskedRequestHeaders, maskedResponseHeaders } from "./masks.js";
import type { HttpRequest } from "./message.js";
import type { Outgoing } from "./tape.js";
import { displayUrl, withParam } from "./url.js";

/** The file that makes a folder a recording. Every other file of it holds one exchange. */
export interface RecordingIndex {
  readonly format: "sluice-recording";
  readonly version: 1;
  /** When the pipeline was loaded, ISO 8601: the clock of a replay starts there. */
  readonly recorded_at: string;
}

export const INDEX_FILE = "index.json";

/** One request and what came of it, without a credential. */
export interface RecordedExchange {
  readonly resource: string;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: RecordedBody;
  };
  readonly response?: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    /** Decompressed. Absent when nobody read it, as that of a redirect. */
    readonly body?: RecordedBody;
  };
  /** Why there is no response, or no whole body. */
  readonly failure?: Pick<AttemptFailure, "code" | "reason" | "retry" | "hint">;
}

/** A body: as JSON where that gives back every byte, as text where it is UTF-8, else in base64. */
export type RecordedBody =
  | { readonly json: unknown }
  | { readonly text: string }
  | { readonly base64: string };

/** They describe the bytes on the wire; what is kept is what was in them. */
const WIRE_HEADERS = /^(?:content-encoding|content-length|transfer-encoding|connection|keep-alive)$/i;
/** Query parameters that are credentials whatever the API. Others are hidden by their value. */
const CREDENTIAL_PARAMS = ["api_key", "apikey", "api-key", "access_token", "client_secret", "password"];

/** The request as it is kept: known secrets are masked, and nothing of a confidential one but where it goes. */
export function recordedRequest(
  { request, confidential }: Pick<Outgoing, "request" | "confidential">,
  redactor: Redactor,
): RecordedExchange["request"] {
  const { method } = request;
  const present = new URL(request.url).searchParams;
  const params = CREDENTIAL_PARAMS.filter((name) => present.has(name));
  const masked = params.reduce((masked, name) => withParam(masked, name, MASK), request);
  const url = redactor.redact(displayUrl(masked.url));
  if (confidential) return { method, url };
  const text = bodyText(request.body);
  return {
    method,
    url,
    headers: keptHeaders(maskedRequestHeaders(request.headers), redactor),
    ...(text === undefined ? {} : { body: recordedBody(Buffer.from(text), redactor) }),
  };
}

/** What an answer must have in common with a recorded one to be played back for it. */
export function exchangeKey(resource: string, request: RecordedExchange["request"]): string {
  // Who asks first for a token is chance. `accept` follows from the format, and may change with a version.
  const headers = Object.entries(request.headers ?? {})
    .filter(([name]) => name !== "accept")
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const who = request.headers === undefined ? "" : resource;
  const text = JSON.stringify([who, request.method, request.url, headers, request.body ?? null]);
  return createHash("sha256").update(text).digest("base64url");
}

/** Response headers as they are kept. Of a confidential answer only those that say how to read it and when to come back. */
export function recordedHeaders(
  headers: Readonly<Record<string, string>>,
  confidential: boolean,
  redactor: Redactor,
): Record<string, string> {
  const kept = keptHeaders(maskedResponseHeaders(headers), redactor);
  if (!confidential) return kept;
  const entries = Object.entries(kept).map(([name, value]) => [
    name,
    HARMLESS_HEADER.test(name) ? value : MASK,
  ]);
  return Object.fromEntries(entries) as Record<string, string>;
}

const HARMLESS_HEADER = /^(?:content-type|date|retry-after|.*rate-?limit.*)$/i;

function keptHeaders(headers: Readonly<Record<string, string>>, redactor: Redactor): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => !WIRE_HEADERS.test(name));
  return Object.fromEntries(kept.map(([name, value]): [string, string] => [name, redactor.redact(value)]));
}

/** A body as it is kept, with every known secret masked. */
export function recordedBody(body: Uint8Array, redactor: Redactor): RecordedBody {
  if (!isUtf8(body)) {
    // One character a byte, so that a secret is found and everything else stays as it is.
    const text = redactor.redact(Buffer.from(body).toString("latin1"));
    return { base64: Buffer.from(text, "latin1").toString("base64") };
  }
  const text = masked(Buffer.from(body).toString("utf8"), redactor);
  const json = parsed(text);
  return json !== undefined && JSON.stringify(json) === text ? { json } : { text };
}

/**
 * The answer to a request for a token with the same keys and without its values, so that a replay finds a token where
 * the run found one. What RFC 6749 says about the token stays: its type, scope and lifetime, or the error.
 */
export function confidentialBody(body: Uint8Array): RecordedBody {
  const value = parsed(Buffer.from(body).toString("utf8"));
  return value === undefined ? { text: body.length === 0 ? "" : MASK } : { json: withoutValues(value) };
}

function withoutValues(value: unknown): unknown {
  if (typeof value === "string") return value === "" ? "" : MASK;
  if (typeof value === "number") return 0;
  if (Array.isArray(value)) return value.map(withoutValues);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => [
      key,
      PLAIN_VALUES[key]?.test(String(item)) === true ? item : withoutValues(item),
    ]),
  );
}

const PLAIN_VALUES: Readonly<Record<string, RegExp>> = {
  token_type: /^[a-z-]{1,20}$/i,
  expires_in: /^\d{1,9}$/,
  error: /^[a-z_]{1,40}$/,
};

/** The bytes that a recorded body stands for. */
export function bodyBytes(body: RecordedBody): Uint8Array {
  if ("base64" in body) return Buffer.from(body.base64, "base64");
  return Buffer.from("text" in body ? body.text : JSON.stringify(body.json));
}

/** The text without known secrets, also where JSON escapes characters that need no escape (`\/`, `\u0041`). */
function masked(text: string, redactor: Redactor): string {
  const once = redactor.redact(text);
  const plain = once.replaceAll(/\\(?:(\/)|u([0-9a-f]{4})|.)/gi, unescaped);
  const twice = redactor.redact(plain);
  return twice === plain ? once : twice;
}

function unescaped(escape: string, slash: string | undefined, hex: string | undefined): string {
  if (slash !== undefined) return slash;
  const character = hex === undefined ? "" : String.fromCharCode(Number.parseInt(hex, 16));
  // What must stay escaped, and halves of a pair, which are no text of their own.
  const mustStay = character < " " || character === '"' || character === "\\" || /\p{Cs}/u.test(character);
  return mustStay ? escape : character;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A request in a message. */
export function requestLine({ method, url }: Pick<HttpRequest, "method" | "url">): string {
  return `${method} ${url}`;
}
