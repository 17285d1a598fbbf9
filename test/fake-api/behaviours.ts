import { gzipSync } from "node:zlib";
import type { Json } from "../../src/model/json.js";
import type { FakePage } from "./paging.js";

/** A response before it is written; behaviours change it. */
export interface FakeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** How it goes over the wire. `whole` unless something is to go wrong. */
  readonly delivery:
    | { readonly kind: "whole" }
    /** The connection is reset before any byte. */
    | { readonly kind: "reset" }
    /** Headers announce the whole body; the connection closes after this many bytes of it. */
    | { readonly kind: "cut"; readonly bytes: number }
    /** The body comes in this many pieces with a pause between them. */
    | { readonly kind: "drip"; readonly pieces: number; readonly pauseMs: number };
}

/** What a route does wrong, or differently, with one request. */
export interface Behaviour {
  /** Changes the route's records before the page is cut. */
  readonly records?: (records: Json[]) => void;
  /** Changes the page before it is rendered; only for routes with records. */
  readonly page?: (page: FakePage, records: readonly Json[]) => FakePage;
  /** Changes the response. */
  readonly answer?: (answer: FakeAnswer) => FakeAnswer;
  /** Holds for all further requests, not for one. */
  readonly always?: boolean;
}

/** The behaviour for this and all further requests of the path. */
export function always(behaviour: Behaviour): Behaviour {
  return { ...behaviour, always: true };
}

/** As it should be: a gap in a script. */
export const asUsual: Behaviour = {};

/** An error status with a small JSON body. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): Behaviour {
  return { answer: () => answer(code, { error: `status ${code}` }, headers) };
}

/** 429, with `Retry-After` as seconds or as an HTTP date, or without it. */
export function tooManyRequests(retryAfter?: number | Date): Behaviour {
  if (retryAfter === undefined) return status(429);
  const value = typeof retryAfter === "number" ? String(retryAfter) : retryAfter.toUTCString();
  return status(429, { "retry-after": value });
}

/** The connection is reset before any byte of the answer. */
export const reset: Behaviour = { answer: (usual) => ({ ...usual, delivery: { kind: "reset" } }) };

/** The connection closes in the middle of the body, which is shorter than its content-length. */
export const truncated: Behaviour = {
  answer: (usual) => ({ ...usual, delivery: { kind: "cut", bytes: Math.floor(usual.body.length / 2) } }),
};

/** Status 200, and a body that stops in the middle of the JSON with a content-length to match. */
export const malformed: Behaviour = {
  answer: (usual) => ({ ...usual, body: usual.body.subarray(0, usual.body.length - 1) }),
};

/** Status 200, and an HTML page. */
export const html: Behaviour = {
  answer: () => ({
    status: 200,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: Buffer.from("<!DOCTYPE html><title>Down for maintenance</title>"),
    delivery: { kind: "whole" },
  }),
};

/** The body is gzipped, asked for or not. */
export const gzipped: Behaviour = {
  answer: (usual) => ({
    ...usual,
    headers: { ...usual.headers, "content-encoding": "gzip" },
    body: gzipSync(usual.body),
  }),
};

/** The body comes in pieces with a pause between them. */
export function drip(pieces: number, pauseMs: number): Behaviour {
  return { answer: (usual) => ({ ...usual, delivery: { kind: "drip", pieces, pauseMs } }) };
}

/** A redirect; a path stays on this server, a URL may lead anywhere. */
export function redirect(location: string, code = 302): Behaviour {
  return { answer: () => answer(code, null, { location }) };
}

/** Every page after the first names itself as the next one. */
export const endlessLoop: Behaviour = {
  page: (page) => ({ ...page, next: page.offset === 0 ? page.next : page.offset }),
  always: true,
};

/** The second page leads back to the first. */
export const loopOfTwo: Behaviour = {
  page: (page) => ({ ...page, next: page.offset === 0 ? page.next : 0 }),
  always: true,
};

/** Beyond the end there is no empty page but the last one again, and always a next one. */
export const repeatedLastPage: Behaviour = {
  page(page, records) {
    const lastOffset = Math.max(0, Math.ceil(records.length / page.size) - 1) * page.size;
    const isBeyond = page.offset > lastOffset;
    return {
      ...page,
      records: isBeyond ? records.slice(lastOffset) : page.records,
      next: page.offset + page.size,
    };
  },
  always: true,
};

/** New records appear at the front before this request is answered, so that everything moves back. */
export function shifted(...added: readonly Json[]): Behaviour {
  return { records: (records) => void records.unshift(...added) };
}

/** Links have neither scheme nor host. */
export const relativeLinks: Behaviour = { page: (page) => ({ ...page, linkBase: "" }), always: true };

/** Links lead to another origin. */
export function linksTo(origin: string): Behaviour {
  return { page: (page) => ({ ...page, linkBase: origin }), always: true };
}

/** A JSON response; null has no body. */
export function answer(code: number, body: Json, headers: Readonly<Record<string, string>> = {}): FakeAnswer {
  const bytes = body === null ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body));
  const type: Record<string, string> = body === null ? {} : { "content-type": "application/json" };
  return { status: code, headers: { ...type, ...headers }, body: bytes, delivery: { kind: "whole" } };
}
