import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { batchOf, type DestinationHarness, destinationLaws } from "../../test/laws/destination.js";
import type { Connection, Destination, PackageHeader } from "../model/destination.js";
import { SYSTEM_COLUMNS, SYSTEM_TABLES, type TableSchema } from "../model/table.js";
import { queryDuckdb } from "./duckdb.js";
import { type FileFormat, folderName, readManifest } from "./file/manifest.js";
import { folderStore } from "./file/store.js";
import { file } from "./file.js";

let folder: string;
let folders = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-file-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

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
  return query === undefined ? [] : queryDuckdb(":memory:", query);
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
  "append adds",
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

const TABLE: TableSchema = {
  name: "t",
  resource: "t",
  primaryKey: ["n"],
  columns: [
    { name: SYSTEM_COLUMNS.id, type: "text", nullable: false },
    { name: "n", type: "bigint", nullable: true },
  ],
};

function header(id: string): PackageHeader {
  const loadId = "load";
  return {
    id,
    tables: [TABLE],
    changes: [{ op: "create-table", table: TABLE }],
    state: {
      fingerprint: "f",
      status: "done",
      loadId,
      loadResources: ["t"],
      packages: 1,
      committedAt: Date.UTC(2024, 0, 1),
    },
    rejects: [],
    startedAt: Date.UTC(2024, 0, 1),
    schemaHash: "h",
  };
}

const connectTo = (destination: Destination): Promise<Connection> =>
  destination.connect("d", new AbortController().signal);

/** Commits one package of rows `n` to table `t`. */
async function commitRows(
  connection: Connection,
  id: string,
  numbers: readonly number[],
  writeDisposition: "append" | "merge" = "append",
): Promise<void> {
  const stage = await connection.stage({ pipeline: "p", loadId: "load", resource: "t", writeDisposition });
  const rows = numbers.map((n) => ({ [SYSTEM_COLUMNS.id]: `${id}-${n}`.padStart(12, "0"), n }));
  await stage.write(batchOf(TABLE, rows));
  await stage.commit(header(id));
  await stage[Symbol.asyncDispose]();
}

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
    expect(await queryDuckdb(":memory:", old!)).toHaveLength(2);
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

test("what can't be is refused early", async () => {
  const path = newFolder();
  await writeFile(path, "a file");
  await expect(connectTo(file(path))).rejects.toMatchObject({ code: "destination/unreachable" });
  await expect(file(path).exists?.()).rejects.toMatchObject({ code: "destination/unreachable" });
  expect(() => file(path, { format: "csv", compression: "snappy" })).toThrow(/snappy/u);
  const other = newFolder();
  await expect(file(other).exists?.()).resolves.toBe(false);
});
