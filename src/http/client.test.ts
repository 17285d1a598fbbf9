import { getEventListeners } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import {
  always,
  answer,
  asUsual,
  drip,
  gzipped,
  malformed,
  redirect,
  reset,
  status,
  tooManyRequests,
  truncated,
} from "../../test/fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../../test/fake-api/fake-api.js";
import { SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import { Redactor } from "../model/secret.js";
import { type ClientOptions, createClient, type HttpClient } from "./client.js";
import { createPool, DEFAULT_TIMEOUTS } from "./fetch.js";
import { type HttpRequest, RetryableError } from "./message.js";
import { DEFAULT_RETRY } from "./retry.js";

const KEY = "c4n4ry-k3y/with+signs";
const records = Array.from({ length: 50 }, (_, id) => ({ id, name: `record ${id}` }));
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

async function fakeApi(): Promise<FakeApi> {
  const api = await startFakeApi();
  opened.push(api);
  api.route("/items", { records });
  return api;
}

/** A server for what the fake API can't do. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  opened.push({ close: () => (server.closeAllConnections(), server.close()) });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Harness extends Pick<HttpClient, "send"> {
  readonly events: Event[];
  /** Milliseconds of each wait; none of them is really waited. */
  readonly waits: number[];
  /** Sends and reads JSON. */
  readonly json: (request: HttpRequest, signal?: AbortSignal) => Promise<unknown>;
  readonly close: () => void;
}

function harness(baseUrl: string, options: Partial<ClientOptions> = {}): Harness {
  const events: Event[] = [];
  const waits: number[] = [];
  let slept = 0;
  const redactor = new Redactor();
  redactor.add(KEY);
  const client = createClient({
    resource: "items",
    baseUrl,
    userAgent: "sluice/test",
    redactor,
    emit: (event) => events.push(event),
    runtime: {
      now: () => Date.UTC(2030, 0, 1) + slept,
      random: () => 0,
      sleep(ms, signal) {
        waits.push(ms);
        slept += ms;
        return signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve();
      },
    },
    authorize: (request) => ({ ...request, headers: { ...request.headers, "X-Api-Key": KEY } }),
    ...options,
  });
  opened.push(client);
  return {
    send: client.send,
    close: () => client.close(),
    events,
    waits,
    async json(request, signal = new AbortController().signal) {
      const exchange = await client.send(request, signal);
      return (await exchange.read(parse)).value;
    },
  };
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    throw new RetryableError("the body is not JSON", {
      cause: new SluiceError("response/not-json", "cut in the middle", { hint: "Look." }),
    });
  }
}

const get = (url: string, headers: Record<string, string> = {}): HttpRequest => ({
  method: "GET",
  url,
  headers,
});

async function failure(promise: Promise<unknown>): Promise<SluiceError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SluiceError);
  return error as SluiceError;
}

const sent = (events: readonly Event[]) => events.filter(({ type }) => type === "request").length;

describe("a request", () => {
  it("is sent byte for byte, with credentials and defaults, and answered with head and body", async () => {
    const api = await fakeApi();
    const { events, send } = harness(api.url);
    const url = `${api.url}/items?sig=a%2fb'|{}&q=ä b#fragment`;
    const exchange = await send(get(url, { "X-Mine": "1" }), new AbortController().signal);
    expect(exchange.head).toMatchObject({
      status: 200,
      url,
      headers: { "content-type": "application/json" },
    });
    const { bytes, head, value } = await exchange.read(parse);
    expect(value).toEqual(records);
    expect(bytes).toBe(JSON.stringify(records).length);
    expect(head).toEqual(exchange.head);
    expect(api.requests).toHaveLength(1);
    expect(api.requests[0]).toMatchObject({
      url: "/items?sig=a%2fb'|{}&q=%C3%A4%20b",
      headers: {
        "x-api-key": KEY,
        "x-mine": "1",
        "user-agent": "sluice/test",
        accept: "*/*",
        "accept-encoding": "gzip, br, deflate",
      },
    });
    expect(events).toEqual([{ type: "request", resource: "items", method: "GET", url, attempt: 1 }]);
  });

  it.each([
    [
      { kind: "json", value: { id: 9007199254740993n, list: [1, null, "ä"] } },
      '{"id":9007199254740993,"list":[1,null,"ä"]}',
      "application/json",
    ],
    [
      {
        kind: "form",
        pairs: [
          ["a b", "1&2"],
          ["a b", "ä"],
        ],
      },
      "a+b=1%262&a+b=%C3%A4",
      "application/x-www-form-urlencoded",
    ],
    [{ kind: "raw", text: "<x/>" }, "<x/>", undefined],
  ] as const)("has a %o body", async (body, text, contentType) => {
    const api = await fakeApi();
    await harness(api.url).json({ method: "POST", url: `${api.url}/items`, headers: {}, body });
    expect(api.requests[0]?.body).toBe(text);
    expect(api.requests[0]?.headers["content-type"]).toBe(contentType);
  });

  it("joins repeated headers, and has no inherited ones", async () => {
    const url = await serve((_request, response) => {
      response.setHeader("Link", ['</a>; rel="next"', '</b>; rel="prev"']).setHeader("X-Empty", "").end("1");
    });
    const { head } = await harness(url).send(get(url), new AbortController().signal);
    expect(head.headers["link"]).toBe('</a>; rel="next", </b>; rel="prev"');
    expect(head.headers["x-empty"]).toBe("");
    expect(head.headers["constructor"]).toBeUndefined();
  });

  it("names a header that can't be sent, not its value", async () => {
    const authorize = (request: HttpRequest) => ({ ...request, headers: { "x-api-key": `${KEY}\n` } });
    const error = await failure(
      harness("http://127.0.0.1:1", { authorize }).json(get("http://127.0.0.1:1/")),
    );
    expect(error).toMatchObject({ code: "config/invalid" });
    expect(error.message).toContain('"x-api-key"');
  });

  it("names a header that HTTP does not allow, without trying again", async () => {
    const api = await fakeApi();
    const { json, waits } = harness(api.url);
    for (const name of ["expect", "transfer-encoding"]) {
      const error = await failure(json(get(`${api.url}/items`, { [name]: "x" })));
      expect(error).toMatchObject({
        code: "config/invalid",
        message: expect.stringContaining(name) as string,
      });
    }
    expect(waits).toEqual([]);
  });

  it("reuses connections after bodies that were read, dropped and retried", async () => {
    const ports = new Set<number | undefined>();
    let count = 0;
    const url = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      response.writeHead(++count % 2 === 0 ? 503 : 200).end("[1]");
    });
    const sleep = () => new Promise<void>((resolve) => void setTimeout(resolve, 10));
    const { json, send } = harness(url, { runtime: { now: () => 0, random: () => 0, sleep } });
    for (let i = 0; i < 5; i++) {
      await json(get(url));
      (await send(get(url), new AbortController().signal)).discard();
      await sleep();
    }
    expect(count).toBe(19);
    // A request that follows in the same tick finds its connection busy, and a second one stays open beside it.
    expect(ports.size).toBeLessThanOrEqual(2);
  });

  it("survives a connection that breaks before anyone reads", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-length": "10" }).write("[1");
      setTimeout(() => response.socket?.resetAndDestroy(), 5);
    });
    const { send, events } = harness(url, { retry: { ...DEFAULT_RETRY, maxRetries: 1 } });
    const exchange = await send(get(url), new AbortController().signal);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await failure(exchange.read(parse))).toMatchObject({ code: "http/network" });
    expect(sent(events)).toBe(2);
  });

  it("shares a pool that it does not close", async () => {
    const api = await fakeApi();
    const pool = createPool();
    opened.push(pool);
    const first = harness(api.url, { pool });
    await first.json(get(`${api.url}/items`));
    first.close();
    expect(await harness(api.url, { pool }).json(get(`${api.url}/items`))).toEqual(records);
  });
});

describe("retries", () => {
  it("waits 2, 4 and 8 s on a retryable status, then says how it ended", async () => {
    const api = await fakeApi();
    api.behave("/items", always(status(503)));
    const { events, json, waits } = harness(api.url);
    const error = await failure(json(get(`${api.url}/items`)));
    expect(waits).toEqual([2000, 4000, 8000]);
    expect(api.requests).toHaveLength(4);
    expect(error).toMatchObject({
      code: "http/status",
      at: { resource: "items", request: `GET ${api.url}/items` },
      message: `503 Service Unavailable after 4 attempts: GET ${api.url}/items: {"error":"status 503"}`,
    });
    expect(events.filter(({ type }) => type === "retry")).toEqual(
      [2000, 4000, 8000].map((waitMs, index) => ({
        type: "retry",
        resource: "items",
        url: `${api.url}/items`,
        reason: "503 Service Unavailable",
        waitMs,
        attempt: index + 1,
      })),
    );
    expect(sent(events)).toBe(4);
  });

  it.each(["GET", "POST"])("goes on after a status that passes: %s", async (method) => {
    const api = await fakeApi();
    api.behave("/items", status(500), status(502), status(504));
    expect(await harness(api.url).json({ method, url: `${api.url}/items`, headers: {} })).toEqual(records);
  });

  it("obeys Retry-After in seconds and as a date", async () => {
    const api = await fakeApi();
    // 42 s after the first wait of 7 s.
    const later = new Date(Date.UTC(2030, 0, 1, 0, 0, 49));
    api.behave("/items", tooManyRequests(7), tooManyRequests(later), tooManyRequests());
    const { json, waits } = harness(api.url);
    await json(get(`${api.url}/items`));
    expect(waits).toEqual([7000, 42_000, 8000]);
  });

  it("does not wait longer than max_delay, and says how long the server asked for", async () => {
    const api = await fakeApi();
    api.behave("/items", tooManyRequests(3600));
    const { json, waits } = harness(api.url);
    const error = await failure(json(get(`${api.url}/items`)));
    expect(error).toMatchObject({
      code: "http/status",
      message: expect.stringContaining("3600 s") as string,
    });
    expect(error.hint).toContain("client.retry.max_delay");
    expect(waits).toEqual([]);
    expect(api.requests).toHaveLength(1);
  });

  it.each([
    ["a truncated body", truncated],
    ["a reset connection", reset],
    ["malformed JSON", malformed],
  ])("sends again after %s, and gives the head of the attempt that succeeded", async (_what, behaviour) => {
    const api = await fakeApi();
    api.route("/items", () => answer(200, records, { "x-attempt": String(api.requests.length) }));
    api.behave("/items", behaviour);
    const { events, send, waits } = harness(api.url);
    const exchange = await send(get(`${api.url}/items`), new AbortController().signal);
    const { head, value } = await exchange.read(parse);
    expect(value).toEqual(records);
    expect(head.headers["x-attempt"]).toBe("2");
    expect(waits).toEqual([2000]);
    expect(sent(events)).toBe(2);
  });

  it("counts attempts over head and body together", async () => {
    const api = await fakeApi();
    api.behave("/items", status(500), truncated, reset, malformed, asUsual);
    const { json, waits } = harness(api.url);
    const error = await failure(json(get(`${api.url}/items`)));
    expect(error).toMatchObject({
      code: "response/not-json",
      message: "cut in the middle",
      hint: "Look.",
      at: { resource: "items", request: `GET ${api.url}/items` },
    });
    expect(api.requests).toHaveLength(4);
    expect(waits).toEqual([2000, 4000, 8000]);
  });

  it("raises response/not-json when the decoder gives no error of its own, and passes on others at once", async () => {
    const api = await fakeApi();
    const { send } = harness(api.url, { retry: { ...DEFAULT_RETRY, maxRetries: 1 } });
    const decodeWith = async (error: Error) =>
      (await send(get(`${api.url}/items`), new AbortController().signal)).read(() => {
        throw error;
      });
    expect(await failure(decodeWith(new RetryableError(`cut at ${KEY}`)))).toMatchObject({
      code: "response/not-json",
      message: `cut at *** after 2 attempts: GET ${api.url}/items`,
    });
    expect(api.requests).toHaveLength(2);
    const other = new SluiceError("response/ambiguous", `two lists in ${KEY}`);
    expect(await failure(decodeWith(other))).toMatchObject({
      code: "response/ambiguous",
      message: "two lists in ***",
      at: { resource: "items", request: `GET ${api.url}/items` },
    });
    expect(api.requests).toHaveLength(3);
  });

  it.each([
    ["reset", reset, "http/network", "connection reset"],
    ["truncated", truncated, "http/network", ""],
    ["malformed", malformed, "response/not-json", "cut in the middle"],
  ])("does not repeat a POST: %s", async (_what, behaviour, code, message) => {
    const api = await fakeApi();
    api.behave("/items", behaviour);
    const { json, waits } = harness(api.url);
    const error = await failure(json({ method: "POST", url: `${api.url}/items`, headers: {} }));
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) as string });
    expect(api.requests).toHaveLength(1);
    expect(waits).toEqual([]);
  });

  it("says what it can't connect to", async () => {
    const api = await startFakeApi();
    await api.close();
    const { events, json } = harness(api.url);
    const error = await failure(json(get(`${api.url}/items`)));
    expect(error).toMatchObject({
      code: "http/network",
      message: `connection refused after 4 attempts: GET ${api.url}/items`,
    });
    expect(events).toContainEqual(expect.objectContaining({ type: "retry", reason: "connection refused" }));
  });

  it("gives up on a body that stalls", async () => {
    const api = await fakeApi();
    api.behave("/items", drip(2, 60_000));
    const timeouts = { ...DEFAULT_TIMEOUTS, bodyS: 0.2 };
    const { events, json } = harness(api.url, { timeouts });
    expect(await json(get(`${api.url}/items`))).toEqual(records);
    expect(events).toContainEqual(expect.objectContaining({ type: "retry", reason: "no data for 0.2 s" }));
  });

  it("lets a slow body come as long as it moves", async () => {
    const api = await fakeApi();
    api.behave("/items", drip(8, 50));
    const { json, waits } = harness(api.url, { timeouts: { ...DEFAULT_TIMEOUTS, bodyS: 0.3 } });
    expect(await json(get(`${api.url}/items`))).toEqual(records);
    expect(waits).toEqual([]);
  });

  it("gives up on headers that don't come", async () => {
    const url = await serve(() => undefined);
    const timeouts = { ...DEFAULT_TIMEOUTS, headersS: 0.1 };
    const { json } = harness(url, { timeouts, retry: { ...DEFAULT_RETRY, maxRetries: 0 } });
    expect(await failure(json(get(url)))).toMatchObject({
      code: "http/timeout",
      message: `no response within 0.1 s: GET ${url}`,
    });
  });

  it("notices what is not HTTP", async () => {
    const server = createTcpServer((socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n"));
    opened.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { json } = harness(url, { retry: { ...DEFAULT_RETRY, maxRetries: 0 } });
    expect(await failure(json(get(url)))).toMatchObject({ code: "http/network" });
  });
});

describe("statuses", () => {
  describe("a 401 with newer credentials to be had", () => {
    /** Sends key 1, and after each refresh the next one. */
    const keys = () => {
      const refused: (string | undefined)[] = [];
      let key = 1;
      const options: Partial<ClientOptions> = {
        authorize: (request) => ({ ...request, headers: { ...request.headers, "x-key": String(key) } }),
        refresh: async (sent) => {
          refused.push(sent.headers["x-key"]);
          key += 1;
          return true;
        },
      };
      return { options, refused };
    };

    it("is sent again once, without using up a retry", async () => {
      const api = await fakeApi();
      api.behave("/items", status(401), status(503), asUsual);
      const { options, refused } = keys();
      const { events, json } = harness(api.url, { ...options, retry: { ...DEFAULT_RETRY, maxRetries: 1 } });
      await expect(json(get(`${api.url}/items`))).resolves.toEqual(records);
      expect(refused).toEqual(["1"]);
      expect(api.requests.map(({ headers }) => headers["x-key"])).toEqual(["1", "2", "2"]);
      expect(events.filter(({ type }) => type === "retry")).toMatchObject([
        { waitMs: 0, attempt: 1 },
        { attempt: 1 },
      ]);
    });

    it("asks once for each request, not for each attempt", async () => {
      const api = await fakeApi();
      api.behave("/items", status(401), status(503), status(401));
      const { options, refused } = keys();
      await expect(harness(api.url, options).json(get(`${api.url}/items`))).rejects.toMatchObject({
        code: "auth/rejected",
        message: expect.stringContaining("401 Unauthorized, also with renewed credentials") as string,
      });
      expect(refused).toEqual(["1"]);
      expect(api.requests).toHaveLength(3);
    });

    it("ends at once when there are none, or asking for them fails", async () => {
      const api = await fakeApi();
      api.behave("/items", always(status(401)));
      const none = harness(api.url, { refresh: () => Promise.resolve(false) });
      await expect(none.json(get(`${api.url}/items`))).rejects.toMatchObject({ code: "auth/rejected" });
      const failing = harness(api.url, {
        refresh: () => Promise.reject(new SluiceError("http/timeout", "no answer")),
      });
      await expect(failing.json(get(`${api.url}/items`))).rejects.toMatchObject({ code: "http/timeout" });
      expect(api.requests).toHaveLength(2);
    });

    it("is not asked for by another origin", async () => {
      const [api, other] = [await fakeApi(), await fakeApi()];
      other.behave("/items", status(401));
      const { options, refused } = keys();
      const { json } = harness(api.url, { ...options, allowedOrigins: [other.url] });
      await expect(json(get(`${other.url}/items`))).rejects.toMatchObject({ code: "auth/rejected" });
      expect(refused).toEqual([]);
    });

    it("400 is auth/rejected where it is told to be", async () => {
      const api = await fakeApi();
      api.behave("/items", status(400));
      const { json } = harness(api.url, { refusals: [400] });
      await expect(json(get(`${api.url}/items`))).rejects.toMatchObject({ code: "auth/rejected" });
    });
  });

  it.each([401, 403])("%i is auth/rejected at once", async (code) => {
    const api = await fakeApi();
    api.behave("/items", status(code));
    const error = await failure(harness(api.url).json(get(`${api.url}/items`)));
    expect(error).toMatchObject({
      code: "auth/rejected",
      message: expect.stringMatching(`^${code} `) as string,
    });
    expect(api.requests).toHaveLength(1);
  });

  it("says that a refusal elsewhere is not about the key", async () => {
    const [api, other] = [await fakeApi(), await fakeApi()];
    other.behave("/items", status(403));
    const { json } = harness(api.url, { allowedOrigins: [other.url] });
    const error = await failure(json(get(`${other.url}/items`)));
    expect(error).toMatchObject({
      code: "auth/rejected",
      hint: expect.stringContaining("No credentials") as string,
    });
  });

  it("retries a 403 that the policy lists", async () => {
    const api = await fakeApi();
    api.behave("/items", status(403));
    const retry = { ...DEFAULT_RETRY, statusCodes: [403] };
    expect(await harness(api.url, { retry }).json(get(`${api.url}/items`))).toEqual(records);
  });

  it("quotes the beginning of a text body on one line, without control characters", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(422, { "content-type": "application/problem+json" });
      response.end(`{"detail":\r\n\t"\u001b[31mno ${"x".repeat(300)}"}`);
    });
    const { message } = await failure(harness(url).json(get(url)));
    const [, quoted] = message.split(`GET ${url}: `);
    expect(quoted).toMatch(/^\{"detail": " \[31mno x+…$/);
    expect(quoted).toHaveLength(200);
  });

  it("quotes no other bodies, and none that is too large", async () => {
    const url = await serve((request, response) => {
      const type = request.url === "/large" ? "text/plain" : "application/octet-stream";
      response
        .writeHead(404, { "content-type": type })
        .end("x".repeat(request.url === "/large" ? 70_000 : 10));
    });
    for (const path of ["/binary", "/large"]) {
      const error = await failure(harness(url).json(get(url + path)));
      expect(error.message).toBe(`404 Not Found: GET ${url}${path}`);
    }
  });
});

describe("compression", () => {
  const text = JSON.stringify(records);

  it.each([
    ["gzip", gzipSync(text)],
    ["X-GZip", gzipSync(text)],
    ["br", brotliCompressSync(text)],
    ["deflate", deflateSync(text)],
    ["deflate", deflateRawSync(text)],
    ["gzip, br", brotliCompressSync(gzipSync(text))],
    ["identity", Buffer.from(text)],
  ])("undoes %s", async (encoding, body) => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": encoding }).end(body);
    });
    expect(await harness(url).json(get(url))).toEqual(records);
  });

  it("counts the bytes of the unpacked body", async () => {
    const api = await fakeApi();
    api.behave("/items", gzipped);
    const exchange = await harness(api.url).send(get(`${api.url}/items`), new AbortController().signal);
    expect((await exchange.read(parse)).bytes).toBe(text.length);
  });

  it("stops at a bomb", async () => {
    const bomb = gzipSync(Buffer.alloc(4_000_000));
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    });
    const { json, waits } = harness(url, { maxBodyBytes: 1_000_000 });
    const error = await failure(json(get(url)));
    expect(error).toMatchObject({
      code: "http/too-large",
      message: expect.stringContaining("1000000") as string,
    });
    expect(waits).toEqual([]);
  });

  it.each([{ "content-length": "2000000" }, {}])(
    "stops at a plain body that is too large: %o",
    async (headers) => {
      const url = await serve((_request, response) => {
        response.writeHead(200, headers).end(Buffer.alloc(2_000_000, " "));
      });
      expect(await failure(harness(url, { maxBodyBytes: 1_000_000 }).json(get(url)))).toMatchObject({
        code: "http/too-large",
      });
    },
  );

  it("takes a body of exactly the limit", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(text));
    });
    expect(await harness(url, { maxBodyBytes: text.length }).json(get(url))).toEqual(records);
    const less = harness(url, { maxBodyBytes: text.length - 1 });
    expect(await failure(less.json(get(url)))).toMatchObject({ code: "http/too-large" });
  });

  it.each([
    ["gzip, gzip, gzip", Buffer.from("x"), 1],
    ["zstd", Buffer.from("x"), 1],
    ["gzip", gzipSync(text).subarray(0, 60), 4],
    ["br", Buffer.from("no brotli"), 4],
  ])("refuses %s, and fetches damaged bodies again", async (encoding, body, attempts) => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": encoding }).end(body);
    });
    const { events, json } = harness(url);
    expect(await failure(json(get(url)))).toMatchObject({ code: "http/encoding" });
    expect(sent(events)).toBe(attempts);
  });
});

describe("origins", () => {
  it("keeps credentials at home when it follows a link to an allowed origin", async () => {
    const [api, other] = [await fakeApi(), await fakeApi()];
    const { json } = harness(api.url, { allowedOrigins: [`${other.url}/`] });
    const headers = {
      Authorization: "Bearer x",
      cookie: "a=b",
      "proxy-authorization": "c",
      "x-token": KEY,
      "x-safe": "1",
    };
    await json(get(`${other.url}/items`, headers));
    expect(JSON.stringify(other.requests)).not.toContain(KEY);
    const arrived = other.requests[0]?.headers ?? {};
    expect(Object.keys(arrived)).not.toContain("authorization");
    expect(Object.keys(arrived)).not.toContain("cookie");
    expect(Object.keys(arrived)).not.toContain("proxy-authorization");
    expect(arrived["x-safe"]).toBe("1");
  });

  it("refuses an origin that is not allowed, naming both", async () => {
    const [api, other] = [await fakeApi(), await fakeApi()];
    const error = await failure(harness(api.url).json(get(`${other.url}/items`)));
    expect(error).toMatchObject({ code: "http/origin", at: { resource: "items" } });
    expect(error.message).toContain(`${other.url}, but base_url is at ${api.url}`);
    expect(error.hint).toContain("client.allowed_origins");
    expect(other.requests).toHaveLength(0);
  });

  it("carries no secret to an allowed origin in URL or body", async () => {
    const [api, other] = [await fakeApi(), await fakeApi()];
    const { json } = harness(api.url, { allowedOrigins: [other.url] });
    const url = `${other.url}/items?key=${encodeURIComponent(KEY)}`;
    const inUrl = await failure(json(get(url)));
    const inBody = await failure(
      json({ method: "POST", url: other.url, headers: {}, body: { kind: "json", value: { key: KEY } } }),
    );
    const lowerCase = encodeURIComponent(KEY).replaceAll(/%../g, (code) => code.toLowerCase());
    const inOtherForm = await failure(json(get(`${other.url}/items?key=${lowerCase}`)));
    expect(inOtherForm.code).toBe("http/origin");
    for (const error of [inUrl, inBody]) {
      expect(error.code).toBe("http/origin");
      expect(JSON.stringify(error.toReport())).not.toContain("c4n4ry");
    }
    expect(other.requests).toHaveLength(0);
  });

  it("never goes from https to http, allowed or not", async () => {
    const api = await fakeApi();
    const { json } = harness("https://api.example.com", { allowedOrigins: [api.url] });
    expect(await failure(json(get(`${api.url}/items`)))).toMatchObject({ code: "http/downgrade" });
    expect(api.requests).toHaveLength(0);
  });

  it("strips user information, and refuses other schemes", async () => {
    const api = await fakeApi();
    const { events, json, send } = harness(api.url);
    const link = `${api.url.replace("//", "//user:passw0rd@")}/items`;
    const exchange = await send(get(link), new AbortController().signal);
    exchange.discard();
    expect(exchange.head.url).toBe(`${api.url}/items`);
    expect(api.requests[0]?.headers["authorization"]).toBeUndefined();
    expect(JSON.stringify(events)).not.toContain("passw0rd");
    expect(await failure(json(get("file:///etc/passwd")))).toMatchObject({ code: "http/origin" });
  });
});

describe("redirects", () => {
  it("follows them at home with credentials, and resolves later links against the last URL", async () => {
    const api = await fakeApi();
    api.route("/moved/items", { records });
    api.behave("/items", redirect("moved/items", 301));
    const { events, send } = harness(api.url);
    const exchange = await send(get(`${api.url}/items`), new AbortController().signal);
    expect(exchange.head.url).toBe(`${api.url}/moved/items`);
    exchange.discard();
    expect(api.requests.map(({ headers }) => headers["x-api-key"])).toEqual([KEY, KEY]);
    expect(sent(events)).toBe(2);
  });

  it("takes no credentials along to an allowed origin, and has them again at home", async () => {
    const [api, other] = [await fakeApi(), await fakeApi()];
    api.route("/home", { records });
    api.behave("/items", redirect(`${other.url}/items`));
    other.behave("/items", redirect(`${api.url}/home`, 307));
    const { json } = harness(api.url, { allowedOrigins: [other.url] });
    expect(await json(get(`${api.url}/items`, { "x-mine": KEY }))).toEqual(records);
    expect(JSON.stringify(other.requests)).not.toContain(KEY);
    expect(other.requests).toHaveLength(1);
    expect(api.requests[1]?.headers).toMatchObject({ "x-api-key": KEY, "x-mine": KEY });
  });

  it("does not follow one to an origin that is not allowed", async () => {
    const [api, other] = [await fakeApi(), await fakeApi()];
    api.behave("/items", redirect(`${other.url.replace("//", "//u:p@")}/items`));
    const error = await failure(harness(api.url).json(get(`${api.url}/items`)));
    expect(error).toMatchObject({ code: "http/origin" });
    expect(error.message).toContain(`a redirect from ${api.url} leads to ${other.url}`);
    expect(other.requests).toHaveLength(0);
  });

  it.each([
    [301, "POST", "GET", ""],
    [302, "POST", "GET", ""],
    [303, "POST", "GET", ""],
    [303, "PUT", "GET", ""],
    [302, "PUT", "PUT", "body"],
    [307, "POST", "POST", "body"],
    [308, "POST", "POST", "body"],
  ])("%i turns %s into %s", async (code, method, then, body) => {
    const api = await fakeApi();
    api.route("/new", { records });
    api.behave("/items", redirect("/new", code));
    const headers = { "content-type": "text/plain" };
    await harness(api.url).json({
      method,
      url: `${api.url}/items`,
      headers,
      body: { kind: "raw", text: "body" },
    });
    expect(api.requests[1]).toMatchObject({ method: then, body });
    expect(api.requests[1]?.headers["content-type"]).toBe(body === "" ? undefined : "text/plain");
  });

  it("notices a circle, and an endless chain", async () => {
    const api = await fakeApi();
    api.behave("/items", always(redirect("/other")));
    api.behave("/other", always(redirect("/items")));
    expect(await failure(harness(api.url).json(get(`${api.url}/items`)))).toMatchObject({
      code: "http/redirects",
    });
    expect(api.requests).toHaveLength(2);

    let count = 0;
    const chain = await serve((_request, response) => {
      response.writeHead(302, { location: `/${++count}` }).end();
    });
    expect(await failure(harness(chain).json(get(chain)))).toMatchObject({ code: "http/redirects" });
    expect(count).toBe(11);
  });

  it("retries from the start when the target fails", async () => {
    const api = await fakeApi();
    api.route("/new", { records });
    api.behave("/items", always(redirect("/new")));
    api.behave("/new", always(status(503)));
    const { json, waits } = harness(api.url);
    expect(await failure(json(get(`${api.url}/items`)))).toMatchObject({ code: "http/status" });
    expect(api.requests).toHaveLength(8);
    expect(waits).toEqual([2000, 4000, 8000]);
  });

  it("treats a redirect without location, or with a broken one, as a failure", async () => {
    const api = await fakeApi();
    api.behave("/items", status(302), redirect("http://[x"));
    const { json } = harness(api.url);
    expect(await failure(json(get(`${api.url}/items`)))).toMatchObject({ code: "http/status" });
    expect(await failure(json(get(`${api.url}/items`)))).toMatchObject({ code: "http/redirects" });
  });
});

describe("secrets", () => {
  it("are in no event and no error, whichever way they were encoded", async () => {
    const api = await fakeApi();
    const basic = Buffer.from(`user:${KEY}`).toString("base64");
    const echo = () =>
      answer(500, { key: KEY, uri: encodeURIComponent(KEY), basic, page: `x${KEY}`.repeat(20) });
    api.behave("/items", always({ answer: echo }));
    const authorize = (request: HttpRequest) => ({
      ...request,
      url: `${request.url}&key=${encodeURIComponent(KEY)}`,
    });
    const { events, json } = harness(api.url, { authorize });
    // A link that already echoes the key.
    const error = await failure(json(get(`${api.url}/items?key=${encodeURIComponent(KEY)}`)));
    const said = JSON.stringify([events, error.toReport()]) + error.message;
    expect(said).toContain("***");
    expect(said).not.toContain("c4n4ry");
    expect(said).not.toContain("k3y");
    expect(said).not.toContain(basic.slice(8, -4));
    expect(api.requests[0]?.url).toContain("c4n4ry");
  });

  it("are not in the URL that links are resolved against", async () => {
    const api = await fakeApi();
    const authorize = (request: HttpRequest) => ({
      ...request,
      url: `${request.url}?key=${encodeURIComponent(KEY)}`,
    });
    const exchange = await harness(api.url, { authorize }).send(
      get(`${api.url}/items`),
      new AbortController().signal,
    );
    expect(exchange.head.url).toBe(`${api.url}/items`);
    exchange.discard();
  });
});

describe("stopping", () => {
  it("ends a request that is under way, a body, and a wait", async () => {
    const reached: (() => void)[] = [];
    const url = await serve((request, response) => {
      if (request.url === "/503") response.writeHead(503).end();
      if (request.url === "/body") response.writeHead(200, { "content-length": "10" }).write("[");
      reached.shift()?.();
    });
    const stopWhenReached = () => {
      const controller = new AbortController();
      reached.push(() => setTimeout(() => controller.abort(), 5));
      return controller.signal;
    };
    const { json } = harness(url);
    const interrupted = { code: "run/interrupted", at: { resource: "items" } };
    expect(await failure(json(get(`${url}/headers`), stopWhenReached()))).toMatchObject(interrupted);
    expect(await failure(json(get(`${url}/body`), stopWhenReached()))).toMatchObject(interrupted);

    const controller = new AbortController();
    const sleep = () =>
      new Promise<void>((_resolve, reject) => {
        controller.abort(new Error("stop"));
        reject(controller.signal.reason as Error);
      });
    const runtime = { now: () => 0, random: () => 0, sleep };
    const { events, json: waiting } = harness(url, { runtime });
    expect(await failure(waiting(get(`${url}/503`), controller.signal))).toMatchObject(interrupted);
    expect(sent(events)).toBe(1);
  });

  it("sends nothing after it", async () => {
    const api = await fakeApi();
    const { events, json } = harness(api.url);
    expect(await failure(json(get(`${api.url}/items`), AbortSignal.abort()))).toMatchObject({
      code: "run/interrupted",
    });
    expect(events).toEqual([]);
    expect(api.requests).toHaveLength(0);
  });

  it("leaves no listener on the signal", async () => {
    const api = await fakeApi();
    const { signal } = new AbortController();
    const { json, send } = harness(api.url);
    for (let i = 0; i < 5; i++) await json(get(`${api.url}/items`), signal);
    (await send(get(`${api.url}/items`), signal)).discard();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});
