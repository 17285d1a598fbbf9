import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DEFAULT_COUNTS, recordAt } from "../examples/call-analytics/data.js";

/**
 * Serves pages of calls that were encoded before the first request, so that the server costs as little as possible.
 * Prints its URL when it is ready: `node scripts/run-ts.mjs bench/page-server.ts 100000 100`.
 */
const total = Number(process.argv[2] ?? 100_000);
const size = Number(process.argv[3] ?? 100);
const counts = { ...DEFAULT_COUNTS, calls: total };

const pages: Buffer[] = [];
for (let first = 0; first < total; first += size) {
  const calls = Array.from({ length: Math.min(size, total - first) }, (_, i) =>
    recordAt("calls", first + i, 1, counts),
  );
  pages.push(
    Buffer.from(JSON.stringify({ page: pages.length + 1, per_page: size, total_records: total, calls })),
  );
}

let url = "";
const server = createServer((request, response) => {
  const page = Number(new URL(request.url ?? "/", url).searchParams.get("page") ?? 1);
  answer(response, page);
});

function answer(response: ServerResponse, page: number): void {
  const body = pages[page - 1];
  if (body === undefined) {
    response.writeHead(404).end();
    return;
  }
  const link = page < pages.length ? { link: `<${url}/calls.json?page=${page + 1}>; rel="next"` } : {};
  response
    .writeHead(200, { "content-type": "application/json", "content-length": body.length, ...link })
    .end(body);
}

server.listen(0, "127.0.0.1");
await once(server, "listening");
url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(url);
