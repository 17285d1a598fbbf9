import { AttemptError, type AttemptFailure } from "./attempt-error.js";
import type { Timeouts } from "./fetch.js";

type Explain = (timeouts: Timeouts) => Pick<AttemptFailure, "code" | "reason">;

const broken =
  (reason: string): Explain =>
  () => ({ code: "http/network", reason });

/** What the codes of Node and of the HTTP library mean to a person. */
const REASONS: Readonly<Record<string, Explain>> = {
  ECONNRESET: broken("connection reset"),
  EPIPE: broken("connection reset"),
  ECONNREFUSED: broken("connection refused"),
  EHOSTUNREACH: broken("host unreachable"),
  ENETUNREACH: broken("network unreachable"),
  ENOTFOUND: broken("host not found"),
  EAI_AGAIN: broken("host name lookup failed"),
  UND_ERR_SOCKET: broken("connection closed before the response was complete"),
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: broken("the body is not as long as announced"),
  UND_ERR_HEADERS_OVERFLOW: broken("the response's headers are too large"),
  ETIMEDOUT: (timeouts) => ({ code: "http/timeout", reason: `no connection within ${timeouts.connectS} s` }),
  UND_ERR_CONNECT_TIMEOUT: (timeouts) => ({
    code: "http/timeout",
    reason: `no connection within ${timeouts.connectS} s`,
  }),
  UND_ERR_HEADERS_TIMEOUT: (timeouts) => ({
    code: "http/timeout",
    reason: `no response within ${timeouts.headersS} s`,
  }),
  UND_ERR_BODY_TIMEOUT: (timeouts) => ({ code: "http/timeout", reason: `no data for ${timeouts.bodyS} s` }),
};

const HINTS: Readonly<Record<string, string>> = {
  ENOTFOUND: "Check the host in client.base_url, and this machine's network.",
  ECONNREFUSED: "Check host and port in client.base_url; nothing listens there.",
};

/** A failed attempt from an error of the socket, TLS or HTTP library. */
export function networkFailure(error: unknown, timeouts: Timeouts): AttemptError {
  if (error instanceof AttemptError) return error;
  const code = codeOf(error);
  const cause = error;
  if (isCertificateError(code)) {
    return new AttemptError({
      code: "http/network",
      reason: `the server's certificate is not trusted (${code})`,
      retry: "never",
      hint: "If the certificate is your organisation's own, name its authority's file in NODE_EXTRA_CA_CERTS.",
      cause,
    });
  }
  if (
    error instanceof Error &&
    /^UND_ERR_(INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)$/.test(code)
  ) {
    // The library names the header or field, never its value.
    return new AttemptError({
      code: "config/invalid",
      reason: `HTTP does not allow this request (${error.message})`,
      retry: "never",
      hint: "Check the headers of client and endpoint; those about the connection and the body's length are not for you to set.",
      cause,
    });
  }
  const { code: errorCode, reason } = REASONS[code]?.(timeouts) ?? {
    code: "http/network",
    reason: `the connection failed (${code})`,
  };
  return new AttemptError({ code: errorCode, reason, retry: "safe", hint: HINTS[code], cause });
}

/** A certificate does not become valid by trying again. */
function isCertificateError(code: string): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code);
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  if (!("code" in error) || typeof error.code !== "string") return error.name;
  // The library's word for a lost socket hides the system's, which says more.
  const inner = error.code === "UND_ERR_SOCKET" ? codeOf(error.cause) : error.code;
  return inner in REASONS ? inner : error.code;
}
