import type { DuckDBConnection } from "@duckdb/node-api";
import type { Batch } from "../../model/batch.js";
import type { PackageHeader, Receipt, Stage, StagePlan } from "../../model/destination.js";
import type { SluiceError } from "../../model/error.js";
import type { ColumnSchema, TableSchema } from "../../model/table.js";
import { commitPackage, type Session } from "../sql/commit.js";
import type { Place } from "../sql/statements.js";
import * as sql from "../sql/statements.js";
import { TableAppender } from "./appender.js";
import { type Database, failed } from "./database.js";
import { duckdbDialect, sessionOn } from "./session.js";
import type { StraightAppend } from "./straight.js";
import { type ChunkFiller, chunkFiller, type StringMode } from "./vectors.js";

/** Where a connection's temporary tables are. Full names: a dataset may be called `temp`. */
const STAGING: Place = { dialect: duckdbDialect, path: ["temp", "main"] };

/** A temporary table with rows of one table. */
interface Staged {
  readonly name: string;
  table: TableSchema;
  readonly appender: TableAppender;
}

/** A stage on a connection of its own, in whose temporary tables the rows wait. */
export class DuckdbStage implements Stage {
  readonly #database: Database;
  readonly #connection: DuckDBConnection;
  readonly #session: Session;
  readonly #target: Place;
  readonly #filler: () => Promise<ChunkFiller>;
  readonly #plan: StagePlan;
  readonly #straight: StraightAppend | undefined;
  readonly #staged = new Map<string, Staged>();
  /** Columns of each table that has had rows. */
  readonly #columns = new Map<string, number>();
  #made = 0;
  /** Why rows of the package are gone, which must then never be committed without them. */
  #lost: SluiceError | undefined;
  #open = true;

  /** `straight`: for rows that need not wait in temporary tables. Default: all do. */
  constructor(
    database: Database,
    connection: DuckDBConnection,
    target: Place,
    filler: () => Promise<ChunkFiller>,
    plan: StagePlan,
    session: Session = sessionOn(connection, target),
    straight?: StraightAppend,
  ) {
    this.#database = database;
    this.#connection = connection;
    this.#session = session;
    this.#target = target;
    this.#filler = filler;
    this.#plan = plan;
    this.#straight = straight;
  }

  async write(batch: Batch): Promise<void> {
    if (batch.rows === 0) return;
    try {
      await this.#makeRoom(batch.table);
      await this.#goStraight(batch);
      const appender = (await this.#straight?.appenderFor(batch)) ?? (await this.#stagedFor(batch.table));
      await appender.append(batch);
      await this.#database.resources.appended(batch.bytes);
    } catch (error) {
      throw this.#keepLost(this.#failed("staging rows failed", error, batch.table.name));
    }
  }

  async commit(pkg: PackageHeader): Promise<Receipt> {
    if (this.#lost !== undefined) throw this.#lost;
    try {
      for (const { appender } of this.#staged.values()) appender.close();
      this.#straight?.close();
      await this.#straight?.waitFor(pkg.tables);
      const database = this.#database;
      const commit = async (): Promise<Receipt> => {
        await database.checkFile();
        const written = this.#straight?.written;
        const receipt = await commitPackage(this.#session, {
          plan: this.#plan,
          pkg,
          target: this.#target,
          staging: STAGING,
          staged: new Map(
            [...this.#staged].map(([table, { name, appender }]) => [
              table,
              { name, columns: appender.columns },
            ]),
          ),
          ...(written === undefined ? {} : { written }),
        });
        // The file may have gone while the commit was written.
        await database.checkFile();
        this.#straight?.end();
        await this.#clear();
        return receipt;
      };
      const { resources } = database;
      const hasRows = this.#columns.size > 0;
      if (hasRows) await resources.trim();
      const receipt = await database.alone(() => resources.withAllThreads(commit));
      if (hasRows) await resources.trim();
      return receipt;
    } catch (error) {
      throw this.#keepLost(this.#failed("the commit failed and changed nothing", error));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      for (const { appender } of this.#staged.values()) appender.close();
      this.#straight?.close();
    } catch {
      // Rows that nobody commits need not be taken.
    }
    this.#staged.clear();
    // Temporary tables and an open transaction go with their connection.
    this.#connection.closeSync();
    this.#straight?.end();
    await this.#database.resources.makeRoom(this, 0);
  }

  async #makeRoom({ name, columns }: TableSchema): Promise<void> {
    if (this.#columns.get(name) === columns.length) return;
    this.#columns.set(name, columns.length);
    let sum = 0;
    for (const count of this.#columns.values()) sum += count;
    await this.#database.resources.makeRoom(this, sum);
  }

  /** Once a package is large, its rows go straight into their tables; those that wait here go first. */
  async #goStraight(batch: Batch): Promise<void> {
    const straight = this.#straight;
    if (straight === undefined) return;
    const waiting = [...this.#staged.values()].map(({ table }) => table);
    if (!(await straight.begins(batch, waiting))) return;
    for (const [name, staged] of this.#staged) {
      staged.appender.close();
      const rows = { name: staged.name, columns: staged.appender.columns };
      if (!(await straight.move(staged.table, STAGING, rows))) continue;
      await this.#session.run(sql.dropTable(STAGING, staged.name));
      this.#staged.delete(name);
    }
  }

  /** The staging table of a table, grown to the columns of its newest batch. */
  async #stagedFor(table: TableSchema): Promise<TableAppender> {
    const existing = this.#staged.get(table.name);
    if (existing !== undefined) {
      if (existing.table.columns !== table.columns) await this.#grow(existing, table);
      return existing.appender;
    }
    this.#made += 1;
    const name = `staged_${this.#made}`;
    await this.#session.run(sql.createStaging(STAGING, name, table.columns));
    const { driver } = this.#database;
    const appender = new TableAppender(driver, this.#connection, this.#filler, STAGING, name, table.columns);
    this.#staged.set(table.name, { name, table, appender });
    return appender;
  }

  async #grow(staged: Staged, table: TableSchema): Promise<void> {
    const { name, appender } = staged;
    const { statements, columns } = sql.growStaging(STAGING, { name, columns: appender.columns }, table);
    staged.table = table;
    if (statements.length === 0) return;
    // An appender does not survive a change of its table.
    appender.close();
    for (const statement of statements) await this.#session.run(statement);
    appender.columns = columns;
  }

  async #clear(): Promise<void> {
    for (const { name } of this.#staged.values()) await this.#session.run(sql.dropTable(STAGING, name));
    this.#staged.clear();
  }

  /** After an error the transaction with the rows that went straight is over. */
  #keepLost(error: SluiceError): SluiceError {
    if (this.#straight?.written !== undefined) this.#lost = error;
    return error;
  }

  #failed(doing: string, error: unknown, table?: string): SluiceError {
    return failed(doing, error).located({
      resource: this.#plan.resource,
      ...(table === undefined ? {} : { table }),
    });
  }
}

let proven: Promise<StringMode> | undefined;

/** How strings are written on this machine: the faster way if what it writes can be read back, found out once. */
export function provenStrings(database: Database): Promise<StringMode> {
  proven ??= arenaWorks(database).then((works) => (works ? "arena" : "each"));
  return proven;
}

/** Fills chunks the way that is proven for this machine. */
export async function provenFiller(database: Database): Promise<ChunkFiller> {
  return chunkFiller(database.driver.binding, await provenStrings(database));
}

const SAMPLES = [
  "",
  "a",
  "twelve bytes",
  "thirteen byte",
  "zwölf Bytes – und mehr €",
  "with \0 inside, long",
  "😀",
];

async function arenaWorks(database: Database): Promise<boolean> {
  const connection = await database.connect();
  try {
    const name = "string_test";
    const columns: ColumnSchema[] = [
      { name: "t", type: "text", nullable: true },
      { name: "b", type: "binary", nullable: true },
    ];
    await connection.run(sql.createStaging(STAGING, name, columns));
    const appender = await connection.createAppender(name, STAGING.path[1]!, STAGING.path[0]!);
    const types = columns.map((_, index) => appender.columnType(index));
    const chunk = database.driver.api.DuckDBDataChunk.create(types);
    chunkFiller(database.driver.binding, "arena")(
      chunk.chunk,
      columns,
      sampleBatch(columns),
      0,
      SAMPLES.length,
    );
    appender.appendDataChunk(chunk);
    appender.closeSync();
    const reader = await connection.runAndReadAll(
      `SELECT t, hex(t), hex(b) FROM ${sql.tableName(STAGING, name)}`,
    );
    const rows = reader.getRows();
    return (
      rows.length === SAMPLES.length &&
      SAMPLES.every((sample, index) => {
        const hex = Buffer.from(sample).toString("hex").toUpperCase();
        return rows[index]![0] === sample && rows[index]![1] === hex && rows[index]![2] === hex;
      })
    );
  } catch {
    return false;
  } finally {
    // The temporary table goes with the connection.
    connection.closeSync();
  }
}

function sampleBatch(columns: readonly ColumnSchema[]): Batch {
  const data = new Uint8Array(Buffer.from(SAMPLES.join("")));
  const offsets = new Uint32Array(SAMPLES.length + 1);
  SAMPLES.forEach((sample, index) => {
    offsets[index + 1] = offsets[index]! + Buffer.byteLength(sample);
  });
  return {
    table: { name: "string_test", resource: "", primaryKey: [], columns },
    rows: SAMPLES.length,
    columns: columns.map((schema) => ({ schema, kind: "text", data, offsets })),
    bytes: data.length,
  };
}
