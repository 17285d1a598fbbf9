import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Break, breakableWay } from "../../test/breakable-way.js";
import {
  batchOf,
  type CellValue,
  type DestinationHarness,
  destinationLaws,
} from "../../test/laws/destination.js";
import {
  dropDatabase,
  emptyDatabase,
  newDatabase,
  type PostgresServer,
  queryPostgres,
  startPostgres,
} from "../../test/postgres-server.js";
import type { Connection, PackageHeader, Receipt, StagePlan } from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import { type ColumnSchema, SYSTEM_COLUMNS, type TableSchema } from "../model/table.js";
import { failed, publicMessage } from "./postgres/errors.js";
import { cleanJson } from "./postgres/storable.js";
import { type PostgresOptions, postgres, postgresDestination } from "./postgres.js";

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(() => server.stop());

const quoted = (...names: readonly string[]) =>
  names.map((name) => `"${name.replaceAll('"', '""')}"`).join(".");

function harness(uri: string): DestinationHarness {
  return {
    name: "postgres",
    cannot: {
      "the character NUL is kept, in text and in json": "no text of PostgreSQL holds it: it becomes U+FFFD",
    },
    async open() {
      await emptyDatabase(uri);
      return {
        destination: postgres(uri),
        async rows(dataset, table) {
          try {
            return await queryPostgres(uri, `SELECT * FROM ${quoted(dataset, table)}`);
          } catch (error) {
            if ((error as { code?: unknown }).code === "42P01") return [];
            throw error;
          }
        },
        dispose: async () => undefined,
      };
    },
  };
}

function proveLaws(create: () => Promise<string>): void {
  let database: string;
  beforeAll(async () => {
    database = await create();
  });
  afterAll(() => dropDatabase(database));
  for (const law of destinationLaws) test(law.name, () => law.check(harness(database)));
}

describe("laws of destinations", () => proveLaws(() => server.newDatabase()));

const other = process.env["DATABASE_URL"];
if (other !== undefined) {
  describe("laws of destinations, on the server of DATABASE_URL", () => proveLaws(() => newDatabase(other)));
}

// --- One small table, and short ways to load it -------------------------------------------------------------------

const TABLE: TableSchema = {
  name: "t",
  resource: "r",
  primaryKey: ["n"],
  columns: [
    { name: SYSTEM_COLUMNS.id, type: "text", nullable: false },
    { name: SYSTEM_COLUMNS.loadId, type: "text", nullable: false },
    { name: "n", type: "bigint", nullable: true },
    { name: "v", type: "text", nullable: true },
  ],
};

const PLAN: StagePlan = { pipeline: "p", loadId: "l", resource: "r", writeDisposition: "append" };

const withColumn = (column: Pick<ColumnSchema, "type" | "precision" | "scale">): TableSchema => ({
  ...TABLE,
  columns: [...TABLE.columns.slice(0, 3), { name: "v", nullable: true, ...column }],
});

const row = (n: number, v: CellValue = null, id = String(n).padStart(12, "0")) => ({
  [SYSTEM_COLUMNS.id]: id,
  [SYSTEM_COLUMNS.loadId]: "l",
  n,
  v,
});

function header(id: string, table = TABLE): PackageHeader {
  return {
    id,
    tables: [table],
    changes: [{ op: "create-table", table }],
    state: { fingerprint: "f", status: "done", loadId: "l", loadResources: [], packages: 1, committedAt: 1 },
    rejects: [],
    startedAt: 0,
    schemaHash: "h",
  };
}

async function load(
  connection: Connection,
  id: string,
  rows: readonly ReturnType<typeof row>[],
  { plan = PLAN, table = TABLE }: { plan?: StagePlan; table?: TableSchema } = {},
): Promise<Receipt> {
  const stage = await connection.stage(plan);
  try {
    await stage.write(batchOf(table, rows));
    return await stage.commit(header(id, table));
  } finally {
    await stage[Symbol.asyncDispose]();
  }
}

let uri: string;
const connections: Connection[] = [];

async function connect(to = uri, more: Partial<PostgresOptions> = {}, dataset = "d"): Promise<Connection> {
  const settings = { ...(postgresDestination.fromUri(to) as PostgresOptions), ...more };
  const connection = await postgres(settings).connect(dataset, new AbortController().signal);
  connections.push(connection);
  return connection;
}

async function errorOf(promise: Promise<unknown>): Promise<SluiceError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SluiceError);
  return error as SluiceError;
}

const numbers = async () =>
  (await queryPostgres(uri, "SELECT n FROM d.t ORDER BY n")).map((found) => Number(found["n"]));

beforeAll(async () => {
  uri = await server.newDatabase();
});

afterEach(async () => {
  for (const connection of connections.splice(0)) await connection[Symbol.asyncDispose]();
  await emptyDatabase(uri);
});

describe("what PostgreSQL can't hold", () => {
  test("becomes U+FFFD, is counted, and takes nothing else with it", async () => {
    const connection = await connect();
    const values = ["a\0b", "plain", null, "\0\0"];
    const receipt = await load(
      connection,
      "p1",
      values.map((value, n) => row(n, value)),
    );
    expect(receipt.warnings).toEqual([expect.stringMatching(/^2 values of t\.v held characters/u)]);
    const found = await queryPostgres(uri, "SELECT v FROM d.t ORDER BY n");
    expect(found.map(({ v }) => v)).toEqual(["a\ufffdb", "plain", null, "\ufffd\ufffd"]);
    expect((await load(connection, "p2", [row(9, "fine")])).warnings).toBeUndefined();
  });

  test("in json, by its escapes", () => {
    expect(cleanJson(String.raw`["\u0000","\\u0000","\\\u0000"]`)).toBe(
      String.raw`["\ufffd","\\u0000","\\\ufffd"]`,
    );
    expect(cleanJson(String.raw`["\ud83d\ude00","\uD83D","\ude00\ud83d"]`)).toBe(
      String.raw`["\ud83d\ude00","\ufffd","\ufffd\ufffd"]`,
    );
  });

  const clean = (value: Json): Json => JSON.parse(cleanJson(JSON.stringify(value))) as Json;

  test("any json comes back but for that", async () => {
    const connection = await connect();
    const table = withColumn({ type: "json" });
    let packages = 0;
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.constantFrom("\0", "\ud800", "\\u0000", '\\"', "\\"),
    );
    const { value } = fc.letrec<{ value: Json }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        text,
        fc.integer(),
        fc.constantFrom(null, true, 0.1),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(text.map(clean) as fc.Arbitrary<string>, tie("value"), { maxKeys: 3 }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
        packages += 1;
        const rows = values.map((document, n) => row(n, document));
        await load(connection, `p${packages}`, rows, {
          plan: { ...PLAN, writeDisposition: "replace" },
          table,
        });
        const found = await queryPostgres(uri, "SELECT v FROM d.t ORDER BY n");
        const read = found.map(({ v }) => (v === null ? null : (JSON.parse(v as string) as Json)));
        // A top-level null is no value; -0 is 0 in JSON of every database.
        expect(read).toEqual(values.map((document) => (document === null ? null : clean(document))));
      }),
      { numRuns: 25 },
    );
  });
});

test("any decimal comes back with all its digits", async () => {
  const connection = await connect();
  let packages = 0;
  const shape = fc
    .integer({ min: 1, max: 38 })
    .chain((precision) => fc.tuple(fc.constant(precision), fc.integer({ min: 0, max: precision })));
  const column = shape.chain(([precision, scale]) => {
    const most = 10n ** BigInt(precision) - 1n;
    const unscaled = fc.oneof(
      fc.bigInt({ min: -most, max: most }),
      fc.constantFrom(0n, 1n, -1n, most, -most),
    );
    return fc.record({
      precision: fc.constant(precision),
      scale: fc.constant(scale),
      values: fc.array(unscaled, { minLength: 1, maxLength: 20 }),
    });
  });
  await fc.assert(
    fc.asyncProperty(column, async ({ precision, scale, values }) => {
      packages += 1;
      const texts = values.map((value) => {
        const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
        const point = digits.length - scale;
        const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
        return value < 0n ? `-${text}` : text;
      });
      const table = { ...withColumn({ type: "decimal", precision, scale }), name: `t${packages}` };
      await load(
        connection,
        `p${packages}`,
        texts.map((text, n) => row(n, text)),
        { table },
      );
      const found = await queryPostgres(uri, `SELECT v FROM d.t${packages} ORDER BY n`);
      expect(found.map(({ v }) => v)).toEqual(texts);
    }),
    { numRuns: 25 },
  );
});

test("of repeated keys the last wins by the bytes of its id, whatever the database's language", async () => {
  const [order] = await queryPostgres(uri, "SELECT 'a' < 'B' AS english");
  expect(order).toEqual({ english: true });
  const connection = await connect();
  const ids = ["B00000000000", "_00000000000", "a00000000000"];
  for (const id of ids) expect(ids.indexOf(id)).toBe(ids.toSorted().indexOf(id));
  const rows = ids.map((id) => row(1, id, id));
  await load(connection, "p1", rows, { plan: { ...PLAN, writeDisposition: "merge" } });
  expect(await queryPostgres(uri, "SELECT v FROM d.t")).toEqual([{ v: "a00000000000" }]);
});

describe("names", () => {
  test("that PostgreSQL would cut off are refused", async () => {
    const error = await errorOf(connect(uri, {}, "n".repeat(64)));
    expect(error.code).toBe("data/names");
    expect((await errorOf(connect(uri, {}, "é".repeat(32)))).message).toContain("63 bytes");
    await connect(uri, {}, "é".repeat(31));
    const long = { ...TABLE, name: "t".repeat(64) };
    expect((await errorOf(load(await connect(), "p", [row(1)], { table: long }))).code).toBe("data/names");
  });

  test("of a dataset that somebody else made will do, without the right to create schemas", async () => {
    await queryPostgres(uri, "DROP ROLE IF EXISTS loader");
    await queryPostgres(uri, "CREATE ROLE loader LOGIN");
    await queryPostgres(uri, "CREATE SCHEMA d AUTHORIZATION loader");
    const mine = uri.replace("tester@", "loader@");
    await load(await connect(mine), "p1", [row(1)]);
    expect(await numbers()).toEqual([1]);
    const error = await errorOf(load(await connect(mine, {}, "elsewhere"), "p1", [row(1)]));
    expect(error.code).toBe("destination/failed");
    expect(error.hint).toContain("Grant");
  });
});

test("two pipelines may create one dataset at the same moment", async () => {
  const both = await Promise.all([connect(), connect(), connect()]);
  await Promise.all(
    both.map((connection, n) =>
      load(connection, `p${n}`, [row(n)], { plan: { ...PLAN, pipeline: `p${n}` } }),
    ),
  );
  expect(await numbers()).toEqual([0, 1, 2]);
});

test("no more than max_connections are open, and whoever comes later waits", async () => {
  const connection = await connect(uri, { max_connections: 3, application_name: "counted" });
  let most = 0;
  const loads = Array.from({ length: 6 }, async (_, n) => {
    await load(connection, `p${n}`, [row(n)], { plan: { ...PLAN, resource: `r${n}` } });
    const [found] = await queryPostgres(
      uri,
      "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name LIKE 'counted %'",
    );
    most = Math.max(most, Number(found?.["n"]));
  });
  await Promise.all(loads);
  expect(most).toBeLessThanOrEqual(3);
  expect(await numbers()).toEqual([0, 1, 2, 3, 4, 5]);
});

describe("the lease", () => {
  test("names its holder", async () => {
    const lease = await (await connect()).acquire("shop");
    const error = await errorOf((await connect()).acquire("shop"));
    expect(error.code).toBe("destination/locked");
    expect(error.message).toContain(`"sluice ${process.pid}@${hostname()}`.slice(0, 50));
    expect(error.message).toMatch(/as tester from 127\.0\.0\.1 \(server process \d+, connected since 20/u);
    await lease[Symbol.asyncDispose]();
    const own = await connect();
    await own.acquire("shop");
    expect((await errorOf(own.acquire("shop"))).message).toContain("another run of this process");
    await (await connect(uri, {}, "e")).acquire("shop");
  });

  test("that is lost lets nothing be committed, and another run begin", async () => {
    const first = await connect(uri, { application_name: "first" });
    await first.acquire("p");
    await load(first, "p1", [row(1)]);
    const stage = await first.stage(PLAN);
    await stage.write(batchOf(TABLE, [row(2)]));
    const [held] = await queryPostgres(
      uri,
      "SELECT pg_terminate_backend(pid) AS ended FROM pg_locks WHERE locktype = 'advisory'",
    );
    expect(held).toEqual({ ended: true });
    const second = await connect();
    await second.acquire("p");
    const error = await errorOf(stage.commit(header("p2")));
    expect(error.code).toBe("destination/locked");
    expect(error.message).toContain("no longer holds pipeline p");
    expect(await numbers()).toEqual([1]);
    await load(second, "p3", [row(3)]);
    expect(await numbers()).toEqual([1, 3]);
    // The stage itself is whole, and commits for nobody.
    expect((await errorOf(stage.commit(header("p2")))).code).toBe("destination/locked");
    await stage[Symbol.asyncDispose]();
  });

  test("waits for a commit that the holder before has begun", async () => {
    const first = await connect();
    const lease = await first.acquire("p");
    await load(first, "p0", [row(0)]);
    // Another session stands in the way of the commit, which has passed its check by then.
    const blocker = await blockingSession("LOCK TABLE d.t IN ACCESS EXCLUSIVE MODE");
    const committing = load(first, "p1", [row(1)]);
    await blocker.waitFor("INSERT INTO");
    await lease[Symbol.asyncDispose]();
    const second = await connect();
    let isTaken = false;
    const taken = second.acquire("p").then(() => (isTaken = true));
    await blocker.waitFor("pg_advisory_xact_lock");
    expect(isTaken).toBe(false);
    await blocker.end();
    await Promise.all([committing, taken]);
    expect(await numbers()).toEqual([0, 1]);
  });
});

/** A session that has run a statement in a transaction, and can tell who waits. */
async function blockingSession(
  statement: string,
): Promise<{ waitFor(what: string): Promise<void>; end(): Promise<void> }> {
  const { Client } = await import("pg");
  const client = new Client({ connectionString: uri });
  await client.connect();
  await client.query("BEGIN");
  await client.query(statement);
  return {
    async waitFor(what) {
      for (;;) {
        const waiting = await queryPostgres(
          uri,
          "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1",
          [`%${what}%`],
        );
        if (waiting.length > 0) return;
      }
    },
    end: () => client.end(),
  };
}

describe("a connection that breaks in COMMIT", () => {
  test("after the server has done it: the commit is found, and the run goes on", async () => {
    const way = await breakableWay(uri);
    const connection = await connect(way.uri);
    await connection.acquire("p");
    const stage = await connection.stage(PLAN);
    await stage.write(batchOf(TABLE, [row(1), row(2)]));
    way.breakAt("after");
    const receipt = await stage.commit(header("p1"));
    expect(receipt).toEqual({
      replayed: false,
      tables: { t: { inserted: 2, updated: 0, deleted: 0, rejected: 0 } },
    });
    expect(await numbers()).toEqual([1, 2]);
    await stage.write(batchOf(TABLE, [row(3)]));
    await stage.commit(header("p2"));
    expect(await numbers()).toEqual([1, 2, 3]);
    await stage[Symbol.asyncDispose]();
    way.close();
  });

  test.each<Break>(["before", "before, unnoticed"])(
    "%s: nothing is there, and the error says so",
    async (how) => {
      const way = await breakableWay(uri);
      const connection = await connect(way.uri);
      await connection.acquire("p");
      await load(connection, "p1", [row(1)]);
      const stage = await connection.stage(PLAN);
      await stage.write(batchOf(TABLE, [row(2)]));
      way.breakAt(how);
      const error = await errorOf(stage.commit(header("p2")));
      expect(error.code).toBe("destination/unreachable");
      expect(error.message).toContain("changed nothing");
      expect(await numbers()).toEqual([1]);
      await stage[Symbol.asyncDispose]();
      // The same package again, as the next run would bring it.
      await load(connection, "p2", [row(2)]);
      expect(await numbers()).toEqual([1, 2]);
      way.close();
    },
  );
});

describe("a stage", () => {
  test("takes the next batch after one that does not hold what it says", async () => {
    const connection = await connect();
    const stage = await connection.stage(PLAN);
    await stage.write(batchOf(TABLE, [row(1)]));
    const good = batchOf(TABLE, [row(2), row(3)]);
    const last = good.columns[3]!;
    if (last.kind !== "text") throw new Error("the last column is text");
    const short = { ...last, offsets: last.offsets.subarray(0, 2) };
    const broken = await errorOf(stage.write({ ...good, columns: [...good.columns.slice(0, 3), short] }));
    expect(broken.code).toBe("internal/bug");
    await stage.write(good);
    await stage.commit(header("p1"));
    expect(await numbers()).toEqual([1, 2, 3]);
    await stage[Symbol.asyncDispose]();
  });

  test("whose session is ended says so, then and later", async () => {
    const connection = await connect();
    const stage = await connection.stage(PLAN);
    await stage.write(batchOf(TABLE, [row(1)]));
    await queryPostgres(
      uri,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY %' AND datname = current_database()",
    );
    for (const attempt of [
      () => stage.write(batchOf(TABLE, [row(2)])),
      () => stage.write(batchOf(TABLE, [row(3)])),
      () => stage.commit(header("p1")),
    ]) {
      expect((await errorOf(attempt())).code).toBe("destination/unreachable");
    }
    await stage[Symbol.asyncDispose]();
    expect(await connection.describe(["t"])).toEqual([]);
  });
});

describe("a process that is killed", () => {
  test("leaves nothing of its stage and no lease", async () => {
    await load(await connect(), "p1", [row(1)]);
    const folder = await mkdtemp(join(tmpdir(), "sluice-postgres-"));
    const at = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));
    const program = join(folder, "stage.ts");
    await writeFile(
      program,
      `import { postgres } from ${JSON.stringify(at("src/destinations/postgres.ts"))};
       import { batchOf } from ${JSON.stringify(at("test/laws/destination.ts"))};
       const connection = await postgres(${JSON.stringify(uri)}).connect("d", new AbortController().signal);
       await connection.acquire("p");
       const stage = await connection.stage(${JSON.stringify({ ...PLAN, writeDisposition: "replace" })});
       const batch = batchOf(${JSON.stringify(TABLE)}, Array(2000).fill(${JSON.stringify(row(2))}));
       for (let round = 0; round < 20; round += 1) await stage.write(batch);
       console.log("staged");
       setInterval(() => stage, 1000);`,
    );
    const child = spawn(process.execPath, [at("scripts/run-ts.mjs"), program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const next = await connect();
    expect((await errorOf(next.acquire("p"))).message).toContain(`"sluice ${child.pid}@`);
    child.kill("SIGKILL");
    await once(child, "exit");
    await next.acquire("p");
    expect(await numbers()).toEqual([1]);
    await load(next, "p2", [row(3)]);
    expect(await numbers()).toEqual([1, 3]);
    await rm(folder, { recursive: true });
  });
});

describe("errors", () => {
  const secret = "pa55-word";

  test("of a server that is not there or refuses, without the password", async () => {
    const nobody = new URL(uri);
    nobody.password = secret;
    const cases = [
      [{ port: 1 }, /can't connect to postgres:\/\/127\.0\.0\.1:1\/.*ECONNREFUSED/u],
      [{ database: "no_such" }, /"no_such" does not exist \(SQLSTATE 3D000\)/u],
      [{ user: "no_one" }, /"no_one" does not exist/u],
      [{ sslmode: "require" as const }, /does not support SSL/u],
    ] as const;
    for (const [more, message] of cases) {
      const error = await errorOf(connect(nobody.href, more));
      expect(error.code).toBe("destination/unreachable");
      expect(error.message).toMatch(message);
      expect(JSON.stringify(error.toReport())).not.toContain(secret);
    }
    expect(postgres(nobody.href).location).toBe(`postgres://127.0.0.1:${nobody.port}${nobody.pathname}`);
    expect(postgres(nobody.href).queryHint?.("d", "My t")).toBe(
      `psql postgres://tester@127.0.0.1:${nobody.port}${nobody.pathname} -c "select * from d.\\"My t\\" limit 5"`,
    );
  });

  test("of statements quote no values", async () => {
    const connection = await connect();
    await load(connection, "p1", [row(1, "secret-value")]);
    const broken = async (statement: string, table = TABLE) => {
      await queryPostgres(uri, statement);
      const error = await errorOf(load(connection, `p${Math.random()}`, [row(2, "secret-value")], { table }));
      expect(error.code).toBe("destination/failed");
      expect(JSON.stringify(error.toReport())).not.toContain("secret-value");
      expect(error.cause).toBeUndefined();
      return error.message;
    };
    expect(await broken("ALTER TABLE d.t ADD CONSTRAINT once UNIQUE (v)")).toContain(
      '"once" (SQLSTATE 23505)',
    );
    await queryPostgres(uri, "ALTER TABLE d.t DROP CONSTRAINT once");
    expect(await broken("ALTER TABLE d.t ADD CONSTRAINT short CHECK (n = 1)")).toContain("23514");
    await queryPostgres(uri, "ALTER TABLE d.t DROP CONSTRAINT short");
    await queryPostgres(
      uri,
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no "%"', NEW.v; END $$`,
    );
    expect(
      await broken("CREATE TRIGGER refuse BEFORE INSERT ON d.t FOR EACH ROW EXECUTE FUNCTION refuse()"),
    ).toBe('the commit failed and changed nothing: no "…" (SQLSTATE P0001)');
    expect(await numbers()).toEqual([1]);
  });

  test("by kind", () => {
    const error = (message: string, code?: string) => Object.assign(new Error(message), { code });
    expect(publicMessage(error('invalid input syntax for type bigint: "secret"', "22P02"))).toBe(
      'invalid input syntax for type bigint: "…" (SQLSTATE 22P02)',
    );
    expect(failed("x", error("read ECONNRESET", "ECONNRESET")).code).toBe("destination/unreachable");
    expect(failed("x", error("terminating connection", "57P01")).code).toBe("destination/unreachable");
    expect(failed("x", error("Connection terminated unexpectedly")).code).toBe("destination/unreachable");
    expect(failed("x", error("deadlock detected", "40P01")).hint).toContain("run again");
    expect(failed("x", error("disk full", "53100")).code).toBe("destination/failed");
  });
});

describe("settings", () => {
  const parse = (input: unknown) => postgresDestination.options.parse(input);
  const shown = (input: unknown) => {
    const { password, ...rest } = parse(input);
    return { ...rest, password: password?.reveal() };
  };

  test("examples mean the same as options and as URI", () => {
    for (const { options, uri } of postgresDestination.examples) {
      expect(shown(postgresDestination.fromUri(uri))).toEqual(shown(options));
    }
  });

  test("URIs", () => {
    expect(
      postgresDestination.fromUri("postgres://u%40x:p%3A%2F@[::1]:6000/a%20b?connect_timeout=3"),
    ).toEqual({
      host: "::1",
      port: 6000,
      database: "a b",
      user: "u@x",
      password: "p:/",
      connect_timeout: 3,
    });
    expect(postgresDestination.fromUri("postgresql://%2Frun%2Fpg/db")).toEqual({
      host: "/run/pg",
      database: "db",
    });
    for (const wrong of ["postgres:x", "postgres://u:p#w@h/d", "postgres://u:p%w@h/d", "postgres://a,b/d"]) {
      const error = (() => {
        try {
          return postgresDestination.fromUri(wrong);
        } catch (thrown) {
          return thrown as SluiceError;
        }
      })();
      expect(error).toMatchObject({ code: "config/invalid" });
      expect((error as SluiceError).message).not.toContain("p#w");
      expect((error as SluiceError).message).not.toContain("p%w");
    }
  });

  test("that can't be are refused before a connection, and the password is never shown", () => {
    expect(() => postgres("postgres://u:s3cr3t-x@h")).toThrow(/database/u);
    expect(() => postgres("postgres://u:s3cr3t-x@h/d?sslmode=maybe")).toThrow(/sslmode/u);
    expect(() => postgres("postgres://u:s3cr3t-x@h/d?port=x")).toThrow(/port/u);
    expect(() => postgres("postgres://u:s3cr3t-x@h/d?shlmode=disable")).toThrow(/shlmode/u);
    const options = parse(postgresDestination.fromUri("postgres://u:s3cr3t-x@h/d"));
    expect(JSON.stringify([options, postgres("postgres://u:s3cr3t-x@h/d").location])).not.toContain(
      "s3cr3t-x",
    );
  });
});
