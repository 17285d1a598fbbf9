import { AttemptError } from "./attempt-error.js";

/** What the codes of Node mean to a person. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNRESET: "connection reset",
  EPIPE: "connection reset",
  ECONNREFUSED: "connection refused",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host name lookup failed",
  HPE_HEADER_OVERFLOW: "the response's headers are too large",
};

const HINTS: Readonly<Record<string, string>> = {
  ENOTFOUND: "Check the host in client.base_url, and this machine's network.",
  ECONNREFUSED: "Check host and port in client.base_url; nothing listens there.",
};

/** The connection was closed by the other side, in order but too early. */
export function cutShort(cause?: unknown): AttemptError {
  const reason = "connection closed before the response was complete";
  return new AttemptError({ code: "http/network", reason, retry: "safe", cause });
}

/** A failed attempt from an error of the socket, TLS or HTTP. */
export function networkFailure(error: unknown): AttemptError {
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
  if (code === "ERR_INVALID_HTTP_TOKEN") {
    // What remains of a request to be refused by Node: headers are looked at before, and a URL is made of its own bytes.
    const reason = "HTTP has no such method";
    return new AttemptError({ code: "config/invalid", reason, retry: "never", cause });
  }
  // What the system reports names its call; Node says by the same code that the other side hung up.
  if (code === "ECONNRESET" && !Object.hasOwn(error as Error, "syscall")) return cutShort(cause);
  if (code === "ETIMEDOUT") {
    return new AttemptError({ code: "http/timeout", reason: "connection timed out", retry: "safe", cause });
  }
  const reason = REASONS[code] ?? unnamed(code);
  return new AttemptError({ code: "http/network", reason, retry: "safe", hint: HINTS[code], cause });
}

function unnamed(code: string): string {
  return code.startsWith("HPE_")
    ? `the response is not valid HTTP (${code})`
    : `the connection failed (${code})`;
}

/** A certificate does not become valid by trying again. */
function isCertificateError(code: string): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code);
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
