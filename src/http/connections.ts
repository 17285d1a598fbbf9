import { Agent } from "node:http";
import type { AgentOptions } from "node:https";
import type { Socket } from "node:net";
import { publicLookup, requirePublic } from "./private-network.js";

/** How long a connection that nobody uses is kept, unless the server says something else. */
const IDLE_MS = 4000;

/** The server counts from another moment than we do. */
const MARGIN_MS = 1000;

/** What servers say is believed up to ten minutes. */
const MAX_IDLE_MS = 600_000;

/** Where requests to one origin go, as Node wants it. */
export interface Route {
  /** Keeps connections, and opens as many as there are requests at a time. */
  readonly agent: Agent;
  readonly protocol: string;
  readonly host: string;
  readonly port: string;
}

/**
 * The way to an origin. Nothing is connected yet.
 *
 * @throws AttemptError http/private-network if its host is written as a private address, and those are blocked.
 */
export function routeTo(origin: string, blockPrivateNetwork: boolean): Route {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (blockPrivateNetwork) requirePublic(host);
  const options: AgentOptions & { highWaterMark: number } = {
    keepAlive: true,
    // From when on the system asks a silent server whether it is still there.
    keepAliveMsecs: 60_000,
    maxFreeSockets: Infinity,
    // By Node 20's own 16 KiB, the first chunk of every body would stop the connection and start it again.
    highWaterMark: 128 * 1024,
    ALPNProtocols: ["http/1.1"],
    ...(blockPrivateNetwork && { lookup: publicLookup() }),
  };
  // TLS takes as long to load as HTTP itself, and no run without an https URL needs it.
  const agent =
    protocol === "https:" ? new (process.getBuiltinModule("node:https").Agent)(options) : new Agent(options);
  agent.keepSocketAlive = (socket: Socket): boolean => {
    const ms = idleMs.get(socket) ?? IDLE_MS;
    // Node's agent closes it when that has passed.
    socket.setTimeout(ms);
    socket.unref();
    return ms > 0;
  };
  return { agent, protocol, host, port };
}

const idleMs = new WeakMap<Socket, number>();

/** Notes what an answer's `Keep-Alive` says of how long its connection may be unused. */
export function noteKeepAlive(socket: Socket, keepAlive: string | undefined): void {
  const seconds = /\btimeout=(\d+)/i.exec(keepAlive ?? "")?.[1];
  if (seconds === undefined) return;
  idleMs.set(socket, Math.min(Math.max(Number(seconds) * 1000 - MARGIN_MS, 0), MAX_IDLE_MS));
}
