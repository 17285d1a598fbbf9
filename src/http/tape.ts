import type { Fetched } from "./fetch.js";
import type { HttpRequest } from "./message.js";

/** One request on its way out, as a tape sees it. */
export interface Outgoing {
  readonly resource: string;
  /** Without the credentials that it is sent with. */
  readonly request: HttpRequest;
  /** It asks for credentials: nothing of it, and no value of its answer, may be kept. */
  readonly confidential: boolean;
  readonly signal: AbortSignal;
}

/**
 * Stands between a client and the network: it sees every request that leaves, retries and redirects included, and gives
 * its answer. `live` sends it; a tape that does not call it opens no connection.
 *
 * @throws AttemptError when no answer came, as `fetchOnce`.
 */
export type Tape = (outgoing: Outgoing, live: () => Promise<Fetched>) => Promise<Fetched>;
