import type { Transform } from "node:stream";
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  type ZlibOptions,
} from "node:zlib";
import { AttemptError } from "./attempt-error.js";
import type { Sink } from "./body-sink.js";

/** What gives the chunks: it can be made to wait. */
export interface Flow {
  halt(): void;
  goOn(): void;
}

/** Makes the stream that undoes an encoding, seeing the body's first bytes. */
type Unpacker = (options: ZlibOptions, first: Uint8Array) => Transform;

const ENCODINGS: ReadonlyMap<string, Unpacker> = new Map<string, Unpacker>([
  ["gzip", createGunzip],
  ["x-gzip", createGunzip],
  ["br", createBrotliDecompress],
  // RFC 9110 §8.4.1.2: it should have a zlib header, and some servers leave it out. No encoder begins without
  // one like that.
  ["deflate", (options, [first = 0]) => ((first & 0x0f) === 8 ? createInflate : createInflateRaw)(options)],
]);

/** Unbounded chains of encodings are an attack (CVE-2026-22036); more than two have no use. */
const MAX_ENCODINGS = 2;

/**
 * Half as many calls as the default of 16 KiB would need; measured 1.5 times faster on pages of 188 KB. As much may wait
 * to be unpacked.
 */
const OPTIONS = { chunkSize: 256 * 1024, writableHighWaterMark: 256 * 1024 };

/**
 * The encodings of a body, the last one first (RFC 9110 §8.4).
 *
 * @throws AttemptError if one of them is unknown, or there are too many.
 */
export function encodingsOf(contentEncoding: string | undefined): readonly string[] {
  if (contentEncoding === undefined) return [];
  const names = contentEncoding
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && name !== "identity");
  if (names.length > MAX_ENCODINGS) throw notUnpackable(`${names.length} encodings on one body`, "never");
  if (names.some((name) => !ENCODINGS.has(name))) throw notUnpackable("an unknown content-encoding", "never");
  return names.toReversed();
}

/**
 * Undoes these encodings, chunk by chunk as they arrive, and hands on what comes out.
 *
 * @param from waits when more arrives than is unpacked.
 * @param refuse called when the body is damaged or incomplete.
 */
export function unpacking(
  [name, ...others]: readonly string[],
  into: Sink,
  from: Flow,
  refuse: (error: AttemptError) => void,
): Sink {
  if (name === undefined) return into;
  let stream: Transform | undefined;
  let isWhole = false;
  let isUnpacked = false;
  const next = unpacking(others, into, { halt: () => stream?.pause(), goOn: () => stream?.resume() }, refuse);
  const start = (first: Uint8Array): Transform => {
    const unpacker = ENCODINGS.get(name)!(OPTIONS, first);
    return unpacker
      .on("data", (chunk: Buffer) => next.add(chunk))
      .on("drain", () => from.goOn())
      .on("end", () => {
        isUnpacked = true;
        // Bytes behind the end are let by.
        from.goOn();
        if (isWhole) next.end();
      })
      .on("error", (error) => refuse(notUnpackable(`a damaged or incomplete ${name} body`, "safe", error)));
  };
  return {
    add(chunk) {
      if (isUnpacked) return;
      stream ??= start(chunk);
      if (!stream.write(chunk)) from.halt();
    },
    end() {
      isWhole = true;
      // Answers without content often carry the header all the same.
      if (stream === undefined || isUnpacked) next.end();
      else stream.end();
    },
    fail(error) {
      stream?.destroy();
      next.fail(error);
    },
  };
}

function notUnpackable(reason: string, retry: "safe" | "never", cause?: unknown): AttemptError {
  return new AttemptError({ code: "http/encoding", reason, retry, cause });
}
