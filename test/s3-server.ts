import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { startFauxqs } from "fauxqs";

/** What may go wrong with one request. */
export type S3Fault =
  /** Refused before it was looked at. */
  | "error"
  | "slow-down"
  /** The connection is cut before the request is carried out. */
  | "cut-before"
  /** It is carried out, and the connection is cut before the answer. */
  | "cut-after"
  /** The answer breaks off in its body. */
  | "cut-within";

/** A server of S3 for tests, with a bucket `lake`. Keys are any. */
export interface S3Server {
  readonly endpoint: string;
  /** The server behind, which ignores the condition of a put. */
  readonly unconditional: string;
  readonly bucket: string;
  /** Asked about each request, from now on. Undefined: nothing goes wrong. */
  faults: ((method: string, path: string) => S3Fault | undefined) | undefined;
  stop(): Promise<void>;
}

/**
 * Starts fauxqs, a server of S3. It does not know conditional puts, so what is asked goes through a proxy that does: it
 * handles the puts of one key one after the other, and refuses a put with `If-None-Match: *` of a key that is there.
 */
export async function startS3(): Promise<S3Server> {
  const behind = await startFauxqs({ port: 0, host: "127.0.0.1", logger: false });
  behind.createBucket("lake");
  const turns = new Map<string, Promise<unknown>>();
  const proxy = createServer((incoming, answer) => void handle(incoming, answer));

  async function handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = incoming;
    const path = url.split("?", 1)[0]!;
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const fault = server.faults?.(method, path);
    if (fault === "error") return refuse(answer, 500, "InternalError");
    if (fault === "slow-down") return refuse(answer, 503, "SlowDown");
    if (fault === "cut-before") return void answer.destroy();
    const body = Buffer.concat(chunks);
    const act = async (): Promise<Answer> => {
      if (method === "PUT" && headers["if-none-match"] === "*") {
        const { status } = await ask(behind.port, "HEAD", url, { host: headers.host ?? "" });
        if (status === 200) return refused(412, "PreconditionFailed");
      }
      return ask(behind.port, method, url, headers, body);
    };
    const turn = (turns.get(path) ?? Promise.resolve()).then(act, act);
    turns.set(path, turn);
    const result = await turn;
    if (turns.get(path) === turn) turns.delete(path);
    if (fault === "cut-after") return void answer.destroy();
    answer.writeHead(result.status, result.headers);
    if (fault !== "cut-within" || result.body.length < 2) return void answer.end(result.body);
    answer.write(result.body.subarray(0, result.body.length >> 1), () => answer.destroy());
  }

  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const server: S3Server = {
    endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    unconditional: `http://127.0.0.1:${behind.port}`,
    bucket: "lake",
    faults: undefined,
    async stop() {
      proxy.closeAllConnections();
      proxy.close();
      await behind.stop();
    },
  };
  return server;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
}

async function ask(
  port: number,
  method: string,
  path: string,
  headers: IncomingMessage["headers"],
  body?: Buffer,
): Promise<Answer> {
  const sending = request({ port, host: "127.0.0.1", method, path, headers });
  sending.end(body);
  const [response] = (await once(sending, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const kept = Object.entries(response.headers).filter(
    ([name, value]) => value !== undefined && name !== "connection" && name !== "transfer-encoding",
  );
  return {
    status: response.statusCode ?? 500,
    headers: Object.fromEntries(kept) as Answer["headers"],
    body: Buffer.concat(chunks),
  };
}

function refused(status: number, code: string): Answer {
  const body = Buffer.from(
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`,
  );
  return { status, headers: { "content-type": "application/xml" }, body };
}

function refuse(answer: ServerResponse, status: number, code: string): void {
  const { headers, body } = refused(status, code);
  answer.writeHead(status, headers);
  answer.end(body);
}

/** Faults at random, about one in `every` requests, the same for the same seed. */
export function randomFaults(seed: number, every: number): () => S3Fault | undefined {
  const kinds: readonly S3Fault[] = ["error", "slow-down", "cut-before", "cut-after", "cut-within"];
  let state = seed;
  const next = (): number => {
    // A linear congruential generator (Numerical Recipes).
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return () => (next() < 1 / every ? kinds[Math.floor(next() * kinds.length)] : undefined);
}
