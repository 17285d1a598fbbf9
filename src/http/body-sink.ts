import { AttemptError, tooLarge } from "./attempt-error.js";

/** Where the chunks of a body go. */
export interface Sink {
  add(chunk: Uint8Array): void;
  /** Called once after the last chunk. */
  end(): void;
  /** Nothing follows. May be called more than once. */
  fail(error: unknown): void;
}

/** Resolves with the whole body, or rejects. */
type Settle = [resolve: (body: Uint8Array) => void, reject: (error: Error) => void];

/** Into one buffer of the announced size, with its own memory: no second copy, and it can be handed to another thread. */
export function filling(length: number, ...[resolve, reject]: Settle): Sink {
  const whole = Buffer.allocUnsafeSlow(length);
  let received = 0;
  return {
    add(chunk) {
      if (received + chunk.length <= length) whole.set(chunk, received);
      received += chunk.length;
    },
    end() {
      if (received === length) return resolve(whole);
      const reason = `the body has ${received} bytes, but ${length} were announced`;
      reject(new AttemptError({ code: "http/network", reason, retry: "safe" }));
    },
    fail: (error) => reject(error as Error),
  };
}

/**
 * One after the other, for a body whose length nobody knows.
 *
 * @param refuse called when there is more than `maxBytes`.
 */
export function collecting(
  maxBytes: number,
  refuse: (error: AttemptError) => void,
  ...[resolve, reject]: Settle
): Sink {
  const chunks: Uint8Array[] = [];
  let received = 0;
  return {
    add(chunk) {
      received += chunk.length;
      if (received <= maxBytes) chunks.push(chunk);
      else refuse(tooLarge(maxBytes));
    },
    end: () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, received)),
    fail: (error) => reject(error as Error),
  };
}
