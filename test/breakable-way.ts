import { once } from "node:events";
import { connect as connectSocket, createServer, type Socket } from "node:net";

/** What a connection does when it breaks off at the next COMMIT. */
export type Break =
  /** The server commits; its answer is lost. */
  | "after"
  /** The server never hears of the COMMIT, and sees its client go. */
  | "before"
  /** The server never hears of it, and does not notice that its client is gone. */
  | "before, unnoticed";

/** A way to the PostgreSQL server of a URI that can break off. */
export async function breakableWay(
  uri: string,
): Promise<{ uri: string; breakAt(how: Break): void; close(): void }> {
  const target = new URL(uri);
  const sockets = new Set<Socket>();
  let next: Break | undefined;
  const listener = createServer((client) => {
    const upstream = connectSocket(Number(target.port), target.hostname);
    let cutting: Break | undefined;
    for (const socket of [client, upstream]) sockets.add(socket.on("error", () => undefined));
    client.on("data", (bytes) => {
      if (next !== undefined && bytes.includes("COMMIT\0")) {
        cutting = next;
        next = undefined;
        if (cutting !== "after") {
          client.destroy();
          if (cutting === "before") upstream.destroy();
          return;
        }
      }
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      if (cutting === undefined) client.write(bytes);
      else client.destroy();
    });
    client.on("close", () => cutting !== "before, unnoticed" && upstream.destroy());
    upstream.on("close", () => client.destroy());
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const way = new URL(uri);
  way.port = String((listener.address() as { port: number }).port);
  return {
    uri: way.href,
    breakAt: (how) => void (next = how),
    close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}
