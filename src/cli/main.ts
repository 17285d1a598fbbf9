#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { fail } from "./attempt.js";
import { watchInterrupts } from "./interrupts.js";
import { runCli } from "./program.js";
import type { Session } from "./session.js";

if (process.version.startsWith("v20.")) {
  // The memory of bodies counts for V8 like objects, so that it collects all of a small heap again and again (decision 32).
  setFlagsFromString("--heap-growing-percent=200");
}

const INTERRUPTED = 130;
const SHOW_CURSOR = "\u001b[?25h";

function showCursor(): void {
  if (process.stderr.isTTY) process.stderr.write(SHOW_CURSOR);
}

const session: Session = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signal: watchInterrupts(process, () => {
    showCursor();
    process.exit(INTERRUPTED);
  }),
  now: () => Date.now(),
  every(ms, action) {
    const timer = setInterval(action, ms);
    return () => clearInterval(timer);
  },
  confirm,
  exitCode: 0,
};

async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal: session.signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

/** A reader that has gone (`sluice run | head`) is no reason to stop loading, and no crash. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

async function crash(thrown: unknown): Promise<void> {
  showCursor();
  try {
    process.exitCode = await fail(thrown, session);
  } catch {
    // Not even the error could be shown: say the little that is known.
    console.error(thrown instanceof Error ? thrown.message : String(thrown));
    process.exitCode = 1;
  }
  process.exit();
}

process.stdout.on("error", ignoreClosedPipe);
process.stderr.on("error", ignoreClosedPipe);
process.on("uncaughtException", (error) => void crash(error));
process.on("unhandledRejection", (reason) => void crash(reason));

await runCli(process.argv.slice(2), session);
process.exitCode = session.exitCode;
// A pooled connection or a database thread may keep the process alive; everything that matters is committed by now.
await Promise.all([process.stdout, process.stderr].map(flushed));
process.exit();

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write("", () => resolve());
  });
}
