import { expect, it } from "vitest";
import type { Exchange, HttpRequest, Send } from "./message.js";
import { SharedResponses } from "./shared-responses.js";

const { signal } = new AbortController();
const get = (page: number): HttpRequest => ({ method: "GET", url: `http://x/${page}`, headers: { a: "1" } });
const decode = (body: Uint8Array): string => Buffer.from(body).toString();

/** Answers with the URL, unless `fails`; counts what leaves. */
function sender(fails: (count: number) => boolean = () => false): Send & { sent: string[] } {
  const sent: string[] = [];
  const send = async (request: HttpRequest): Promise<Exchange> => {
    sent.push(request.url);
    const count = sent.length;
    const head = { status: 200, url: request.url, headers: {} };
    return {
      head,
      async read(decodeBody) {
        if (fails(count)) throw new Error("cut");
        return { head, value: await decodeBody(Buffer.from(request.url), head), bytes: 10 };
      },
      discard: () => {},
    };
  };
  return Object.assign(send, { sent });
}

async function read(send: Send, page: number): Promise<string> {
  return (await (await send(get(page), signal)).read(decode)).value;
}

it("fetches once for all its readers, and forgets what all have had", async () => {
  const real = sender();
  const send = new SharedResponses().through(real, { key: "k", readers: 3 });
  expect(await Promise.all([read(send, 1), read(send, 1), read(send, 1)])).toEqual(
    Array(3).fill("http://x/1"),
  );
  expect(real.sent).toHaveLength(1);
  await read(send, 1);
  expect(real.sent).toHaveLength(2);
});

it("shares nothing between other keys, headers or requests", async () => {
  const real = sender();
  const shared = new SharedResponses();
  const send = shared.through(real, { key: "k", readers: 9 });
  await read(send, 1);
  await read(send, 2);
  await read(shared.through(real, { key: "other", readers: 9 }), 1);
  await (await send({ ...get(1), headers: { a: "2" } }, signal)).read(decode);
  expect(real.sent).toHaveLength(4);
});

it("is there for readers who come after the first one has read and discarded it", async () => {
  const real = sender();
  const send = new SharedResponses().through(real, { key: "k", readers: 2 });
  const exchange = await send(get(1), signal);
  await exchange.read(decode);
  exchange.discard();
  expect(await read(send, 1)).toBe("http://x/1");
  expect(real.sent).toHaveLength(1);
});

it("lets those who waited send anew when the first one fails or gives up", async () => {
  const real = sender((count) => count === 1);
  const send = new SharedResponses().through(real, { key: "k", readers: 2 });
  const [first, second] = await Promise.allSettled([read(send, 1), read(send, 1)]);
  expect(first).toMatchObject({ status: "rejected" });
  expect(second).toMatchObject({ status: "fulfilled", value: "http://x/1" });

  const done = await send(get(7), signal);
  await done.read(decode);
  done.discard();
  expect(await read(send, 7)).toBe("http://x/7");
  expect(real.sent.filter((url) => url.endsWith("7"))).toHaveLength(1);

  const given = await send(get(5), signal);
  const waiting = read(send, 5);
  given.discard();
  expect(await waiting).toBe("http://x/5");
});

it("holds no more than its bytes: the oldest are fetched again", async () => {
  const real = sender();
  const send = new SharedResponses(25).through(real, { key: "k", readers: 2 });
  for (const page of [1, 2, 3]) await read(send, page);
  for (const page of [2, 3]) await read(send, page);
  expect(real.sent).toHaveLength(3);
  await read(send, 1);
  expect(real.sent).toHaveLength(4);
});

it("stops waiting when its own reader is stopped", async () => {
  const send = new SharedResponses().through(sender(), { key: "k", readers: 2 });
  await send(get(1), signal);
  const abort = new AbortController();
  const waiting = send(get(1), abort.signal);
  abort.abort(new Error("stopped"));
  await expect(waiting).rejects.toThrow("stopped");
});
