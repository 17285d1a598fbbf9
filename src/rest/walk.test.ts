import { getEventListeners, once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
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
import { offsetPaginator } from "./paginators/offset.js";
import { pageNumberPaginator } from "./paginators/page-number.js";
import { selectByPath, selectWhole } from "./select.js";
import { walk } from "./walk.js";

let server: Server | undefined;
let client: HttpClient | undefined;
let seen: string[] = [];

afterEach(() => {
  client?.close();
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
  options: {
    from?: Position;
    hasPrimaryKey?: boolean;
    redactor?: Redactor;
    isOnDemand?: boolean;
    parallelized?: number;
    maxPages?: number;
    paths?: boolean;
    signal?: AbortSignal;
  } = {},
): AsyncGenerator<Page> {
  const redactor = options.redactor ?? new Redactor();
  const io: Io = {
    notes: memoryNotes(),
    runtime: systemRuntime,
    signal: options.signal ?? new AbortController().signal,
    emit: () => {},
  };
  client = createClient({ resource: "rows", baseUrl: url, userAgent: "test", redactor, ...io });
  return walk(
    {
      resource: "rows",
      request: { method: "GET", url: `${url}/rows`, headers: {} },
      paginator,
      decode: jsonDecoder.create({}),
      select: options.paths === true ? () => selectByPath("data", { resource: "rows" }) : () => selectWhole,
      hasPrimaryKey: options.hasPrimaryKey ?? false,
      credentialParams: ["key"],
      storable: (text) => redactor.redact(text) === text,
      mayRunAhead: () => options.isOnDemand !== true,
      parallelized: options.parallelized ?? 1,
      maxPages: options.maxPages,
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

describe("a walk whose total is known", () => {
  /** Rows 0 … total-1, `size` a page, whatever was asked for; the pages after the first answer in reverse order. */
  async function serveRows(total: number, size: number, tell = total, delayMs = 0) {
    const open = { now: 0, most: 0 };
    const url = await serve((request, response) => {
      const params = new URL(request.url ?? "", "http://x").searchParams;
      const offset = params.has("offset")
        ? Number(params.get("offset"))
        : Number(params.get("page") ?? 0) * size;
      open.most = Math.max(open.most, ++open.now);
      setTimeout(
        () => {
          open.now -= 1;
          const data = Array.from(
            { length: Math.max(0, Math.min(size, total - offset)) },
            (_, i) => offset + i,
          );
          response.end(JSON.stringify({ data, total: tell, pages: Math.ceil(tell / size) }));
        },
        delayMs * (1 + ((offset / size) % 3)),
      );
    });
    return { url, open };
  }
  const byPages = pageNumberPaginator.create(
    pageNumberPaginator.options.parse({ total_path: "pages" }),
    context,
  );
  const byOffset = (limit: number) =>
    offsetPaginator.create(offsetPaginator.options.parse({ limit }), context);
  const rowsOf = (pages: readonly Page[]) => pages.flatMap(({ records }) => records.values);
  const all = (total: number) => Array.from({ length: total }, (_, index) => index);

  it.each([
    ["pages", byPages],
    ["offsets", byOffset(10)],
  ])(
    "by %s has several requests under way, and hands pages over in order, each asked for once",
    async (_, paginator) => {
      const { url, open } = await serveRows(95, 10, 95, 5);
      const pages = await collect(pagesOf(url, paginator, { parallelized: 4, paths: true }));
      expect(rowsOf(pages)).toEqual(all(95));
      expect(pages.at(-1)).toMatchObject({ completeness: "proved" });
      expect(seen).toHaveLength(10);
      expect(new Set(seen).size).toBe(10);
      expect(open.most).toBe(4);
      expect(pages[2]?.resume).toMatchObject({ pages: 3 });
    },
  );

  it("drops what it sent for nothing when the API gives fewer records than asked for", async () => {
    const { url } = await serveRows(40, 5);
    const pages = await collect(pagesOf(url, byOffset(20), { parallelized: 3, paths: true }));
    expect(rowsOf(pages)).toEqual(all(40));
    expect(pages.at(-1)?.completeness).toBe("proved");
  });

  it("never asks for more pages than max_pages", async () => {
    const { url } = await serveRows(100, 10);
    const pages = await collect(pagesOf(url, byPages, { parallelized: 5, maxPages: 3, paths: true }));
    expect(pages).toHaveLength(3);
    expect(seen).toHaveLength(3);
  });

  it("asks for one page at a time if it may not do more", async () => {
    const { url, open } = await serveRows(50, 10, 50, 2);
    await collect(pagesOf(url, byPages, { parallelized: 1, paths: true }));
    expect(open.most).toBe(1);
  });

  it("goes on to the end if a total is too small to be true, and does not call that proved", async () => {
    const { url } = await serveRows(30, 10, 0);
    const pages = await collect(pagesOf(url, byOffset(10), { paths: true }));
    expect(rowsOf(pages)).toEqual(all(30));
    expect(pages.at(-1)).toMatchObject({ completeness: "likely", why: "empty page" });
  });

  it("does not call an end proved if the total has shrunk on the way", async () => {
    const url = await serve((request, response) => {
      const offset = Number(new URL(request.url ?? "", "http://x").searchParams.get("offset"));
      const data = [offset, offset + 1];
      response.end(JSON.stringify({ data, total: offset === 0 ? 8 : 6 }));
    });
    const pages = await collect(pagesOf(url, byOffset(2), { parallelized: 5, paths: true }));
    expect(pages).toHaveLength(3);
    expect(pages.at(-1)).toMatchObject({
      completeness: "likely",
      why: "total of 6 records reached, which was 8 on an earlier page",
    });
  });
});

describe("an endless walk is stopped", () => {
  it("when the API begins anew after its last page, without repeating a request", async () => {
    const url = await serve((request, response) => response.end(`[${((numberOf(request) - 1) % 5) * 2},1]`));
    await expect(collect(pagesOf(url, byNumber))).rejects.toMatchObject({
      code: "paginator/loop",
      message: expect.stringContaining("an earlier page"),
    });
    expect(seen.length).toBeLessThan(20);
  });

  it("when all pages are empty but the API says that there are more", async () => {
    const endless = pageNumberPaginator.create(
      pageNumberPaginator.options.parse({
        total_path: null,
        has_more_path: "more",
        stop_after_empty_page: false,
      }),
      context,
    );
    const url = await serve((_, response) => response.end(`{"more":true,"data":[]}`));
    await expect(collect(pagesOf(url, endless, { paths: true }))).rejects.toMatchObject({
      code: "paginator/loop",
    });
    expect(seen.length).toBeLessThanOrEqual(1001);
  });
});

describe("a stop", () => {
  it("ends the page that is being read and the requests ahead of it, and leaves no listener", async () => {
    const stop = new AbortController();
    const closed: string[] = [];
    const url = await serve((request, response) => {
      response.on("close", () => closed.push(request.url ?? ""));
      if (seen.length === 1) return void response.end('{"data":[1],"pages":9}');
      response.writeHead(200, { "content-length": "10" }).write("[");
    });
    const paginator = pageNumberPaginator.create(
      pageNumberPaginator.options.parse({ total_path: "pages" }),
      context,
    );
    const pages = pagesOf(url, paginator, { parallelized: 3, paths: true, signal: stop.signal });
    await pages.next();
    const second = pages.next().then(
      () => undefined,
      (error: unknown) => error,
    );
    await expect.poll(() => seen.length).toBe(4);
    stop.abort();
    expect(await second).toMatchObject({ code: "run/interrupted" });
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
    await expect.poll(() => closed.length).toBe(4);
  });

  it("before the first page sends nothing", async () => {
    const url = await serve((_request, response) => void response.end("[1]"));
    const pages = pagesOf(url, byLink, { signal: AbortSignal.abort() });
    await expect(pages.next()).rejects.toMatchObject({ code: "run/interrupted" });
    expect(seen).toEqual([]);
  });
});
