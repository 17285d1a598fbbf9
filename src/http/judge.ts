import { STATUS_CODES } from "node:http";
import { AttemptError, tooLarge } from "./attempt-error.js";
import type { Fetched } from "./fetch.js";
import { type ResponseHead, ResponseIgnored } from "./message.js";

/** What to do with a response instead of the usual. */
export type Verdict =
  /** It has no records and nothing comes after it: `send` or `read` rejects with `ResponseIgnored`. */
  | { readonly action: "ignore" }
  /** The last word, whatever the retry policy says of its status. */
  | { readonly action: "raise"; readonly message?: string }
  /** Sent again by the retry policy's waits and limits, whatever its status and method. */
  | { readonly action: "retry"; readonly message?: string }
  /**
   * The credentials are refused, whatever the status: sent again at once with newer ones, as after a 401, else
   * `auth/rejected`.
   */
  | { readonly action: "refresh_auth"; readonly message?: string };

/**
 * Judges a response that is not a redirect, before its status is. Pure: called once with the head alone, and if it says
 * `needs-text` a second time with the beginning of the body as text (64 KiB, UTF-8). Undefined: the status decides.
 *
 * Whoever says `needs-text` gives up on reading the body later than the head: the whole of it is received first.
 *
 * @example
 * const judge: Judge = (head) => (head.status === 404 ? { action: "ignore" } : undefined);
 */
export type Judge = (head: ResponseHead, text: string | undefined) => Verdict | "needs-text" | undefined;

const TEXT_BYTES = 64 * 1024;

/**
 * The verdict, and the response to go on with: its body may have been read for it.
 *
 * @throws AttemptError when the body can't be read.
 */
export async function judged(
  judge: Judge | undefined,
  head: ResponseHead,
  response: Fetched,
  maxBytes: number,
): Promise<{ readonly verdict: Verdict | undefined; readonly response: Fetched }> {
  const first = judge?.(head, undefined);
  if (first !== "needs-text") return { verdict: first, response };
  const body = await response.read(maxBytes);
  const second = judge?.(head, Buffer.from(body.subarray(0, TEXT_BYTES)).toString("utf8"));
  return { verdict: second === "needs-text" ? undefined : second, response: received(response, body) };
}

/** Throws what a verdict asks for; without one the response is as good as its status. */
export function carryOut(verdict: Verdict | undefined, head: ResponseHead, response: Fetched): void {
  if (verdict === undefined) return;
  if (verdict.action === "ignore") {
    response.discard();
    throw new ResponseIgnored(head);
  }
  const isAuth = head.status === 401 || head.status === 403 || verdict.action === "refresh_auth";
  const isSuccess = head.status >= 200 && head.status <= 299;
  const status = statusText(head.status);
  const usual = isSuccess ? `${status}, but the response says that the request failed` : status;
  // What a successful answer holds may be records, which no message shows.
  if (isSuccess) response.discard();
  throw new AttemptError({
    code: isAuth ? "auth/rejected" : "http/status",
    reason: verdict.message === undefined ? usual : `${verdict.message} (${status})`,
    retry: verdict.action === "retry" ? "always" : "never",
    hint: "This response is handled by endpoint.response_actions.",
    answer: head,
    ...(isSuccess ? {} : { response }),
  });
}

/** A status with its name: `404 Not Found`. */
export function statusText(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ""}`.trimEnd();
}

/** A response whose body is here already. */
function received(response: Fetched, body: Uint8Array): Fetched {
  return {
    status: response.status,
    headers: response.headers,
    async read(maxBytes) {
      if (body.length > maxBytes) throw tooLarge(maxBytes);
      return body;
    },
    discard() {},
  };
}
