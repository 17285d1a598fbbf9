import { setMaxListeners } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { virtualTime } from "../../test/virtual-time.js";
import type { Event } from "../model/event.js";
import { systemRuntime } from "../model/runtime.js";
import { Redactor } from "../model/secret.js";
import type { Runtime } from "../model/source.js";
import type { ScopedRule } from "./budget.js";
import { createBudgets } from "./budgets.js";
import { type ClientOptions, createClient } from "./client.js";
import { createPool } from "./fetch.js";
import { DEFAULT_RETRY } from "./retry.js";

const never = new AbortController().signal;
setMaxListeners(0, never);
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

/** Answers 429 to what is too much; `accept` decides about an arrival at a time in milliseconds. */
interface Limiter {
  accept(now: number): boolean;
  headers?(now: number): Record<string, string>;
}

function fixedWindow(limit: number, ms: number): Limiter {
  let window = -1;
  let count = 0;
  return {
    accept(now) {
      if (Math.floor(now / ms) !== window) [window, count] = [Math.floor(now / ms), 0];
      count += 1;
      return count <= limit;
    },
    headers: (now) => ({
      "x-ratelimit-limit": String(limit),
      "x-ratelimit-remaining": String(Math.max(0, limit - count)),
      "x-ratelimit-reset": String(((window + 1) * ms - now) / 1000),
    }),
  };
}

function slidingWindow(limit: number, ms: number): Limiter {
  let log: number[] = [];
  return {
    accept(now) {
      log = log.filter((at) => at > now - ms);
      if (log.length >= limit) return false;
      log.push(now);
      return true;
    },
  };
}

function tokenBucket(limit: number, ms: number): Limiter {
  let tokens = limit;
  let last = 0;
  return {
    accept(now) {
      tokens = Math.min(limit, tokens + ((now - last) * limit) / ms);
      last = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}

interface Server {
  readonly url: string;
  served: number;
  refused: number;
  /** Requests that are waiting for their answer. */
  held: number;
  most: number;
}

async function serve(
  limiter: Limiter,
  runtime: Runtime,
  options: { latencyMs?: number; tells?: boolean; retryAfter?: string } = {},
): Promise<Server> {
  const server = createServer((_request, response) => void respond(response));
  opened.push({ close: () => (server.closeAllConnections(), server.close()) });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const self: Server = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    served: 0,
    refused: 0,
    held: 0,
    most: 0,
  };
  const respond = async (response: ServerResponse): Promise<void> => {
    const isAccepted = limiter.accept(runtime.now());
    if (isAccepted) self.served += 1;
    else self.refused += 1;
    const headers = options.tells === true ? limiter.headers?.(runtime.now()) : {};
    self.held += 1;
    self.most = Math.max(self.most, self.held);
    await runtime.sleep(options.latencyMs ?? 0, never);
    self.held -= 1;
    const pause = options.retryAfter === undefined ? {} : { "retry-after": options.retryAfter };
    response.writeHead(isAccepted ? 200 : 429, { ...headers, ...(isAccepted ? {} : pause) });
    response.end("{}");
  };
  return self;
}

/** Several lanes, each with a client of its own, that send as fast as they may. */
function lanes(server: Server, runtime: Runtime, count: number, options: Partial<ClientOptions> = {}) {
  const pool = createPool();
  opened.push(pool);
  const budgets = createBudgets();
  const events: Event[] = [];
  let over = 0;
  const clients = Array.from({ length: count }, (_, lane) =>
    createClient({
      resource: `lane-${lane}`,
      baseUrl: server.url,
      pool,
      budgets,
      userAgent: "sluice/test",
      redactor: new Redactor(),
      emit: (event) => events.push(event),
      runtime,
      ...options,
    }),
  );
  const get = async (lane: number, signal = never): Promise<void> => {
    const exchange = await clients[lane]!.send({ method: "GET", url: `${server.url}/`, headers: {} }, signal);
    await exchange.read(() => null);
    over += 1;
  };
  const told = (type: Event["type"]): number => events.filter((event) => event.type === type).length;
  return {
    events,
    get,
    /** All lanes, until `requests` are answered. */
    run: async (requests: number): Promise<void> => {
      let left = requests;
      const lane = async (number: number): Promise<void> => {
        while (left-- > 0) await get(number);
      };
      await Promise.all(clients.map((_, number) => lane(number)));
    },
    /** Requests are in the sockets, and not only held by the server. */
    isBusy: () => told("request") - told("retry") - over > server.held,
  };
}

const perSecond = (requests: number): ScopedRule[] => [{ scope: "", requests, intervalS: 1 }];

describe("a server's limit that is configured", () => {
  it.each([
    { name: "fixed windows", limiter: fixedWindow, latencyMs: 0 },
    { name: "sliding windows", limiter: slidingWindow, latencyMs: 40 },
    { name: "a token bucket", limiter: tokenBucket, latencyMs: 40 },
    { name: "sliding windows and long answers", limiter: slidingWindow, latencyMs: 700 },
  ])("by $name is used to more than 90 %, without a single refusal", async ({ limiter, latencyMs }) => {
    const time = virtualTime();
    const server = await serve(limiter(20, 1000), time.runtime, { latencyMs });
    const { isBusy, run } = lanes(server, time.runtime, 20, { rateRules: perSecond(20), maxConcurrency: 20 });
    await time.until(run(200), isBusy);
    expect(server.refused).toBe(0);
    // The first 20 go at once, and the last answers take their time.
    expect((server.served - 20) / ((time.elapsed() - latencyMs) / 1000)).toBeGreaterThan(18);
  });

  it("holds by the real clock, too", async () => {
    const server = await serve(slidingWindow(20, 400), systemRuntime);
    const started = performance.now();
    const { run } = lanes(server, systemRuntime, 8, {
      rateRules: [{ scope: "", requests: 20, intervalS: 0.4 }],
      retry: { ...DEFAULT_RETRY, backoffFactor: 0.1 },
    });
    await run(100);
    const ms = performance.now() - started;
    // Without the budget most would be refused at first; a busy machine may delay some by more than 5 % of 0.4 s.
    expect(server.served).toBe(100);
    expect(server.refused).toBeLessThan(40);
    expect(ms).toBeGreaterThan(1600);
    expect(ms).toBeLessThan(6000);
  });
});

describe("a server's limit that it tells of", () => {
  it("is kept without configuration, and used to more than 90 %", async () => {
    const time = virtualTime();
    const server = await serve(fixedWindow(20, 1000), time.runtime, { latencyMs: 10, tells: true });
    const { isBusy, run } = lanes(server, time.runtime, 8);
    await time.until(run(200), isBusy);
    expect(server.refused).toBe(0);
    expect(200 / Math.ceil(time.elapsed() / 1000)).toBeGreaterThan(18);
  });

  it("by 429 alone cools all lanes down, and one goes first", async () => {
    const time = virtualTime();
    const server = await serve(fixedWindow(20, 5000), time.runtime, { latencyMs: 10, retryAfter: "5" });
    const { events, isBusy, run } = lanes(server, time.runtime, 10);
    await time.until(run(100), isBusy);
    // The lanes that were under way when the first one was refused; there are four times when that happens.
    expect(server.refused).toBeLessThanOrEqual(4 * 10);
    expect(events.some((event) => event.type === "wait" && event.reason === "the API asked to wait")).toBe(
      true,
    );
    expect(time.elapsed()).toBeLessThan(30_000);
  });

  it("is not waited for with respect_retry_after: false", async () => {
    const time = virtualTime();
    const server = await serve(fixedWindow(1, 60_000), time.runtime, { tells: true, retryAfter: "50" });
    const retry = { ...DEFAULT_RETRY, respectRetryAfter: false };
    const { get, isBusy } = lanes(server, time.runtime, 1, { retry });
    await time.until(get(0), isBusy);
    await expect(time.until(get(0), isBusy)).rejects.toMatchObject({ code: "http/status" });
    expect(time.elapsed()).toBe(14_000);
  });

  it("ends with a clear error where it is longer than may be waited", async () => {
    const time = virtualTime();
    const server = await serve(fixedWindow(1, 3_600_000), time.runtime, { tells: true });
    const { get, isBusy } = lanes(server, time.runtime, 2);
    await time.until(get(0), isBusy);
    await expect(time.until(get(1), isBusy)).rejects.toMatchObject({
      code: "http/rate-limit",
      message: `the API's rate limit is used up for another 3600 s, longer than the 300 s of client.retry.max_delay: GET ${server.url}/`,
      hint: "Run again after that time, or set client.retry.max_delay to 3600 or more.",
      at: { resource: "lane-1" },
    });
    expect(server.refused).toBe(0);
  });
});

it("a wait is told with its origin, and ends when the run is stopped", async () => {
  const time = virtualTime();
  const server = await serve(fixedWindow(100, 1000), time.runtime);
  const { events, get, isBusy } = lanes(server, time.runtime, 1, {
    rateRules: [{ scope: "", requests: 1, intervalS: 3600 }],
  });
  await time.until(get(0), isBusy);
  const abort = new AbortController();
  const second = get(0, abort.signal);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(events.at(-1)).toEqual({
    type: "wait",
    resource: "lane-0",
    origin: server.url,
    waitMs: expect.closeTo(3_600_000, -4) as number,
    reason: "rate limit of 1 per 3600 s (rate_limit)",
  });
  abort.abort();
  await expect(second).rejects.toMatchObject({ code: "run/interrupted" });
  expect(server.served).toBe(1);
});

it("credentials that a long wait has made old are obtained again", async () => {
  const time = virtualTime();
  const server = await serve(fixedWindow(100, 1000), time.runtime);
  const seen: number[] = [];
  const { get, isBusy } = lanes(server, time.runtime, 1, {
    rateRules: [{ scope: "", requests: 1, intervalS: 60 }],
    authorize(request) {
      seen.push(Math.round(time.elapsed() / 1000));
      return request;
    },
  });
  await time.until(get(0), isBusy);
  await time.until(get(0), isBusy);
  expect(seen).toEqual([0, 0, 60]);
});

it("at most max_concurrency requests are under way, whatever the number of lanes", async () => {
  const time = virtualTime();
  const server = await serve(fixedWindow(1000, 1000), time.runtime, { latencyMs: 50 });
  const { isBusy, run } = lanes(server, time.runtime, 12, { maxConcurrency: 3 });
  await time.until(run(36), isBusy);
  expect(server.most).toBe(3);
  expect(time.elapsed()).toBe(600);
});
