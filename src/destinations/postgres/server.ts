import { createRequire } from "node:module";
import { hostname } from "node:os";
import type { Client, ClientConfig } from "pg";
import { SluiceError } from "../../model/error.js";
import type { Secret } from "../../model/secret.js";
import type { SqlValue } from "../sql/commit.js";
import { isConnectionError, unreachable } from "./errors.js";

/** How to reach a server; `postgres.ts` describes the options. */
export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user?: string | undefined;
  readonly password?: Secret | undefined;
  readonly sslmode: SslMode;
  readonly sslrootcert?: string | undefined;
  readonly connect_timeout: number;
  readonly application_name: string;
  readonly options?: string | undefined;
}

/** libpq's modes, without `allow`. */
export const SSL_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** One connection to the server: one session, one statement at a time. */
export interface ServerConnection {
  /** The server's process, and when it began: together they name this session among all that ever were. */
  readonly pid: number;
  readonly since: string;
  /** The connection broke, or was closed. */
  readonly lost: boolean;
  /**
   * Runs one statement; all values come as text. Without `values` there may be several, parted by semicolons, in one
   * round trip: the result is the last one's, and after one that fails no other is run.
   */
  query(statement: string, values?: readonly (SqlValue | readonly string[])[]): Promise<QueryResult>;
  /** Feeds a COPY FROM STDIN, as fast as the server takes it. */
  copy(statement: string, chunks: Iterable<Buffer>): Promise<void>;
  close(): Promise<void>;
}

export interface QueryResult {
  readonly changed: number;
  readonly rows: readonly (readonly (string | null)[])[];
}

/** The drivers. Loaded with the first connection. */
interface Driver {
  readonly Client: typeof Client;
  readonly copyFrom: typeof import("pg-copy-streams").from;
}

/** By `require`: to import CommonJS files, Node reads each of them twice (decision 27). */
function loadDriver(): Driver {
  const require = createRequire(import.meta.url);
  try {
    const { Client } = require("pg") as typeof import("pg");
    const { from: copyFrom } = require("pg-copy-streams") as typeof import("pg-copy-streams");
    return { Client, copyFrom };
  } catch (cause) {
    throw new SluiceError("config/missing-package", "PostgreSQL's driver is not installed", {
      at: { path: "destination" },
      hint: "Install it: npm install pg pg-copy-streams",
      cause,
    });
  }
}

/**
 * Opens a connection. The session's settings are such that whatever it holds ends soon after its process or its network:
 * the server looks for a client that is gone within a minute, and ends a transaction whose client stands still for five.
 *
 * @throws SluiceError `config/missing-package` without the driver, `destination/unreachable` when the server can't be
 * reached or refuses.
 */
export async function connectServer(
  options: ServerOptions,
  location: string,
  signal?: AbortSignal,
): Promise<ServerConnection> {
  signal?.throwIfAborted();
  const driver = loadDriver();
  try {
    const client = await openClient(driver, options, await tlsFor(options), signal);
    return await sessionOf(client, driver);
  } catch (error) {
    signal?.throwIfAborted();
    throw unreachable(location, error);
  }
}

type Tls = ClientConfig["ssl"];

async function tlsFor({ host, sslmode, sslrootcert }: ServerOptions): Promise<Tls> {
  // A socket in the file system needs none.
  if (sslmode === "disable" || host.startsWith("/")) return false;
  const { readFile } = await import("node:fs/promises");
  const ca = sslrootcert === undefined ? {} : { ca: await readFile(sslrootcert, "utf8") };
  if (sslmode === "verify-full") return { rejectUnauthorized: true, ...ca };
  // libpq checks the chain, not the name, with verify-ca; and with require when there is a root certificate.
  const isChecked = sslmode === "verify-ca" || sslrootcert !== undefined;
  return { rejectUnauthorized: isChecked, checkServerIdentity: () => undefined, ...ca };
}

async function openClient(
  driver: Driver,
  options: ServerOptions,
  ssl: Tls,
  signal: AbortSignal | undefined,
): Promise<Client> {
  const client = new driver.Client({
    host: options.host,
    port: options.port,
    database: options.database,
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.password === undefined ? {} : { password: options.password.reveal() }),
    ...(options.options === undefined ? {} : { options: options.options }),
    application_name: holderName(options.application_name),
    connectionTimeoutMillis: options.connect_timeout * 1000,
    keepAlive: true,
    ssl,
    types: { getTypeParser: () => (value: unknown) => value },
  });
  // Without a listener a broken connection would end the process; whoever uses it sees the error too.
  client.on("error", () => undefined);
  const stop = () => void client.end().catch(() => undefined);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    await client.connect();
    return client;
  } catch (error) {
    stop();
    const plain = options.sslmode === "prefer" && ssl !== false && isTlsRefused(error);
    if (plain) return await openClient(driver, options, false, signal);
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function isTlsRefused(error: unknown): boolean {
  return error instanceof Error && error.message.includes("does not support SSL");
}

/** Who it is, for `pg_stat_activity` and for the one who is refused: PostgreSQL keeps 63 bytes of ASCII. */
function holderName(application: string): string {
  return `${application} ${process.pid}@${hostname()}`.replaceAll(/[^ -~]/g, "?").slice(0, 63);
}

const SETTINGS = `
  SET TimeZone = 'UTC';
  SET client_min_messages = warning;
  SET tcp_keepalives_idle = 30;
  SET tcp_keepalives_interval = 10;
  SET tcp_keepalives_count = 3;
  SET idle_in_transaction_session_timeout = '5min'`;

/** A lease is held by an idle session. The setting is new in PostgreSQL 14. */
const STAY = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'";

const WHO = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";

async function sessionOf(client: Client, driver: Driver): Promise<ServerConnection> {
  let lost = false;
  client.on("end", () => (lost = true));
  client.on("error", () => (lost = true));
  const text = `${SETTINGS}; ${STAY}; ${WHO}`;
  const [pid, since] = lastOf(await client.query<[string, string]>({ text, rowMode: "array" })).rows[0]!;
  return {
    pid: Number(pid),
    since,
    get lost() {
      return lost;
    },
    async query(text, values) {
      const given = values === undefined ? {} : { values: values.map(parameter) };
      try {
        const result = await client.query<(string | null)[]>({ text, rowMode: "array", ...given });
        const { rowCount, rows } = lastOf(result);
        return { changed: rowCount ?? 0, rows };
      } catch (error) {
        if (isConnectionError(error)) lost = true;
        throw error;
      }
    },
    copy: (statement, chunks) => feed(client, driver, statement, chunks),
    async close() {
      if (!lost) await client.end().catch(() => undefined);
      lost = true;
    },
  };
}

/** The driver gives a list of results for several statements, which its types do not say. */
function lastOf<Result extends object>(result: Result | readonly Result[]): Result {
  return Array.isArray(result) ? (result as readonly Result[]).at(-1)! : (result as Result);
}

/** Text for the server, which has no NUL in any text. */
function parameter(value: SqlValue | readonly string[]): unknown {
  if (typeof value === "string") return value.replaceAll("\0", "\ufffd");
  if (typeof value === "object" && value !== null) return value.map(parameter);
  return value === null ? null : String(value);
}

async function feed(
  client: Client,
  driver: Driver,
  statement: string,
  chunks: Iterable<Buffer>,
): Promise<void> {
  const stream = client.query(driver.copyFrom(statement));
  const done = new Promise<void>((resolve, reject) => {
    stream.once("finish", resolve).on("error", reject);
  });
  // It is awaited below; it may fail before that.
  done.catch(() => undefined);
  try {
    for (const chunk of chunks) {
      if (stream.write(chunk)) continue;
      await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), done]);
    }
  } catch (error) {
    // Ends the COPY on the server's side, too. What came from the server has ended it already.
    stream.destroy(error instanceof SluiceError ? error : undefined);
    throw error;
  }
  stream.end();
  await done;
}
