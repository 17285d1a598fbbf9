import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Destination, duckdb, restApi, run } from "../../src/index.js";
import { sluice } from "./cli.js";

// What a call of the command line loads is what it takes to start (docs/decisions/0027).

let folder: string;
let server: Server;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-loaded-"));
  server = createServer((_, response) => {
    response.setHeader("content-type", "application/json").end('{"calls":[]}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

/** The paths of all files that one call loads. */
async function loaded(args: readonly string[], expected = 0): Promise<readonly string[]> {
  const list = join(folder, "loaded.txt");
  await writeFile(list, "");
  const hook = new URL("loaded.mjs", import.meta.url).href;
  const env = { NODE_OPTIONS: `--import ${hook}`, LOADED_TO: list };
  const { code, stderr } = await sluice(args, { cwd: folder, env });
  expect({ code, stderr }).toEqual({ code: expected, stderr: expected === 0 ? "" : expect.any(String) });
  return (await readFile(list, "utf8")).trim().split("\n");
}

/** Sluice's own files, by their names without the hash. */
function ownOf(files: readonly string[]): readonly string[] {
  const names = files.flatMap((file) => /\/dist\/src\/(.*?)(?:-\w{8})?\.js$/.exec(file)?.[1] ?? []);
  return [...new Set(names)].sort();
}

/** Names of the packages that files are of; DuckDB's are one. */
function packagesOf(files: readonly string[]): readonly string[] {
  const names = files.flatMap((file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
  return [...new Set(names.map((name) => name.replace(/^@duckdb\/.*/, "@duckdb")))].sort();
}

async function pipeline(file: string, more: object = {}): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const config = {
    pipeline: "calls",
    destination: `duckdb:${folder}/calls.duckdb`,
    client: { base_url: `http://127.0.0.1:${port}`, paginator: "single_page" },
    resources: [{ name: "calls", endpoint: { data_selector: "calls" } }],
    ...more,
  };
  await writeFile(join(folder, file), JSON.stringify(config));
  return file;
}

/** Whatever a run from a REST API into DuckDB can't do without; a package more is a slower start of every run. */
const RUN = ["@duckdb", "detect-libc"];

it("--help loads the command line and nothing of the engine", async () => {
  const files = await loaded(["--help"]);
  expect(packagesOf(files)).toEqual([]);
  const own = ownOf(files);
  expect(own.filter((file) => /^(index|api)/.test(file))).toEqual([]);
  expect(own.length).toBeLessThan(4);
});

it("a run into DuckDB loads its driver, HTTP and the checks of the configuration", async () => {
  const files = await loaded(["run", await pipeline("calls.json"), "--quiet"]);
  expect(packagesOf(files)).toEqual(RUN);
  // Sluice itself, with what is built in, is a few files, one of them what DuckDB's thread begins with.
  const own = ownOf(files);
  expect(own).toContain("duckdb-thread");
  // All of Zod, with its languages, is for those who import the package.
  expect(own).not.toContain("index");
  expect(own.length).toBeLessThan(24);
});

it("DuckDB's thread starts before the configuration is checked, where its text lets expect it", async () => {
  const starts = async (file: string, code: number, ...args: string[]) =>
    ownOf(await loaded(["run", file, "--quiet", ...args], code)).includes("duckdb-thread");
  const wrong = await pipeline("wrong.json", { resources: 7 });
  expect(await starts(wrong, 2)).toBe(true);
  expect(await starts(wrong, 2, "--destination", "postgres://h/d")).toBe(false);
  expect(await starts(await pipeline("default.json", { destination: undefined, resources: 7 }), 2)).toBe(
    true,
  );
  expect(await starts(await pipeline("other.json", { destination: "file:folder", resources: 7 }), 2)).toBe(
    false,
  );
  expect(await starts("none.json", 2)).toBe(false);
  // It was wrong to expect it, which does no harm.
  const files = await pipeline("duckdb.yaml", { destination: "file:duckdb" });
  expect(await starts(files, 0)).toBe(true);
});

it("a YAML configuration takes YAML, which is one file more", async () => {
  const plain = await loaded(["run", await pipeline("calls.json"), "--quiet"]);
  const files = await loaded(["run", await pipeline("calls.yaml"), "--quiet"]);
  expect(packagesOf(files)).toEqual(RUN);
  expect(ownOf(files).filter((file) => !ownOf(plain).includes(file))).toHaveLength(1);
});

it("checking a configuration takes neither HTTP nor a driver", async () => {
  const files = await loaded([
    "check",
    await pipeline("calls.json"),
    "--json",
    "--destination",
    "postgres://h/d",
  ]);
  expect(packagesOf(files)).toEqual([]);
});

/** One run in this process, from the sources. */
function load(destination: Destination) {
  const { port } = server.address() as AddressInfo;
  return run({
    pipeline: "calls",
    source: restApi({
      client: { base_url: `http://127.0.0.1:${port}`, paginator: "single_page" },
      resources: [{ name: "calls", endpoint: { data_selector: "calls" } }],
    }),
    destination,
  });
}

it("many runs that find nothing new leave a DuckDB file as large as a few", async () => {
  const path = join(folder, "calls.duckdb");
  const sizes: number[] = [];
  for (let runs = 0; runs < 12; runs++) {
    expect((await load(duckdb(path))).status).toBe("ok");
    sizes.push((await stat(path)).size);
  }
  // A checkpoint writes beside what it replaces, so two sizes take turns.
  expect(Math.max(...sizes.slice(4))).toBeLessThanOrEqual(Math.max(...sizes.slice(0, 4)));
});
