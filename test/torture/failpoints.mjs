// Kills the process at one of the durable steps that it takes, or lists them all. A preload, so that the code under test
// has no failpoints in it: NODE_OPTIONS="--import .../failpoints.mjs" node dist/src/cli/main.js run ...
//
//   TORTURE_DRIVERS  what to watch, by commas: duckdb, copy (of DuckDB only the files that it writes), pg, fs, s3;
//                    straight: let small appends go straight into DuckDB's tables, as only large ones do
//   TORTURE_LIST     a file: every step's name is written to it, a line each, as it begins
//   TORTURE_AT       number of the step to die at, from 1
//   TORTURE_SIDE     before | during | after it; after: it is done, and nobody has been told. later: TORTURE_DELAY after it
//                    began, whatever the process is doing then
//   TORTURE_DELAY    microseconds into the step, for `during` and `later`
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { Worker } from "node:worker_threads";

const { TORTURE_DRIVERS = "", TORTURE_LIST, TORTURE_SIDE } = process.env;
const dieAt = Number(process.env.TORTURE_AT ?? 0);
const delay = Number(process.env.TORTURE_DELAY ?? 0);
const list = TORTURE_LIST === undefined ? undefined : fs.openSync(TORTURE_LIST, "w");
const writeLine = fs.writeSync;

let steps = 0;

function die() {
  process.kill(process.pid, "SIGKILL");
  for (;;);
}

function dieDuring() {
  const end = process.hrtime.bigint() + BigInt(delay) * 1000n;
  while (process.hrtime.bigint() < end);
  die();
}

// A thread of its own: it strikes while this one is busy, too.
const alarm = new Int32Array(new SharedArrayBuffer(4));
const KILLER = `
  const { alarm, delay } = require("node:worker_threads").workerData;
  Atomics.wait(alarm, 0, 0);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delay / 1000);
  process.kill(process.pid, "SIGKILL");`;
if (TORTURE_SIDE === "later")
  new Worker(KILLER, { eval: true, env: {}, execArgv: [], workerData: { alarm, delay } }).unref();

/** Takes one step. It is done when it returns, its promise is fulfilled, or its stream has finished. */
function step(name, take) {
  steps += 1;
  if (list !== undefined) writeLine(list, `${name}\n`);
  if (steps !== dieAt) return take();
  if (TORTURE_SIDE === "before") die();
  if (TORTURE_SIDE === "later") {
    Atomics.store(alarm, 0, 1);
    Atomics.notify(alarm, 0);
    return take();
  }
  const result = take();
  if (TORTURE_SIDE === "during") dieDuring();
  if (typeof result?.then === "function") return result.then(die);
  if (typeof result?.prependOnceListener === "function") return result.prependOnceListener("finish", die);
  die();
}

/** Puts steps in the place of a method. `name` gives undefined for a call that changes nothing that lasts. */
function watch(owner, method, name) {
  const original = owner[method];
  owner[method] = function (...args) {
    const called = name(args, this);
    const take = () => original.apply(this, args);
    return called === undefined ? take() : step(called, take);
  };
}

/** `INSERT INTO "a"."b"."items" (...) ...` → `INSERT INTO items`; undefined for what only reads or sets. */
function nameOfStatement(text) {
  const line = text.trim().replaceAll(/\s+/g, " ");
  const lock = /pg_(try_)?advisory\w+/.exec(line)?.[0];
  if (lock !== undefined && line.startsWith("SELECT pg_")) return lock;
  if (/^(SELECT|WITH|SET|SHOW|PRAGMA)\b/i.test(line)) return undefined;
  const found =
    /^([^"]*?)((?:"(?:[^"]|"")*"\.)*)"((?:[^"]|"")*)"( (?:ADD|ALTER|DROP|RENAME)\b[^"]*"[^"]*")?/.exec(line);
  if (found === null) return line.slice(0, 60);
  const [, words, , object, more = ""] = found;
  return `${words}${object.replaceAll(/[0-9a-f]{8,}/g, "#")}${more.replaceAll('"', "")}`.slice(0, 80);
}

/** The driver that is built into the package. */
async function duckdbDriver() {
  const { default: driver } = await import("../../dist/src/duckdb-driver.js");
  return driver;
}

async function watchDuckdb() {
  const { DuckDBAppender, DuckDBConnection, DuckDBInstance } = await duckdbDriver();
  watch(DuckDBInstance, "create", () => "open the file");
  watch(DuckDBInstance.prototype, "closeSync", () => "close the file");
  watch(DuckDBConnection.prototype, "run", ([text]) => nameOfStatement(text));
  watch(DuckDBAppender.prototype, "appendDataChunk", () => "stage: append");
  watch(DuckDBAppender.prototype, "flushSync", () => "stage: flush");
  watch(DuckDBAppender.prototype, "closeSync", () => "stage: close");
}

async function watchPostgres() {
  const { default: pg } = await import("pg");
  watch(pg.Client.prototype, "query", ([query]) => nameOfStatement(query.text ?? String(query)));
}

/** A DuckDB in memory makes nothing last but the files that it writes. */
async function watchCopies() {
  const { DuckDBConnection } = await duckdbDriver();
  watch(DuckDBConnection.prototype, "run", ([text]) =>
    /^COPY /i.test(text) ? "write a data file" : undefined,
  );
}

/** What a file or an object is, without what differs from run to run. */
function nameOfFile(path) {
  const name = String(path).split("/").at(-1);
  const temporary = name.endsWith(".tmp") ? " (temporary)" : "";
  if (name.startsWith("manifest.json")) return `the readers' manifest${temporary}`;
  const [kind = "a data file"] = /^(manifest|lease)/.exec(name) ?? [];
  return `${kind}${temporary}`;
}

async function watchFiles() {
  const files = fs.promises;
  const handle = await files.open("/dev/null");
  const opened = Object.getPrototypeOf(handle);
  await handle.close();
  watch(files, "open", ([path, flags]) =>
    /^[wa]/.test(flags ?? "r") ? `create ${nameOfFile(path)}` : undefined,
  );
  watch(opened, "writeFile", () => "write the file");
  watch(opened, "sync", () => "sync");
  watch(files, "link", ([, path]) => `link ${nameOfFile(path)}`);
  watch(files, "rename", ([, path]) => `rename ${nameOfFile(path)}`);
  for (const method of ["rm", "unlink"]) watch(files, method, ([path]) => `delete ${nameOfFile(path)}`);
}

const OBJECT_WRITES = {
  PutObjectCommand: "put",
  DeleteObjectCommand: "delete",
  CreateMultipartUploadCommand: "put in parts, begin",
  UploadPartCommand: "put a part of",
  CompleteMultipartUploadCommand: "put in parts, end",
};

async function watchObjects() {
  const { S3Client } = await import("@aws-sdk/client-s3");
  watch(S3Client.prototype, "send", ([command]) => {
    const verb = OBJECT_WRITES[command.constructor.name];
    return verb === undefined ? undefined : `${verb} ${nameOfFile(command.input.Key)}`;
  });
}

async function goStraight() {
  const { StraightAppend } = await import("../../dist/src/straight.js");
  const original = StraightAppend.prototype;
  const begins = Reflect.get(original, "begins");
  original.begins = function (batch, waiting) {
    return begins.call(this, { ...batch, bytes: 2 ** 40 }, waiting);
  };
}

const DRIVERS = {
  straight: goStraight,
  duckdb: watchDuckdb,
  copy: watchCopies,
  pg: watchPostgres,
  fs: watchFiles,
  s3: watchObjects,
};
for (const driver of TORTURE_DRIVERS.split(",")) await DRIVERS[driver]?.();
syncBuiltinESMExports();
