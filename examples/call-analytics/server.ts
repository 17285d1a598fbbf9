/**
 * A call tracking API on loopback, to try things with: key in a header, an account in the path, pages linked by the
 * `Link` header.
 *
 * As a program: node scripts/run-ts.mjs examples/call-analytics/server.ts --port 8787 --calls 1000
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  type ApiRecord,
  type Counts,
  DEFAULT_COUNTS,
  indexOf,
  RESOURCES,
  type ResourceName,
  recordAt,
} from "./data.js";

export const DEFAULT_API_KEY = "demo-key-4f2c";
export const DEFAULT_ACCOUNT_ID = "ACC8154748ae6bd4e278a7cddd38a662f4f";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 250;
/** Encoded pages are kept up to this many bytes; past it they are made anew for each request. */
const MAX_CACHED_BYTES = 64 * 1024 * 1024;
const FILES: Readonly<Record<string, ResourceName>> = {
  "calls.json": "calls",
  "text-messages.json": "conversations",
  "users.json": "users",
  "companies.json": "companies",
};

export interface ServerOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  readonly apiKey?: string;
  readonly accountId?: string;
  /** How many records there are at the start. */
  readonly counts?: Partial<Counts>;
  /** Another seed gives other data. Default 1. */
  readonly seed?: number;
  readonly failures?: Failures;
  /** How long every answer takes. */
  readonly latencyMs?: number;
}

/** The first `times` requests (of one resource, if named; after `after` good ones) are answered with an error. */
export interface Failures {
  readonly status: 429 | 500 | 503;
  readonly times: number;
  readonly resource?: ResourceName;
  readonly after?: number;
  /** Seconds, sent as `Retry-After`. Without it there is no such header. */
  readonly retryAfter?: number;
}

export interface ApiServer {
  /** Base URL with the slash at its end: http://127.0.0.1:PORT/v3/a/ */
  readonly url: string;
  readonly port: number;
  /** Every request so far, without headers. */
  readonly requests: readonly SeenRequest[];
  /** Changes fields of one record. Throws when there is no such id. */
  update(resource: ResourceName, id: string, patch: ApiRecord): void;
  /** Adds a record at the end; fields that are not given are made up. Returns the whole record. */
  add(resource: ResourceName, record?: ApiRecord): ApiRecord;
  /** The record with this number, counted from 0 for the oldest. */
  record(resource: ResourceName, index: number): ApiRecord;
  count(resource: ResourceName): number;
  close(): Promise<void>;
}

export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly status: number;
  readonly resource?: ResourceName;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly resource?: ResourceName;
}

/** Starts the API on 127.0.0.1 and resolves when it listens. */
export async function startServer(options: ServerOptions = {}): Promise<ApiServer> {
  const { apiKey = DEFAULT_API_KEY, accountId = DEFAULT_ACCOUNT_ID, latencyMs = 0 } = options;
  const tables = createTables(options.seed ?? 1, { ...DEFAULT_COUNTS, ...options.counts });
  const failure = createFailures(options.failures);
  const requests: SeenRequest[] = [];
  let url = "";

  function answer(request: IncomingMessage): Answer {
    const target = new URL(request.url ?? "/", url);
    const given = request.headers.authorization;
    if (given !== apiKey && given !== `Token token="${apiKey}"`) {
      return problem(401, "HTTP Token: Access denied.");
    }
    const [, account, file] = /^\/v3\/a\/([^/]+)\/([^/]+)$/.exec(target.pathname) ?? [];
    if (account !== accountId)
      return problem(404, "There is no such account, or the key has no access to it.");
    const resource = Object.hasOwn(FILES, file ?? "") ? FILES[file ?? ""] : undefined;
    if (resource === undefined) return problem(404, "Not found.");
    const failed = failure(resource);
    if (failed !== undefined) return { ...failed, resource };
    if (request.method !== "GET") return { ...problem(405, "Only GET is allowed."), resource };
    const page = readPage(target.searchParams);
    return typeof page === "string"
      ? { ...problem(400, page), resource }
      : { ...pageAnswer(tables, resource, page, target), resource };
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body, headers, resource } = answer(request);
    requests.push({
      method: request.method ?? "",
      url: request.url ?? "",
      status,
      ...(resource === undefined ? {} : { resource }),
    });
    if (latencyMs > 0) await delay(latencyMs);
    response.writeHead(status, {
      "content-type": "application/json; charset=utf-8",
      "content-length": body.length,
      ...headers,
    });
    response.end(body);
  }

  const server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  url = `http://127.0.0.1:${port}/v3/a/`;

  return {
    url,
    port,
    requests,
    ...tables,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

/** The data as it is now: what the seed gives, with changes and additions on top, and encoded pages. */
function createTables(seed: number, counts: Counts) {
  const totals: Record<ResourceName, number> = { ...counts };
  const changes = new Map<string, ApiRecord>();
  const pages = new Map<string, Buffer>();
  let cachedBytes = 0;

  const keyOf = (resource: ResourceName, index: number): string => `${resource}/${index}`;
  const record = (resource: ResourceName, index: number): ApiRecord => {
    const made = recordAt(resource, index, seed, counts);
    const changed = changes.get(keyOf(resource, index));
    return changed === undefined ? made : { ...made, ...changed };
  };
  const change = (resource: ResourceName, index: number, patch: ApiRecord): void => {
    const key = keyOf(resource, index);
    changes.set(key, { ...changes.get(key), ...patch });
    pages.clear();
    cachedBytes = 0;
  };

  return {
    record,
    count: (resource: ResourceName): number => totals[resource],
    update(resource: ResourceName, id: string, patch: ApiRecord): void {
      const index = indexOf(resource, id, seed, totals[resource]);
      if (index === undefined) throw new Error(`there is no ${resource} record with id ${id}`);
      change(resource, index, patch);
    },
    add(resource: ResourceName, patch: ApiRecord = {}): ApiRecord {
      const index = totals[resource];
      totals[resource] = index + 1;
      change(resource, index, patch);
      return record(resource, index);
    },
    page(resource: ResourceName, offset: number, limit: number): Buffer {
      const key = `${resource}/${offset}/${limit}`;
      const known = pages.get(key);
      if (known !== undefined) return known;
      const total = totals[resource];
      const length = Math.max(0, Math.min(limit, total - offset));
      const body = encode({
        page: Math.floor(offset / limit) + 1,
        per_page: limit,
        total_pages: Math.ceil(total / limit),
        total_records: total,
        [resource]: Array.from({ length }, (_, position) => record(resource, offset + position)),
      });
      if (cachedBytes + body.length <= MAX_CACHED_BYTES) {
        pages.set(key, body);
        cachedBytes += body.length;
      }
      return body;
    },
  };
}

interface PageRequest {
  readonly offset: number;
  readonly limit: number;
  /** The parameter that moves from page to page: the one the client began with. */
  readonly by: "page" | "cursor";
}

/** What the query asks for, or what is wrong with it. */
function readPage(query: URLSearchParams): PageRequest | string {
  const asked = Number(query.get("limit") ?? query.get("per_page") ?? DEFAULT_LIMIT);
  if (!Number.isInteger(asked) || asked < 1) return "limit must be a positive whole number.";
  const limit = Math.min(asked, MAX_LIMIT);
  const page = query.get("page");
  const cursor = query.get("cursor");
  if (page !== null && cursor !== null) return "page and cursor can't be used together.";
  if (cursor !== null) {
    const offset = /^o:(\d{1,9})$/.exec(Buffer.from(cursor, "base64url").toString())?.[1];
    return offset === undefined ? "cursor is not valid." : { offset: Number(offset), limit, by: "cursor" };
  }
  if (page === null) return { offset: 0, limit, by: "cursor" };
  const number = Number(page);
  if (!Number.isInteger(number) || number < 1) return "page must be a positive whole number.";
  return { offset: (number - 1) * limit, limit, by: "page" };
}

function pageAnswer(
  tables: ReturnType<typeof createTables>,
  resource: ResourceName,
  { offset, limit, by }: PageRequest,
  target: URL,
): Answer {
  const total = tables.count(resource);
  const linkTo = (rel: string, to: number): string => {
    const link = new URL(target);
    const value = by === "page" ? String(to / limit + 1) : Buffer.from(`o:${to}`).toString("base64url");
    link.searchParams.set(by, value);
    return `<${link.href}>; rel="${rel}"`;
  };
  const links = [
    linkTo("first", 0),
    ...(offset + limit < total ? [linkTo("next", offset + limit)] : []),
    linkTo("last", Math.max(0, Math.ceil(total / limit) - 1) * limit),
  ];
  return { status: 200, body: tables.page(resource, offset, limit), headers: { link: links.join(", ") } };
}

/** Says for each request whether it fails, and how. */
function createFailures(failures: Failures | undefined): (resource: ResourceName) => Answer | undefined {
  let before = failures?.after ?? 0;
  let left = failures?.times ?? 0;
  return (resource) => {
    if (failures === undefined || left === 0) return undefined;
    if (failures.resource !== undefined && failures.resource !== resource) return undefined;
    if (before > 0) {
      before -= 1;
      return undefined;
    }
    left -= 1;
    const { status, retryAfter } = failures;
    const text = status === 429 ? "Rate limit exceeded." : "Temporarily out of order.";
    return {
      ...problem(status, text),
      ...(retryAfter === undefined ? {} : { headers: { "retry-after": String(retryAfter) } }),
    };
  };
}

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const problem = (status: number, error: string): Answer => ({ status, body: encode({ error }) });

const USAGE = `usage: node scripts/run-ts.mjs examples/call-analytics/server.ts [options]
  --port N           default 8787
  --key TEXT         default ${DEFAULT_API_KEY}
  --account ID       default ${DEFAULT_ACCOUNT_ID}
  --calls N  --conversations N  --users N  --companies N
  --seed N           other data
  --latency MS       every answer takes this long
  --fail-status 429|500|503  --fail-times N  [--fail-resource NAME] [--fail-after N] [--retry-after SECONDS]`;

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      port: text,
      key: text,
      account: text,
      calls: text,
      conversations: text,
      users: text,
      companies: text,
      seed: text,
      latency: text,
      "fail-status": text,
      "fail-times": text,
      "fail-resource": text,
      "fail-after": text,
      "retry-after": text,
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const number = (flag: string, given: string | undefined, fallback: number): number => {
    const value = given === undefined ? fallback : Number(given);
    if (!Number.isInteger(value) || value < 0) throw new Error(`--${flag} must be a whole number\n${USAGE}`);
    return value;
  };
  const status = number("fail-status", values["fail-status"], 0);
  if (![0, 429, 500, 503].includes(status))
    throw new Error(`--fail-status must be 429, 500 or 503\n${USAGE}`);
  const resource = RESOURCES.find((name) => name === values["fail-resource"]);
  const server = await startServer({
    port: number("port", values.port, 8787),
    apiKey: values.key ?? DEFAULT_API_KEY,
    accountId: values.account ?? DEFAULT_ACCOUNT_ID,
    counts: Object.fromEntries(
      RESOURCES.map((name) => [name, number(name, values[name], DEFAULT_COUNTS[name])]),
    ),
    seed: number("seed", values.seed, 1),
    latencyMs: number("latency", values.latency, 0),
    ...(status === 0
      ? {}
      : {
          failures: {
            status: status as Failures["status"],
            times: number("fail-times", values["fail-times"], 1),
            after: number("fail-after", values["fail-after"], 0),
            ...(resource === undefined ? {} : { resource }),
            ...(values["retry-after"] === undefined
              ? {}
              : { retryAfter: number("retry-after", values["retry-after"], 0) }),
          },
        }),
  });
  console.log(`listening on ${server.url}`);
  console.log(`try: curl -H 'Authorization: ${values.key ?? DEFAULT_API_KEY}' \\`);
  console.log(`       '${server.url}${values.account ?? DEFAULT_ACCOUNT_ID}/calls.json?limit=2'`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
