import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { AttemptError, tooLarge } from "./attempt-error.js";
import { collecting, filling, type Sink } from "./body-sink.js";
import { noteKeepAlive } from "./connections.js";
import { encodingsOf, type Flow, unpacking } from "./decompress.js";
import type { Timeouts } from "./fetch.js";
import { cutShort } from "./network-failure.js";

/** What of a body is taken before anyone reads it; after that its connection waits. */
const AHEAD_BYTES = 64 * 1024;

/** What a body that nobody wants may still cost to keep its connection alive. */
const DRAIN_BYTES = 64 * 1024;

/** The longest that Node can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** One request under way, and its response on the way in: the head, then the body chunk by chunk. */
export class Incoming {
  status = 0;
  /** Names in lower case, repeated headers joined with ", "; no inherited keys. */
  headers: Readonly<Record<string, string>> = {};
  /** Resolves when the head is there. Rejects with Node's error, an `AttemptError`, or the signal's reason. */
  readonly arrived: Promise<void>;

  readonly #request: ClientRequest;
  readonly #timeouts: Timeouts;
  readonly #signal: AbortSignal;
  readonly #onSent: (() => void) | undefined;
  readonly #flow: Flow = {
    // That the connection waits for us is no pause of the server's.
    halt: () => {
      clearTimeout(this.#timer);
      this.#limitS = 0;
      this.#response?.pause();
    },
    goOn: () => {
      if (this.#isOver || this.#response?.isPaused() !== true) return;
      this.#limit(this.#timeouts.bodyS, "no data for");
      this.#response.resume();
    },
  };
  readonly #onAbort = (): void => this.#stop(this.#signal.reason);
  #arrive!: () => void;
  #refuse!: (error: unknown) => void;
  #response: IncomingMessage | undefined;
  #timer: NodeJS.Timeout | undefined;
  #limitS = 0;
  #lateness = "";
  #held: Uint8Array[] = [];
  #received = 0;
  #sink: Sink | undefined;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param request one that has just begun
   * @param onSent called when it is written to a connection
   */
  constructor(request: ClientRequest, timeouts: Timeouts, signal: AbortSignal, onSent?: () => void) {
    this.#request = request;
    this.#timeouts = timeouts;
    this.#signal = signal;
    this.#onSent = onSent;
    this.arrived = new Promise((resolve, reject) => {
      this.#arrive = resolve;
      this.#refuse = reject;
    });
    signal.addEventListener("abort", this.#onAbort, { once: true });
    request
      .on("socket", (socket) => this.#onSocket(socket))
      .on("response", (response) => this.#onResponse(response))
      .on("error", (error) => this.#onLost(() => error))
      // Also where Node has no error to tell, as of a body that breaks off.
      .on("close", () => this.#onLost(cutShort));
  }

  /**
   * The whole body without its encodings, with memory of its own where its length was announced. To be called once, and
   * not after `discard`. Rejects with an `AttemptError` if it is larger than `maxBytes`, damaged or not as long as
   * announced, else with Node's error or the signal's reason.
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

  #onSocket(socket: Socket): void {
    if (this.#isOver) return;
    if (this.#request.reusedSocket) return this.#onWritten();
    this.#limit(this.#timeouts.connectS, "no connection within");
    socket.once(this.#request.protocol === "https:" ? "secureConnect" : "connect", () => this.#onWritten());
  }

  #onWritten(): void {
    if (this.#isOver) return;
    this.#limit(this.#timeouts.headersS, "no response within");
    this.#onSent?.();
  }

  #onResponse(response: IncomingMessage): void {
    if (this.#isOver) return;
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = joinHeaders(response.rawHeaders);
    noteKeepAlive(response.socket, this.headers["keep-alive"]);
    this.#limit(this.#timeouts.bodyS, "no data for");
    response.on("data", (chunk: Buffer) => this.#onData(chunk)).on("end", () => this.#onEnd());
    this.#arrive();
  }

  #onData(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#timer?.refresh();
    this.#received += chunk.length;
    if (this.#sink !== undefined) return this.#sink.add(chunk);
    this.#held.push(chunk);
    if (this.#received >= AHEAD_BYTES) this.#flow.halt();
  }

  #onEnd(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#sink?.end();
  }

  #onLost(error: () => unknown): void {
    // What is all there stays readable, whatever becomes of its connection.
    if (!this.#isOver && this.#response?.complete !== true) this.#fail(error());
  }

  /** Stops the request in so many seconds, unless something else comes first; one timer serves for all of them. */
  #limit(seconds: number, reason: string): void {
    this.#lateness = reason;
    if (seconds === this.#limitS) {
      this.#timer?.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#limitS = seconds;
    this.#timer = setTimeout(() => this.#late(), Math.min(seconds * 1000, MAX_TIMER_MS));
  }

  #late(): void {
    const reason = `${this.#lateness} ${this.#limitS} s`;
    this.#stop(new AttemptError({ code: "http/timeout", reason, retry: "safe" }));
  }

  /** Ends the request from our side, whatever state it is in. */
  #stop(error: unknown): void {
    if (this.#isOver) return;
    this.#fail(error);
    this.#request.destroy();
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
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  /** An answer to HEAD announces the length of a body that does not come; so may one that says that nothing has changed. */
  #length(): number | undefined {
    const text = this.headers["content-length"];
    const isBodiless = this.#request.method === "HEAD" || this.status === 304 || this.status === 204;
    return !isBodiless && text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  }
}

function joinHeaders(raw: readonly string[]): Record<string, string> {
  const joined = Object.create(null) as Record<string, string>;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const before = joined[name];
    joined[name] = before === undefined ? raw[i + 1]! : `${before}, ${raw[i + 1]}`;
  }
  return joined;
}
