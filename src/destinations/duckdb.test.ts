import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { batchOf, type DestinationHarness, destinationLaws } from "../../test/laws/destination.js";
import type { Connection, Destination, PackageHeader, StagePlan } from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import { type ColumnSchema, SYSTEM_COLUMNS, type TableSchema } from "../model/table.js";
import { openDatabase, publicMessage } from "./duckdb/database.js";
import { provenStrings } from "./duckdb/stage.js";
import type { StringMode } from "./duckdb/vectors.js";
import { createDuckdb, duckdb, duckdbDestination, queryDuckdb } from "./duckdb.js";

let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-duckdb-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function newFile(): string {
  files += 1;
  return join(folder, `${files}.duckdb`);
}

/** `wrap` may break the destination, to see that the laws notice. */
function harness(
  internals: Parameters<typeof createDuckdb>[1] = {},
  wrap: (whole: Destination) => Destination = (whole) => whole,
): DestinationHarness {
  return {
    name: "duckdb",
    async open() {
      const path = newFile();
      const options = duckdbDestination.options.parse({ path, memory_limit: "256MB" });
      return {
        destination: wrap(createDuckdb(options, internals)),
        async rows(dataset, table) {
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
}

describe("laws of destinations", () => {
  for (const law of destinationLaws) test(law.name, () => law.check(harness()));
});

describe("straight into the tables", () => {
  // Of other dispositions no row goes straight.
  const isOther = /merge|scd2|replace|part|snapshot|hard_delete|deleted|key/u;
  const laws = destinationLaws.filter(({ name }) => !isOther.test(name));
  for (const law of laws)
    test(`${law.name}, from the first row`, () => law.check(harness({ straightFrom: 0 })));
  for (const law of laws.filter(({ name }) => /column|batches|fail/u.test(name)))
    test(`${law.name}, after some rows have waited`, () => law.check(harness({ straightFrom: 300 })));

  const options = (path: string) => duckdbDestination.options.parse({ path });
  const connectTo = (path: string) =>
    createDuckdb(options(path), { straightFrom: 0 }).connect("d", new AbortController().signal);
  const rowsOf = (path: string) => queryDuckdb(path, "SELECT n FROM d.t ORDER BY n");

  test("rows are out of sight until the commit, and a second stage of the table waits for it", async () => {
    const path = newFile();
    await using connection = await connectTo(path);
    await load(connection, "p1", 1);
    await using first = await connection.stage(PLAN);
    await first.write(batchOf(TABLE, [row(2)]));
    await using second = await connection.stage({ ...PLAN, pipeline: "q" });
    const late: TableSchema = {
      ...TABLE,
      columns: [...TABLE.columns, { name: "late", type: "text", nullable: true }],
    };
    await second.write(batchOf(late, [{ ...row(3), late: "x" }]));
    const change = { op: "add-column", table: "t", column: late.columns.at(-1)! } as const;
    let isDone = false;
    const committed = second.commit({ ...header("q1", [change]), tables: [late] });
    void committed.finally(() => {
      isDone = true;
    });
    // Other commits go on meanwhile.
    await connection.remember("p", "k", 1);
    expect(await rowsOf(path)).toEqual([{ n: 1n }]);
    expect(isDone).toBe(false);
    await first.commit(header("p3", []));
    await committed;
    expect((await rowsOf(path)).map(({ n }) => n)).toEqual([1n, 2n, 3n]);
  });

  test("a table with a column that has a default takes its rows from the stage", async () => {
    const path = newFile();
    await using connection = await connectTo(path);
    await load(connection, "p1", 1);
    await queryDuckdb(path, "ALTER TABLE d.t ADD COLUMN mark TEXT DEFAULT 'new'");
    await load(connection, "p2", 2);
    expect(await queryDuckdb(path, "SELECT n, mark FROM d.t ORDER BY n")).toEqual([
      { n: 1n, mark: "new" },
      { n: 2n, mark: "new" },
    ]);
  });

  test("after an error the rest of the package can't be committed without its rows", async () => {
    const path = newFile();
    await using connection = await connectTo(path);
    await load(connection, "p1", 1);
    await queryDuckdb(path, "CREATE UNIQUE INDEX one ON d.t (n)");
    await using stage = await connection.stage(PLAN);
    await stage.write(batchOf(TABLE, [row(5), row(1)]));
    const error = await errorOf(stage.commit(header("p2", [])));
    expect(error.code).toBe("destination/failed");
    expect(await errorOf(stage.commit(header("p2", [])))).toBe(error);
    expect(await rowsOf(path)).toEqual([{ n: 1n }]);
  });
});

describe("without the string arena", () => {
  const laws = [
    "text is kept to the byte",
    "booleans, bytes and json are kept",
    "ten thousand rows in uneven batches keep their order and values",
  ];
  for (const law of destinationLaws.filter(({ name }) => laws.includes(name))) {
    test(law.name, () => law.check(harness({ strings: "each" })));
  }

  const cell = fc.option(
    fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.constantFrom("", "\0", "é")),
  );

  test("and with it, any text comes back", async () => {
    const text: TableSchema = {
      ...TABLE,
      columns: [...TABLE.columns, { name: "text", type: "text", nullable: true }],
    };
    const options = duckdbDestination.options.parse({ path: newFile() });
    const create: PackageHeader["changes"] = [{ op: "create-table", table: text }];
    const signal = new AbortController().signal;
    const connections = {
      arena: await createDuckdb(options, { strings: "arena" }).connect("d", signal),
      each: await createDuckdb(options, { strings: "each" }).connect("d", signal),
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(cell, { maxLength: 60 }),
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom<StringMode>("arena", "each"),
        async (values, times, strings) => {
          const all = Array.from({ length: times }, () => values).flat();
          const stage = await connections[strings].stage({ ...PLAN, writeDisposition: "replace" });
          await stage.write(
            batchOf(
              text,
              all.map((value, n) => ({ ...row(n), text: value })),
            ),
          );
          await stage.commit({ ...header(`p${Math.random()}`, create), tables: [text] });
          await stage[Symbol.asyncDispose]();
          const found = await queryDuckdb(options.path, "SELECT text FROM d.t ORDER BY n");
          expect(found.map((given) => given["text"])).toEqual(all);
        },
      ),
      { numRuns: 20 },
    );
    for (const connection of Object.values(connections)) await connection[Symbol.asyncDispose]();
  });

  test("the arena proves itself on this machine", async () => {
    const database = await openDatabase(duckdbDestination.options.parse({ path: ":memory:" }), "proof");
    await expect(provenStrings(database)).resolves.toBe("arena");
    database.release();
  });
});

describe("laws can fail", () => {
  const law = (name: string) => destinationLaws.find((candidate) => candidate.name === name)!;

  test("when a row is lost", async () => {
    const lossy = harness({}, (whole) => wrapStages(whole, dropLastRow));
    await expect(law("append adds").check(lossy)).rejects.toThrow();
    await expect(
      law("ten thousand rows in uneven batches keep their order and values").check(lossy),
    ).rejects.toThrow();
  });

  test("when a replayed package is loaded again", async () => {
    const forgetful = harness({}, (whole) => wrapStages(whole, newPackageIds));
    await expect(law("a replayed package changes nothing").check(forgetful)).rejects.toThrow();
  });

  test("when a part is taken for a whole package", async () => {
    const hasty = harness({}, (whole) => wrapStages(whole, withoutParts));
    for (const { name } of destinationLaws.filter(({ name }) => /^(?:parts|a part) /u.test(name)))
      await expect(law(name).check(hasty), name).rejects.toThrow();
  });

  test("and a law that is said to be broken must be", async () => {
    const modest = { ...harness(), cannot: { "append adds": "no reason" } };
    await expect(law("append adds").check(modest)).rejects.toThrow("although its harness says it can't");
    const lossy = harness({}, (whole) => wrapStages(whole, dropLastRow));
    await law("append adds").check({ ...lossy, cannot: { "append adds": "drops rows" } });
  });
});

type WrapStage = (
  stage: Awaited<ReturnType<Connection["stage"]>>,
) => Awaited<ReturnType<Connection["stage"]>>;

function wrapStages(whole: Destination, wrap: WrapStage): Destination {
  return {
    ...whole,
    async connect(dataset, signal) {
      const connection = await whole.connect(dataset, signal);
      return {
        ...(connection.keepsParts === undefined ? {} : { keepsParts: connection.keepsParts }),
        acquire: (pipeline) => connection.acquire(pipeline),
        state: (pipeline) => connection.state(pipeline),
        describe: (tables) => connection.describe(tables),
        stage: async (plan) => wrap(await connection.stage(plan)),
        remember: (pipeline, key, value) => connection.remember(pipeline, key, value),
        resetState: (pipeline, resources) => connection.resetState(pipeline, resources),
        [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
      };
    },
  };
}

const dropLastRow: WrapStage = (stage) => ({
  write: (batch) => stage.write({ ...batch, rows: batch.rows - 1 }),
  commit: (pkg) => stage.commit(pkg),
  [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
});

const withoutParts: WrapStage = (stage) => ({
  write: (batch) => stage.write(batch),
  commit(pkg) {
    const { isPart: _isPart, ...rest } = pkg;
    return stage.commit(rest);
  },
  [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
});

const newPackageIds: WrapStage = (stage) => ({
  write: (batch) => stage.write(batch),
  commit: (pkg) => stage.commit({ ...pkg, id: `${pkg.id}-${Math.random()}` }),
  [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
});

const TABLE: TableSchema = {
  name: "t",
  resource: "r",
  primaryKey: [],
  columns: [
    { name: SYSTEM_COLUMNS.id, type: "text", nullable: false },
    { name: SYSTEM_COLUMNS.loadId, type: "text", nullable: false },
    { name: "n", type: "bigint", nullable: true },
  ],
};

const PLAN: StagePlan = { pipeline: "p", loadId: "l", resource: "r", writeDisposition: "append" };

const row = (n: number) => ({
  [SYSTEM_COLUMNS.id]: String(n).padStart(12, "0"),
  [SYSTEM_COLUMNS.loadId]: "l",
  n,
});

function header(id: string, changes: PackageHeader["changes"]): PackageHeader {
  return {
    id,
    tables: [TABLE],
    changes,
    state: { fingerprint: "f", status: "done", loadId: "l", loadResources: [], packages: 1, committedAt: 1 },
    rejects: [],
    startedAt: 0,
    schemaHash: "h",
  };
}

async function load(connection: Connection, id: string, n: number): Promise<void> {
  const stage = await connection.stage(PLAN);
  await stage.write(batchOf(TABLE, [row(n)]));
  await stage.commit(header(id, [{ op: "create-table", table: TABLE }]));
  await stage[Symbol.asyncDispose]();
}

const connect = (path: string) => duckdb(path).connect("d", new AbortController().signal);

async function errorOf(promise: Promise<unknown>): Promise<SluiceError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SluiceError);
  return error as SluiceError;
}

/** A process that opens the file with DuckDB itself, says so, and waits to be killed. */
async function otherProcess(
  path: string,
  statements: string,
): Promise<{ pid: number; kill(): Promise<void> }> {
  const driver = createRequire(import.meta.url).resolve("@duckdb/node-api");
  const script = `
    const { DuckDBInstance } = require(${JSON.stringify(driver)});
    DuckDBInstance.create(${JSON.stringify(path)}).then(async (instance) => {
      const connection = await instance.connect();
      ${statements}
      console.log("ready");
      setInterval(() => instance, 1000);
    });`;
  return startProcess(["-e", script]);
}

/** Starts Node and waits for its first word. */
async function startProcess(args: readonly string[]): Promise<{ pid: number; kill(): Promise<void> }> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    pid: child.pid!,
    async kill() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

describe("the file", () => {
  test("that another process has open is refused with its process id, then granted", async () => {
    const path = newFile();
    const other = await otherProcess(path, "");
    const error = await errorOf(connect(path));
    expect(error.code).toBe("destination/locked");
    expect(error.message).toContain(path);
    expect(error.message).toContain(`PID ${other.pid}`);
    await other.kill();
    await (await connect(path))[Symbol.asyncDispose]();
  });

  test("is unchanged after a kill in the middle of a stage", async () => {
    const path = newFile();
    const first = await connect(path);
    await load(first, "p1", 1);
    await first[Symbol.asyncDispose]();
    const at = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));
    const program = join(folder, "stage.ts");
    await writeFile(
      program,
      `import { duckdb } from ${JSON.stringify(at("src/destinations/duckdb.ts"))};
       import { batchOf } from ${JSON.stringify(at("test/laws/destination.ts"))};
       const connection = await duckdb(${JSON.stringify(path)}).connect("d", new AbortController().signal);
       const stage = await connection.stage(${JSON.stringify({ ...PLAN, writeDisposition: "replace" })});
       const batch = batchOf(${JSON.stringify(TABLE)}, Array(2000).fill(${JSON.stringify(row(2))}));
       for (let round = 0; round < 100; round += 1) await stage.write(batch);
       console.log("staged");
       setInterval(() => stage, 1000);`,
    );
    await (await startProcess([at("scripts/run-ts.mjs"), program])).kill();
    expect(await queryDuckdb(path, "SELECT * FROM d.t")).toEqual([{ ...row(1), n: 1n }]);
  });

  test("is unchanged after a kill while rows are half committed", async () => {
    const path = newFile();
    const first = await connect(path);
    await load(first, "p1", 1);
    await first[Symbol.asyncDispose]();
    const other = await otherProcess(
      path,
      `await connection.run("CREATE TEMP TABLE s AS SELECT range AS n FROM range(300000)");
       await connection.run("BEGIN");
       await connection.run("ALTER TABLE d.t ADD COLUMN late TEXT");
       await connection.run("INSERT INTO d.t SELECT 'i', 'l', n, 'x' FROM s");`,
    );
    await other.kill();
    expect(await queryDuckdb(path, "SELECT * FROM d.t")).toEqual([{ ...row(1), n: 1n }]);
    const again = await connect(path);
    await load(again, "p2", 2);
    await again[Symbol.asyncDispose]();
    expect(await queryDuckdb(path, "SELECT n FROM d.t ORDER BY n")).toEqual([{ n: 1n }, { n: 2n }]);
  });

  test("is one instance however it is named", async () => {
    const path = newFile();
    const link = newFile();
    const one = await connect(path);
    await symlink(path, link);
    const two = await connect(link);
    await load(one, "p1", 1);
    await load(two, "p2", 2);
    expect(await queryDuckdb(path, "SELECT n FROM d.t ORDER BY n")).toEqual([{ n: 1n }, { n: 2n }]);
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
  });

  test("may be opened by many at the same moment", async () => {
    const path = newFile();
    const connections = await Promise.all([connect(path), connect(path), connect(path)]);
    await Promise.all(connections.map((connection, index) => load(connection, `p${index}`, index)));
    for (const connection of connections) await connection[Symbol.asyncDispose]();
    expect(await queryDuckdb(path, "SELECT count(*) AS n FROM d.t")).toEqual([{ n: 3n }]);
  });

  test("is created with the folders above it", async () => {
    const path = join(folder, "a", "b", "c.duckdb");
    const connection = await connect(path);
    await load(connection, "p1", 1);
    await connection[Symbol.asyncDispose]();
    expect(await queryDuckdb(path, "SELECT n FROM d.t")).toEqual([{ n: 1n }]);
  });

  test("may be called memory, as DuckDB calls a database without a file", async () => {
    const path = join(folder, "Memory.duckdb");
    const connection = await connect(path);
    await load(connection, "p1", 1);
    await connection[Symbol.asyncDispose]();
    expect(await queryDuckdb(path, "SELECT n FROM d.t")).toEqual([{ n: 1n }]);
  });

  test("that others made takes rows beside row groups larger than its own", async () => {
    const path = newFile();
    const other = await otherProcess(
      path,
      `await connection.run("CREATE SCHEMA d");
       await connection.run("CREATE TABLE d.t AS SELECT 'i' AS _sluice_id, 'l' AS _sluice_load_id, range AS n FROM range(100000)");
       await connection.run("CHECKPOINT");`,
    );
    await other.kill();
    const connection = await connect(path);
    await load(connection, "p1", 100_000);
    await connection[Symbol.asyncDispose]();
    const count = "SELECT count(*) AS rows, count(DISTINCT n) AS distinct_n, max(n) AS last FROM d.t";
    expect(await queryDuckdb(path, count)).toEqual([
      { rows: 100_001n, distinct_n: 100_001n, last: 100_000n },
    ]);
  });

  test("that is none, or can't be made, is told", async () => {
    const text = newFile();
    await writeFile(text, "not a database ".repeat(1000));
    expect((await errorOf(connect(text))).code).toBe("destination/unreachable");
    expect((await errorOf(connect(folder))).code).toBe("destination/unreachable");
    expect((await errorOf(connect(join(text, "below.duckdb")))).code).toBe("destination/unreachable");
    await rm(text);
    await (await connect(text))[Symbol.asyncDispose]();
  });

  test("that goes away under a run fails the commit", async () => {
    const path = newFile();
    const connection = await connect(path);
    await load(connection, "p1", 1);
    await rename(path, `${path}.moved`);
    const error = await errorOf(load(connection, "p2", 2));
    expect(error.code).toBe("destination/failed");
    expect(error.message).toContain("was removed");
    await connection[Symbol.asyncDispose]();
  });

  test("can be memory, each destination its own", async () => {
    const signal = new AbortController().signal;
    const destination = duckdb(":memory:");
    const one = await destination.connect("d", signal);
    const two = await destination.connect("d", signal);
    await load(one, "p1", 1);
    expect(await two.describe(["t"])).toHaveLength(1);
    const other = await duckdb(":memory:").connect("d", signal);
    expect(await other.describe(["t"])).toEqual([]);
    for (const connection of [one, two, other]) await connection[Symbol.asyncDispose]();
  });
});

describe("the format of a file", () => {
  const versionOf = async (path: string) =>
    queryDuckdb(
      path,
      "SELECT tags['storage_version'] AS format FROM duckdb_databases() WHERE database_name = current_database()",
    );
  const firstLoad = async (path: string, settings: { storage_version?: string } = {}) => {
    const signal = new AbortController().signal;
    await using connection = await duckdb(path, settings).connect("d", signal);
    await load(connection, "p1", 1);
  };

  test("is one that DuckDB 1.3 reads, or as it is told for a new file", async () => {
    const [usual, old] = [newFile(), newFile()];
    await firstLoad(usual);
    await firstLoad(old, { storage_version: "v1.0.0" });
    expect(await versionOf(usual)).toEqual([{ format: "v1.3.0+" }]);
    expect(await versionOf(old)).toEqual([{ format: "v1.0.0+" }]);
  });

  test("stays what it is in a file that is there", async () => {
    const path = newFile();
    await firstLoad(path, { storage_version: "v1.0.0" });
    await firstLoad(path);
    expect(await versionOf(path)).toEqual([{ format: "v1.0.0+" }]);
  });

  test("is asked for by the name of a version", async () => {
    expect(() => duckdb(newFile(), { storage_version: "new" })).toThrow("a version of DuckDB such as v1.0.0");
    const error = await errorOf(firstLoad(newFile(), { storage_version: "v99.0.0" }));
    expect(error).toMatchObject({
      code: "config/invalid",
      message: "storage_version v99.0.0 is no version of DuckDB",
    });
  });
});

test("text of any length comes back, also where a chunk has more of it than is looked at in one go", async () => {
  const path = newFile();
  const connection = await connect(path);
  const text: TableSchema = {
    ...TABLE,
    columns: [...TABLE.columns, { name: "text", type: "text", nullable: true }],
  };
  const long = new Map([
    [0, 300_000],
    [1, 262_144],
    [700, 1_500_000],
    [2047, 262_145],
    [2048, 2_000_000],
  ]);
  const texts = Array.from({ length: 5000 }, (_, n) => `${n}`.repeat(2000).slice(0, long.get(n) ?? n % 1000));
  long.forEach((size, n) => void (texts[n] = `${n}é`.repeat(size).slice(0, size)));
  const stage = await connection.stage(PLAN);
  await stage.write(
    batchOf(
      text,
      texts.map((value, n) => ({ ...row(n), text: value })),
    ),
  );
  await stage.commit({ ...header("p", [{ op: "create-table", table: text }]), tables: [text] });
  await stage[Symbol.asyncDispose]();
  await connection[Symbol.asyncDispose]();
  const found = await queryDuckdb(path, "SELECT text FROM d.t ORDER BY n");
  const differs = texts.findIndex((value, n) => found[n]?.["text"] !== value);
  expect(differs).toBe(-1);
});

describe("a merge of 600 columns", () => {
  const texts = Array.from({ length: 600 }, (_, index) => `c${index}`);
  const many: TableSchema = {
    ...TABLE,
    primaryKey: ["n"],
    columns: [
      ...TABLE.columns,
      ...texts.map((name) => ({ name, type: "text", nullable: true }) satisfies ColumnSchema),
    ],
  };
  const values = Object.fromEntries(texts.map((name) => [name, `some text of ${name}`]));
  const merge = async (path: string, settings: { memory_limit?: string } = {}) => {
    await using connection = await duckdb(path, settings).connect("d", new AbortController().signal);
    await using stage = await connection.stage({ ...PLAN, writeDisposition: "merge" });
    const batch = batchOf(
      many,
      Array.from({ length: 100 }, (_, n) => ({ ...row(n), ...values })),
    );
    const others = batch.columns.slice(TABLE.columns.length);
    for (let from = 0; from < 5000; from += 100) {
      const { columns } = batchOf(
        TABLE,
        Array.from({ length: 100 }, (_, n) => row(from + n)),
      );
      await stage.write({ ...batch, columns: [...columns, ...others] });
    }
    await stage.commit({ ...header("p", [{ op: "create-table", table: many }]), tables: [many] });
  };

  test("needs no setting", async () => {
    const path = newFile();
    await merge(path);
    expect(await queryDuckdb(path, "SELECT count(*) AS n, count(DISTINCT n) AS d FROM d.t")).toEqual([
      { n: 5000n, d: 5000n },
    ]);
  });

  test("and with what is usual for few columns tells what to raise", async () => {
    const error = await errorOf(merge(newFile(), { memory_limit: "256MB" }));
    expect(error.code).toBe("destination/failed");
    expect(error.toReport().hint).toContain("memory_limit");
  });
});

test("a commit that does not fit into memory uses the disk", async () => {
  const path = newFile();
  const connection = await duckdb(path, { memory_limit: "16MB", threads: 1 }).connect(
    "d",
    new AbortController().signal,
  );
  const wide: TableSchema = {
    ...TABLE,
    columns: [...TABLE.columns, { name: "text", type: "text", nullable: true }],
  };
  const stage = await connection.stage(PLAN);
  const rows = Array.from({ length: 2048 }, (_, n) => ({ ...row(n), text: `${n} `.repeat(100) }));
  const batch = batchOf(wide, rows);
  for (let round = 0; round < 20; round += 1) await stage.write(batch);
  await stage.commit({ ...header("p", [{ op: "create-table", table: wide }]), tables: [wide] });
  await stage[Symbol.asyncDispose]();
  await connection[Symbol.asyncDispose]();
  expect(await queryDuckdb(path, "SELECT count(*) AS n, count(DISTINCT text) AS d FROM d.t")).toEqual([
    { n: 40_960n, d: 2048n },
  ]);
});

describe("settings", () => {
  test("examples mean the same as options and as URI", () => {
    for (const { options, uri } of duckdbDestination.examples) {
      const parse = (input: unknown) => duckdbDestination.options.parse(input);
      expect(parse(duckdbDestination.fromUri(uri))).toEqual(parse(options));
    }
  });

  test("URIs", () => {
    const paths = ["duckdb:x.duckdb", "duckdb::memory:", "duckdb:///abs/x.duckdb", "duckdb:../a b.duckdb"];
    expect(paths.map((uri) => duckdbDestination.fromUri(uri))).toEqual([
      { path: "x.duckdb" },
      { path: ":memory:" },
      { path: "/abs/x.duckdb" },
      { path: "../a b.duckdb" },
    ]);
    for (const uri of ["duckdb:", "duckdb://", "duckdb://x.duckdb", "postgres:x"]) {
      expect(() => duckdbDestination.fromUri(uri)).toThrow(SluiceError);
    }
  });

  test("that DuckDB can't have are refused before it is opened", () => {
    expect(() => duckdb("x", { memory_limit: "lots" })).toThrow(/expected a size/u);
    expect(() => duckdb("x", { threads: 0 })).toThrow(SluiceError);
    expect(() => duckdb("")).toThrow(SluiceError);
  });
});

test("messages do not quote values", () => {
  const quoted = [
    "Conversion Error: Could not convert string 'secret' to INT32\n\nLINE 1: secret",
    'Conversion Error: Casting value "secret" to type DECIMAL(4,2) failed: value is out of range!',
    'Constraint Error: PRIMARY KEY or UNIQUE constraint violation: duplicate key "secret"',
    "Conversion Error: Type INT64 with value secret can't be cast because the value is out of range",
    'Conversion Error: Malformed JSON at byte 1 of input: unexpected character.  Input: "{secret"',
  ];
  for (const message of quoted) expect(publicMessage(new Error(message))).not.toContain("secret");
  const harmless = 'Catalog Error: Table with name "orders" does not exist!';
  expect(publicMessage(new Error(harmless))).toBe(harmless);
});
