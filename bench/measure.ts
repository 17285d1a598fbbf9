import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A program of its own process. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What one run cost: seconds from its start to its end, CPU seconds of all its threads, peak memory in bytes. */
export interface Cost {
  readonly seconds: number;
  readonly cpu: number;
  readonly rss: number;
}

/** GNU time has what the kernel counted for the process and its children. */
const GNU_TIME = "/usr/bin/time";

/**
 * Runs a program to its end in a folder, and gives what it cost and what it printed.
 *
 * @throws Error with what it wrote to stderr when it fails.
 */
export async function measure(program: Program, folder: string): Promise<Cost & { readonly stdout: string }> {
  if (!existsSync(GNU_TIME)) throw new Error(`${GNU_TIME} is missing; on Debian it is the package time`);
  const output = join(tmpdir(), `sluice-bench-time-${process.pid}`);
  const startedAt = performance.now();
  const stdout = await run(
    GNU_TIME,
    ["-f", "%U %S %M", "-o", output, program.command, ...program.args],
    folder,
    program.env ?? {},
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const [user = 0, system = 0, kilobytes = 0] = readFileSync(output, "utf8").trim().split(" ").map(Number);
  rmSync(output);
  return { seconds, cpu: user + system, rss: kilobytes * 1024, stdout };
}

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    // Certificates that are read at every start of Node would be most of what a start costs.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: "", NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}\n${stderr.slice(-4000)}`));
    });
  });
}

/** The first line that a program prints, or undefined when it can't be run. */
export function firstLine(command: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0] : undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The median of each figure. */
export function medianCost(costs: readonly Cost[]): Cost {
  return {
    seconds: median(costs.map(({ seconds }) => seconds)),
    cpu: median(costs.map(({ cpu }) => cpu)),
    rss: median(costs.map(({ rss }) => rss)),
  };
}
