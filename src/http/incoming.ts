import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { tooLarge } from "./attempt-error.js";
import { collecting, filling, type Sink } from "./body-sink.js";
import { encodingsOf, type Flow, unpacking } from "./decompress.js";

/** What of a body is taken before anyone reads it; after that its connection waits. */
const AHEAD_BYTES = 64 * 1024;

/** What a body that nobody wants may still cost to keep its connection alive. */
const DRAIN_BYTES = 64 * 1024;

/**
 * One response on its way in, as undici tells it: the head, then the body chunk by chunk. A stream would cost
 * about a fifth of the whole download (docs/decisions/0004).
 */
export class Incoming implements Dispatcher.DispatchHandler {
  status = 0;
  /** Names in lower case, repeated headers joined with ", "; no inherited keys. */
  headers: Readonly<Record<string, string>> = {};
  /** Resolves when the head is there. Rejects with the library's error, or with the signal's reason. */
  readonly arrived: Promise<void>;

  readonly #isHead: boolean;
  readonly #signal: AbortSignal;
  readonly #onSent: (() => void) | undefined;
  readonly #flow: Flow = {
    halt: () => this.#controller?.pause(),
    goOn: () => void (this.#isOver || this.#controller?.resume()),
  };
  readonly #onAbort = (): void => this.#stop(this.#signal.reason);
  #arrive!: () => void;
  #refuse!: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #held: Uint8Array[] = [];
  #received = 0;
  #sink: Sink | undefined;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;

  /** @param onSent called when the request is written to a connection */
  constructor(method: string, signal: AbortSignal, onSent?: () => void) {
    this.#isHead = method === "HEAD";
    this.#signal = signal;
    this.#onSent = onSent;
    this.arrived = new Promise((resolve, reject) => {
      this.#arrive = resolve;
      this.#refuse = reject;
    });
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /**
   * The whole body without its encodings, with memory of its own where its length was announced. To be called once, and
   * not after `discard`. Rejects with an `AttemptError` if it is larger than `maxBytes`, damaged or not as long as
   * announced, else with the library's error or the signal's reason.
   */
  read(maxBytes: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown): void => {
        this.#sink?.fail(error);
        this.#stop(error);
        reject(error as Error);
      };
      if (this.#failure !== undefined) return refuse(this.#failure.error);
      let sink: Sink;
      try {
        const encodings = encodingsOf(this.headers["content-encoding"]);
        const length = this.#length();
        if (length !== undefined && length > maxBytes) throw tooLarge(maxBytes);
        sink =
          length === undefined || encodings.length > 0
            ? unpacking(encodings, collecting(maxBytes, refuse, resolve, reject), this.#flow, refuse)
            : filling(length, resolve, reject);
      } catch (error) {
        return refuse(error);
      }
      this.#sink = sink;
      for (const chunk of this.#held.splice(0)) sink.add(chunk);
      if (this.#isOver) return sink.end();
      this.#flow.goOn();
    });
  }

  /** Lets the rest of a small body go by, so that its connection can be used again; closes that of a large one. */
  discard(): void {
    if (this.#isOver || this.#sink !== undefined) return;
    const giveUp = (): void => this.#stop(new Error("the body is not wanted"));
    if ((this.#length() ?? 0) > DRAIN_BYTES || this.#received > DRAIN_BYTES) return giveUp();
    this.#held = [];
    this.#sink = { add: () => void (this.#received > DRAIN_BYTES && giveUp()), end() {}, fail() {} };
    this.#flow.goOn();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#failure !== undefined) return controller.abort(this.#failure.error as Error);
    this.#onSent?.();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    // What comes with 1xx is no answer.
    if (status < 200) return;
    this.status = status;
    this.headers = joinHeaders(headers);
    this.#arrive();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    this.#received += chunk.length;
    if (this.#sink !== undefined) return this.#sink.add(chunk);
    this.#held.push(chunk);
    if (this.#received >= AHEAD_BYTES) this.#flow.halt();
  }

  onResponseEnd(): void {
    this.#finish();
    this.#sink?.end();
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (!this.#isOver) this.#fail(error);
  }

  /** Ends the response from our side, whatever state it is in. */
  #stop(error: unknown): void {
    if (this.#isOver) return;
    this.#fail(error);
    // Before there is a connection for it there is nothing to end.
    this.#controller?.abort(error as Error);
  }

  #fail(error: unknown): void {
    this.#finish();
    this.#failure = { error };
    this.#held = [];
    this.#refuse(error);
    this.#sink?.fail(error);
  }

  #finish(): void {
    this.#isOver = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  /** An answer to HEAD announces the length of a body that does not come. */
  #length(): number | undefined {
    const text = this.headers["content-length"];
    return !this.#isHead && text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  }
}

function joinHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const joined = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return joined;
}
