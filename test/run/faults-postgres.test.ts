import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { breakableWay } from "../breakable-way.js";
import { type PostgresServer, queryPostgres, startPostgres } from "../postgres-server.js";
import { type CliOptions, sluice } from "./cli.js";
import { type GatedApi, gatedConfiguration, startGatedApi } from "./gated-api.js";

// Several processes a test, which a busy machine starts slowly.
vi.setConfig({ testTimeout: 120_000 });

const COUNT = 100;

let folder: string;
let server: PostgresServer;
let uri: string;
let api: GatedApi;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-faults-"));
  // The test server forgets what was committed last when it crashes, unless it is told not to.
  uri = `${await server.newDatabase()}&options=${encodeURIComponent("-c synchronous_commit=on")}`;
  api = await startGatedApi(COUNT);
  for (const name of ["one", "two"])
    await writeFile(join(folder, `${name}.yaml`), gatedConfiguration(api.url, name));
});
afterEach(async () => {
  api.close();
  await rm(folder, { recursive: true });
});

function load(name: string, onStart?: CliOptions["onStart"], destination = uri) {
  const args = ["run", `${name}.yaml`, "--destination", destination, "--dataset", "d", "--json"];
  return sluice(args, { cwd: folder, ...(onStart === undefined ? {} : { onStart }) });
}

/** The ids that are there, in order; and that each row has its child, once. */
async function ids(name: string): Promise<number[]> {
  const rows = await queryPostgres(
    uri,
    `SELECT t.id::int AS id, (SELECT count(*)::int FROM d.items_${name}__tags AS c WHERE c._sluice_parent_id = t._sluice_id) AS tags FROM d.items_${name} AS t ORDER BY 1`,
  );
  expect(rows.every(({ tags }) => tags === "1")).toBe(true);
  return rows.map(({ id }) => Number(id));
}

const ALL = Array.from({ length: COUNT }, (_, id) => id);

async function packages(): Promise<number> {
  const [there] = await queryPostgres(uri, "SELECT to_regclass('d._sluice_loads') IS NOT NULL AS there");
  if (there?.["there"] !== true) return 0;
  const [found] = await queryPostgres(uri, "SELECT count(*)::int AS n FROM d._sluice_loads");
  return Number(found?.["n"]);
}

/** Starts a run and comes back when it has committed three pages and waits for the fifth. */
async function loadHalf(name: string, destination = uri) {
  const held = api.holdAt(40);
  let child: Parameters<NonNullable<CliOptions["onStart"]>>[0] | undefined;
  const result = load(name, (started) => (child = started), destination);
  await held;
  while ((await packages()) < 1);
  return { child: child!, result };
}

it("a server that is restarted in the middle fails the run, and the next one goes on", async () => {
  const { result } = await loadHalf("one");
  await server.restart();
  api.release();
  const failed = await result;
  expect(failed.code, failed.stderr).toBe(6);
  expect(failed.stderr).toContain("destination/unreachable");
  expect(failed.stderr).toContain("run again");
  expect(await ids("one")).toEqual(ALL.slice(0, 30));

  const resumed = await load("one");
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(await ids("one")).toEqual(ALL);
});

it("a server that is down is said to be, and nothing changes", async () => {
  expect((await load("one")).code).toBe(0);
  const before = await packages();
  await server.restart(async () => {
    const refused = await load("one");
    expect(refused.code).toBe(6);
    expect(refused.stderr).toContain("destination/unreachable");
  });
  expect(await packages()).toBe(before);
  expect(await ids("one")).toEqual(ALL);
});

it("a connection that is cut before the answer to COMMIT: the run finds its package, and goes on", async () => {
  const way = await breakableWay(uri);
  const { result } = await loadHalf("one", way.uri);
  way.breakAt("after");
  api.release();
  const { code, stderr } = await result;
  expect(code, stderr).toBe(0);
  expect(await ids("one")).toEqual(ALL);
  way.close();
});

it("a connection that is cut before COMMIT: nothing is there, and the next run goes on", async () => {
  const way = await breakableWay(uri);
  const { result } = await loadHalf("one", way.uri);
  way.breakAt("before");
  api.release();
  const { code, stderr } = await result;
  expect(code, stderr).toBe(6);
  expect(stderr).toContain("changed nothing");
  expect(await ids("one")).toEqual(ALL.slice(0, 30));
  const resumed = await load("one", undefined, way.uri);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(await ids("one")).toEqual(ALL);
  way.close();
});

it("a second run of the pipeline is refused, by the name of the first", async () => {
  const { child, result } = await loadHalf("one");
  const second = await load("one");
  expect(second.code).toBe(7);
  expect(second.stderr).toContain(`sluice ${child.pid}@`);
  api.release();
  expect((await result).code).toBe(0);
  expect(await ids("one")).toEqual(ALL);
});

it("another pipeline loads into the dataset meanwhile, and neither disturbs the other", async () => {
  const { result } = await loadHalf("one");
  const second = await load("two");
  expect(second.code, second.stderr).toBe(0);
  expect(await ids("two")).toEqual(ALL);
  expect(await ids("one")).toEqual(ALL.slice(0, 30));
  api.release();
  const first = await result;
  expect(first.code, first.stderr).toBe(0);
  expect(await ids("one")).toEqual(ALL);
  expect(await ids("two")).toEqual(ALL);
});

it("a writer that stood still while its lease went to another one can't commit", async () => {
  const { child, result } = await loadHalf("one");
  child.kill("SIGSTOP");
  // What the server does when the holder's connection times out.
  const ended = await queryPostgres(
    uri,
    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database WHERE locktype = 'advisory' AND granted AND d.datname = current_database()",
  );
  expect(ended).toHaveLength(1);
  const second = await load("one");
  expect(second.code, second.stderr).toBe(0);
  expect(await ids("one")).toEqual(ALL);
  const committed = await packages();

  child.kill("SIGCONT");
  api.release();
  const first = await result;
  // It learns of it from the connection that held its lease, before its commit could be refused.
  expect(first.code, first.stderr).toBe(6);
  expect(first.stderr).toContain("the connection to PostgreSQL broke");
  expect(await packages()).toBe(committed);
  expect(await ids("one")).toEqual(ALL);
});
