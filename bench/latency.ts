// Wall time of walks against an API that takes 100 ms for every answer, beside the ideal schedule: what must come one
// after the other, and nothing else. Run: `node scripts/run-ts.mjs bench/latency.ts`
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { duckdb, type Json, type RestApiConfig, restApi, run } from "../src/index.js";

const LATENCY_MS = Number(process.argv[2] ?? 100);
const PAGES = 100;
const SIZE = 100;
const AT_ONCE = 5;

const server = createServer((request, response) => {
  setTimeout(() => {
    const url = new URL(request.url ?? "/", "http://x");
    const rows = (first: number, count: number): Json[] =>
      Array.from({ length: count }, (_, index) => ({ id: first + index, name: `row ${first + index}` }));
    const params = url.searchParams;
    if (url.pathname.startsWith("/parents/")) return response.end(JSON.stringify(rows(0, SIZE)));
    if (url.pathname === "/parents") return response.end(JSON.stringify({ data: rows(0, 50) }));
    const page = Number(
      params.get("page") ?? params.get("cursor") ?? Number(params.get("offset") ?? 0) / SIZE,
    );
    const last = page >= PAGES - 1;
    response.writeHead(200, {
      "content-type": "application/json",
      ...(last ? {} : { next: String(page + 1), link: `</rows?page=${page + 1}>; rel="next"` }),
    });
    return response.end(JSON.stringify({ total: PAGES * SIZE, pages: PAGES, data: rows(page * SIZE, SIZE) }));
  }, LATENCY_MS);
}).listen(0, "127.0.0.1");
await once(server, "listening");
const base_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

const rows = (paginator: Record<string, unknown>) => ({
  name: "rows",
  endpoint: { path: "rows", data_selector: "data", paginator: paginator as { type: string } },
});
/** One after the other, and the first one alone with `at once` more at a time. */
const counted = 1 + (PAGES - 1) / AT_ONCE;
const cases = [
  { name: "header_cursor, 100 pages", resources: [rows({ type: "header_cursor" })], ideal: PAGES },
  { name: "header_link, 100 pages", resources: [rows({ type: "header_link" })], ideal: PAGES },
  {
    name: "page_number, 100 pages",
    resources: [rows({ type: "page_number", total_path: "pages" })],
    ideal: counted,
  },
  { name: "offset, 100 pages", resources: [rows({ type: "offset", limit: SIZE })], ideal: counted },
  {
    name: "a parent with 50 children",
    resources: [
      { name: "parents", selected: false, endpoint: { path: "parents", paginator: "single_page" } },
      {
        name: "children",
        endpoint: { path: "parents/{resources.parents.id}/rows", paginator: "single_page" },
      },
    ],
    ideal: 1 + 50 / AT_ONCE,
  },
];

console.log("| walk | seconds | ideal | ratio |\n|---|---|---|---|");
for (const { name, resources, ideal } of cases) {
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const started = performance.now();
    const report = await run({
      pipeline: "latency",
      source: restApi({ client: { base_url }, resources } as RestApiConfig),
      destination: duckdb(":memory:"),
    });
    times.push(performance.now() - started);
    if (report.status !== "ok") throw new Error(JSON.stringify(report));
  }
  const [, median = 0] = times.sort((a, b) => a - b);
  const wanted = ideal * LATENCY_MS;
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  console.log(`| ${name} | ${seconds(median)} | ${seconds(wanted)} | ${(median / wanted).toFixed(2)} |`);
}
server.closeAllConnections();
server.close();
