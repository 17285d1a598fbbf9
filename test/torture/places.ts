import { cp, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { Client } from "pg";
import { duckdbInMemory, type MemoryDatabase } from "../../src/destinations/duckdb.js";
import { folderStore } from "../../src/destinations/files/folder.js";
import { tableQuery } from "../../src/destinations/files/formats.js";
import { readManifest } from "../../src/destinations/files/manifest.js";
import type { Store } from "../../src/destinations/files/store.js";
import { bucketStore } from "../../src/destinations/s3/store.js";
import { s3Destination } from "../../src/destinations/s3.js";
import { startPostgres } from "../postgres-server.js";
import { startS3 } from "../s3-server.js";
import { STRAIGHT } from "./cells.js";
import type { Home, Place, Row } from "./place.js";

/** The destinations of the matrix, by name. Each is started when a cell wants it. */
export const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  duckdb: duckdbFiles,
  [STRAIGHT]: async () => ({ ...(await duckdbFiles()), name: STRAIGHT, drivers: "duckdb,straight" }),
  postgres: postgresDatabases,
  file: parquetFiles,
  s3: parquetObjects,
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
    for (const row of tables) {
      const table = row["table_name"] as string;
      content.set(table, await rowsOf(`SELECT * FROM ${name}."${dataset}"."${table}"`));
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

async function parquetFiles(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-torture-file-"));
  const reader = duckdbInMemory();
  const looking = await reader.destination.connect("d", new AbortController().signal);
  let homes = 0;
  const homeAt = (own: string): Home => ({
    uri: `file:${own}`,
    async copy() {
      const other = nextFolder();
      await cp(own, other, { recursive: true });
      return homeAt(other);
    },
    tables: (dataset) => readFiles(reader, folderStore(own), dataset),
    // Data files of commits that never were lie there until they are pruned; nobody sees them.
    leftovers: async () => [],
    drop: () => rm(own, { recursive: true, force: true }),
  });
  const nextFolder = () => join(folder, `home_${(homes += 1)}`);
  return {
    name: "file",
    drivers: "fs,copy",
    create: async () => homeAt(nextFolder()),
    async stop() {
      await looking[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const S3_KEYS = { AWS_ACCESS_KEY_ID: "tester", AWS_SECRET_ACCESS_KEY: "tester-secret" };

async function parquetObjects(): Promise<Place> {
  const server = await startS3();
  const reader = duckdbInMemory();
  const looking = await reader.destination.connect("d", new AbortController().signal);
  const client = new S3Client({
    endpoint: server.endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: S3_KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: S3_KEYS.AWS_SECRET_ACCESS_KEY },
  });
  const Bucket = server.bucket;
  let homes = 0;
  const create = (): Home => {
    homes += 1;
    const prefix = `home_${homes}`;
    const store = bucketStore(
      s3Destination.options.parse({
        bucket: Bucket,
        prefix,
        endpoint: server.endpoint,
        force_path_style: true,
        access_key_id: S3_KEYS.AWS_ACCESS_KEY_ID,
        secret_access_key: S3_KEYS.AWS_SECRET_ACCESS_KEY,
      }),
    );
    return {
      uri: `s3://${Bucket}/${prefix}?endpoint=${encodeURIComponent(server.endpoint)}&force_path_style=true`,
      env: S3_KEYS,
      async copy() {
        const other = create();
        const target = new URL(other.uri).pathname.slice(1);
        for (const { name } of await store.list("")) {
          const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: `${prefix}/${name}` }));
          const bytes = await Body!.transformToByteArray();
          await client.send(new PutObjectCommand({ Bucket, Key: `${target}/${name}`, Body: bytes }));
        }
        return other;
      },
      tables: (dataset) => readFiles(reader, store, dataset),
      leftovers: async () => [],
      async drop() {
        for (const { name } of await store.list("")) await store.remove(name);
      },
    };
  };
  return {
    name: "s3",
    drivers: "s3,copy",
    create: async () => create(),
    async stop() {
      client.destroy();
      await looking[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

/** What the newest manifest names. */
async function readFiles(
  reader: MemoryDatabase,
  store: Store,
  dataset: string,
): Promise<ReadonlyMap<string, readonly Row[]>> {
  const manifest = await readManifest(store, dataset);
  const content = new Map<string, readonly Row[]>([
    ["_sluice_state", manifest.state],
    ["_sluice_schema", manifest.schemas],
    ["_sluice_loads", manifest.loads],
  ]);
  const tables = [...manifest.tables].sort((left, right) => (left.name < right.name ? -1 : 1));
  for (const { name, columns, files } of tables) {
    const names = files.map(({ path }) => `${dataset}/${path}`);
    const rows = await store.read(names, (place) =>
      reader.query(tableQuery(columns, files, (path) => place(`${dataset}/${path}`))),
    );
    content.set(name, rows.map(plain));
  }
  return content;
}

/** Big integers are no JSON. */
function plain(row: Row): Row {
  const values = Object.entries(row).map(([key, value]) => [
    key,
    typeof value === "bigint" ? String(value) : value,
  ]);
  return Object.fromEntries(values) as Row;
}
