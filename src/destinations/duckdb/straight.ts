import type { Batch } from "../../model/batch.js";
import type { FoundTable, TableSchema } from "../../model/table.js";
import type { Session, StagedTable } from "../sql/commit.js";
import type { Place } from "../sql/statements.js";
import * as sql from "../sql/statements.js";
import { ensureSystem } from "../sql/system.js";
import type { TableAppender } from "./appender.js";
import type { Database } from "./database.js";

/** Bytes of a package from which its rows no longer wait in temporary tables. Below, there is little to gain. */
export const STRAIGHT_BYTES = 8 * 1024 * 1024;

interface Straight {
  table: TableSchema;
  /** Undefined for a table that can't take rows straight. */
  readonly appender: TableAppender | undefined;
  rows: number;
}

/**
 * Rows of a large append on their way into their tables without a stop: the transaction of the commit is opened early,
 * and what a reader sees is the same. Copying each row once more would cost a third of a load (decision 30).
 *
 * While it is open, nobody else may change these tables: it claims the root table, and the commits of others wait.
 */
export class StraightAppend {
  readonly #database: Database;
  readonly #session: Session;
  readonly #target: Place;
  readonly #newAppender: (name: string, columns: TableSchema["columns"]) => TableAppender;
  readonly #from: number;
  readonly #tables = new Map<string, Straight>();
  #bytes = 0;
  #isOpen = false;
  #unclaim: (() => void) | undefined;

  /** `from`: bytes of a package before it begins. */
  constructor(
    database: Database,
    session: Session,
    target: Place,
    newAppender: (name: string, columns: TableSchema["columns"]) => TableAppender,
    from = STRAIGHT_BYTES,
  ) {
    this.#database = database;
    this.#session = session;
    this.#target = target;
    this.#newAppender = newAppender;
    this.#from = from;
  }

  /** Rows that its open transaction has put into each table; undefined while there is none. */
  get written(): ReadonlyMap<string, number> | undefined {
    if (!this.#isOpen) return undefined;
    return new Map([...this.#tables].map(([name, { rows }]) => [name, rows]));
  }

  /** Counts a batch that comes after rows of the tables that wait, and begins when that makes a large package. */
  async begins(batch: Batch, waiting: readonly TableSchema[]): Promise<boolean> {
    this.#bytes += batch.bytes;
    if (this.#isOpen || this.#bytes < this.#from) return false;
    const root = [batch.table, ...waiting].find(({ parent }) => parent === undefined);
    if (root === undefined || !this.#claim(root.name)) return false;
    await this.#database.alone(() => ensureSystem(this.#session, this.#target));
    await this.#session.begin();
    this.#isOpen = true;
    return true;
  }

  /** Puts staged rows of a table into it, and says whether it did. */
  async move(table: TableSchema, staging: Place, staged: StagedTable): Promise<boolean> {
    const straight = await this.#tableFor(table);
    if (straight.appender === undefined) return false;
    straight.rows += await this.#session.run(sql.insertStaged(this.#target, staging, table.name, staged));
    return true;
  }

  /** What appends a batch to its table; undefined where its rows have to wait. */
  async appenderFor({ table, rows }: Batch): Promise<TableAppender | undefined> {
    if (!this.#isOpen) return undefined;
    const straight = await this.#tableFor(table);
    if (straight.appender !== undefined) straight.rows += rows;
    return straight.appender;
  }

  /** Hands over what the appenders still have. */
  close(): void {
    for (const { appender } of this.#tables.values()) appender?.close();
  }

  /** To be called when the transaction is over. The next package, large like this one, goes straight from its first row. */
  end(): void {
    if (this.#isOpen) this.#bytes = this.#from;
    else this.#bytes = 0;
    this.#isOpen = false;
    this.#tables.clear();
    this.#unclaim?.();
    this.#unclaim = undefined;
  }

  /** Waits until no other stage has a transaction open that has changed these tables. */
  async waitFor(tables: readonly TableSchema[]): Promise<void> {
    if (this.#isOpen) return;
    const root = tables.find(({ parent }) => parent === undefined);
    if (root === undefined) return;
    const { claims } = this.#database;
    const key = this.#key(root.name);
    for (let claim = claims.get(key); claim !== undefined; claim = claims.get(key)) await claim;
  }

  async #tableFor(table: TableSchema): Promise<Straight> {
    const known = this.#tables.get(table.name);
    if (known === undefined) {
      const columns = await this.#fit(table);
      const appender = columns === undefined ? undefined : this.#newAppender(table.name, columns);
      const straight = { table, appender, rows: 0 };
      this.#tables.set(table.name, straight);
      return straight;
    }
    if (known.table.columns !== table.columns && known.appender !== undefined) {
      const { appender } = known;
      const grown = sql.growStaging(this.#target, { name: table.name, columns: appender.columns }, table);
      // An appender does not survive a change of its table.
      if (grown.statements.length > 0) appender.close();
      for (const statement of grown.statements) await this.#session.run(statement);
      appender.columns = grown.columns;
    }
    known.table = table;
    return known;
  }

  /** Makes the table ready for the rows, and gives all its columns in their order; undefined if it can't take them so. */
  async #fit(table: TableSchema): Promise<TableSchema["columns"] | undefined> {
    const [found] = await this.#session.describe([table.name]);
    if (found === undefined) {
      await this.#session.run(sql.createTable(this.#target, table));
      return table.columns;
    }
    if (!isFit(this.#target, found, table)) return undefined;
    const { columns, statements } = sql.growStaging(this.#target, found, table);
    for (const statement of statements) await this.#session.run(statement);
    return columns;
  }

  #claim(root: string): boolean {
    const { claims } = this.#database;
    const key = this.#key(root);
    if (claims.has(key)) return false;
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    claims.set(key, ended);
    this.#unclaim = () => {
      claims.delete(key);
      end();
    };
    return true;
  }

  /** DuckDB does not tell names apart by case. */
  #key(table: string): string {
    return JSON.stringify([...this.#target.path, table]).toLowerCase();
  }
}

/**
 * Whether an appender may fill the table, which sets every column: those that the rows have are there under the very
 * same names and with their types or not at all, and those that only the table has may be null.
 */
function isFit(place: Place, found: FoundTable, table: TableSchema): boolean {
  if (found.standIn !== undefined) return false;
  const { dialect } = place;
  const named = new Map(table.columns.map((column) => [column.name.toLowerCase(), column]));
  return found.columns.every((column) => {
    const own = named.get(column.name.toLowerCase());
    if (own === undefined) return column.nullable && column.hasDefault !== true;
    return (
      own.name === column.name &&
      column.narrower === undefined &&
      dialect.typeName(own) === dialect.typeName(column)
    );
  });
}
