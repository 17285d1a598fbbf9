import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DestinationHarness, destinationLaws } from "../../test/laws/destination.js";
import { commitRows } from "../../test/number-table.js";
import { randomFaults, type S3Fault, type S3Server, startS3 } from "../../test/s3-server.js";
import type { Connection, Destination } from "../model/destination.js";
import { SYSTEM_TABLES } from "../model/table.js";
import { duckdbInMemory } from "./duckdb.js";
import { tableQuery } from "./files/formats.js";
import { EXPIRE_MS } from "./files/lease.js";
import { folderName, readManifest, tableOf } from "./files/manifest.js";
import { bucketStore } from "./s3/store.js";
import { createS3, s3, s3Destination } from "./s3.js";

const SEED = 7;

let server: S3Server;
let places = 0;
const looks = duckdbInMemory();
let looking: Connection;

beforeAll(async () => {
  server = await startS3();
  looking = await connectTo(looks.destination);
});

afterAll(async () => {
  await looking[Symbol.asyncDispose]();
  await server.stop();
});

const connectTo = (destination: Destination): Promise<Connection> =>
  destination.connect("d", new AbortController().signal);

function settings(prefix: string, endpoint = server.endpoint) {
  return s3Destination.options.parse({
    bucket: server.bucket,
    prefix,
    endpoint,
    force_path_style: true,
    access_key_id: "tester",
    secret_access_key: "tester-secret",
    memory_limit: "256MB",
  });
}

function newPrefix(): string {
  places += 1;
  return `place/${places}`;
}

/** Tries again at once. */
const eager = { maxAttempts: 1, pause: () => Promise.resolve() };
const at = (prefix: string) => createS3(settings(prefix), eager);
const storeAt = (prefix: string) => bucketStore(settings(prefix), eager);

const IN_MANIFEST: Readonly<Record<string, "state" | "schemas" | "loads">> = {
  [SYSTEM_TABLES.state]: "state",
  [SYSTEM_TABLES.schema]: "schemas",
  [SYSTEM_TABLES.loads]: "loads",
};

async function rowsOf(prefix: string, dataset: string, table: string): Promise<Record<string, unknown>[]> {
  const store = storeAt(prefix);
  const folder = folderName(dataset);
  const manifest = await readManifest(store, folder);
  const listed = IN_MANIFEST[table];
  if (listed !== undefined) return [...manifest[listed]];
  const found = tableOf(manifest, table);
  if (found === undefined) return [];
  const names = found.files.map(({ path }) => `${folder}/${path}`);
  return store.read(names, (place) =>
    looks.query(tableQuery(found.columns, found.files, (path) => place(`${folder}/${path}`))),
  );
}

const harness: DestinationHarness = {
  name: "s3",
  async open() {
    const prefix = newPrefix();
    return {
      destination: at(prefix),
      rows: (dataset, table) => rowsOf(prefix, dataset, table),
      dispose: () => Promise.resolve(),
    };
  },
};

describe("laws of destinations: s3", () => {
  for (const law of destinationLaws) test(law.name, () => law.check(harness));
});

async function numbersIn(prefix: string): Promise<number[]> {
  const rows = await rowsOf(prefix, "d", "t");
  return rows.map((row) => Number(row["n"])).toSorted((left, right) => left - right);
}

/** Lets the first request for which `when` holds go wrong, and no other. */
function once(fault: S3Fault, when: (method: string, path: string) => boolean): void {
  let done = false;
  server.faults = (method, path) => {
    if (done || !when(method, path)) return undefined;
    done = true;
    return fault;
  };
}

describe("a server in trouble", () => {
  test.each(["error", "slow-down", "cut-before", "cut-after"] as const)(
    "a manifest is published once although its put met: %s",
    async (fault) => {
      const prefix = newPrefix();
      const connection = await connectTo(at(prefix));
      once(fault, (method, path) => method === "PUT" && path.includes("/manifest-"));
      try {
        await commitRows(connection, "p1", [1]);
      } finally {
        server.faults = undefined;
      }
      await commitRows(connection, "p2", [2]);
      expect(await numbersIn(prefix)).toEqual([1, 2]);
      const { version, loads } = await readManifest(storeAt(prefix), "d");
      expect([version, loads.length]).toEqual([2, 2]);
      await connection[Symbol.asyncDispose]();
    },
  );

  test("a commit whose answer is lost for good is found by the next run", async () => {
    const prefix = newPrefix();
    const connection = await connectTo(at(prefix));
    let published = false;
    server.faults = (method, path) => {
      published ||= method === "PUT" && path.includes("/manifest-");
      return published ? "cut-after" : undefined;
    };
    try {
      await expect(commitRows(connection, "p1", [1])).rejects.toMatchObject({
        code: "destination/unreachable",
      });
    } finally {
      server.faults = undefined;
    }
    expect(await numbersIn(prefix)).toEqual([1]);
    const receipt = await commitRows(connection, "p1", [1]);
    expect(receipt.replayed).toBe(true);
    expect(await numbersIn(prefix)).toEqual([1]);
    await connection[Symbol.asyncDispose]();
  });

  test("one request in five goes wrong, and no row is lost or doubled", async () => {
    const prefix = newPrefix();
    server.faults = randomFaults(SEED, 5);
    try {
      const writers = ["a", "b"];
      await Promise.all(
        writers.map(async (writer, index) => {
          const connection = await connectTo(at(prefix));
          for (const round of [0, 1, 2, 3]) {
            await commitRows(
              connection,
              `${writer}${round}`,
              [index * 10 + round],
              round % 2 ? "merge" : "append",
            );
          }
          await connection[Symbol.asyncDispose]();
        }),
      );
    } finally {
      server.faults = undefined;
    }
    expect(await numbersIn(prefix)).toEqual([0, 1, 2, 3, 10, 11, 12, 13]);
    const { loads } = await readManifest(storeAt(prefix), "d");
    expect(loads).toHaveLength(8);
  });
});

test("a writer whose lease was taken over can't publish", async () => {
  const prefix = newPrefix();
  let now = Date.UTC(2024, 0, 1);
  const clock = { now: () => now, every: () => () => undefined };
  const connect = () => connectTo(createS3(settings(prefix), { ...eager, clock }));
  const [paused, other] = [await connect(), await connect()];
  await paused.acquire("p");
  await commitRows(paused, "p1", [1]);
  await expect(other.acquire("p")).rejects.toMatchObject({ code: "destination/locked" });
  now += EXPIRE_MS + 1;
  await other.acquire("p");
  await expect(commitRows(paused, "p2", [2])).rejects.toMatchObject({ code: "destination/locked" });
  await commitRows(other, "p3", [3]);
  expect(await numbersIn(prefix)).toEqual([1, 3]);
  for (const connection of [paused, other]) await connection[Symbol.asyncDispose]();
});

describe("what can't be is refused in words", () => {
  test("a server that ignores conditions", async () => {
    const destination = createS3(settings(newPrefix(), server.unconditional), eager);
    const connection = await connectTo(destination);
    await expect(connection.acquire("p")).rejects.toMatchObject({
      code: "destination/failed",
      message: expect.stringContaining("If-None-Match"),
    });
    await connection[Symbol.asyncDispose]();
  });

  test("a bucket that is not there", async () => {
    const destination = createS3({ ...settings("x"), bucket: "nowhere" }, eager);
    await expect(connectTo(destination)).rejects.toMatchObject({
      code: "destination/unreachable",
      hint: expect.stringContaining("Create the bucket"),
    });
  });

  test("options", () => {
    expect(() => s3("s3:bucket")).toThrow(/does not name a bucket/u);
    expect(() => s3("s3://b?force_path_style=perhaps")).toThrow(/force_path_style/u);
    expect(() => s3("s3://b?access_key_id=a")).toThrow(/belong together/u);
    expect(s3("s3://b/a/b/?access_key_id=a&secret_access_key=x+y/z").location).toBe("s3://b/a/b");
  });
});

test("files are joined, pruned and told by their addresses", async () => {
  const prefix = newPrefix();
  const destination = at(prefix);
  await expect(destination.exists?.()).resolves.toBe(false);
  const connection = await connectTo(destination);
  for (const n of [1, 2]) await commitRows(connection, `p${n}`, [n]);
  await expect(destination.exists?.()).resolves.toBe(true);
  expect(await destination.compact("d")).toEqual([{ table: "t", before: 2, after: 1 }]);
  const [table] = await destination.list("d");
  expect(table?.files).toHaveLength(1);
  expect(table?.files[0]).toMatch(/^s3:\/\/lake\/place\/\d+\/d\/t\/compact-3-.*\.parquet$/u);
  expect(destination.queryHint?.("d", "t")).toContain(table?.files[0]);
  const removed = await destination.prune("d", -60_000);
  expect(removed.filter((name) => name.endsWith(".parquet"))).toHaveLength(2);
  expect(await numbersIn(prefix)).toEqual([1, 2]);
  await connection[Symbol.asyncDispose]();
});
