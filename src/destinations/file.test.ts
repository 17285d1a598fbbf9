import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { batchOf, type DestinationHarness, destinationLaws } from "../../test/laws/destination.js";
import { commitRows, header, TABLE } from "../../test/number-table.js";
import type { Connection, Destination } from "../model/destination.js";
import { SYSTEM_COLUMNS, SYSTEM_TABLES, type TableSchema } from "../model/table.js";
import { duckdbInMemory } from "./duckdb.js";
import { file } from "./file.js";
import { createFiles } from "./files/destination.js";
import { folderStore } from "./files/folder.js";
import { EXPIRE_MS, type LeaseClock } from "./files/lease.js";
import { type FileFormat, folderName, readManifest } from "./files/manifest.js";

let folder: string;
let folders = 0;

// One database that all looks are taken with: opening another for each takes longer than the look.
const looks = duckdbInMemory();
let looking: Connection;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-file-"));
  looking = await connectTo(looks.destination);
});

afterAll(async () => {
  await looking[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function newFolder(): string {
  folders += 1;
  return join(folder, String(folders));
}

const IN_MANIFEST: Readonly<Record<string, "state" | "schemas" | "loads">> = {
  [SYSTEM_TABLES.state]: "state",
  [SYSTEM_TABLES.schema]: "schemas",
  [SYSTEM_TABLES.loads]: "loads",
};

async function rowsOf(path: string, dataset: string, table: string): Promise<Record<string, unknown>[]> {
  const listed = IN_MANIFEST[table];
  if (listed !== undefined) {
    return [...(await readManifest(folderStore(path), folderName(dataset)))[listed]];
  }
  const query = await file(path).query(dataset, table);
  return query === undefined ? [] : looks.query(query);
}

function harness(format: FileFormat): DestinationHarness {
  return {
    name: `file ${format}`,
    async open() {
      const path = newFolder();
      return {
        destination: file(path, { format, memory_limit: "256MB" }),
        rows: (dataset, table) => rowsOf(path, dataset, table),
        dispose: () => rm(path, { recursive: true, force: true }),
      };
    },
  };
}

describe("laws of destinations: parquet", () => {
  for (const law of destinationLaws) test(law.name, () => law.check(harness("parquet")));
});

/** Laws on what the format itself does; the rest is the protocol's, which is one for all formats. */
const OF_FORMATS = [
  "merge inserts and updates",
  "a new column keeps old rows",
  "columns widen in place, with rows in the same package",
  "integers of 64 bits are exact",
  "decimals are exact at every precision",
  "doubles are exact to the last bit",
  "times are exact to the microsecond, before 1970 too",
  "text is kept to the byte",
  "the character NUL is kept, in text and in json",
  "booleans, bytes and json are kept",
  "rejects are kept with everything about them",
];

describe.each(["jsonl", "csv"] as const)("laws of destinations: %s", (format) => {
  for (const law of destinationLaws.filter(({ name }) => OF_FORMATS.includes(name))) {
    test(law.name, () => law.check(harness(format)));
  }
});

const connectTo = (destination: Destination): Promise<Connection> =>
  destination.connect("d", new AbortController().signal);

async function numbersIn(path: string): Promise<number[]> {
  const rows = await rowsOf(path, "d", "t");
  return rows.map((row) => Number(row["n"])).toSorted((left, right) => left - right);
}

async function load(path: string, id: string, numbers: readonly number[]): Promise<void> {
  const connection = await connectTo(file(path));
  await commitRows(connection, id, numbers);
  await connection[Symbol.asyncDispose]();
}

const dataFiles = async (path: string): Promise<string[]> => (await readdir(join(path, "d", "t"))).toSorted();

describe("the manifest", () => {
  test("of writers at the same time each commits once, with no row lost", async () => {
    const path = newFolder();
    const writers = ["a", "b", "c", "d"];
    await Promise.all(
      writers.map(async (writer, index) => {
        // Destinations of their own share nothing but the folder, as processes would.
        const connection = await connectTo(file(path));
        for (const round of [0, 1, 2]) {
          await commitRows(connection, `${writer}${round}`, [index * 10 + round], "merge");
        }
        await connection[Symbol.asyncDispose]();
      }),
    );
    expect(await numbersIn(path)).toEqual([0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]);
    const { version, loads } = await readManifest(folderStore(path), "d");
    expect([version, loads.length]).toEqual([12, 12]);
  });

  test("files that it does not name are none, whole or torn", async () => {
    const path = newFolder();
    await load(path, "p1", [1, 2]);
    const [whole] = await dataFiles(path);
    const bytes = await readFile(join(path, "d", "t", whole!));
    await writeFile(join(path, "d", "t", "whole.parquet"), bytes);
    await writeFile(join(path, "d", "t", "torn.parquet"), bytes.subarray(0, 100));
    await writeFile(join(path, "d", "_sluice", "manifest-000000002.json.x.tmp"), "{");
    await load(path, "p2", [3]);
    expect(await numbersIn(path)).toEqual([1, 2, 3]);
  });

  test("a merge writes anew only where it replaces rows", async () => {
    const path = newFolder();
    const connection = await connectTo(file(path));
    await commitRows(connection, "p1", [1, 2], "merge");
    await commitRows(connection, "p2", [3], "merge");
    const before = (await file(path).list("d"))[0]!.files;
    await commitRows(connection, "p3", [3, 4], "merge");
    const after = (await file(path).list("d"))[0]!.files;
    expect(before).toHaveLength(2);
    expect(after).toHaveLength(1);
    expect(await numbersIn(path)).toEqual([1, 2, 3, 4]);
    await connection[Symbol.asyncDispose]();
  });

  test("files are joined, and pruned when nobody can need them", async () => {
    const path = newFolder();
    const destination = file(path);
    await load(path, "p1", [1]);
    await load(path, "p2", [2]);
    const old = await destination.query("d", "t");
    expect(await destination.compact("d")).toEqual([{ table: "t", before: 2, after: 1 }]);
    expect(await destination.compact("d")).toEqual([]);
    expect(await numbersIn(path)).toEqual([1, 2]);
    // A reader that began before goes on.
    expect(await destination.prune("d")).toEqual([]);
    expect(await looks.query(old!)).toHaveLength(2);
    const removed = await destination.prune("d", 0);
    expect(removed.filter((name) => name.endsWith(".parquet"))).toHaveLength(2);
    expect(await dataFiles(path)).toHaveLength(1);
    await load(path, "p3", [3]);
    expect(await numbersIn(path)).toEqual([1, 2, 3]);
    // A package from before is still known.
    await load(path, "p1", [1]);
    expect(await numbersIn(path)).toEqual([1, 2, 3]);
  });

  test("a file of a commit under way is not pruned", async () => {
    const path = newFolder();
    await load(path, "p1", [1]);
    const young = join(path, "d", "t", "young.parquet");
    const old = join(path, "d", "t", "old.parquet");
    for (const name of [young, old]) await writeFile(name, "");
    await utimes(old, 0, 0);
    expect(await file(path).prune("d")).toEqual(["d/t/old.parquet"]);
  });

  test("the format may change between loads", async () => {
    const path = newFolder();
    for (const [index, format] of (["parquet", "jsonl", "csv"] as const).entries()) {
      const compression = format === "parquet" ? "snappy" : "gzip";
      const connection = await connectTo(file(path, { format, compression }));
      await commitRows(connection, `p${index}`, [index]);
      await connection[Symbol.asyncDispose]();
    }
    expect(await numbersIn(path)).toEqual([0, 1, 2]);
  });
});

describe("a process that is killed", () => {
  const child = async (path: string, body: string): Promise<string> => {
    const script = join(path, "..", `kill-${folders}.ts`);
    const at = (name: string): string => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)));
    await writeFile(
      script,
      `const fs = process.getBuiltinModule("node:fs/promises");
const die = () => process.kill(process.pid, "SIGKILL");
const link = fs.link;
fs.link = async (from, to) => {
  if (!to.includes("manifest-")) return link(from, to);
  ${body}
};
process.getBuiltinModule("node:module").syncBuiltinESMExports();
const { file } = await import(${at("file.ts")});
const { batchOf } = await import(${at("../../test/laws/destination.ts")});
const TABLE = ${JSON.stringify(TABLE)};
const connection = await file(${JSON.stringify(path)}).connect("d", new AbortController().signal);
const lease = await connection.acquire("p");
const stage = await connection.stage({ pipeline: "p", loadId: "load", resource: "t", writeDisposition: "append" });
await stage.write(batchOf(TABLE, [{ ${JSON.stringify(SYSTEM_COLUMNS.id)}: "000000000009", n: 9 }]));
await stage.commit(${JSON.stringify(header("p2"))});
`,
    );
    const runner = fileURLToPath(new URL("../../scripts/run-ts.mjs", import.meta.url));
    const running = spawn(process.execPath, [runner, script], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    running.stderr.on("data", (data: Buffer) => (said += data.toString()));
    const [, signal] = (await once(running, "exit")) as [number | null, string | null];
    return signal ?? said;
  };

  test.each([
    ["before it publishes", "die();", [1]],
    ["between publishing and the copy for readers", "await link(from, to); die();", [1, 9]],
  ])("%s leaves the one commit or the other, and its run again is exact", async (_, body, seen) => {
    const path = newFolder();
    await load(path, "p1", [1]);
    expect(await child(path, body)).toBe("SIGKILL");
    expect(await dataFiles(path)).toHaveLength(2);
    expect(await numbersIn(path)).toEqual(seen);
    const connection = await connectTo(file(path));
    // The lease of the dead process is no obstacle.
    const lease = await connection.acquire("p");
    await commitRows(connection, "p2", [9]);
    await lease[Symbol.asyncDispose]();
    await connection[Symbol.asyncDispose]();
    expect(await numbersIn(path)).toEqual([1, 9]);
  });
});

describe("a lease", () => {
  /** Time that passes when it is told to. */
  function clock() {
    let at = Date.UTC(2024, 0, 1);
    const tasks: (() => void)[] = [];
    return {
      now: () => at,
      every: (_: number, task: () => void) => {
        tasks.push(task);
        return () => void tasks.splice(tasks.indexOf(task), 1);
      },
      pass: (milliseconds: number) => (at += milliseconds),
      tick: () => {
        for (const task of tasks) task();
      },
    };
  }

  const connectAt = (path: string, time: LeaseClock): Promise<Connection> => {
    const place = { type: "file", location: path, store: folderStore(path), exists: async () => true };
    return connectTo(createFiles({ ...place, clock: time }, { format: "parquet", memory_limit: "256MB" }));
  };
  const leaseFiles = async (path: string): Promise<string[]> =>
    (await readdir(join(path, "d", "_sluice"))).filter((name) => name.startsWith("lease-"));

  test("that was not renewed is taken over, and its writer can't commit any more", async () => {
    const path = newFolder();
    const time = clock();
    const [paused, other] = [await connectAt(path, time), await connectAt(path, time)];
    const first = await paused.acquire("p");
    await commitRows(paused, "p1", [1]);
    time.pass(EXPIRE_MS);
    await expect(other.acquire("p")).rejects.toMatchObject({ code: "destination/locked" });
    time.pass(1);
    const second = await other.acquire("p");
    await expect(commitRows(paused, "p2", [2])).rejects.toMatchObject({
      code: "destination/locked",
      message: expect.stringContaining("no longer holds"),
    });
    await expect(paused.remember("p", "k", 1)).rejects.toMatchObject({ code: "destination/locked" });
    await commitRows(other, "p3", [3]);
    // Giving back what one does not have any more takes nothing from the other.
    await first[Symbol.asyncDispose]();
    await expect(paused.acquire("p")).rejects.toMatchObject({ code: "destination/locked" });
    expect(await numbersIn(path)).toEqual([1, 3]);
    await second[Symbol.asyncDispose]();
    for (const connection of [paused, other]) await connection[Symbol.asyncDispose]();
  });

  test("that is renewed stays, in one file", async () => {
    const path = newFolder();
    const time = clock();
    const [holder, other] = [await connectAt(path, time), await connectAt(path, time)];
    const lease = await holder.acquire("p");
    for (let round = 0; round < 4; round += 1) {
      time.pass(EXPIRE_MS - 1);
      time.tick();
      await vi.waitFor(async () =>
        expect(await leaseFiles(path)).toEqual([`lease-p-00000000${round + 2}.json`]),
      );
    }
    await expect(other.acquire("p")).rejects.toMatchObject({ code: "destination/locked" });
    await commitRows(holder, "p1", [1]);
    await lease[Symbol.asyncDispose]();
    const next = await other.acquire("p");
    expect(await leaseFiles(path)).toEqual(["lease-p-000000007.json"]);
    await next[Symbol.asyncDispose]();
    for (const connection of [holder, other]) await connection[Symbol.asyncDispose]();
  });

  test("left by a dead process goes to one of the two that find it", async () => {
    const path = newFolder();
    await mkdir(join(path, "d", "_sluice"), { recursive: true });
    const dead = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
    await once(dead, "exit");
    const at = new Date().toISOString();
    const left = { token: "x", pid: dead.pid, host: hostname(), since: at, renewed_at: at };
    await writeFile(join(path, "d", "_sluice", "lease-p-000000001.json"), JSON.stringify(left));
    const taking = await Promise.all([0, 1].map(() => leaseChild(path)));
    // All are ready: now they go at once.
    for (const { child } of taking) child.stdin.write("go\n");
    const said = await Promise.all(taking.map(({ line }) => line));
    expect(said.toSorted()).toEqual(["destination/locked", "taken"]);
    for (const { child } of taking) child.stdin.end();
    await Promise.all(taking.map(({ child }) => once(child, "exit")));
    expect((await readManifest(folderStore(path), "d")).fences).toEqual({ p: 2 });
  });

  /** A process that takes the lease of `p` when it is told to, and holds it until its input ends. */
  async function leaseChild(path: string) {
    const script = join(path, "take.ts");
    await writeFile(
      script,
      `const { file } = await import(${JSON.stringify(fileURLToPath(new URL("file.ts", import.meta.url)))});
const connection = await file(${JSON.stringify(path)}).connect("d", new AbortController().signal);
console.log("ready");
process.stdin.once("data", async () => {
  try {
    await connection.acquire("p");
    console.log("taken");
  } catch (error) {
    console.log(error.code);
  }
});
process.stdin.on("end", () => process.exit(0));
`,
    );
    const runner = fileURLToPath(new URL("../../scripts/run-ts.mjs", import.meta.url));
    const child = spawn(process.execPath, [runner, script], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe("ready");
    return { child, line: lines.next().then(({ value }) => String(value)) };
  }
});

describe("lines that readers can't take are refused when they are written", () => {
  const columns: TableSchema["columns"] = [
    ...TABLE.columns,
    { name: "v", type: "text", nullable: true },
    { name: "b", type: "binary", nullable: true },
  ];
  const wide = { ...TABLE, columns };
  const MB = 1024 * 1024;

  test.each([
    ["csv", "x".repeat(4 * MB - 100), null, true],
    ["csv", "x".repeat(4 * MB), null, false],
    ["csv", '"'.repeat(2 * MB), null, false],
    ["csv", null, new Uint8Array(1.1 * MB), false],
    ["jsonl", "x".repeat(32 * MB - 100), null, true],
    ["jsonl", "\u0001".repeat(6 * MB), null, false],
    ["jsonl", null, new Uint8Array(7 * MB), false],
  ] as const)("%s", async (format, v, b, fits) => {
    const path = newFolder();
    const connection = await connectTo(file(path, { format }));
    const stage = await connection.stage({
      pipeline: "p",
      loadId: "load",
      resource: "t",
      writeDisposition: "append",
    });
    await stage.write(batchOf(wide, [{ [SYSTEM_COLUMNS.id]: "000000000001", n: 1, v, b }]));
    const committing = stage.commit({
      ...header("p1"),
      tables: [wide],
      changes: [{ op: "create-table", table: wide }],
    });
    if (fits) await committing;
    else await expect(committing).rejects.toThrow(/a row of table t is .* MB as a line of (csv|jsonl)/u);
    const rows = await rowsOf(path, "d", "t");
    expect(rows.map((row) => row["v"] === v)).toEqual(fits ? [true] : []);
    await stage[Symbol.asyncDispose]();
    await connection[Symbol.asyncDispose]();
  });
});

test("what can't be is refused early", async () => {
  const path = newFolder();
  await writeFile(path, "a file");
  await expect(connectTo(file(path))).rejects.toMatchObject({ code: "destination/unreachable" });
  await expect(file(path).exists?.()).rejects.toMatchObject({ code: "destination/unreachable" });
  expect(() => file(path, { format: "csv", compression: "snappy" })).toThrow(/snappy/u);
  const other = newFolder();
  await expect(file(other).exists?.()).resolves.toBe(false);
});
