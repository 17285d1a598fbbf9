import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { queryDuckdb } from "../../src/destinations/duckdb.js";
import { type Destination, duckdb, postgres } from "../../src/index.js";
import { type PostgresServer, queryPostgres, startPostgres } from "../postgres-server.js";
import { query } from "./database.js";

/** A database whose tables a test can change behind the product's back. */
export interface Place {
  readonly destination: Destination;
  /** The longest name in bytes. */
  readonly maxBytes: number;
  sql(statement: string): Promise<Record<string, unknown>[]>;
  /** As `sql`, while a run has the destination open. */
  live(statement: string): Promise<Record<string, unknown>[]>;
}

/** What the tests of a file work in: a folder that goes with them, and a place in each database for a dataset. */
export interface Places {
  readonly folder: () => string;
  readonly of: Readonly<Record<"duckdb" | "postgres", (dataset: string) => Place>>;
}

/** Starts a PostgreSQL server before the tests of the file, and stops it after them. */
export function usePlaces(): Places {
  let folder = "";
  let server: PostgresServer;
  let database = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-places-"));
    server = await startPostgres();
    database = await server.newDatabase();
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });
  return {
    folder: () => folder,
    of: {
      duckdb: (dataset) => {
        const file = join(folder, `file_${dataset}.duckdb`);
        return {
          destination: duckdb(file),
          maxBytes: 255,
          sql: (statement) => query(file, statement),
          live: (statement) => queryDuckdb(file, statement),
        };
      },
      postgres: () => ({
        destination: postgres(database),
        maxBytes: 63,
        sql: (statement) => queryPostgres(database, statement),
        live: (statement) => queryPostgres(database, statement),
      }),
    },
  };
}
