import type { Batch } from "../../model/batch.js";
import type { PackageHeader, Receipt, Stage, StagePlan } from "../../model/destination.js";
import { SluiceError } from "../../model/error.js";
import { type ColumnSchema, SYSTEM_TABLES, type TableSchema } from "../../model/table.js";
import { commitPackage, type Session, type StagedTable } from "../sql/commit.js";
import type { Place } from "../sql/statements.js";
import * as sql from "../sql/statements.js";
import { copyChunks } from "./copy.js";
import { failed, isConnectionError, publicMessage } from "./errors.js";
import { checkLease, commitKey, type HeldLease } from "./lease.js";
import type { ServerConnection } from "./server.js";
import { describe, postgresDialect, sessionOn } from "./session.js";
import { storable } from "./storable.js";

/** Where a session's temporary tables are. */
const STAGING: Place = { dialect: postgresDialect, path: ["pg_temp"] };

/** What a stage shares with its `Connection`. */
export interface StageHost {
  readonly target: Place;
  /** Opens one more connection; the stage has its place among `max_connections` already. */
  connect(): Promise<ServerConnection>;
  /** The lease of a pipeline, if this process was given one. */
  lease(pipeline: string): HeldLease | undefined;
  /** Gives the stage's place back. */
  leave(): void;
}

/** Columns of a table, PostgreSQL's own limit. */
const MAX_COLUMNS = 1600;

function tooWide({ name, columns }: TableSchema): SluiceError {
  return new SluiceError(
    "destination/failed",
    `table ${name} would have ${columns.length} columns, and a PostgreSQL table holds ${MAX_COLUMNS}`,
    {
      hint: "Set max_table_nesting, or declare a nested object as json, to keep it whole in one column; or remove fields with a map among processing_steps.",
    },
  );
}

interface Staging extends StagedTable {
  columns: readonly ColumnSchema[];
}

/** A stage on a connection of its own, in whose temporary tables the rows wait. */
export class PostgresStage implements Stage {
  readonly #host: StageHost;
  readonly #plan: StagePlan;
  readonly #staged = new Map<string, Staging>();
  /** Values that were changed to be storable since the last commit, by table and column. */
  readonly #replaced = new Map<string, number>();
  #connection: ServerConnection;
  #open = true;

  constructor(host: StageHost, connection: ServerConnection, plan: StagePlan) {
    this.#host = host;
    this.#connection = connection;
    this.#plan = plan;
  }

  async write(batch: Batch): Promise<void> {
    if (batch.rows === 0) return;
    try {
      const staging = await this.#tableFor(batch.table);
      const { batch: clean, replaced } = storable(batch);
      const columns = batch.columns.map(({ schema }) => postgresDialect.quote(schema.name)).join(", ");
      const table = sql.tableName(STAGING, staging.name);
      await this.#connection.copy(`COPY ${table} (${columns}) FROM STDIN (FORMAT binary)`, copyChunks(clean));
      for (const [column, count] of replaced) this.#count(`${batch.table.name}.${column}`, count);
    } catch (error) {
      throw this.#failed("staging rows failed", error, batch.table.name);
    }
  }

  async commit(pkg: PackageHeader): Promise<Receipt> {
    try {
      const receipt = await commitPackage(this.#session(), {
        plan: this.#plan,
        pkg,
        target: this.#host.target,
        staging: STAGING,
        staged: this.#staged,
      });
      const warnings = receipt.replayed ? [] : warningsOf(this.#replaced);
      await this.#clear();
      return warnings.length === 0 ? receipt : { ...receipt, warnings };
    } catch (error) {
      throw this.#failed("the commit failed and changed nothing", error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    // Temporary tables go with their session.
    await this.#connection.close();
    this.#host.leave();
  }

  async #tableFor(table: TableSchema): Promise<Staging> {
    if (table.columns.length > MAX_COLUMNS) throw tooWide(table);
    const existing = this.#staged.get(table.name);
    if (existing === undefined) {
      const staging = { name: `staged_${this.#staged.size}`, columns: table.columns };
      await this.#connection.query(sql.createStaging(STAGING, staging.name, staging.columns));
      this.#staged.set(table.name, staging);
      return staging;
    }
    if (existing.columns === table.columns) return existing;
    const { statements, columns } = sql.growStaging(STAGING, existing, table);
    for (const statement of statements) await this.#connection.query(statement);
    existing.columns = columns;
    return existing;
  }

  #session(): Session {
    const connection = this.#connection;
    const { target } = this.#host;
    return sessionOn(connection, target, {
      begin: () => beginCommit(connection, target, this.#host.lease(this.#plan.pipeline)),
      commit: async (packageId) => {
        try {
          await connection.query("COMMIT");
        } catch (error) {
          if (packageId === undefined || !isConnectionError(error)) throw error;
          await this.#findOut(packageId, connection, error);
        }
      },
    });
  }

  /**
   * The connection broke while a commit was under way: asks on another one whether the package is there. The broken
   * session is ended first, and the commit lock waited for, which it holds as long as its transaction lives: so the
   * answer is final.
   */
  async #findOut(packageId: string, broken: ServerConnection, cause: unknown): Promise<void> {
    let fresh: ServerConnection | undefined;
    let isThere: boolean;
    try {
      fresh = await this.#host.connect();
      isThere = await hasPackage(fresh, this.#host.target, packageId, broken);
    } catch (error) {
      await fresh?.close();
      throw unknownOutcome(packageId, error);
    }
    if (!isThere) {
      await fresh.close();
      throw cause;
    }
    this.#connection = fresh;
    // The staged rows have gone with the broken session, and are where they belong.
    this.#staged.clear();
  }

  async #clear(): Promise<void> {
    for (const staging of this.#staged.values()) {
      await this.#connection.query(sql.dropTable(STAGING, staging.name));
    }
    this.#staged.clear();
    this.#replaced.clear();
  }

  #count(place: string, count: number): void {
    this.#replaced.set(place, (this.#replaced.get(place) ?? 0) + count);
  }

  #failed(doing: string, error: unknown, table?: string): SluiceError {
    return failed(doing, error).located({
      resource: this.#plan.resource,
      ...(table === undefined ? {} : { table }),
    });
  }
}

/**
 * Begins a transaction that is alone in committing to the dataset, and only if the lease is still held. READ COMMITTED,
 * whatever the server's default: what the one before committed must be seen once the lock is there.
 */
export async function beginCommit(
  connection: ServerConnection,
  target: Place,
  lease: HeldLease | undefined,
): Promise<void> {
  const lock = `SELECT pg_advisory_xact_lock('${commitKey(target.path[0]!)}'::bigint)`;
  await connection.query(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${lock}`);
  if (lease === undefined) return;
  try {
    await checkLease(connection, lease);
  } catch (error) {
    await connection.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

async function hasPackage(
  connection: ServerConnection,
  target: Place,
  packageId: string,
  broken: ServerConnection,
): Promise<boolean> {
  await connection.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1::int AND backend_start = $2::timestamptz",
    [String(broken.pid), broken.since],
  );
  await beginCommit(connection, target, undefined);
  const loads = await describe(connection, target, [SYSTEM_TABLES.loads]);
  const found =
    loads.length === 0 ? loads : (await connection.query(sql.findPackage(target), [packageId])).rows;
  await connection.query("ROLLBACK");
  return found.length > 0;
}

function unknownOutcome(packageId: string, error: unknown): SluiceError {
  return new SluiceError(
    "destination/unreachable",
    `the connection to PostgreSQL broke during the commit of package ${packageId}, ` +
      `and whether it is there can't be asked now: ${publicMessage(error)}`,
    { hint: "Run again: the next run sees what was committed, and goes on from there." },
  );
}

function warningsOf(replaced: ReadonlyMap<string, number>): string[] {
  return [...replaced].map(
    ([place, count]) =>
      `${count} ${count === 1 ? "value" : "values"} of ${place} held characters that PostgreSQL can't store ` +
      "(NUL, in json also halves of surrogate pairs): these became U+FFFD",
  );
}
