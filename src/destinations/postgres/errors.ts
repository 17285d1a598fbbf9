import { SluiceError } from "../../model/error.js";

/** SQLSTATE (PostgreSQL, appendix A) of an error that the server raised. */
function sqlState(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith("E") ? code : undefined;
}

/**
 * Whether the connection is gone: the server said so (class 08, or 57P01 to 57P03: it shuts down, or ended the
 * session), or there was no answer at all.
 */
export function isConnectionError(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return state.startsWith("08") || /^(57P0[1-5]|25P03|25P04)$/.test(state);
  if (!(error instanceof Error)) return false;
  return (
    /^E[A-Z_]+$/.test(String((error as NodeJS.ErrnoException).code)) ||
    /connection (terminated|error|ended)|not queryable|client was closed/i.test(error.message)
  );
}

/** A server that can't be reached or does not let us in, as `destination/unreachable`. */
export function unreachable(location: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError("destination/unreachable", `can't connect to ${location}: ${publicMessage(error)}`, {
    hint:
      CONNECT_HINTS[sqlState(error) ?? ""] ??
      tlsHint(error) ??
      "Check host, port and sslmode, and that the server is up.",
  });
}

/** What to do about a server's certificate (codes of Node's tls and of OpenSSL). */
function tlsHint(error: unknown): string | undefined {
  const { code } = error as { readonly code?: unknown };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return "The server's certificate is for another name: connect by that name, or set sslmode to verify-ca to check only who signed it.";
  if (code === "CERT_HAS_EXPIRED")
    return "The server's certificate has expired, or this machine's clock is wrong.";
  if (typeof code !== "string" || !/CERT|SIGNATURE|ISSUER/.test(code)) return undefined;
  return "The server's certificate is signed by nobody that is trusted here: give the file with the signer's certificate in sslrootcert.";
}

const CONNECT_HINTS: Readonly<Record<string, string>> = {
  "28P01": "Check user and password: in the URI, in PGPASSWORD, or in ~/.pgpass.",
  "28000": "Check the user, and what the server's pg_hba.conf allows; it may want TLS (sslmode=require).",
  "3D000": "Create the database first: Sluice creates schemas and tables, not databases.",
  "42501": "Grant the user CONNECT on the database.",
  "53300":
    "The server has no connection left: lower max_connections of the destination, or raise the server's.",
  "57P03": "The server is starting or shutting down. Run again in a moment.",
};

/** A refused statement as `destination/failed`, a broken connection as `destination/unreachable`. */
export function failed(doing: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  if (isConnectionError(error)) {
    return new SluiceError(
      "destination/unreachable",
      `${doing}: the connection to PostgreSQL broke (${publicMessage(error)})`,
      { hint: "Rows and state are as of the last commit; run again to go on from there." },
    );
  }
  const hint = hintFor(sqlState(error) ?? "");
  // Not with the error as `cause`: the server's DETAIL and CONTEXT quote values.
  return new SluiceError(
    "destination/failed",
    `${doing}: ${publicMessage(error)}`,
    hint === undefined ? {} : { hint },
  );
}

function hintFor(state: string): string | undefined {
  if (state.startsWith("40") || state === "55P03") {
    return "Another session was in the way. Nothing of the package was committed; run again.";
  }
  if (state.startsWith("23")) {
    return "A constraint that Sluice did not make refuses a row. Nothing of the package was committed; take it away, or keep such records out.";
  }
  return STATEMENT_HINTS[state];
}

const STATEMENT_HINTS: Readonly<Record<string, string>> = {
  "42501":
    "Grant the user CREATE and USAGE on the schema (or CREATE on the database) and TEMPORARY on the database, and make it owner of the tables.",
  "53100": "The server's disk is full. Nothing of the package was committed; free some space and run again.",
  "53200": "The server is short of memory. Nothing of the package was committed.",
  "54000":
    "A row or table is beyond what PostgreSQL holds; set max_table_nesting or declare a column as json.",
  "54011":
    "A PostgreSQL table holds 1600 columns. Set max_table_nesting, or declare a nested object as json to keep it in one.",
};

/**
 * The server's words without the values they quote: only the message (never DETAIL, which shows rows), and of a message
 * about data or raised by a trigger nothing in quotation marks.
 */
export function publicMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return publicMessage(error.errors[0]);
  const message = error instanceof Error ? error.message : String(error);
  const line = message.split("\n", 1)[0]!.trim().slice(0, 400);
  const state = sqlState(error);
  if (state === undefined) return line;
  const safe = /^(22|P0)/.test(state) ? line.replace(/".*"/u, '"…"') : line;
  return `${safe} (SQLSTATE ${state})`;
}
