import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Column, TableSchema, YieldedPage } from "../../src/index.js";
import type { Connection, PackageHeader, StagePlan } from "../../src/model/destination.js";

// The built package: only there DuckDB has a thread of its own.
const built = (path: string) => new URL(`../../dist/src/${path}.js`, import.meta.url).href;
const { defineResource, duckdb, run, SluiceError } = (await import(
  built("index")
)) as typeof import("../../src/index.js");
const { batchOf, destinationLaws } = (await import(
  built("testing")
)) as typeof import("../../src/testing.js");
const { queryDuckdb } = (await import(built("duckdb"))) as typeof import("../../src/destinations/duckdb.js");

const TABLE: TableSchema = {
  name: "t",
  resource: "r",
  primaryKey: [],
  columns: [
    { name: "_sluice_id", type: "text", nullable: false },
    { name: "_sluice_load_id", type: "text", nullable: false },
    { name: "n", type: "bigint", nullable: true },
  ],
};
const PLAN: StagePlan = { pipeline: "p", loadId: "l1", resource: "r", writeDisposition: "append" };
const PACKAGE: PackageHeader = {
  id: "l1/r/1",
  tables: [TABLE],
  changes: [{ op: "create-table", table: TABLE }],
  state: {
    fingerprint: "f",
    status: "done",
    loadId: "l1",
    loadStartedAt: 0,
    loadResources: ["r"],
    packages: 1,
    committedAt: 1,
  },
  rejects: [],
  startedAt: 0,
  schemaHash: "h",
};

let folder: string;
let files = 0;
/** Open all the time, so that the thread is started once. */
let standing: Connection;

const newFile = () => join(folder, `${++files}.duckdb`);
const { signal } = new AbortController();
const rowsFrom = (first: number, count: number) =>
  batchOf(
    TABLE,
    Array.from({ length: count }, (_, at) => ({
      _sluice_id: String(first + at).padStart(12, "0"),
      _sluice_load_id: "l1",
      n: BigInt(first + at),
    })),
  );
const buffersOf = (columns: readonly Column[]) =>
  columns.flatMap((column) => [column.data, ...(column.kind === "text" ? [column.offsets] : [])]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-thread-"));
  standing = await duckdb(newFile()).connect("d", signal);
});
afterAll(async () => {
  await standing[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

describe("the laws of destinations hold across threads", () => {
  const harness = {
    name: "duckdb in a thread",
    async open() {
      const path = newFile();
      return {
        destination: duckdb(path, { memory_limit: "256MB" }),
        async rows(dataset: string, table: string) {
          const quoted = [dataset, table].map((name) => `"${name.replaceAll('"', '""')}"`).join(".");
          const [catalog] = await queryDuckdb(path, "SELECT current_database() AS name");
          try {
            return await queryDuckdb(path, `SELECT * FROM "${String(catalog?.["name"])}".${quoted}`);
          } catch (error) {
            if (error instanceof SluiceError && error.message.includes("does not exist")) return [];
            throw error;
          }
        },
        dispose: () => rm(path, { force: true }),
      };
    },
  };
  for (const law of destinationLaws) it(law.name, () => law.check(harness));
});

describe("a stage in the thread", () => {
  it("is handed the memory of batches, in their order", async () => {
    const path = newFile();
    await using connection = await duckdb(path).connect("d", signal);
    await using stage = await connection.stage(PLAN);
    const batches = Array.from({ length: 50 }, (_, at) => rowsFrom(100 * at, 100));
    for (const batch of batches) await stage.write(batch);
    for (const { columns } of batches) {
      for (const buffer of buffersOf(columns)) expect(buffer.byteLength).toBe(0);
    }
    const receipt = await stage.commit(PACKAGE);
    expect(receipt.tables["t"]?.inserted).toBe(5000);
    const found = await queryDuckdb(path, "SELECT n FROM d.t ORDER BY rowid");
    expect(found.map(({ n }) => Number(n))).toEqual(Array.from({ length: 5000 }, (_, n) => n));
  });

  it("copies a column that is a part of larger memory, and leaves that alone", async () => {
    const path = newFile();
    await using connection = await duckdb(path).connect("d", signal);
    await using stage = await connection.stage(PLAN);
    const batch = rowsFrom(0, 3);
    const larger = new BigInt64Array([9n, 0n, 1n, 2n, 9n]);
    const columns = batch.columns.map((column) =>
      column.kind === "int64" ? { ...column, data: larger.subarray(1, 4) } : column,
    );
    await stage.write({ ...batch, columns });
    expect(larger).toEqual(new BigInt64Array([9n, 0n, 1n, 2n, 9n]));
    await stage.commit(PACKAGE);
    const found = await queryDuckdb(path, "SELECT n FROM d.t ORDER BY n");
    expect(found).toEqual([{ n: 0n }, { n: 1n }, { n: 2n }]);
  });

  it("throws what goes wrong there, with its code and place", async () => {
    const path = newFile();
    await using connection = await duckdb(path).connect("d", signal);
    await using stage = await connection.stage(PLAN);
    const twice: TableSchema = { ...TABLE, columns: [...TABLE.columns, TABLE.columns[2]!] };
    const refused = {
      name: "SluiceError",
      code: "destination/failed",
      kind: "destination",
      at: { resource: "r", table: "t" },
      message: expect.stringMatching(/^staging rows failed: .*already exists/),
    };
    const columns = rowsFrom(0, 1).columns;
    const wrong = stage.write({ table: twice, rows: 1, columns: [...columns, columns[2]!], bytes: 1 });
    await expect(wrong).rejects.toMatchObject(refused);
    await expect(wrong).rejects.toBeInstanceOf(SluiceError);
    expect(await connection.state("p")).toBeUndefined();
  });
});

describe("runs in one process", () => {
  const load = (pipeline: string, path: string, pages: AsyncIterable<YieldedPage>) =>
    run({
      pipeline,
      dataset: "d",
      source: defineResource({ name: pipeline, read: () => pages }),
      destination: duckdb(path),
      checkpoint: { rows: 100 },
    });

  it("load into one file at the same time; who looks sees what is committed, and no more", async () => {
    const path = newFile();
    const seen: unknown[] = [];
    async function* pages(table: string) {
      for (let page = 0; page < 10; page++) {
        const records = Array.from({ length: 50 }, (_, n) => ({ n: 50 * page + n }));
        yield { records, resume: { page } };
        if (page % 2 === 0) continue;
        // The first commit may still be under way.
        const [found] = await queryDuckdb(
          path,
          `SELECT coalesce(sum(estimated_size), 0)::INT AS rows FROM duckdb_tables() WHERE table_name = '${table}'`,
        );
        seen.push(found?.["rows"]);
      }
    }
    const reports = await Promise.all(["one", "two"].map((name) => load(name, path, pages(name))));
    expect(reports.map(({ status }) => status)).toEqual(["ok", "ok"]);
    // Every hundred rows a commit: what is staged beyond them is in nobody's sight.
    expect(seen.map((rows) => Number(rows) % 100)).toEqual(Array.from({ length: 10 }, () => 0));
    expect(await queryDuckdb(path, "SELECT count(*) AS one FROM d.one")).toEqual([{ one: 500n }]);
    expect(await queryDuckdb(path, "SELECT count(*) AS two FROM d.two")).toEqual([{ two: 500n }]);
  });

  it("refuse a second one of a pipeline, by the code that the thread gave", async () => {
    const destination = duckdb(newFile());
    await using connection = await destination.connect("d", signal);
    await using _lease = await connection.acquire("p");
    await using second = await destination.connect("d", signal);
    await expect(second.acquire("p")).rejects.toMatchObject({ code: "destination/locked", kind: "locked" });
  });
});

describe("a process", () => {
  /** Runs a program with the built package, until it ends by itself. */
  async function program(text: string, flags: readonly string[] = []) {
    const file = join(folder, `${++files}.mjs`);
    const imports = `import { batchOf } from "${built("testing")}";
import { defineResource, duckdb, run } from "${built("index")}";
const signal = new AbortController().signal;
const table = ${JSON.stringify(TABLE)}, plan = ${JSON.stringify(PLAN)}, pkg = ${JSON.stringify(PACKAGE)};
const batch = batchOf(table, [{ _sluice_id: "1", _sluice_load_id: "l1", n: 1 }]);
const destination = duckdb(${JSON.stringify(newFile())});
const say = (value) => console.log(JSON.stringify(value));
`;
    await writeFile(file, imports + text);
    const child = spawn(process.execPath, [...flags, file], { stdio: ["ignore", "pipe", "inherit"] });
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    const [code] = (await once(child, "close")) as [number | null];
    return {
      code,
      lines: stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown),
    };
  }

  it("ends after a run", async () => {
    const { code, lines } = await program(`
const source = defineResource({ name: "r", read: () => [[{ a: 1 }]] });
say((await run({ pipeline: "p", source, destination })).status);`);
    expect({ code, lines }).toEqual({ code: 0, lines: ["ok"] });
  });

  it("ends with connections and stages that nobody closed", async () => {
    const { code, lines } = await program(`
const connection = await destination.connect("d", signal);
await connection.acquire("p");
await (await connection.stage(plan)).write(batch);
say("left");`);
    expect({ code, lines }).toEqual({ code: 0, lines: ["left"] });
  });

  it("that exits while the database is at work exits with its own code", async () => {
    const { code } = await program(`
const connection = await destination.connect("d", signal);
const stage = await connection.stage(plan);
await stage.write(batch);
void stage.commit(pkg);
setImmediate(() => process.exit(7));`);
    expect(code).toBe(7);
  });

  it("is told when the thread breaks: every call under way and after it fails", async () => {
    const preload = join(folder, "mortal.mjs");
    await writeFile(
      preload,
      `import { isMainThread } from "node:worker_threads";
if (!isMainThread) {
  const { DuckDBAppender } = (await import("${built("duckdb-driver")}")).default;
  const { appendDataChunk } = DuckDBAppender.prototype;
  let appends = 0;
  DuckDBAppender.prototype.appendDataChunk = function (chunk) {
    // The first one is the test of strings.
    if (appends++ > 0) setImmediate(() => { throw new TypeError("hidden"); });
    return appendDataChunk.call(this, chunk);
  };
}`,
    );
    const { code, lines } = await program(
      `
const codes = async (task) => { try { say(await task() ?? "nothing"); } catch (e) { say([e.code, e.message]); } };
const connection = await destination.connect("d", signal);
const stage = await connection.stage(plan);
await stage.write(batch);
await codes(() => stage.commit(pkg));
await codes(() => connection.state("p"));
await codes(() => destination.connect("d", signal));
await codes(() => stage[Symbol.asyncDispose]());
await codes(() => connection[Symbol.asyncDispose]());`,
      ["--import", preload],
    );
    const ended = ["destination/failed", "the thread that writes to the database broke (TypeError)"];
    expect({ code, lines }).toEqual({ code: 0, lines: [ended, ended, ended, "nothing", "nothing"] });
  });
});
