import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { definePipeline, defineResource, duckdb, run } from "../../src/index.js";
import { type CliOptions, sluice } from "./cli.js";
import { query } from "./database.js";
import { type GatedApi, gatedConfiguration, startGatedApi } from "./gated-api.js";

const main = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

let folder: string;
let file: string;
let api: GatedApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-faults-"));
  file = join(folder, "data.duckdb");
});
afterEach(async () => {
  api?.close();
  await rm(folder, { recursive: true });
});

async function serve(count: number): Promise<void> {
  api = await startGatedApi(count);
  for (const name of ["one", "two"])
    await writeFile(join(folder, `${name}.yaml`), gatedConfiguration(api.url, name));
}

const argsFor = (name: string) => [
  "run",
  `${name}.yaml`,
  "--destination",
  `duckdb:${file}`,
  "--dataset",
  "d",
  "--json",
];

function load(name: string, onStart?: CliOptions["onStart"]) {
  return sluice(argsFor(name), { cwd: folder, ...(onStart === undefined ? {} : { onStart }) });
}

const counts = async (name: string) => {
  const [found] = await query(
    file,
    `select count(*)::int as n, count(distinct id)::int as ids, (select count(*)::int from d.items_${name}__tags) as tags, (select sum(rows)::int from d._sluice_loads where resource = 'items_${name}') as loaded from d.items_${name}`,
  );
  return found;
};

/** Runs in a shell in which no file may grow beyond so many KiB: a disk that is full. */
async function loadWithin(kilobytes: number): Promise<{ code: number | null; stderr: string }> {
  const limited = `ulimit -f ${kilobytes} && exec "$@"`;
  const child = spawn("bash", ["-c", limited, "run", process.execPath, main, ...argsFor("one")], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", NO_COLOR: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stderr };
}

it.runIf(process.platform === "linux")(
  "a disk that is full fails the run with what was committed in place; the next one goes on when there is room",
  async () => {
    await serve(1000);
    // Room for some commits, and not for all.
    const { code, stderr } = await loadWithin(700);
    expect(code, stderr).toBe(6);
    expect(stderr).toContain("the commit failed and changed nothing");
    expect(stderr).toContain("There is no more room for the file");
    const { n, ids, tags, loaded } = (await counts("one"))!;
    expect(n).toBeGreaterThan(0);
    expect(n).toBeLessThan(1000);
    expect({ ids, tags, loaded }).toEqual({ ids: n, tags: n, loaded: n });

    const resumed = await load("one");
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toContain("goes on from the last commit");
    expect(await counts("one")).toEqual({ n: 1000, ids: 1000, tags: 1000, loaded: 1000 });
  },
  120_000,
);

it("a writer that stands still keeps others out of the file, whatever their pipeline, and then ends its run", async () => {
  await serve(100);
  const held = api.holdAt(40);
  let pid: number | undefined;
  const first = load("one", (child) => {
    pid = child.pid;
  });
  await held;
  process.kill(pid!, "SIGSTOP");
  for (const name of ["one", "two"]) {
    const refused = await load(name);
    expect(refused.code, refused.stderr).toBe(7);
    expect(refused.stderr).toContain(`PID ${pid}`);
  }
  process.kill(pid!, "SIGCONT");
  api.release();
  expect((await first).code).toBe(0);
  expect((await load("two")).code).toBe(0);
  expect(await counts("one")).toMatchObject({ n: 100, ids: 100, tags: 100 });
  expect(await counts("two")).toMatchObject({ n: 100, ids: 100, tags: 100 });
}, 120_000);

it("two pipelines of one process load into one dataset at once, and neither disturbs the other", async () => {
  const pipeline = (name: string) =>
    definePipeline({
      pipeline: name,
      dataset: "d",
      checkpoint: { rows: 30 },
      destination: duckdb(file),
      source: defineResource({
        name: `items_${name}`,
        async *read() {
          for (let page = 0; page < 10; page++) {
            yield Array.from({ length: 10 }, (_, index) => ({
              id: page * 10 + index,
              tags: [{ tag: name }],
            }));
          }
        },
      }),
    });
  const reports = await Promise.all(["one", "two"].map((name) => run(pipeline(name))));
  expect(reports.map(({ status }) => status)).toEqual(["ok", "ok"]);
  for (const name of ["one", "two"])
    expect(await counts(name)).toEqual({ n: 100, ids: 100, tags: 100, loaded: 100 });
});
