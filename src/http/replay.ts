import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SluiceError } from "../model/error.js";
import type { Redactor } from "../model/secret.js";
import type { Runtime } from "../model/source.js";
import { AttemptError, tooLarge } from "./attempt-error.js";
import type { Fetched } from "./fetch.js";
import { EXCHANGE_FILE } from "./record.js";
import {
  bodyBytes,
  exchangeKey,
  INDEX_FILE,
  type RecordedExchange,
  type RecordingIndex,
  recordedRequest,
  requestLine,
} from "./recording.js";
import type { Tape } from "./tape.js";

/** A recording, ready to answer. */
export interface Replay {
  readonly tape: Tape;
  /** Milliseconds since 1970 when it was recorded. */
  readonly recordedAt: number;
}

/**
 * Answers requests from a recording; `live` is never called, so no connection is opened. Requests are recognized by
 * resource, method, URL, body and headers, all without credentials. What was sent several times is answered in that
 * order, and from then on by its last answer.
 *
 * @throws SluiceError `replay/folder` when the folder is no recording; `replay/missing` from the tape for a request that
 * was not recorded.
 */
export function openReplay({ folder, redactor }: { folder: string; redactor: Redactor }): Replay {
  const { recorded_at } = readIndex(folder);
  const known = new Map<string, string[]>();
  const lines = new Set<string>();
  for (const file of exchangeFiles(folder)) {
    const { resource, request } = readJson(folder, file) as RecordedExchange;
    const key = exchangeKey(resource, request);
    known.set(key, [...(known.get(key) ?? []), file]);
    lines.add(requestLine(request));
  }
  const turns = new Map<string, number>();
  const tape: Tape = async (outgoing) => {
    outgoing.signal.throwIfAborted();
    const request = recordedRequest(outgoing, redactor);
    const key = exchangeKey(outgoing.resource, request);
    const files = known.get(key);
    const turn = turns.get(key) ?? 0;
    turns.set(key, turn + 1);
    const file = files?.[Math.min(turn, files.length - 1)];
    if (file === undefined) throw missing(folder, requestLine(request), [...lines]);
    return played(folder, file, readJson(folder, file) as RecordedExchange);
  };
  return { tape, recordedAt: Date.parse(recorded_at) };
}

/**
 * The clock of a replay: it starts when the recording was made, and waits take no time but move it on. Chance is always
 * the same.
 */
export function replayRuntime(
  recordedAt: number,
  monotonic: () => number = () => performance.now(),
): Runtime {
  const startedAt = monotonic();
  let slept = 0;
  return {
    now: () => Math.round(recordedAt + monotonic() - startedAt + slept),
    async sleep(ms, signal) {
      signal.throwIfAborted();
      slept += ms;
    },
    random: () => 0.5,
  };
}

function played(folder: string, file: string, { request, response, failure }: RecordedExchange): Fetched {
  const broken = failure === undefined ? undefined : new AttemptError(failure);
  if (response === undefined) throw broken ?? unreadable(folder, `${file} has neither response nor failure`);
  return {
    status: response.status,
    headers: Object.assign(Object.create(null) as Record<string, string>, response.headers),
    async read(maxBytes) {
      if (broken !== undefined) throw broken;
      if (response.body === undefined) {
        throw new SluiceError(
          "replay/missing",
          `the body of ${requestLine(request)} was not recorded (${file})`,
          {
            hint: "It was not read in the recorded run. Record again with --record.",
          },
        );
      }
      const body = bodyBytes(response.body);
      if (body.length > maxBytes) throw tooLarge(maxBytes);
      return body;
    },
    discard() {},
  };
}

function missing(folder: string, wanted: string, lines: readonly string[]): SluiceError {
  const path = wanted.split("?")[0] ?? wanted;
  const near = lines.filter((line) => line.split("?")[0] === path && line !== wanted).slice(0, 3);
  const same = lines.includes(wanted) ? ["the same with other headers, body, or for another resource"] : [];
  const known = [...same, ...near];
  return new SluiceError("replay/missing", `the recording ${folder} has no ${wanted}`, {
    hint: `${known.length === 0 ? "" : `It has ${known.join(", ")}. `}Record again with --record if the configuration has changed; give the same --set as then.`,
  });
}

function readIndex(folder: string): RecordingIndex {
  const index = readJson(folder, INDEX_FILE) as Partial<RecordingIndex> | null;
  if (index?.format !== "sluice-recording")
    throw unreadable(folder, `${INDEX_FILE} is not that of a recording`);
  if (index.version !== 1 || Number.isNaN(Date.parse(index.recorded_at ?? ""))) {
    throw unreadable(folder, "its version is not known; it was made by another version of Sluice");
  }
  return index as RecordingIndex;
}

/** By resource, then in the order of sending. */
function exchangeFiles(folder: string): string[] {
  return readdirSync(folder)
    .flatMap((file) => {
      const [, name, number] = EXCHANGE_FILE.exec(file) ?? [];
      return name === undefined ? [] : [{ file, name, number: Number(number) }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.number - b.number))
    .map(({ file }) => file);
}

function readJson(folder: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(join(folder, file), "utf8")) as unknown;
  } catch (cause) {
    const code = cause instanceof SyntaxError ? "not JSON" : String((cause as NodeJS.ErrnoException).code);
    const isMissing = code === "ENOENT" && !existsSync(folder);
    throw unreadable(
      folder,
      isMissing ? "there is no such folder" : `${file} can't be read (${code})`,
      cause,
    );
  }
}

function unreadable(folder: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError("replay/folder", `${folder} is no usable recording: ${why}`, {
    hint: "Make one with sluice run --record FOLDER.",
    cause,
  });
}
