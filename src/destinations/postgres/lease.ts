import { createHash } from "node:crypto";
import { SluiceError } from "../../model/error.js";
import type { ServerConnection } from "./server.js";

/** A lease that this process was given, and the session that holds it. */
export interface HeldLease {
  readonly pipeline: string;
  readonly key: string;
  readonly pid: number;
  readonly since: string;
}

/** The advisory lock of the one who may write a pipeline; held by a session as long as it lives. */
export function leaseKey(dataset: string, pipeline: string): string {
  return lockKey("lease", dataset, pipeline);
}

/** The advisory lock of the one who commits into a dataset; held by a transaction. */
export function commitKey(dataset: string): string {
  return lockKey("commit", dataset);
}

/** A 64-bit number for what is locked: advisory locks have numbers and no names. */
function lockKey(...parts: readonly string[]): string {
  const hash = createHash("sha256")
    .update(JSON.stringify(["sluice", ...parts]))
    .digest();
  return String(hash.readBigInt64BE(0));
}

/** A session that was killed a moment ago holds its locks until the server has noticed. */
const GRACE = "1s";

/**
 * Takes the lease for the session of `connection`: a session-level advisory lock, which the server gives up when the
 * session ends, however it ends.
 *
 * A commit checks under the dataset's commit lock that its lease is still held (`checkLease`). So whoever was given the
 * lease waits here for that lock once: a commit of the former holder that passed its check ends before the new holder
 * reads the state, and a later one fails its check.
 *
 * @throws SluiceError `destination/locked` that names the holder.
 */
export async function takeLease(
  connection: ServerConnection,
  dataset: string,
  pipeline: string,
  location: string,
): Promise<HeldLease> {
  const key = leaseKey(dataset, pipeline);
  try {
    // One round trip; the keys are numbers of ours.
    await connection.query(
      `BEGIN; SET LOCAL lock_timeout = '${GRACE}'; SELECT pg_advisory_lock('${key}'::bigint); ` +
        `SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock('${commitKey(dataset)}'::bigint); COMMIT`,
    );
  } catch (error) {
    await connection.query("ROLLBACK").catch(() => undefined);
    if ((error as { code?: unknown }).code !== "55P03") throw error;
    throw locked(await holderOf(connection, key), dataset, pipeline, location);
  }
  return { pipeline, key, pid: connection.pid, since: connection.since };
}

export async function giveLease(connection: ServerConnection, { key }: HeldLease): Promise<void> {
  if (connection.lost) return;
  await connection.query("SELECT pg_advisory_unlock($1::bigint)", [key]).catch(() => undefined);
}

/** pg_locks shows a 64-bit key in two halves. */
const HOLDER = `
  SELECT a.pid, a.application_name, a.usename, host(a.client_addr), a.backend_start::timestamptz(0)::text
  FROM pg_locks AS l
  JOIN pg_stat_activity AS a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid = (($1::bigint >> 32) & 4294967295)::oid AND l.objid = ($1::bigint & 4294967295)::oid`;

async function holderOf(connection: ServerConnection, key: string): Promise<string> {
  const [row] = (await connection.query(HOLDER, [key])).rows;
  // It may have ended between the two questions.
  if (row === undefined) return "another session";
  const [pid, application, user, address, since] = row.map((value) => value ?? "");
  const from = address === "" ? "" : ` from ${address}`;
  const as = user === "" ? "" : ` as ${user}`;
  const began = since === "" ? "" : `, connected since ${since}`;
  return `"${application}"${as}${from} (server process ${pid}${began})`;
}

function locked(holder: string, dataset: string, pipeline: string, location: string): SluiceError {
  return new SluiceError(
    "destination/locked",
    `pipeline ${pipeline} is being written to dataset ${dataset} of ${location} by ${holder}`,
    {
      hint: "Wait for that run to end. Its lease ends with its connection: pg_terminate_backend(pid) ends one that hangs.",
    },
  );
}

/**
 * Checks in a commit's transaction, under the commit lock, that the lease is still held by the session that took it.
 *
 * @throws SluiceError `destination/locked` when it is not: another run may be writing.
 */
export async function checkLease(connection: ServerConnection, lease: HeldLease): Promise<void> {
  const { rows } = await connection.query(
    `${HOLDER} AND a.pid = $2::int AND a.backend_start = $3::timestamptz`,
    [lease.key, String(lease.pid), lease.since],
  );
  if (rows.length > 0) return;
  throw new SluiceError(
    "destination/locked",
    `this run no longer holds pipeline ${lease.pipeline}: the connection that held it has ended, so another run may be writing`,
    { hint: "Nothing of the package was committed. Run again to go on from the last commit." },
  );
}
