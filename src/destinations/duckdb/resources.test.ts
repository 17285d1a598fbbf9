import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Database, failed, openDatabase } from "./database.js";

const MB = 1_000_000;
let folder: string;
let database: Database;
let connection: DuckDBConnection;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-resources-"));
});

afterEach(async () => {
  connection.closeSync();
  database.release();
  await rm(folder, { recursive: true });
});

/** Opens a database in which a temporary table of some megabytes waits. */
async function open(memory_limit: string | undefined, rows: number): Promise<void> {
  const path = join(folder, "a.duckdb");
  database = await openDatabase({ path, memory_limit, threads: 2 }, path);
  connection = await database.connect();
  await connection.run(`CREATE TEMP TABLE waiting AS SELECT hash(range) AS h FROM range(${rows})`);
}

async function one(query: string): Promise<unknown> {
  return (await connection.runAndReadAll(query)).getRows()[0]?.[0];
}

const megabytesInUse = async (): Promise<number> =>
  Number(await one("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()")) / MB;
const limit = (): Promise<unknown> => one("SELECT current_setting('memory_limit')");

test("gives back what is more than 64 MB after 12 MiB of batches; the rows and the limit stay", async () => {
  await open("256MB", 20_000_000);
  const { resources } = database;
  const sum = await one("SELECT bit_xor(h) FROM waiting");
  await resources.appended(11 * 1024 * 1024);
  expect(await megabytesInUse()).toBeGreaterThan(100);
  await resources.appended(1024 * 1024);
  expect(await megabytesInUse()).toBeLessThanOrEqual(64);
  expect(await limit()).toBe("244.1 MiB");
  expect(await one("SELECT bit_xor(h) FROM waiting")).toBe(sum);
});

test("takes nothing from a task that has all threads", async () => {
  await open("256MB", 20_000_000);
  const { resources } = database;
  await resources.withAllThreads(async () => {
    const before = await megabytesInUse();
    await resources.trim();
    expect(await megabytesInUse()).toBe(before);
    expect(await one("SELECT current_setting('threads')")).toBe(2n);
  });
  expect(await one("SELECT current_setting('threads')")).toBe(1n);
});

test.each(["32MB", "60 MB", "0.05GiB"])("never raises a limit that is lower: %s", async (low) => {
  await open(low, 1000);
  const before = await limit();
  await database.resources.trim();
  expect(await limit()).toBe(before);
});

test("has more memory for many columns, as long as a stage has rows of them", async () => {
  await open(undefined, 1000);
  const { resources } = database;
  const [one, other] = [{}, {}];
  expect(await limit()).toBe("244.1 MiB");
  await resources.makeRoom(one, 100);
  expect(await limit()).toBe("244.1 MiB");
  await resources.makeRoom(other, 1000);
  expect(await limit()).toBe("1.7 GiB");
  await resources.trim();
  expect(await limit()).toBe("1.7 GiB");
  await resources.makeRoom(other, 0);
  expect(await limit()).toBe("244.1 MiB");
});

test("what is configured stays, however many columns there are", async () => {
  await open("300MB", 1000);
  await database.resources.makeRoom({}, 1000);
  expect(await limit()).toBe("286.1 MiB");
});

test("a task that needs more than the limit is told what to raise", async () => {
  await open("256MB", 1000);
  await connection.run("SET GLOBAL memory_limit = '1MB'");
  const columns = Array.from({ length: 40 }, (_, index) => `${index} AS c${index}`).join(", ");
  const error = await connection.run(`CREATE TABLE wide AS SELECT ${columns} FROM range(200000)`).then(
    () => undefined,
    (thrown: unknown) => failed("staging rows failed", thrown),
  );
  expect(error?.message).toContain("could not allocate block");
  expect(error?.toReport().hint).toContain("memory_limit");
});
