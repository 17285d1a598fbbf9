import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { SluiceError } from "../../model/error.js";
import { openThread, type Thread } from "../../thread/thread.js";

/** What `worker.ts` is built into (scripts/build.mjs), beside the file that this is built into. */
const FILE = new URL("./duckdb-thread.js", import.meta.url);

let isThreaded: boolean | undefined;

/**
 * The thread that opens all database files of this process: DuckDB does not refuse a second instance on one file within
 * one process, and two of them corrupt it. Undefined where there is none, and everything is done in this thread: with one
 * processor it would gain nothing, and sources that are run uncompiled have no file for it.
 */
export function openDuckdbThread(): Thread | undefined {
  // Decided once, or there would be two instances.
  isThreaded ??= availableParallelism() > 1 && existsSync(FILE);
  return isThreaded ? openThread(FILE, { broken: brokenThread }) : undefined;
}

function brokenThread(why: string): SluiceError {
  return new SluiceError("destination/failed", `the thread that writes to the database broke (${why})`, {
    hint:
      "What was committed is in the database. Run again in a new process; if it breaks again, give the process more " +
      "memory, or report it.",
  });
}
