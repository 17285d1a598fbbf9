import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { createClient, type HttpClient } from "../http/client.js";
import type { Json } from "../model/json.js";
import { memoryNotes } from "../model/notes.js";
import { systemRuntime } from "../model/runtime.js";
import { Redactor } from "../model/secret.js";
import type { Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import { jsonDecoder } from "./decoders/json.js";
import type { Paginator } from "./paginator.js";
import { headerLinkPaginator } from "./paginators/header-link.js";
import { pageNumberPaginator } from "./paginators/page-number.js";
import { selectWhole } from "./select.js";
import { walk } from "./walk.js";

let server: Server | undefined;
let client: HttpClient | undefined;
let seen: string[] = [];

afterEach(async () => {
  await client?.close();
  server?.closeAllConnections();
  server?.close();
  seen = [];
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  server = createServer((request, response) => {
    seen.push(request.url ?? "");
    answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function pagesOf(
  url: string,
  paginator: Paginator,
  options: { from?: Position; hasPrimaryKey?: boolean; redactor?: Redactor; isOnDemand?: boolean } = {},
): AsyncGenerator<Page> {
  const redactor = options.redactor ?? new Redactor();
  const io: Io = {
    notes: memoryNotes(),
    runtime: systemRuntime,
    signal: new AbortController().signal,
    emit: () => {},
  };
  client = createClient({ resource: "rows", baseUrl: url, userAgent: "test", redactor, ...io });
  return walk(
    {
      resource: "rows",
      request: { method: "GET", url: `${url}/rows`, headers: {} },
      paginator,
      decode: jsonDecoder.create({}),
      select: () => selectWhole,
      hasPrimaryKey: options.hasPrimaryKey ?? false,
      credentialParams: ["key"],
      storable: (text) => redactor.redact(text) === text,
      mayRunAhead: () => options.isOnDemand !== true,
    },
    options.from,
    client.send,
    io,
  );
}

async function collect(pages: AsyncIterable<Page>): Promise<Page[]> {
  const all: Page[] = [];
  for await (const page of pages) all.push(page);
  return all;
}

const context = { config: {}, parameters: {}, secrets: {} };
const byLink = headerLinkPaginator.create(headerLinkPaginator.options.parse({}), context);
const byNumber = pageNumberPaginator.create(
  pageNumberPaginator.options.parse({ base_page: 1, total_path: null }),
  context,
);

function numberOf(request: IncomingMessage): number {
  return Number(new URL(request.url ?? "", "http://x").searchParams.get("page") ?? 1);
}

it("sends the next request before this page's body is read, if the header has the link", async () => {
  let endFirstBody = (): void => {};
  const url = await serve((request, response) => {
    const page = numberOf(request);
    if (page === 1) {
      response.writeHead(200, { link: `</rows?page=2>; rel="next"` });
      response.write("[1,");
      // Deadlock, if the client wanted this body before it asks for page two.
      endFirstBody = () => response.end("2]");
    } else {
      response.end("[3]");
      endFirstBody();
    }
  });
  const pages = await collect(pagesOf(url, byLink));
  expect(pages.map(({ records }) => records.values)).toEqual([[1, 2], [3]]);
  expect(pages.at(-1)?.completeness).toBe("proved");
});

it.each([byLink, byNumber])(
  "sends nothing ahead if it may not, and reads the same pages",
  async (paginator) => {
    const url = await serve((request, response) => {
      const page = numberOf(request);
      response
        .writeHead(200, page < 3 ? { link: `</rows?page=${page + 1}>; rel="next"` } : {})
        .end(page > 3 ? "[]" : `[${page}]`);
    });
    const sent: number[] = [];
    const pages: Page[] = [];
    for await (const page of pagesOf(url, paginator, { isOnDemand: true })) {
      pages.push(page);
      await new Promise((resolve) => setTimeout(resolve, 10));
      sent.push(seen.length);
    }
    expect(sent).toEqual(pages.map((_, index) => index + 1));
    expect(pages.flatMap(({ records }) => records.values)).toEqual([1, 2, 3]);
  },
);

it("has at most one request under way beyond the page that is being consumed", async () => {
  const url = await serve((request, response) => {
    const page = numberOf(request);
    response
      .writeHead(200, page < 9 ? { link: `</rows?page=${page + 1}>; rel="next"` } : {})
      .end(`[${page}]`);
  });
  const pages = pagesOf(url, byLink);
  await pages.next();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(seen.length).toBeLessThanOrEqual(2);
  await pages.return(undefined);
});

it("goes on from the position of any page and yields the rest", async () => {
  const url = await serve((request, response) => {
    const page = numberOf(request);
    response.end(JSON.stringify(page <= 4 ? [page * 10, page * 10 + 1] : []));
  });
  const whole = await collect(pagesOf(url, byNumber));
  expect(whole.map(({ records }) => records.values)).toEqual([[10, 11], [20, 21], [30, 31], [40, 41], []]);
  for (const [index, page] of whole.entries()) {
    if (page.resume === undefined) continue;
    const from = JSON.parse(JSON.stringify(page.resume)) as Position;
    const rest = await collect(pagesOf(url, byNumber, { from }));
    expect(rest.map(({ records }) => records.values)).toEqual(
      whole.slice(index + 1).map(({ records }) => records.values),
    );
  }
});

it("ends with an error when a page repeats the one before", async () => {
  const url = await serve((_request, response) => response.end(`[{"id":1},{"id":2}]`));
  await expect(collect(pagesOf(url, byNumber))).rejects.toMatchObject({
    code: "paginator/loop",
    at: { resource: "rows" },
  });
  expect(seen.length).toBeLessThanOrEqual(3);
});

it.each([
  [false, "is not taken for a loop without a primary key", 3],
  [true, "is a loop with a primary key", 1],
])("a single record that repeats (%s) %s", async (hasPrimaryKey, _says, pages) => {
  const url = await serve((request, response) => response.end(numberOf(request) <= 2 ? `[{"id":1}]` : "[]"));
  const got: Json[] = [];
  const error = await (async () => {
    for await (const page of pagesOf(url, byNumber, { hasPrimaryKey })) got.push([...page.records.values]);
  })().catch((thrown: unknown) => thrown);
  expect(got).toHaveLength(pages);
  expect(error === undefined).toBe(!hasPrimaryKey);
});

it("cuts credentials that a link echoes from the position", async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200, { link: `</rows?key=canary-8181&page=2>; rel="next"` }).end("[1]");
  });
  const redactor = new Redactor();
  redactor.add("canary-8181");
  const pages = pagesOf(url, byLink, { redactor });
  const { value } = await pages.next();
  expect(JSON.stringify((value as Page).resume)).toContain("page=2");
  expect(JSON.stringify((value as Page).resume)).not.toContain("canary");
  await pages.return(undefined);
});

it("offers no position that would hold a secret", async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200, { link: `</rows?other=canary-8181&page=2>; rel="next"` }).end("[1]");
  });
  const redactor = new Redactor();
  redactor.add("canary-8181");
  const pages = pagesOf(url, byLink, { redactor });
  const { value } = await pages.next();
  expect((value as Page).resume).toBeUndefined();
  await pages.return(undefined);
});
