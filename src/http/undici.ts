import { createRequire } from "node:module";
import type { Agent, buildConnector } from "undici";

/** What is used of undici. */
export interface Undici {
  readonly Agent: typeof Agent;
  readonly buildConnector: typeof buildConnector;
}

let loaded: Undici | undefined;

/**
 * Loads the two files of undici that a request takes, once. Its index loads 111: mocks, caches, WebSockets, a fetch of
 * its own. They are no public names, but the package's version is exact, and without them no test of `http/` passes.
 */
export function loadUndici(): Undici {
  const require = createRequire(import.meta.url);
  loaded ??= {
    Agent: require("undici/lib/dispatcher/agent.js") as Undici["Agent"],
    buildConnector: require("undici/lib/core/connect.js") as Undici["buildConnector"],
  };
  return loaded;
}
