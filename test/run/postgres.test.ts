import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type ApiServer,
  DEFAULT_ACCOUNT_ID,
  DEFAULT_API_KEY,
  startServer,
} from "../../examples/call-analytics/server.js";
import { defineResource, postgres, type Report, run } from "../../src/index.js";
import { type PostgresServer, queryPostgres, startPostgres } from "../postgres-server.js";
import { type CliOptions, sluice } from "./cli.js";

const COUNTS = { calls: 600, conversations: 240, users: 7, companies: 3 };

let folder: string;
let api: ApiServer;
let server: PostgresServer;
let uri: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-run-postgres-"));
  server = await startPostgres();
  uri = await server.newDatabase();
  api = await startServer({ counts: COUNTS, latencyMs: 10 });
  const guide = await readFile(
    new URL("../../examples/call-analytics/call-analytics.yaml", import.meta.url),
    "utf8",
  );
  await writeFile(join(folder, "call-analytics.yaml"), `checkpoint: { rows: 100 }\n${guide}`);
});

afterAll(async () => {
  await api.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

function load(dataset: string, onStart?: CliOptions["onStart"], more: readonly string[] = ["--json"]) {
  const set = ["--set", `client.base_url=${api.url}`, "--set", `account_id=${DEFAULT_ACCOUNT_ID}`];
  return sluice(["run", "call-analytics.yaml", ...set, "--destination", uri, "--dataset", dataset, ...more], {
    cwd: folder,
    env: { API_KEY: DEFAULT_API_KEY },
    ...(onStart === undefined ? {} : { onStart }),
  });
}

/** The rows of every table, without the ids that differ between equal loads. */
async function contentOf(dataset: string): Promise<Record<string, unknown[]>> {
  const tables = await queryPostgres(
    uri,
    "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' AND relname !~ '^_sluice_' ORDER BY 1",
    [dataset],
  );
  const content: Record<string, unknown[]> = {};
  for (const name of tables.map(({ relname }) => String(relname))) {
    const own = "'{_sluice_id,_sluice_load_id,_sluice_parent_id,_sluice_root_id}'::text[]";
    const rows = await queryPostgres(
      uri,
      `SELECT (to_jsonb(t) - ${own})::text AS row FROM ${dataset}."${name}" AS t ORDER BY 1`,
    );
    content[name] = rows.map(({ row }) => row);
  }
  return content;
}

it("loads the guide's configuration into PostgreSQL, and again without a change", async () => {
  const first = await load("calm");
  expect(first.code, first.stderr).toBe(0);
  const report = JSON.parse(first.stdout) as Report;
  expect(
    Object.fromEntries(Object.entries(report.resources).map(([name, { rows }]) => [name, rows])),
  ).toEqual(COUNTS);
  const content = await contentOf("calm");
  for (const [table, count] of Object.entries(COUNTS)) expect(content[table], table).toHaveLength(count);

  const second = await load("calm", undefined, []);
  expect(second.code, second.stderr).toBe(0);
  expect(await contentOf("calm")).toEqual(content);
  const shown = new URL(uri);
  shown.search = "";
  expect(second.stdout + second.stderr).toContain(`psql ${shown.href} -c "select * from calm.`);
});

it("a run that is killed goes on where it was, and ends with the same tables", async () => {
  const committed = async () => {
    const [found] = await queryPostgres(
      uri,
      "SELECT to_regclass('killed._sluice_loads') IS NOT NULL AS there",
    );
    if (found?.["there"] !== true) return 0;
    const [loads] = await queryPostgres(uri, "SELECT count(*) AS n FROM killed._sluice_loads");
    return Number(loads?.["n"]);
  };
  const exited = new AbortController();
  const killed = await load("killed", (child) => {
    const kill = async () => {
      while (!exited.signal.aborted && (await committed()) < 4);
      child.kill("SIGKILL");
    };
    void kill();
  });
  exited.abort();
  expect(killed.signal).toBe("SIGKILL");

  const resumed = await load("killed");
  expect(resumed.code, resumed.stderr).toBe(0);
  const content = await contentOf("killed");
  for (const [table, count] of Object.entries(COUNTS)) expect(content[table], table).toHaveLength(count);
  expect(content).toEqual(await contentOf("calm"));
  const [loads] = await queryPostgres(uri, "SELECT count(DISTINCT load_id) AS n FROM killed._sluice_loads");
  expect(loads).toEqual({ n: 1n });
});

it("a second writer is refused with its own exit code", async () => {
  const { Client } = await import("pg");
  const client = new Client({ connectionString: uri });
  await client.connect();
  const { leaseKey } = await import("../../src/destinations/postgres/lease.js");
  await client.query("SELECT pg_advisory_lock($1::bigint)", [leaseKey("calm", "call_analytics")]);
  const refused = await load("calm");
  expect(refused.code).toBe(7);
  expect(refused.stderr).toContain("is being written to dataset calm");
  await client.end();
});

it("makes names that fit, the same ones in every run, and says what it had to replace", async () => {
  const long = "a key that is longer than what PostgreSQL takes for a name, and then some";
  const warnings: string[] = [];
  const load = () =>
    run(
      {
        pipeline: "names",
        source: defineResource({
          name: "things",
          primaryKey: ["id"],
          writeDisposition: "merge",
          read: () => [[{ id: 1, [long]: "a\0b", [`${long}!`]: 2, [`${long}s`]: [{ [long]: "child" }] }]],
        }),
        destination: postgres(uri),
      },
      {
        onEvent: (event) => {
          if (event.type === "warning") warnings.push(event.message);
        },
      },
    );
  for (const expected of [{ inserted: 1 }, { inserted: 0, updated: 1 }]) {
    expect(await load()).toMatchObject({ status: "ok", tables: { things: expected } });
  }
  const names = await queryPostgres(
    uri,
    "SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = 'names' AND table_name !~ '^_' AND column_name !~ '^(_|id$)' ORDER BY 1, 2",
  );
  expect(names).toHaveLength(3);
  for (const { t, c } of names) {
    expect(String(t).length).toBeLessThanOrEqual(63);
    expect(c).toMatch(/^a_key_that_is_longer_.+$/);
    expect(String(c)).toHaveLength(63);
  }
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toMatch(/^1 value of things\.a_key_.* held characters that PostgreSQL can't store/);
});
