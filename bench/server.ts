import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { narrow } from "./data/narrow.js";
import { createPages, type PageOptions, SELECTOR } from "./data/pages.js";
import { wide } from "./data/wide.js";

/**
 * Serves one dataset in pages that were made before the first request, so that it costs as little as possible. Every
 * answer can be paged by link header, header cursor, page number (from 0) and offset; `/parents` has 200 records and
 * `/parents/7/calls` page 7. The only argument is a JSON object; prints another one when it is ready.
 */
interface ServerOptions extends PageOptions {
  readonly dataset: string;
  /** Milliseconds before each answer. */
  readonly latency: number;
}

const PARENTS = 200;
const options = JSON.parse(process.argv[2] ?? "{}") as ServerOptions;
const dataset = [wide, narrow].find(({ name }) => name === options.dataset);
if (dataset === undefined) throw new Error(`no dataset ${options.dataset}`);
const pages = createPages(dataset, options);
const parents = Buffer.from(
  JSON.stringify({ [SELECTOR]: Array.from({ length: PARENTS }, (_, id) => ({ id })) }),
);
const encoding = options.gzip ? { "content-encoding": "gzip" } : {};
let origin = "";

const server = createServer((request, response) => {
  const url = request.url ?? "/";
  if (options.latency === 0) answer(url, response);
  else setTimeout(answer, options.latency, url, response);
});

function answer(url: string, response: ServerResponse): void {
  if (url === "/parents") return send(response, parents, {});
  const child = /^\/parents\/(\d+)\//.exec(url)?.[1];
  if (child !== undefined) return send(response, pages.at(Number(child) % pages.count), encoding);
  const page = pageOf(url);
  if (page >= pages.count) return void response.writeHead(404).end();
  const next = page + 1 < pages.count ? page + 1 : undefined;
  const where =
    next === undefined ? { next: "" } : { next, link: `<${origin}/calls?page=${next}>; rel="next"` };
  return send(response, pages.at(page), { ...encoding, ...where });
}

function pageOf(url: string): number {
  const [, name, digits] = /[?&](page|cursor|offset)=(\d+)/.exec(url) ?? [];
  const number = Number(digits ?? 0);
  return name === "offset" ? Math.floor(number / options.size) : number;
}

function send(response: ServerResponse, body: Buffer, headers: Record<string, string | number>): void {
  response
    .writeHead(200, { "content-type": "application/json", "content-length": body.length, ...headers })
    .end(body);
}

server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1");
await once(server, "listening");
origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(JSON.stringify({ url: origin, bytes: pages.bytes, pages: pages.count }));
