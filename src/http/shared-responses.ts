import type { Exchange, HttpRequest, ReadResult, Send } from "./message.js";
import { fingerprint } from "./url.js";

/** Bodies that are held for readers who still have to come: 16 MiB, decoded a multiple of that. */
const MAX_BYTES = 16 * 1024 * 1024;

/** A response that is being fetched, or was. */
interface Entry {
  readonly result: Promise<ReadResult<unknown>>;
  /** Undefined until the body is there. */
  bytes: number | undefined;
  /** Readers that have had it. */
  taken: number;
}

/**
 * Lets several readers of the same requests have each response fetched and decoded once: the first one fetches, the
 * others wait for it or find it. Only whole, decoded answers are shared; whoever waited for a request that failed, or
 * that its sender gave up, sends it anew. What is held longest goes first when there is too much of it.
 *
 * Values are shared as they are: nobody may change them.
 *
 * @example
 * const shared = new SharedResponses();
 * const send = shared.through(client.send, { key: "posts", readers: 2 });
 */
export class SharedResponses {
  readonly #entries = new Map<string, Entry>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** `key` tells apart what is decoded or authorized differently; `readers` is how many will ask for each request. */
  through(send: Send, { key, readers }: { readonly key: string; readonly readers: number }): Send {
    return async (request, signal) => {
      const id = `${key}\n${fingerprint(request)}\n${headersOf(request)}`;
      for (let entry = this.#entries.get(id); entry !== undefined; entry = this.#entries.get(id)) {
        const result = await settled(entry.result, signal);
        if (result === undefined) continue;
        entry.taken += 1;
        if (entry.taken >= readers) this.#drop(id, entry);
        return sharedExchange(result);
      }
      return this.#ask(id, readers, request, signal, send);
    };
  }

  async #ask(
    id: string,
    readers: number,
    request: HttpRequest,
    signal: AbortSignal,
    send: Send,
  ): Promise<Exchange> {
    let resolve: (result: ReadResult<unknown>) => void = () => {};
    let reject: (reason: unknown) => void = () => {};
    const result = new Promise<ReadResult<unknown>>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    // Perhaps nobody waits for it.
    result.catch(() => {});
    const entry: Entry = { result, bytes: undefined, taken: 1 };
    this.#entries.set(id, entry);
    const giveUp = (reason: unknown): void => {
      this.#drop(id, entry);
      reject(reason);
    };
    try {
      const exchange = await send(request, signal);
      return {
        ...exchange,
        isShared: true,
        read: async (decode) => {
          try {
            const read = await exchange.read(decode);
            entry.bytes = read.bytes;
            this.#bytes += read.bytes;
            resolve(read);
            if (entry.taken >= readers) this.#drop(id, entry);
            this.#makeRoom();
            return read;
          } catch (error) {
            giveUp(error);
            throw error;
          }
        },
        discard: () => {
          // A walk drops what it has read as well; that is here for the others.
          if (entry.bytes === undefined) giveUp(new Error("given up by its sender"));
          exchange.discard();
        },
      };
    } catch (error) {
      giveUp(error);
      throw error;
    }
  }

  #drop(id: string, entry: Entry): void {
    if (this.#entries.get(id) !== entry) return;
    this.#entries.delete(id);
    this.#bytes -= entry.bytes ?? 0;
    entry.bytes = 0;
  }

  #makeRoom(): void {
    for (const [id, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      if (entry.bytes !== undefined) this.#drop(id, entry);
    }
  }
}

function headersOf({ headers }: HttpRequest): string {
  return JSON.stringify(Object.entries(headers).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The result, or undefined if there will be none. Throws the signal's reason when that is aborted. */
async function settled<T>(result: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  signal.throwIfAborted();
  let stop: (reason: unknown) => void = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  const onAbort = (): void => stop(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([result.catch(() => undefined), stopped]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Nothing is left to read; `decode` was applied by whoever fetched it. */
function sharedExchange(result: ReadResult<unknown>): Exchange {
  return {
    head: result.head,
    isShared: true,
    read: async <T>() => result as ReadResult<T>,
    discard: () => {},
  };
}
