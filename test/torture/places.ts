import { cp, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { Client } from "pg";
import { startPostgres } from "../postgres-server.js";
import type { Home, Place, Row } from "./place.js";

/** The destinations of the matrix, by name. Each is started when a cell wants it. */
export const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  duckdb: duckdbFiles,
  postgres: postgresDatabases,
};

const FILE = "data.duckdb";

async function duckdbFiles(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-torture-duckdb-"));
  const reader = await (await DuckDBInstance.create(":memory:")).connect();
  await reader.run("SET TimeZone = 'UTC'");
  let homes = 0;
  const homeAt = (own: string): Home => ({
    uri: `duckdb:${join(own, FILE)}?threads=1`,
    async copy() {
      const other = nextFolder();
      await cp(own, other, { recursive: true });
      return homeAt(other);
    },
    tables: (dataset) => readDuckdb(reader, join(own, FILE), basename(own), dataset),
    // A log that was not taken into the file, or a folder of temporary files.
    leftovers: async () => (await readdir(own)).filter((entry) => entry !== FILE),
    drop: () => rm(own, { recursive: true, force: true }),
  });
  const nextFolder = () => join(folder, `home_${(homes += 1)}`);
  return {
    name: "duckdb",
    drivers: "duckdb",
    async create() {
      const own = nextFolder();
      await mkdir(own);
      return homeAt(own);
    },
    async stop() {
      reader.closeSync();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function readDuckdb(
  reader: DuckDBConnection,
  file: string,
  name: string,
  dataset: string,
): Promise<ReadonlyMap<string, readonly Row[]>> {
  // Read only: the log of a killed process stays for the next one.
  const attached = await reader.run(`ATTACH '${file}' AS ${name} (READ_ONLY)`).catch((error: unknown) => {
    if (String(error).includes("does not exist")) return undefined;
    throw error;
  });
  if (attached === undefined) return new Map();
  try {
    const rowsOf = async (statement: string) => (await reader.runAndReadAll(statement)).getRowObjectsJson();
    const tables = await rowsOf(
      `SELECT table_name FROM duckdb_tables() WHERE database_name = '${name}' AND schema_name = '${dataset}' ORDER BY 1`,
    );
    const content = new Map<string, readonly Row[]>();
    for (const { table_name: table } of tables) {
      content.set(String(table), await rowsOf(`SELECT * FROM ${name}."${dataset}"."${String(table)}"`));
    }
    return content;
  } finally {
    await reader.run(`DETACH ${name}`);
  }
}

async function postgresDatabases(): Promise<Place> {
  const server = await startPostgres();
  const admin = new Client({ connectionString: await server.newDatabase() });
  await admin.connect();
  const base = `postgres://tester@127.0.0.1:${admin.port}`;
  let homes = 0;
  const create = async (template: string): Promise<Home> => {
    homes += 1;
    const name = `home_${homes}`;
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    const uri = `${base}/${name}?sslmode=disable`;
    return {
      uri,
      copy: () => create(name),
      tables: (dataset) => readPostgres(uri, dataset),
      leftovers: () => postgresLeftovers(admin, uri, name),
      drop: async () => void (await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)),
    };
  };
  return {
    name: "postgres",
    drivers: "pg",
    create: () => create("template0"),
    async stop() {
      await admin.end();
      await server.stop();
    },
  };
}

async function withClient<T>(uri: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: uri });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function readPostgres(uri: string, dataset: string): Promise<ReadonlyMap<string, readonly Row[]>> {
  return withClient(uri, async (client) => {
    // One snapshot for all tables, as one reader has it.
    await client.query("SET TimeZone = 'UTC'; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const { rows: tables } = await client.query<{ relname: string }>(
      "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY 1",
      [dataset],
    );
    const content = new Map<string, readonly Row[]>();
    for (const { relname } of tables) {
      const { rows } = await client.query<{ row: Row }>(
        `SELECT to_jsonb(t) AS row FROM "${dataset}"."${relname}" AS t`,
      );
      content.set(
        relname,
        rows.map(({ row }) => row),
      );
    }
    return content;
  });
}

/** Sessions that still live, and temporary tables that outlived theirs. */
async function postgresLeftovers(admin: Client, uri: string, database: string): Promise<string[]> {
  for (let attempt = 1; ; attempt++) {
    const { rows: sessions } = await admin.query<{ query: string }>(
      "SELECT query FROM pg_stat_activity WHERE datname = $1",
      [database],
    );
    // The server needs a moment to notice that a client is gone.
    if (sessions.length > 0 && attempt < 100) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    const tables = await withClient(uri, async (client) => {
      const { rows } = await client.query<{ name: string }>(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'",
      );
      return rows;
    });
    return [
      ...sessions.map(({ query }) => `a session that last did: ${query.slice(0, 60)}`),
      ...tables.map(({ name }) => `table ${name}`),
    ];
  }
}
