import { dirname, join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { duckdbInMemory } from "../destinations/duckdb.js";
import { SluiceError } from "../model/error.js";
import type { Report } from "../model/report.js";
import type { TableSchema } from "../model/table.js";
import { scalarText } from "../rest/values.js";
import type { TableExpectation, TestOptions } from "./expectations.js";
import { findConfig } from "./find.js";
import { type LoadOptions, loadPipeline, type Pipeline } from "./load.js";
import { pipelineOptions } from "./options.js";
import { configError, toProblems } from "./problems.js";
import { readConfigFile } from "./read.js";
import { run } from "./run.js";
import { splitConfig } from "./sources.js";

export interface TestRunOptions extends Omit<LoadOptions, "record" | "replay" | "destination"> {
  readonly signal?: AbortSignal;
}

export interface TestResults {
  readonly passed: boolean;
  readonly tests: readonly TestResult[];
}

export interface TestResult {
  readonly name: string;
  readonly passed: boolean;
  readonly verdicts: readonly Verdict[];
  readonly report: Report;
}

/** One expectation and what was found. */
export interface Verdict {
  /** What it is about: `calls: rows`. */
  readonly what: string;
  readonly passed: boolean;
  readonly expected: unknown;
  readonly found: unknown;
}

/**
 * Runs the tests of a configuration (`tests:`): each replays a recording into a database in memory and compares what
 * was loaded with what is expected. Sends nothing and needs no secrets.
 *
 * @throws SluiceError config/usage without tests; config/* and replay/folder for a test that can't begin.
 * @example
 * const { passed } = await runTests({ config: "calls.yaml" });
 */
export async function runTests(options: TestRunOptions = {}): Promise<TestResults> {
  const { signal, ...given } = options;
  const cwd = given.cwd ?? process.cwd();
  const config = await findConfig(cwd, given.config);
  const wanted = await readTests(config, cwd);
  const tests: TestResult[] = [];
  for (const test of wanted) {
    signal?.throwIfAborted();
    tests.push(await runTest(test, { ...given, cwd, config }, signal));
  }
  return { passed: tests.every(({ passed }) => passed), tests };
}

/** Only the tests: whether the rest is right is seen when the first of them loads it. */
async function readTests(config: string, cwd: string): Promise<readonly TestOptions[]> {
  const document = await readConfigFile(config, cwd);
  const schema = pipelineOptions.pick({ tests: true });
  const { tests: written } = splitConfig(document).keys;
  const parsed = schema.safeParse(written === undefined ? {} : { tests: written });
  if (!parsed.success) {
    throw configError(toProblems(parsed.error.issues, { document, value: document.value, schema }));
  }
  const tests = parsed.data.tests ?? [];
  if (tests.length > 0) return tests;
  throw new SluiceError("config/usage", `${document.file} has no tests`, {
    hint: "Record a run with sluice run --record FOLDER, and write under tests: what its replay must give.",
  });
}

async function runTest(
  test: TestOptions,
  given: LoadOptions & { readonly cwd: string; readonly config: string },
  signal = new AbortController().signal,
): Promise<TestResult> {
  const set = Object.entries(test.set ?? {}).map(([key, value]) => `${key}=${String(value)}`);
  const pipeline = await loadPipeline({
    ...given,
    set: [...set, ...(given.set ?? [])],
    destination: "duckdb::memory:",
    replay: join(dirname(resolve(given.cwd, given.config)), test.replay),
  });
  const database = duckdbInMemory();
  const { destination } = database;
  const { plan } = pipeline.parts;
  // Held open, for the database is gone with its last connection.
  await using connection = await destination.connect(plan.dataset, signal);
  const held: Pipeline = { ...pipeline, parts: { ...pipeline.parts, plan: { ...plan, destination } } };
  const report = await run(held, { signal, ...(test.select === undefined ? {} : { select: test.select }) });

  const tables = Object.entries(test.expect.tables ?? {});
  const schemas = await connection.describe(tables.map(([name]) => name));
  const verdicts = [
    verdict("run: status", test.expect.status, report.status, () => statusFound(report)),
    ...Object.entries(test.expect.resources ?? {}).flatMap(([name, expected]) =>
      resourceVerdicts(name, expected, report),
    ),
  ];
  for (const [name, expected] of tables) {
    const schema = schemas.find((schema) => schema.name === name);
    const rows =
      schema === undefined
        ? []
        : await database.query(`SELECT * FROM ${quoted(plan.dataset)}.${quoted(name)}`);
    verdicts.push(...tableVerdicts(name, expected, schema, rows));
  }
  return { name: test.name, passed: verdicts.every(({ passed }) => passed), verdicts, report };
}

function verdict(what: string, expected: unknown, found: unknown, shown = () => found): Verdict {
  const passed = isDeepStrictEqual(expected, found);
  return { what, passed, expected, found: passed ? found : shown() };
}

function statusFound({ status, error, resources }: Report): string {
  const errors = [error, ...Object.values(resources).map((resource) => resource.error)];
  return [
    status,
    ...errors.flatMap((error) => (error === undefined ? [] : [`${error.code}: ${error.message}`])),
  ].join("; ");
}

function resourceVerdicts(
  name: string,
  expected: NonNullable<TestOptions["expect"]["resources"]>[string],
  { resources }: Report,
): Verdict[] {
  const resource = resources[name];
  return Object.entries(expected).map(([key, wanted]) => {
    const what = `${name}: ${key}`;
    if (resource === undefined) return verdict(what, wanted, "no such resource in the run");
    const found: Readonly<Record<string, unknown>> = { ...resource, error: resource.error?.code ?? "none" };
    return verdict(what, wanted, found[key]);
  });
}

type Row = Readonly<Record<string, unknown>>;

function tableVerdicts(
  name: string,
  { rows, min_rows, columns, contains }: TableExpectation,
  schema: TableSchema | undefined,
  found: readonly Row[],
): Verdict[] {
  const types = new Map(schema?.columns.map((column) => [column.name, column.type]));
  const count = schema === undefined ? "no such table" : found.length;
  return [
    ...(rows === undefined ? [] : [verdict(`${name}: rows`, rows, count)]),
    ...(min_rows === undefined
      ? []
      : [{ what: `${name}: min_rows`, passed: found.length >= min_rows, expected: min_rows, found: count }]),
    ...Object.entries(columns ?? {}).map(([column, type]) =>
      verdict(`${name}: type of ${column}`, type, types.get(column) ?? "no such column"),
    ),
    ...(contains ?? []).map((wanted) => containsVerdict(name, wanted, types, found)),
  ];
}

function containsVerdict(
  table: string,
  wanted: Row,
  types: ReadonlyMap<string, string>,
  rows: readonly Row[],
): Verdict {
  const keys = Object.keys(wanted);
  const hits = (row: Row) => keys.filter((key) => isSame(wanted[key], row[key], types.get(key))).length;
  let nearest: Row | undefined;
  let most = 0;
  for (const row of rows) {
    const count = hits(row);
    if (count <= most) continue;
    most = count;
    nearest = row;
  }
  const passed = nearest !== undefined && most === keys.length;
  const near = nearest ?? {};
  const found =
    nearest === undefined ? "no row like it" : Object.fromEntries(keys.map((key) => [key, near[key]]));
  return { what: `${table}: contains`, passed, expected: wanted, found };
}

/** Whether a value of a configuration is that of a database: numbers by value, instants as such, JSON by content. */
function isSame(wanted: unknown, found: unknown, type: string | undefined): boolean {
  if (wanted === null || found === null || found === undefined) return wanted === null && found === null;
  if (type === "json" && typeof found === "string") return isDeepStrictEqual(wanted, jsonOf(found));
  if (typeof found === "boolean") return wanted === found;
  const [expected, actual] = [plainText(wanted), plainText(found)];
  if (type === "timestamp") return Date.parse(expected) === Date.parse(actual);
  const isExact = expected === actual;
  if (type !== "double" && type !== "decimal") return isExact;
  // 1.5 is 1.50; beyond the reach of a double only the digits tell.
  return (
    isExact || (Number(expected) === Number(actual) && Math.abs(Number(actual)) <= Number.MAX_SAFE_INTEGER)
  );
}

function plainText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === "string" ? value : (scalarText(value) ?? JSON.stringify(value));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
