import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Program } from "../measure.js";
import { compiled, ROOT, type Served } from "../serve.js";
import { type Load, sluiceRun } from "../sluice.js";
import { SCHEMA, verifyDuckdb, verifyParquet, verifyPostgres } from "../verify.js";
import type { Bench } from "./case.js";

/** A program that reads the server's records, and what it must have left behind. */
export interface Contestant {
  readonly name: string;
  /** Prepares an empty place and gives the program, which runs in the folder. */
  readonly prepare: (served: Served, bench: Bench) => Promise<Attempt>;
}

export interface Attempt {
  readonly program: Program;
  /** @throws Error when something is missing or wrong. */
  readonly verify: (stdout: string) => Promise<void>;
}

/** Reads all bytes and forgets them. */
export const drain = baseline("bytes drained", "drain", (served) => (served.bytes > 0 ? undefined : ""));

/** Reads and parses all bytes on one thread, and forgets them. */
export const parse = baseline("JSON.parse only", "parse", (served) => String(served.rows));

export const native = intoDuckdb("DuckDB read_json, best", (served, file) =>
  baselineOf("native", served, file),
);

export const nativeSimple = intoDuckdb("DuckDB read_json, simple", (served, file) =>
  baselineOf("native-simple", served, file),
);

export const naive = intoDuckdb("fetch and append rows", (served, file) => baselineOf("naive", served, file));

export const sluiceDuckdb = (disposition: Load["disposition"]): Contestant =>
  intoDuckdb(`sluice → DuckDB, ${disposition}`, ({ url }, file, { folder }) =>
    sluiceRun({ url, destination: `duckdb:${file}`, disposition }, folder),
  );

export const sluicePostgres = (disposition: Load["disposition"]): Contestant =>
  intoPostgres(`sluice → PostgreSQL, ${disposition}`, ({ url }, uri, { folder }) =>
    sluiceRun({ url, destination: uri, disposition }, folder),
  );

export const sluiceParquet: Contestant = {
  name: "sluice → Parquet, append",
  async prepare({ url, dataset, sums }, { folder }) {
    const lake = join(folder, "lake");
    rmSync(lake, { recursive: true, force: true });
    const destination = `file:${lake}?format=parquet`;
    return {
      program: sluiceRun({ url, destination, disposition: "append" }, folder),
      verify: () => verifyParquet(lake, dataset, sums),
    };
  },
};

const PYTHON = `${ROOT}bench/dist/python/bin/python`;

/** Whether `bench/peers/install.sh` has been run. */
export const hasPeers = (): boolean => existsSync(PYTHON);

/** dlt's rest_api source with its defaults; `format` is its loader_file_format. */
export const dltDuckdb = (format: "parquet" | "default"): Contestant =>
  intoDuckdb(`dlt → DuckDB, ${format}`, ({ url }, file, { folder }) =>
    dlt(url, "duckdb", file, format, folder),
  );

export const dltPostgres: Contestant = intoPostgres("dlt → PostgreSQL", ({ url }, uri, { folder }) =>
  dlt(url, "postgres", withPassword(uri), "default", folder),
);

/** dlt asks for a password though the server doesn't. */
const withPassword = (uri: string): string => uri.replace("@", ":none@");

function dlt(url: string, kind: string, where: string, format: string, folder: string): Program {
  const pipelines = join(folder, "dlt");
  rmSync(pipelines, { recursive: true, force: true });
  return {
    command: PYTHON,
    args: [`${ROOT}bench/peers/dlt_load.py`, url, kind, where, format, SCHEMA, pipelines],
    env: { DLT_DATA_DIR: pipelines, RUNTIME__DLTHUB_TELEMETRY: "false", RUNTIME__LOG_LEVEL: "ERROR" },
  };
}

const baselineOf = (kind: string, { url, dataset }: Served, file = ""): Program => ({
  command: process.execPath,
  args: [compiled("baseline"), kind, url, dataset.name, file],
});

/** One that leaves no table and prints what it counted; undefined if anything will do. */
function baseline(name: string, kind: string, expected: (served: Served) => string | undefined): Contestant {
  return {
    name,
    prepare: async (served) => ({
      program: baselineOf(kind, served),
      async verify(stdout) {
        const wanted = expected(served);
        if (wanted !== undefined && stdout.trim() !== wanted) {
          throw new Error(`${name} counted ${stdout.trim()} instead of ${wanted}`);
        }
      },
    }),
  };
}

function intoDuckdb(
  name: string,
  programOf: (served: Served, file: string, bench: Bench) => Program,
): Contestant {
  return {
    name,
    async prepare(served, bench) {
      const file = join(bench.folder, "tables.duckdb");
      for (const path of [file, `${file}.wal`]) rmSync(path, { force: true });
      return {
        program: programOf(served, file, bench),
        verify: () => verifyDuckdb(file, served.dataset, served.sums),
      };
    },
  };
}

function intoPostgres(
  name: string,
  programOf: (served: Served, uri: string, bench: Bench) => Program,
): Contestant {
  return {
    name,
    async prepare(served, bench) {
      const uri = await bench.postgres();
      return {
        program: programOf(served, uri, bench),
        verify: () => verifyPostgres(uri, served.dataset, served.sums),
      };
    },
  };
}
