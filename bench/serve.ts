import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Dataset, Range } from "./data/dataset.js";
import { expectedSums, type Sums } from "./data/sums.js";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The programs of the benchmark are compiled: as they run in the packages that they stand for. */
export const compiled = (program: string): string => `${ROOT}bench/dist/${program}.js`;

/** @throws Error when they don't compile. */
export function compile(): void {
  const tsc = `${ROOT}node_modules/typescript/bin/tsc`;
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", `${ROOT}bench/tsconfig.json`], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the benchmark does not compile:\n${stdout}`);
}

export interface Served {
  readonly dataset: Dataset;
  readonly range: Range;
  readonly rows: number;
  /** Bytes of JSON, unpacked. */
  readonly bytes: number;
  readonly pages: number;
  readonly url: string;
  /** What must be found in the tables. */
  readonly sums: Sums;
  [Symbol.dispose](): void;
}

export interface ServeOptions extends Partial<Range> {
  readonly dataset: Dataset;
  readonly rows: number;
  readonly size: number;
  readonly gzip?: boolean;
  /** Milliseconds before each answer. */
  readonly latency?: number;
}

/** Starts a server of its own for some records, and resolves when its pages are made. */
export async function serve({ dataset, rows, size, ...others }: ServeOptions): Promise<Served> {
  const range = { from: others.from ?? 0, rows, step: others.step ?? 1, edition: others.edition ?? 0 };
  const { gzip = false, latency = 0 } = others;
  const options = JSON.stringify({ ...range, dataset: dataset.name, size, gzip, latency });
  const server = spawn(process.execPath, [compiled("server"), options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = (): void => void server.kill();
  process.once("exit", kill);
  const sums = expectedSums(dataset, range);
  const [line] = (await Promise.race([
    once(createInterface(server.stdout), "line"),
    once(server, "exit").then(() => Promise.reject(new Error("the server did not start"))),
  ])) as [string];
  return {
    dataset,
    range,
    rows,
    sums,
    ...(JSON.parse(line) as { url: string; bytes: number; pages: number }),
    [Symbol.dispose]() {
      process.off("exit", kill);
      kill();
    },
  };
}
