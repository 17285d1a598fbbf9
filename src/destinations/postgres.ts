import { z } from "zod";
import type { Connection, Destination, Lease, Pruned, Stage, StagePlan } from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import { inTurn } from "../model/in-turn.js";
import type { Json } from "../model/json.js";
import { Secret } from "../model/secret.js";
import type { PipelineState } from "../model/state.js";
import type { FoundTable } from "../model/table.js";
import { checkedOptions, defineDestination } from "./destination.js";
import { failed } from "./postgres/errors.js";
import { giveLease, type HeldLease, takeLease } from "./postgres/lease.js";
import { connectServer, type ServerConnection, SSL_MODES } from "./postgres/server.js";
import { MAX_IDENTIFIER_BYTES, postgresDialect, sessionOn } from "./postgres/session.js";
import { beginCommit, PostgresStage } from "./postgres/stage.js";
import { readUri } from "./postgres/uri.js";
import { commandWord, quotedName } from "./query-hint.js";
import { commitNote, type Session } from "./sql/commit.js";
import { pruneHistory } from "./sql/prune.js";
import { forgetState, readPipelineState } from "./sql/state.js";
import type { Place } from "./sql/statements.js";
import * as sql from "./sql/statements.js";

const options = z.strictObject({
  host: z
    .string()
    .min(1)
    .default("localhost")
    .describe("Name or address of the server, or the folder of its Unix socket."),
  port: z.int().min(1).max(65_535).default(5432).describe("Its port."),
  database: z.string().min(1).describe("The database, which must exist; the dataset is a schema in it."),
  user: z.string().min(1).optional().describe("Default: PGUSER, then the user of the operating system."),
  password: z
    .union([z.string(), z.instanceof(Secret)])
    .transform((value) => (value instanceof Secret ? value : new Secret("postgres password", value)))
    .optional()
    .describe("Default: PGPASSWORD, then ~/.pgpass."),
  sslmode: z
    .enum(SSL_MODES)
    .default("prefer")
    .describe(
      "`prefer` encrypts where the server can; `require` insists; `verify-ca` and `verify-full` also check who the server is.",
    ),
  sslrootcert: z
    .string()
    .min(1)
    .optional()
    .describe("File with the certificates to check the server's by. Default: those of Node."),
  connect_timeout: z.int().min(1).default(10).describe("Seconds to wait for a connection."),
  max_connections: z
    .int()
    .min(2)
    .default(6)
    .describe("Connections at the same time: one for lease and state, one for each resource that is loaded."),
  application_name: z
    .string()
    .min(1)
    .default("sluice")
    .describe("Shown in pg_stat_activity, with process and host, and to a second writer."),
  options: z
    .string()
    .optional()
    .describe("Settings of the sessions, such as `-c work_mem=256MB` for merges of millions of rows."),
});

type Settings = z.output<typeof options>;

/** Options of the PostgreSQL destination as they are written in a configuration. */
export type PostgresOptions = z.input<typeof options>;

/**
 * A PostgreSQL database (13 or later).
 *
 * Batches are copied in PostgreSQL's binary format into temporary tables of a session of their own, so nothing of them
 * is visible before the commit, and nothing is left of them after a crash. Session state (temporary tables, advisory
 * locks) needs a connection to the server itself, or a pooler in session mode.
 */
export const postgresDestination = defineDestination({
  type: "postgres",
  scheme: ["postgres", "postgresql"],
  summary:
    "A PostgreSQL database, 13 or later. Needs the packages pg and pg-copy-streams; through a pooler, its session mode.",
  options,
  fromUri: readUri,
  create: (settings) => createPostgres(settings),
  examples: [
    {
      title: "A server of one's own",
      options: { database: "warehouse", user: "loader", password: "demo-password" },
      uri: "postgres://loader:demo-password@localhost/warehouse",
    },
    {
      title: "A managed server, checked by its certificate",
      options: {
        host: "db.example.com",
        port: 5433,
        database: "warehouse",
        user: "loader",
        sslmode: "verify-full",
        sslrootcert: "ca.pem",
      },
      uri: "postgresql://loader@db.example.com:5433/warehouse?sslmode=verify-full&sslrootcert=ca.pem",
    },
    {
      title: "A Unix socket, and memory for large merges",
      options: { host: "/run/postgresql", database: "warehouse", options: "-c work_mem=256MB" },
      uri: "postgres:///warehouse?host=/run/postgresql&options=-c%20work_mem%3D256MB",
    },
  ],
});

/**
 * The PostgreSQL destination for use from TypeScript. Opens nothing yet.
 *
 * @param place A URI, or options. Without a password, PGPASSWORD and ~/.pgpass are asked.
 * @throws SluiceError `config/invalid` for options that can't be.
 * @example
 * const destination = postgres("postgres://loader@localhost/warehouse");
 * @example
 * const destination = postgres({ database: "warehouse", password: process.env.WAREHOUSE_PASSWORD });
 */
export function postgres(place: string | PostgresOptions): Destination {
  return createPostgres(
    checkedOptions("postgres", options, typeof place === "string" ? readUri(place) : place),
  );
}

function createPostgres(settings: Settings): Destination {
  const location = locationOf(settings);
  return {
    type: "postgres",
    location,
    maxIdentifierBytes: MAX_IDENTIFIER_BYTES,
    queryHint: (dataset, table) => queryHint(settings, dataset, table),
    statements: (dataset, changes) =>
      changes.map((change) => sql.changeSchema({ dialect: postgresDialect, path: [dataset] }, change)),
    async connect(dataset, signal) {
      const target = { dialect: postgresDialect, path: [dataset] };
      // A dataset name that can't be is refused now, not by the first commit.
      sql.createDataset(target);
      const connection = await connectServer(settings, location, signal);
      return new PostgresConnection(settings, location, connection, target, signal);
    },
  };
}

/** Without user and password. */
function locationOf({ host, port, database }: Settings, user = ""): string {
  const name = encodeURIComponent(database);
  if (host.startsWith("/")) return `postgres://${user}/${name}?host=${host}&port=${port}`;
  return `postgres://${user}${host.includes(":") ? `[${host}]` : host}:${port}/${name}`;
}

function queryHint(settings: Settings, dataset: string, table: string): string {
  const user = settings.user === undefined ? "" : `${encodeURIComponent(settings.user)}@`;
  const statement = `select * from ${quotedName(dataset)}.${quotedName(table)} limit 5`;
  return `psql ${commandWord(locationOf(settings, user))} -c ${commandWord(statement)}`;
}

class PostgresConnection implements Connection {
  readonly keepsParts = true;
  readonly #settings: Settings;
  readonly #location: string;
  readonly #connection: ServerConnection;
  readonly #target: Place;
  readonly #signal: AbortSignal;
  readonly #session: Session;
  readonly #leases = new Map<string, HeldLease>();
  readonly #stages = new Set<Stage>();
  readonly #places: Places;
  readonly #alone = inTurn();
  #open = true;

  constructor(
    settings: Settings,
    location: string,
    connection: ServerConnection,
    target: Place,
    signal: AbortSignal,
  ) {
    this.#settings = settings;
    this.#location = location;
    this.#connection = connection;
    this.#target = target;
    this.#signal = signal;
    this.#places = new Places(settings.max_connections - 1);
    this.#session = sessionOn(connection, target, {
      begin: () => beginCommit(connection, target, undefined),
      commit: async () => void (await connection.query("COMMIT")),
    });
  }

  async acquire(pipeline: string): Promise<Lease> {
    const dataset = this.#target.path[0]!;
    return this.#do(`taking the lease of pipeline ${pipeline} failed`, async () => {
      // The server lets a session take its own lock again.
      if (this.#leases.has(pipeline)) {
        throw new SluiceError(
          "destination/locked",
          `pipeline ${pipeline} is being written to dataset ${dataset} of ${this.#location} by another run of this process`,
          { hint: "Wait for that run to end, or give one of the two pipelines another name." },
        );
      }
      const held = await takeLease(this.#connection, dataset, pipeline, this.#location);
      this.#leases.set(pipeline, held);
      return { pipeline, [Symbol.asyncDispose]: () => this.#release(held) };
    });
  }

  async #release(held: HeldLease): Promise<void> {
    if (this.#leases.get(held.pipeline) !== held) return;
    this.#leases.delete(held.pipeline);
    await this.#alone(() => giveLease(this.#connection, held));
  }

  state(pipeline: string): Promise<PipelineState | undefined> {
    return this.#do(`reading the state of pipeline ${pipeline} failed`, () =>
      readPipelineState(this.#session, this.#target, pipeline),
    );
  }

  describe(tables: readonly string[]): Promise<readonly FoundTable[]> {
    return this.#do("reading the tables' columns failed", () => this.#session.describe(tables));
  }

  async stage(plan: StagePlan): Promise<Stage> {
    await this.#places.take();
    try {
      const connect = () => connectServer(this.#settings, this.#location);
      // The signal stops what waits for a server; a commit under way is ended by its own outcome.
      const connection = await connectServer(this.#settings, this.#location, this.#signal);
      const stage: Stage = new PostgresStage(
        {
          target: this.#target,
          connect,
          lease: (pipeline) => this.#leases.get(pipeline),
          leave: () => {
            this.#stages.delete(stage);
            this.#places.give();
          },
        },
        connection,
        plan,
      );
      this.#stages.add(stage);
      return stage;
    } catch (error) {
      this.#places.give();
      throw error;
    }
  }

  remember(pipeline: string, key: string, value: Json): Promise<void> {
    return this.#do(`storing a note of pipeline ${pipeline} failed`, () =>
      commitNote(this.#session, this.#target, { pipeline, key, value, at: Date.now() }),
    );
  }

  prune(pipeline: string, before: number): Promise<Pruned> {
    return this.#do(`forgetting old loads of pipeline ${pipeline} failed`, () =>
      pruneHistory(this.#session, this.#target, pipeline, before),
    );
  }

  resetState(pipeline: string, resources: readonly string[] = []): Promise<void> {
    return this.#do(`forgetting the state of pipeline ${pipeline} failed`, () =>
      forgetState(this.#session, this.#target, pipeline, resources),
    );
  }

  /** One task after the other on the connection: a question must not fall into the transaction of a note. */
  async #do<T>(doing: string, task: () => Promise<T>): Promise<T> {
    try {
      return await this.#alone(task);
    } catch (error) {
      throw failed(doing, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    for (const stage of this.#stages) await stage[Symbol.asyncDispose]();
    // Leases go with their session.
    await this.#alone(() => this.#connection.close());
  }
}

/** So many may be in at once; the others wait for their turn. */
class Places {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
