import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Json } from "../../src/model/json.js";
import { answer, type Behaviour, type FakeAnswer } from "./behaviours.js";
import { type Paging, pageAt, renderPage } from "./paging.js";

/** A request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query, byte for byte. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Records that a path serves in pages. */
export interface Dataset {
  readonly records: readonly Json[];
  /** Default `none`: all records at once. */
  readonly paging?: Paging;
  /** Default 100. */
  readonly pageSize?: number;
  /** The key that holds the records. Default: a bare list, or `data` where the body holds paging too. */
  readonly envelope?: string;
}

/** Answers one request itself; see `answer()` for JSON. */
export type Handler = (request: SeenRequest) => FakeAnswer;

export interface FakeApiOptions {
  /** Requests for which this is false get 401. */
  readonly accepts?: (request: SeenRequest) => boolean;
}

export interface FakeApi {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  readonly url: string;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly SeenRequest[];
  /** Serves a path (without query); a second call replaces the first. Without a route a path answers 404. */
  route(path: string, served: Dataset | Handler): void;
  /** Scripts a path: the first behaviour for the next request, and so on, then as usual. `always` ones stay from their turn on. */
  behave(path: string, ...behaviours: readonly Behaviour[]): void;
  close(): Promise<void>;
}

/**
 * Starts an HTTP server on the loopback interface that serves records in pages, and misbehaves on request.
 *
 * @example
 * const api = await startFakeApi();
 * api.route("/calls", { records: calls, paging: "link-header", pageSize: 50, envelope: "calls" });
 * api.behave("/calls", asUsual, tooManyRequests(2), truncated);   // the second and third request fail
 * …
 * await api.close();
 */
export async function startFakeApi(options: FakeApiOptions = {}): Promise<FakeApi> {
  const requests: SeenRequest[] = [];
  const routes = new Map<
    string,
    (request: SeenRequest, url: URL, script: readonly Behaviour[]) => FakeAnswer
  >();
  const scripts = new Map<string, Script>();
  let origin = "";

  const respond = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const request = await seen(incoming);
    requests.push(request);
    const url = new URL(request.url, origin);
    const script = nextBehaviours(scripts.get(url.pathname) ?? { coming: [], lasting: [] });
    await write(outgoing, script.reduce(applied, usualAnswer(request, url, script)));
  };
  const usualAnswer = (request: SeenRequest, url: URL, script: readonly Behaviour[]): FakeAnswer => {
    if (options.accepts?.(request) === false) return answer(401, { error: "unauthorized" });
    const serve = routes.get(url.pathname);
    return serve === undefined ? answer(404, { error: "no such path" }) : serve(request, url, script);
  };
  const server = createServer((incoming, outgoing) => {
    respond(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url: origin,
    requests,
    route(path, served) {
      routes.set(path, typeof served === "function" ? (request) => served(request) : serveDataset(served));
    },
    behave(path, ...behaviours) {
      const { coming = [], lasting = [] } = scripts.get(path) ?? {};
      scripts.set(path, { coming: [...coming, ...behaviours], lasting });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What is still to come on a path, and what has come to stay. */
interface Script {
  readonly coming: Behaviour[];
  readonly lasting: Behaviour[];
}

/** The behaviours of the next request: at most one that is used up by it, and all that stay. */
function nextBehaviours({ coming, lasting }: Script): Behaviour[] {
  while (coming[0]?.always === true) lasting.push(...coming.splice(0, 1));
  return [...lasting, ...coming.splice(0, 1)];
}

function serveDataset(dataset: Dataset) {
  const { paging = "none", pageSize = 100, envelope } = dataset;
  const records = [...dataset.records];
  return (_request: SeenRequest, url: URL, script: readonly Behaviour[]): FakeAnswer => {
    for (const behaviour of script) behaviour.records?.(records);
    const page = script.reduce(
      (page, behaviour) => behaviour.page?.(page, records) ?? page,
      pageAt(paging, records, url, pageSize),
    );
    const { body, headers } = renderPage(paging, page, url, envelope);
    return answer(200, body, headers);
  };
}

function applied(usual: FakeAnswer, behaviour: Behaviour): FakeAnswer {
  return behaviour.answer?.(usual) ?? usual;
}

async function seen(incoming: IncomingMessage): Promise<SeenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const headers = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]);
  return {
    method: incoming.method ?? "GET",
    url: incoming.url ?? "/",
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: Buffer.concat(chunks).toString("utf8"),
  };
}

async function write(
  outgoing: ServerResponse,
  { body, delivery, headers, status }: FakeAnswer,
): Promise<void> {
  if (delivery.kind === "reset") {
    outgoing.socket?.resetAndDestroy();
    return;
  }
  outgoing.writeHead(status, { ...headers, "content-length": String(body.length) });
  if (delivery.kind === "whole") {
    outgoing.end(body);
    return;
  }
  if (delivery.kind === "cut") {
    outgoing.write(body.subarray(0, delivery.bytes), () => outgoing.destroy());
    return;
  }
  const step = Math.max(1, Math.ceil(body.length / delivery.pieces));
  for (let at = 0; at < body.length && !outgoing.destroyed; at += step) {
    if (at > 0) await delay(delivery.pauseMs);
    outgoing.write(body.subarray(at, at + step));
  }
  outgoing.end();
}
