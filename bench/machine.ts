import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { firstLine } from "./measure.js";
import { ROOT } from "./serve.js";

/** What figures depend on, one line each. */
export function machine(): Record<string, string> {
  const version = (name: string) =>
    (JSON.parse(readFileSync(`${ROOT}node_modules/${name}/package.json`, "utf8")) as { version: string })
      .version;
  return {
    machine: `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`,
    node: process.version,
    packages: ["@duckdb/node-api", "pg"].map((name) => `${name} ${version(name)}`).join(", "),
    commit: firstLine("git", ["-C", ROOT, "rev-parse", "--short", "HEAD"]) ?? "unknown",
    ...peers(),
  };
}

function peers(): Record<string, string> {
  const versions = firstLine(`${ROOT}bench/dist/python/bin/python`, [
    "-c",
    "import sys, dlt, duckdb; print(f'Python {sys.version.split()[0]}, dlt {dlt.__version__}, duckdb {duckdb.__version__}')",
  ]);
  return versions === undefined ? {} : { peers: versions };
}

/** Work of others on the same cores, which every figure suffers from: processes that run or wait, minute by minute. */
export const load = (): string => (loadavg()[0] ?? 0).toFixed(1);
