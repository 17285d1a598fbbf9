import type { DuckDBConnection } from "@duckdb/node-api";
import type { Connection, Lease, Pruned, Stage, StagePlan } from "../../model/destination.js";
import { SluiceError } from "../../model/error.js";
import type { Json } from "../../model/json.js";
import type { PipelineState } from "../../model/state.js";
import type { ColumnSchema, FoundTable } from "../../model/table.js";
import { commitNote, type Session } from "../sql/commit.js";
import { pruneHistory } from "../sql/prune.js";
import { forgetState, readPipelineState } from "../sql/state.js";
import { createDataset, type Place } from "../sql/statements.js";
import { TableAppender } from "./appender.js";
import { type Database, type DatabaseOptions, failed, openDatabase } from "./database.js";
import { duckdbDialect, sessionOn } from "./session.js";
import { DuckdbStage, provenFiller } from "./stage.js";
import { StraightAppend } from "./straight.js";
import { chunkFiller, type StringMode } from "./vectors.js";

/** What only tests change. */
export interface Internals {
  /** How strings are written; by default the faster way that works. */
  readonly strings?: StringMode;
  /** Bytes of a package from which its rows go straight into their tables. */
  readonly straightFrom?: number;
}

/**
 * Opens a database for a dataset, in this thread. `key` tells databases in memory apart.
 *
 * @throws SluiceError as `openDatabase`, or for a dataset name that can't be.
 */
export async function connectDuckdb(
  settings: DatabaseOptions,
  key: string,
  dataset: string,
  internals: Internals = {},
): Promise<Connection> {
  const database = await openDatabase(settings, key);
  try {
    const target = {
      dialect: duckdbDialect,
      path: [database.catalog, dataset],
    };
    // A dataset name that can't be is refused now, not by the first commit.
    createDataset(target);
    return new DuckdbConnection(database, await database.connect(), target, internals);
  } catch (error) {
    database.release();
    throw error;
  }
}

class DuckdbConnection implements Connection {
  readonly keepsParts = true;
  readonly #database: Database;
  readonly #connection: DuckDBConnection;
  readonly #session: Session;
  readonly #target: Place;
  readonly #strings: StringMode | undefined;
  readonly #straightFrom: number | undefined;
  #open = true;

  constructor(
    database: Database,
    connection: DuckDBConnection,
    target: Place,
    { strings, straightFrom }: Internals,
  ) {
    this.#database = database;
    this.#connection = connection;
    this.#target = target;
    this.#session = sessionOn(connection, target);
    this.#strings = strings;
    this.#straightFrom = straightFrom;
  }

  async acquire(pipeline: string): Promise<Lease> {
    const { holders, path } = this.#database;
    const dataset = this.#target.path.at(-1)!;
    const key = JSON.stringify([dataset.toLowerCase(), pipeline]);
    const since = holders.get(key);
    if (since !== undefined) {
      throw new SluiceError(
        "destination/locked",
        `pipeline ${pipeline} is being written to dataset ${dataset} of ${path} by another run of this process, ` +
          `since ${since.toISOString()}`,
        { hint: "Wait for that run to end, or give one of the two pipelines another name." },
      );
    }
    const mine = new Date();
    holders.set(key, mine);
    return {
      pipeline,
      async [Symbol.asyncDispose]() {
        if (holders.get(key) === mine) holders.delete(key);
      },
    };
  }

  async state(pipeline: string): Promise<PipelineState | undefined> {
    try {
      return await readPipelineState(this.#session, this.#target, pipeline);
    } catch (error) {
      throw failed(`reading the state of pipeline ${pipeline} failed`, error);
    }
  }

  async describe(tables: readonly string[]): Promise<readonly FoundTable[]> {
    try {
      return await this.#session.describe(tables);
    } catch (error) {
      throw failed("reading the tables' columns failed", error);
    }
  }

  async stage(plan: StagePlan): Promise<Stage> {
    const database = this.#database;
    const target = this.#target;
    const connection = await database.connect();
    const session = sessionOn(connection, target);
    const strings = this.#strings;
    const filler = async () =>
      strings === undefined ? provenFiller(database) : chunkFiller(database.driver.binding, strings);
    const newAppender = (name: string, columns: readonly ColumnSchema[]) =>
      new TableAppender(database.driver, connection, filler, target, name, columns);
    // Of other dispositions the rows have to be looked at before they meet those that are there.
    const straight =
      plan.writeDisposition === "append"
        ? new StraightAppend(database, session, target, newAppender, this.#straightFrom)
        : undefined;
    return new DuckdbStage(database, connection, target, filler, plan, session, straight);
  }

  async remember(pipeline: string, key: string, value: Json): Promise<void> {
    try {
      await this.#database.alone(() =>
        commitNote(this.#session, this.#target, { pipeline, key, value, at: Date.now() }),
      );
    } catch (error) {
      throw failed(`storing a note of pipeline ${pipeline} failed`, error);
    }
  }

  async prune(pipeline: string, before: number): Promise<Pruned> {
    try {
      return await this.#database.alone(() => pruneHistory(this.#session, this.#target, pipeline, before));
    } catch (error) {
      throw failed(`forgetting old loads of pipeline ${pipeline} failed`, error);
    }
  }

  async resetState(pipeline: string, resources: readonly string[] = []): Promise<void> {
    try {
      await this.#database.alone(() => forgetState(this.#session, this.#target, pipeline, resources));
    } catch (error) {
      throw failed(`forgetting the state of pipeline ${pipeline} failed`, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#connection.closeSync();
    this.#database.release();
  }
}
