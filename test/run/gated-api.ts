import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An API that hands out records by `offset`, and holds back one page until it is told to go on. */
export interface GatedApi {
  readonly url: string;
  /** The next request from this offset on is held back; those after it are not. Resolves when it is there. */
  holdAt(offset: number): Promise<void>;
  /** Answers the request that is held. */
  release(): void;
  close(): void;
}

const PAGE = 10;

/** A kilobyte that can't be made smaller. */
const noise = (id: number): string =>
  Array.from({ length: 12 }, (_, n) => createHash("sha512").update(`${id} ${n}`).digest("base64")).join("");

/** Records `{ id, text, tags: [{ tag }] }` with ids from 0 on, ten a page; the next page is named in a header. */
export async function startGatedApi(count: number): Promise<GatedApi> {
  let gate: { offset: number; arrived: () => void } | undefined;
  let held: (() => void) | undefined;
  const answer = (offset: number, response: ServerResponse): void => {
    const size = Math.max(0, Math.min(PAGE, count - offset));
    const items = Array.from({ length: size }, (_, index) => ({
      id: offset + index,
      text: noise(offset + index),
      tags: [{ tag: `tag ${(offset + index) % 3}` }],
    }));
    const next = offset + PAGE < count ? String(offset + PAGE) : "";
    response
      .writeHead(200, { "content-type": "application/json", "x-next": next })
      .end(JSON.stringify(items));
  };
  const server = createServer((request, response) => {
    const offset = Number(new URL(request.url ?? "/", "http://api").searchParams.get("offset") ?? 0);
    if (gate?.offset !== offset) return answer(offset, response);
    held = () => answer(offset, response);
    gate.arrived();
    gate = undefined;
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdAt: (offset) => new Promise<void>((arrived) => (gate = { offset, arrived })),
    release() {
      held?.();
      held = undefined;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A configuration that appends the records, three pages a commit. */
export function gatedConfiguration(url: string, pipeline: string): string {
  return `
pipeline: ${pipeline}
checkpoint: { rows: 30 }
client:
  base_url: "${url}"
  paginator: { type: header_cursor, cursor_key: X-Next, cursor_param: offset }
  retry: { backoff_factor: 0.01 }
resources: [ { name: items_${pipeline}, endpoint: items } ]
`;
}
