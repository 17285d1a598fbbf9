import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { brotliCompressSync, constants, createGzip, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { createPool, type Fetched, fetchOnce, type Pool } from "./fetch.js";

const MAX = 1024 * 1024;
const FAST = { [constants.BROTLI_PARAM_QUALITY]: 1 };
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

/** A server of bytes: what each connection gets for a request, word for word. */
async function serve(answer: (socket: Socket, target: string) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => answer(socket, /^\S+ (\S+)/.exec(data.toString("latin1"))?.[1] ?? ""));
  });
  opened.push({ close: () => (sockets.forEach((socket) => socket.destroy()), server.close()) });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function fetching(pool?: Pool): (url: string, method?: string, signal?: AbortSignal) => Promise<Fetched> {
  const used = pool ?? createPool();
  opened.push(used);
  return (url, method = "GET", signal = new AbortController().signal) =>
    fetchOnce(used, { method, url, headers: {} }, { defaults: {} }, signal);
}

const text = (body: Uint8Array) => Buffer.from(body).toString("latin1");
const head = (length: number, status = "200 OK") => `HTTP/1.1 ${status}\r\ncontent-length: ${length}\r\n\r\n`;
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Lets what has arrived be taken. */
const settled = async () => {
  for (let i = 0; i < 20; i++) await turn();
};

describe("a body", () => {
  it("has memory of its own, whatever came before it was read", async () => {
    const big = "x".repeat(200_000);
    const url = await serve((socket, target) => {
      const body = target === "/small" ? "[1]" : big;
      socket.write(head(body.length) + body);
    });
    const fetch = fetching();
    for (const [path, body] of [
      ["/small", "[1]"],
      ["/big", big],
      ["/big", big],
    ] as const) {
      const response = await fetch(url + path);
      await settled();
      const read = await response.read(MAX);
      expect(text(read)).toBe(body);
      expect(read.buffer.byteLength).toBe(body.length);
    }
  });

  it.each([
    ["200 OK", "0\r\n\r\n", ""],
    ["200 OK", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"],
  ])("comes in chunks: %s %j", async (status, chunks, body) => {
    const url = await serve((socket) =>
      socket.write(`HTTP/1.1 ${status}\r\ntransfer-encoding: chunked\r\n\r\n${chunks}`),
    );
    const response = await fetching()(url);
    expect(text(await response.read(MAX))).toBe(body);
  });

  it.each([
    ["HEAD", head(1000)],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n"],
    ["GET", head(0)],
  ])("is empty: %s %j", async (method, answer) => {
    const url = await serve((socket) => socket.write(answer));
    const fetch = fetching();
    for (let i = 0; i < 2; i++) {
      const response = await fetch(url, method);
      expect(await response.read(0)).toHaveLength(0);
      response.discard();
    }
  });

  it("ends where it was announced to end", async () => {
    const url = await serve((socket) => socket.write(`${head(3)}[1] and more`));
    const fetch = fetching();
    const response = await fetch(url);
    expect(text(await response.read(MAX))).toBe("[1]");
    // What follows on the connection belongs to no request.
    expect(text(await (await fetch(url)).read(MAX))).toBe("[1]");
  });

  it.each([
    ["announced", head(100)],
    ["in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\n"],
  ])("that is cut is a failure, also when nobody reads yet: %s", async (_, start) => {
    const url = await serve((socket) => socket.end(`${start}[1`));
    const fetch = fetching();
    const early = await fetch(url);
    expect(await failureOf(early.read(MAX))).toMatchObject({ failure: { code: "http/network" } });
    const late = await fetch(url);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await failureOf(late.read(MAX))).toMatchObject({ failure: { code: "http/network" } });
    late.discard();
  });

  it.each([
    ["announced", (body: string) => head(body.length) + body],
    [
      "in chunks",
      (body: string) =>
        `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    ],
  ])("that is too large is refused, whether it is all there or not: %s", async (_, answer) => {
    const url = await serve((socket, target) => socket.write(answer("x".repeat(Number(target.slice(1))))));
    const fetch = fetching();
    for (const size of [11, 300_000]) {
      const response = await fetch(`${url}/${size}`);
      await settled();
      expect(await failureOf(response.read(10))).toMatchObject({ failure: { code: "http/too-large" } });
      response.discard();
    }
    expect(text(await (await fetch(`${url}/10`)).read(10))).toBe("x".repeat(10));
  });

  it("waits in its connection for whoever reads it", async () => {
    let written = 0;
    const url = await serve((socket) => {
      socket.write(head(64 * MAX));
      const more = (): void => {
        while (written < 64 * MAX) {
          written += 64 * 1024;
          if (!socket.write(Buffer.alloc(64 * 1024))) return void socket.once("drain", more);
        }
      };
      more();
    });
    const response = await fetching()(url);
    // Both ends are in this process: when nothing has been written for some turns, nothing will be.
    for (let before = -1; before !== written; ) {
      before = written;
      await settled();
    }
    // The rest is in the buffers of two sockets.
    expect(written).toBeLessThan(32 * MAX);
    expect(await response.read(64 * MAX)).toHaveLength(64 * MAX);
  });
});

describe("a packed body", () => {
  const packed = (body: Uint8Array, encoding: string) =>
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 200 OK\r\ncontent-encoding: ${encoding}\r\ncontent-length: ${body.length}\r\n\r\n`,
      ),
      body,
    ]);

  it.each([
    ["gzip", gzipSync("[1, 2, 3]")],
    ["deflate", deflateSync("[1, 2, 3]")],
    ["deflate", deflateRawSync("[1, 2, 3]")],
    ["br", brotliCompressSync("[1, 2, 3]")],
    ["deflate, gzip", gzipSync(deflateRawSync("[1, 2, 3]"))],
    ["gzip", Buffer.concat([gzipSync("[1, "), gzipSync("2, 3]")])],
  ])("is unpacked as it arrives, byte by byte: %s", async (encoding, body) => {
    const url = await serve((socket) => {
      socket.setNoDelay();
      const whole = packed(body, encoding);
      const next = (at: number): void => {
        if (at < whole.length) socket.write(whole.subarray(at, at + 1), () => setImmediate(next, at + 1));
      };
      next(0);
    });
    expect(text(await (await fetching()(url)).read(MAX))).toBe("[1, 2, 3]");
  });

  it.each([
    ["gzip", (body: Buffer) => gzipSync(body)],
    ["br, gzip", (body: Buffer) => gzipSync(brotliCompressSync(body, { params: FAST }))],
  ])("comes whole through pauses, whether it was read early or late: %s", async (encoding, pack) => {
    const body = randomBytes(8 * MAX);
    const whole = packed(pack(body), encoding);
    const url = await serve((socket) => socket.write(whole));
    const fetch = fetching();
    for (const waits of [false, true]) {
      const response = await fetch(url);
      if (waits) await settled();
      expect(body.equals(await response.read(9 * MAX))).toBe(true);
    }
  });

  it("ends where its encoding ends, and its connection goes on", async () => {
    const ports = new Set<number | undefined>();
    const padded = Buffer.concat([gzipSync("[1]"), Buffer.alloc(2 * MAX)]);
    const url = await serve((socket) => {
      ports.add(socket.remotePort);
      socket.write(packed(padded, "gzip"));
    });
    const fetch = fetching();
    for (let i = 0; i < 2; i++) {
      expect(text(await (await fetch(url)).read(4 * MAX))).toBe("[1]");
      await settled();
    }
    expect(ports.size).toBe(1);
  });

  it.each([
    ["larger than its limit", "http/too-large", () => createGzip()],
    ["damaged", "http/encoding", () => new PassThrough()],
  ])("without end is refused at once when it is %s", async (_, code, pack) => {
    let closed = (): void => {};
    const isClosed = new Promise<void>((resolve) => (closed = resolve));
    const url = await serve((socket) => {
      socket.on("close", closed);
      socket.write("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n");
      const zeros = new Readable({ read: () => void zeros.push(Buffer.alloc(64 * 1024)) });
      zeros.pipe(pack()).pipe(socket);
    });
    const response = await fetching()(url);
    expect(await failureOf(response.read(MAX))).toMatchObject({ failure: { code } });
    await isClosed;
  });

  it("that is cut is a failure of the network", async () => {
    const url = await serve((socket) =>
      socket.end(packed(gzipSync(randomBytes(1000)), "gzip").subarray(0, 200)),
    );
    expect(await failureOf((await fetching()(url)).read(MAX))).toMatchObject({
      failure: { code: "http/network" },
    });
  });
});

describe("a stop", () => {
  it("ends a body that is being read, and one that nobody reads", async () => {
    const url = await serve((socket) => socket.write(`${head(10)}[1`));
    const fetch = fetching();
    for (const waits of [false, true]) {
      const stop = new AbortController();
      const response = await fetch(url, "GET", stop.signal);
      const reading = waits ? undefined : failureOf(response.read(MAX));
      await settled();
      stop.abort(new Error("enough"));
      const error = await (reading ?? failureOf(response.read(MAX)));
      expect(error).toMatchObject({ failure: { cause: { message: "enough" } } });
    }
  });

  it("ends a request that waits for its connection", async () => {
    // It takes the connection, but never answers the handshake.
    const url = await serve(() => {});
    const stop = new AbortController();
    const failed = failureOf(fetching()(url.replace("http:", "https:"), "GET", stop.signal));
    await settled();
    stop.abort(new Error("enough"));
    expect(await failed).toMatchObject({ failure: { cause: { message: "enough" } } });
  });

  it("after the end of a body changes nothing", async () => {
    const url = await serve((socket) => socket.write(`${head(3)}[1]`));
    const stop = new AbortController();
    const response = await fetching()(url, "GET", stop.signal);
    await settled();
    stop.abort();
    expect(text(await response.read(MAX))).toBe("[1]");
  });
});

describe("a body that is not wanted", () => {
  it.each([
    ["small", 1000, 1],
    ["large", 300_000, 2],
  ])("%s", async (_, size, connections) => {
    const ports = new Set<number | undefined>();
    const server = createServer((request, response) => {
      ports.add(request.socket.remotePort);
      response.end("x".repeat(size));
    });
    opened.push({ close: () => (server.closeAllConnections(), server.close()) });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const fetch = fetching();
    (await fetch(url)).discard();
    await new Promise((resolve) => setTimeout(resolve, 30));
    (await fetch(url)).discard();
    expect(ports.size).toBe(connections);
  });

  it("is not kept, and stays without end no longer than its limit", async () => {
    let closed: () => void = () => {};
    const isClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const url = await serve((socket) => {
      socket.on("close", closed);
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
      const more = (): void => {
        while (!socket.destroyed) {
          if (!socket.write(`1000\r\n${"x".repeat(4096)}\r\n`)) return void socket.once("drain", more);
        }
      };
      more();
    });
    (await fetching()(url)).discard();
    await isClosed;
  });
});

it("ten at once have their own bodies", async () => {
  const url = await serve((socket, target) => {
    const body = target.repeat(20_000);
    socket.write(head(body.length));
    for (let at = 0; at < body.length; at += 10_000) socket.write(body.slice(at, at + 10_000));
  });
  const fetch = fetching();
  const bodies = await Promise.all(
    Array.from({ length: 10 }, async (_, index) => text(await (await fetch(`${url}/${index}`)).read(MAX))),
  );
  expect(bodies).toEqual(Array.from({ length: 10 }, (_, index) => `/${index}`.repeat(20_000)));
});

it("an interim response is none", async () => {
  const url = await serve((socket) =>
    socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=next\r\n\r\n${head(3)}[1]`),
  );
  const response = await fetching()(url);
  expect(response).toMatchObject({ status: 200, headers: { "content-length": "3" } });
  expect(text(await response.read(MAX))).toBe("[1]");
});
