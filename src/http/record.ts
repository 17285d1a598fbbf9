import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SluiceError } from "../model/error.js";
import type { Redactor } from "../model/secret.js";
import { AttemptError } from "./attempt-error.js";
import type { Fetched } from "./fetch.js";
import {
  confidentialBody,
  INDEX_FILE,
  type RecordedExchange,
  type RecordingIndex,
  recordedBody,
  recordedHeaders,
  recordedRequest,
} from "./recording.js";
import type { Tape } from "./tape.js";

/** What a recorder needs. */
export interface RecorderOptions {
  /** The folder; created when missing. A recording that is in it is replaced by the first exchange. */
  readonly folder: string;
  readonly redactor: Redactor;
  /** Milliseconds since 1970 when the pipeline was loaded. */
  readonly startedAt: number;
}

/** Files that a recorder writes: `calls-0001.json`. */
export const EXCHANGE_FILE = /^(.+)-(\d{4,})\.json$/;

/**
 * A tape that sends and keeps every exchange as one JSON file, numbered by resource in the order of sending. Nothing
 * secret is written: not what requests are authorized with, no header that holds a credential, no known secret in
 * whatever form, and of requests for tokens nothing but their URL and the keys of the answer.
 *
 * Requests that were stopped before their body was read leave no file.
 *
 * @throws SluiceError `replay/folder` when the folder holds something else than a recording, or can't be written.
 */
export function createRecorder({ folder, redactor, startedAt }: RecorderOptions): Tape {
  refuseOtherFolder(folder);
  const counts = new Map<string, number>();
  let isOpen = false;

  const nextFile = (resource: string): string => {
    if (!isOpen) openFolder(folder, startedAt);
    isOpen = true;
    const name = resource.replaceAll(/[^\w.-]/g, "_").replace(/^\./, "_");
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return join(folder, `${name}-${String(count).padStart(4, "0")}.json`);
  };

  return async (outgoing, live) => {
    const { resource, confidential, signal } = outgoing;
    const file = nextFile(resource);
    const request = recordedRequest(outgoing, redactor);
    const write = (rest: Pick<RecordedExchange, "response" | "failure">): void => {
      if (!signal.aborted) writeJson(folder, file, { resource, request, ...rest });
    };
    const whole = (body: Uint8Array) =>
      confidential ? confidentialBody(body) : recordedBody(body, redactor);
    let answer: Fetched;
    try {
      answer = await live();
    } catch (error) {
      write({ ...failureOf(error, redactor) });
      throw error;
    }
    const { status } = answer;
    const response = { status, headers: recordedHeaders(answer.headers, confidential, redactor) };
    return {
      status,
      headers: answer.headers,
      async read(maxBytes) {
        let body: Uint8Array;
        try {
          body = await answer.read(maxBytes);
        } catch (error) {
          write({ response, ...failureOf(error, redactor) });
          throw error;
        }
        write({ response: { ...response, body: whole(body) } });
        return body;
      },
      discard() {
        answer.discard();
        write({ response });
      },
    };
  };
}

function failureOf(error: unknown, redactor: Redactor): Pick<RecordedExchange, "failure"> {
  if (!(error instanceof AttemptError)) return {};
  const { code, reason, retry, hint } = error.failure;
  return {
    failure: { code, reason: redactor.redact(reason), retry, ...(hint === undefined ? {} : { hint }) },
  };
}

function refuseOtherFolder(folder: string): void {
  const files = filesIn(folder);
  if (files.length === 0 || files.includes(INDEX_FILE)) return;
  throw new SluiceError("replay/folder", `${folder} holds files that are no recording`, {
    hint: "Give --record a folder that is new or empty; a recording in it is replaced.",
  });
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return [];
    throw new SluiceError("replay/folder", `${folder} can't be read (${codeOf(cause)})`, { cause });
  }
}

function openFolder(folder: string, startedAt: number): void {
  const index: RecordingIndex = {
    format: "sluice-recording",
    version: 1,
    recorded_at: new Date(startedAt).toISOString(),
  };
  try {
    mkdirSync(folder, { recursive: true });
    for (const file of filesIn(folder)) if (EXCHANGE_FILE.test(file)) rmSync(join(folder, file));
  } catch (cause) {
    throw new SluiceError("replay/folder", `${folder} can't be written (${codeOf(cause)})`, { cause });
  }
  writeJson(folder, join(folder, INDEX_FILE), index);
}

/** At once, and not in the background: a run that is killed leaves whole files. */
function writeJson(folder: string, file: string, value: unknown): void {
  try {
    writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`);
  } catch (cause) {
    throw new SluiceError("replay/folder", `${folder} can't be written (${codeOf(cause)})`, { cause });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}
