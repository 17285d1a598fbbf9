import type { Json } from "../model/json.js";

/**
 * A request as plain data, so it can be stored as a position, compared and logged. It never holds credentials: the
 * client adds them when it sends, and only to the source's own origin.
 */
export interface HttpRequest {
  readonly method: string;
  /** Absolute, with its query. Sent byte for byte, so a signed link stays valid. */
  readonly url: string;
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
}

export type RequestBody =
  | { readonly kind: "json"; readonly value: Json }
  | { readonly kind: "form"; readonly pairs: readonly (readonly [string, string])[] }
  | { readonly kind: "raw"; readonly text: string };

/** What is known of a response before its body is read. */
export interface ResponseHead {
  readonly status: number;
  /** The URL that answered, after redirects. Relative links are resolved against it. */
  readonly url: string;
  /** Names in lower case; repeated headers are joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A response whose headers have arrived. Exactly one of `read` and `discard` is called.
 *
 * `read` receives the whole body, decompressed, and gives it to `decode`. If the body breaks off, stalls, or `decode`
 * throws a `RetryableError`, the request is sent again by the client's retry rules; the head of the attempt that
 * succeeded comes back with the value, so look at it again if you acted on the first one.
 */
export interface Exchange {
  readonly head: ResponseHead;
  /** The request that was answered as it was sent, every credential masked; for people. */
  readonly sent?: () => HttpRequest;
  read<T>(decode: (body: Uint8Array, head: ResponseHead) => T | Promise<T>): Promise<ReadResult<T>>;
  /** What `decode` gave is given to others, too. Default false. */
  readonly isShared?: boolean;
  /** Drops the response without reading it. */
  discard(): void;
}

export interface ReadResult<T> {
  readonly head: ResponseHead;
  readonly value: T;
  /** Bytes of the body after decompression. */
  readonly bytes: number;
}

/** Thrown by `send` and `read` for a response that is to be passed over: it has no records, and the walk ends with it. */
export class ResponseIgnored extends Error {
  override readonly name = "ResponseIgnored";
  readonly head: ResponseHead;

  constructor(head: ResponseHead) {
    super(`a response with status ${head.status} was ignored`);
    this.head = head;
  }
}

/** Sends one request and resolves when the headers of a successful answer have arrived. */
export type Send = (request: HttpRequest, signal: AbortSignal) => Promise<Exchange>;

/** Thrown by a decoder for a body that may be whole the next time: truncated or malformed. */
export class RetryableError extends Error {
  override readonly name = "RetryableError";
}
