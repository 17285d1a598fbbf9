import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Flags of Node, such as V8's, which are not taken from NODE_OPTIONS. */
  readonly flags?: readonly string[];
  /** Called with the child's pid when it runs. */
  onStart?(child: Pick<ChildProcessByStdio<null, Readable, Readable>, "pid" | "kill" | "stderr">): void;
}

/** Runs the built command line in a process of its own, with an environment that holds nothing but what is given. */
export function sluice(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const child = spawn(process.execPath, [...(options.flags ?? []), main, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env["PATH"] ?? "", NO_COLOR: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  options.onStart?.(child);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
