import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { afterEach, describe, expect, it, vi } from "vitest";
import { selfSigned } from "../../test/certificate.js";
import { createPool, DEFAULT_TIMEOUTS, type Fetched, fetchOnce, type Pool, type Sending } from "./fetch.js";
import type { HttpRequest } from "./message.js";

const MAX = 1024 * 1024;
const opened: { close(): unknown }[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  opened.push({ close: () => (sockets.forEach((socket) => socket.destroy()), server.close()) });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port;
}

interface Api {
  readonly url: string;
  /** What each connection was sent, as Latin-1. */
  readonly received: string[];
  /** Resolves when every connection is closed. */
  readonly closed: () => Promise<unknown>;
}

/** A server of bytes: each request is answered word for word, or by a function. */
async function serve(answer: string | ((socket: Socket, requests: number) => void)): Promise<Api> {
  const received: string[] = [];
  const ends: Promise<void>[] = [];
  let requests = 0;
  const server = createServer((socket) => {
    const index = received.push("") - 1;
    ends.push(new Promise((resolve) => socket.on("close", () => resolve())));
    socket.on("error", () => {});
    socket.on("data", (data) => {
      received[index] += data.toString("latin1");
      if (typeof answer === "string") socket.write(answer, "latin1");
      else answer(socket, ++requests);
    });
  });
  return { url: `http://127.0.0.1:${await listening(server)}`, received, closed: () => Promise.all(ends) };
}

function pooled(): Pool {
  const pool = createPool();
  opened.push(pool);
  return pool;
}

const get = (
  pool: Pool,
  url: string,
  request: Partial<HttpRequest> = {},
  sending: Partial<Sending> = {},
): Promise<Fetched> =>
  fetchOnce(
    pool,
    { method: "GET", url, headers: {}, ...request },
    { defaults: {}, ...sending },
    new AbortController().signal,
  );

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { failure?: unknown }) => error.failure ?? error,
  );
const text = (body: Uint8Array) => Buffer.from(body).toString("latin1");
const OK = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n[1]";

describe("an answer", () => {
  it("has all its headers, as Latin-1, whatever they are called", async () => {
    const many = Array.from({ length: 1500 }, (_, i) => `h${i}: 1\r\n`).join("");
    const { url } = await serve(
      `HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nx-name: caf\xe9\r\n__proto__: x\r\n${many}content-length: 0\r\n\r\n`,
    );
    const { headers } = await get(pooled(), url);
    expect(headers["set-cookie"]).toBe("a=1, b=2");
    expect(headers["x-name"]).toBe("café");
    expect(Object.keys(headers)).toHaveLength(1504);
    expect(headers["__proto__"]).toBe("x");
  });

  it.each([
    [
      "of two lengths",
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n",
      /^the response is not valid HTTP \(HPE_\w+\)$/,
    ],
    [
      "of two different lengths",
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n[1] ",
      /^the response is not valid HTTP \(HPE_\w+\)$/,
    ],
    [
      "with too large headers",
      `HTTP/1.1 200 OK\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
      /^the response's headers are too large$/,
    ],
    [
      "of another protocol that nobody asked for",
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
      /^connection closed before the response was complete$/,
    ],
  ])("%s is none", async (_, answer, reason) => {
    const { url } = await serve(answer);
    expect(await failureOf(get(pooled(), url))).toMatchObject({
      code: "http/network",
      reason: expect.stringMatching(reason) as string,
      retry: "safe",
    });
  });

  it.each([
    ["HEAD", "200 OK"],
    ["GET", "304 Not Modified"],
  ])("without a body may say how long one would be: %s %s", async (method, status) => {
    const { url, received } = await serve(`HTTP/1.1 ${status}\r\ncontent-length: 1000\r\n\r\n`);
    const pool = pooled();
    for (let i = 0; i < 2; i++) {
      expect(await (await get(pool, url, { method })).read(MAX)).toHaveLength(0);
      await pause(5);
    }
    expect(received).toHaveLength(1);
  });

  it("ends with its connection if it says no length", async () => {
    const { url } = await serve((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n[1, 2]"));
    expect(text(await (await get(pooled(), url)).read(MAX))).toBe("[1, 2]");
  });

  it("waits for its reader as long as that takes, though pauses are limited", async () => {
    const body = "x".repeat(8 * MAX);
    const { url } = await serve(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    const response = await get(pooled(), url, {}, { timeouts: { ...DEFAULT_TIMEOUTS, bodyS: 0.1 } });
    await pause(300);
    expect(await response.read(8 * MAX)).toHaveLength(8 * MAX);
  });
});

describe("a request", () => {
  it("has its headers as Latin-1 and its body as UTF-8", async () => {
    const { url, received } = await serve(OK);
    const body = { kind: "raw", text: '"ä€"' } as const;
    await (await get(pooled(), url, { method: "POST", headers: { "X-Name": "café" }, body })).read(MAX);
    expect(received[0]).toContain("\r\nx-name: caf\xe9\r\n");
    expect(received[0]).toContain("\r\ncontent-length: 7\r\n");
    expect(received[0]?.endsWith(`\r\n\r\n${Buffer.from(body.text).toString("latin1")}`)).toBe(true);
  });

  it.each([
    ["GET", false],
    ["DELETE", false],
    ["POST", true],
    ["QUERY", true],
  ])("%s says that it has no body where one is expected: %s", async (method, says) => {
    const { url, received } = await serve(OK);
    await (await get(pooled(), url, { method, headers: { "Content-Length": "99" } })).read(MAX);
    expect(/content-length: .*/i.exec(received[0] ?? "")?.[0]).toBe(says ? "content-length: 0" : undefined);
    expect(received[0]).not.toMatch(/transfer-encoding/i);
  });

  it.each([
    ["Expect", "100-continue"],
    ["Transfer-Encoding", "chunked"],
    ["Keep-Alive", "timeout=5"],
    ["Upgrade", "h2c"],
    ["Trailer", "x-sum"],
    ["Connection", "upgrade"],
  ])("can't say %s: %s", async (name, value) => {
    const { url, received } = await serve(OK);
    expect(await failureOf(get(pooled(), url, { headers: { [name]: value } }))).toMatchObject({
      code: "config/invalid",
      reason: expect.stringContaining(JSON.stringify(name)) as string,
      retry: "never",
    });
    expect(await failureOf(get(pooled(), url, { method: "G T" }))).toMatchObject({ code: "config/invalid" });
    expect(received).toEqual([]);
  });

  it("says which host it wants, or the one it was told to", async () => {
    const { url, received } = await serve(OK);
    const pool = pooled();
    await (await get(pool, url)).read(MAX);
    await (await get(pool, url, { headers: { Host: "api.test", Connection: "close" } })).read(MAX);
    expect(received.join("").match(/^(host|connection): .*$/gim)).toEqual([
      `Host: ${new URL(url).host}`,
      "Connection: keep-alive",
      "host: api.test",
      "connection: close",
    ]);
  });

  it("tells when it is written, which is before its answer and never without a connection", async () => {
    const told: string[] = [];
    const { url } = await serve((socket) => {
      told.push("received");
      socket.write(OK);
    });
    const pool = pooled();
    for (let i = 0; i < 2; i++) {
      const response = await get(pool, url, {}, { onSent: () => told.push("sent") });
      told.push("answered");
      await response.read(MAX);
      await pause(5);
    }
    expect(told).toEqual(["sent", "received", "answered", "sent", "received", "answered"]);
    const onSent = vi.fn();
    expect(await failureOf(get(pool, "http://127.0.0.1:1", {}, { onSent }))).toMatchObject({
      reason: "connection refused",
    });
    expect(onSent).not.toHaveBeenCalled();
  });

  it.each([
    ["connection", { connectS: 0.1 }, "https:", "no connection within 0.1 s"],
    ["answer", { headersS: 0.1 }, "http:", "no response within 0.1 s"],
  ])("waits no longer than it may for its %s", async (_, limits, protocol, reason) => {
    // Whatever it is sent, it says nothing.
    const { url, closed } = await serve(() => {});
    const timeouts = { ...DEFAULT_TIMEOUTS, ...limits };
    expect(await failureOf(get(pooled(), url.replace("http:", protocol), {}, { timeouts }))).toMatchObject({
      code: "http/timeout",
      reason,
    });
    await closed();
  });
});

describe("a connection", () => {
  it.each([
    ["keep-alive: timeout=1", 2],
    ["keep-alive: timeout=60", 1],
    ["x: y", 1],
    ["connection: close", 2],
  ])("is used again if the server lets it: %s", async (header, connections) => {
    const { url, received } = await serve(`HTTP/1.1 200 OK\r\n${header}\r\ncontent-length: 0\r\n\r\n`);
    const pool = pooled();
    for (let i = 0; i < 2; i++) {
      await (await get(pool, url)).read(MAX);
      await pause(5);
    }
    expect(received).toHaveLength(connections);
  });

  it("is closed by us before the server's time is over", async () => {
    const { url, closed } = await serve(
      "HTTP/1.1 200 OK\r\nkeep-alive: timeout=2, max=9\r\ncontent-length: 0\r\n\r\n",
    );
    await (await get(pooled(), url)).read(MAX);
    const start = performance.now();
    await closed();
    expect(performance.now() - start).toBeGreaterThan(800);
  });

  it("that is closed under a request fails it, so that only what may be repeated is", async () => {
    const { url } = await serve((socket, requests) => (requests === 1 ? socket.write(OK) : socket.end()));
    const pool = pooled();
    await (await get(pool, url)).read(MAX);
    await pause(5);
    expect(await failureOf(get(pool, url))).toMatchObject({
      code: "http/network",
      reason: "connection closed before the response was complete",
      retry: "safe",
    });
  });

  it("is destroyed with its pool, in use or not, and none is opened after that", async () => {
    const { url, closed } = await serve((socket, requests) => {
      if (requests > 1) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[");
      else socket.write(OK);
    });
    const pool = createPool();
    await (await get(pool, url)).read(MAX);
    const [inUse] = await Promise.all([get(pool, url), get(pool, url)]);
    pool.close();
    pool.close();
    await closed();
    expect(await failureOf(inUse.read(MAX))).toMatchObject({ code: "http/network" });
    expect(await failureOf(get(pool, url))).toMatchObject({ code: "http/network" });
  });
});

describe("TLS", () => {
  async function serveTls(): Promise<{ readonly url: string; readonly names: unknown[] }> {
    const { certificate, key } = selfSigned(["localhost"]);
    const names: unknown[] = [];
    const server = createTlsServer({ cert: certificate, key }, (request, response) => {
      const { servername, alpnProtocol } = request.socket as TLSSocket;
      names.push([servername, alpnProtocol]);
      response.end("[1]");
    });
    return { url: `https://localhost:${await listening(server)}`, names };
  }

  it("trusts no certificate that nobody vouches for, and does not try again", async () => {
    const { url, names } = await serveTls();
    expect(await failureOf(get(pooled(), url))).toMatchObject({
      code: "http/network",
      reason: "the server's certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)",
      retry: "never",
      hint: expect.stringContaining("NODE_EXTRA_CA_CERTS") as string,
    });
    expect(names).toEqual([]);
  });

  it("asks for HTTP/1.1 of the host that the request asks for", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    try {
      const { url, names } = await serveTls();
      const pool = pooled();
      const onSent = vi.fn();
      for (const headers of [{}, {}, { host: "api.test:8443" }]) {
        expect(text(await (await get(pool, url, { headers }, { onSent })).read(MAX))).toBe("[1]");
        await pause(5);
      }
      expect(names).toEqual([
        ["localhost", "http/1.1"],
        ["localhost", "http/1.1"],
        ["api.test", "http/1.1"],
      ]);
      expect(onSent).toHaveBeenCalledTimes(3);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
