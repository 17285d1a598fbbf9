/** Any records, through the whole way into each database and back again: what is read means what was loaded. */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  defineResource,
  type Json,
  type JsonObject,
  type ResourceHints,
  run,
  type TableSchema,
} from "../../src/index.js";
import { openDatabases, type TestDatabase } from "../databases.js";
import { anyScalar, records, scalar } from "../documents.js";
import { meaning, NOTHING, recordsIn } from "../meaning.js";

let databases: TestDatabase[];
let datasets = 0;

beforeAll(async () => {
  databases = await openDatabases();
});
afterAll(async () => {
  for (const database of databases) await database.close();
});

interface Split {
  /** How many records each page has; the last has the rest. */
  readonly pages: readonly number[];
  /** Root rows between two commits. */
  readonly rows: number;
}
const WHOLE: Split = { pages: [], rows: 1_000_000 };
const split: fc.Arbitrary<Split> = fc.record({
  pages: fc.array(fc.nat(3), { maxLength: 5 }),
  rows: fc.integer({ min: 1, max: 4 }),
});

function pagesOf(values: readonly Json[], sizes: readonly number[]): Json[][] {
  const pages: Json[][] = [];
  let at = 0;
  for (const size of sizes) {
    pages.push(values.slice(at, at + size));
    at += size;
  }
  return [...pages, values.slice(at)];
}

/** Loads records into a dataset of their own and gives what the destination says of its tables. */
async function load(
  { destination }: TestDatabase,
  values: readonly Json[],
  { pages, rows }: Split,
  hints: Partial<ResourceHints> = {},
) {
  datasets += 1;
  const dataset = `d${datasets}`;
  const source = defineResource({
    name: "t",
    read: () => pagesOf(values, pages).map((records, page) => ({ records, resume: { page } })),
    ...hints,
  });
  const report = await run({ pipeline: "p", dataset, source, destination, checkpoint: { rows } });
  await using connection = await destination.connect(dataset, new AbortController().signal);
  const tables = (await connection.state("p"))?.tables ?? [];
  return { dataset, report, tables };
}

const contentOf = (database: TestDatabase, dataset: string, tables: readonly TableSchema[]) =>
  Promise.all(tables.map(async (schema) => ({ schema, rows: await database.rows(dataset, schema.name) })));

/** Tables without the order of columns, nor marks that no reader sees. */
const shapeOf = (tables: readonly TableSchema[]) =>
  Object.fromEntries(
    tables.map(({ name, parent, columns }) => [
      name,
      { parent, columns: Object.fromEntries(columns.map((column) => [column.name, column.type])) },
    ]),
  );

/** What PostgreSQL makes of text (decision 15). */
const TEXT = {
  duckdb: (text: string) => text,
  postgres: (text: string) => text.replaceAll("\0", "\ufffd"),
} as const;

/** Each run is one or two whole loads, so there are few of them; every execution of the test has other ones. */
const RUNS = { numRuns: 6, interruptAfterTimeLimit: 60_000 };
const LONG = 180_000;

describe.each(["duckdb", "postgres"] as const)("%s", (name) => {
  const database = () => databases.find((one) => one.name === name)!;
  const meant = (values: readonly Json[]) => values.map((value) => meaning(value, TEXT[name]) ?? NOTHING);

  it(
    "gives back any records; pages and checkpoints make no difference",
    async () => {
      await fc.assert(
        fc.asyncProperty(records(), split, async (values, parts) => {
          const whole = await load(database(), values, WHOLE);
          expect(whole.report).toMatchObject({ status: "ok" });
          expect(recordsIn(await contentOf(database(), whole.dataset, whole.tables))).toEqual(meant(values));
          const cut = await load(database(), values, parts);
          expect(cut.report).toMatchObject({ status: "ok" });
          expect(recordsIn(await contentOf(database(), cut.dataset, cut.tables))).toEqual(meant(values));
          expect(shapeOf(cut.tables)).toEqual(shapeOf(whole.tables));
        }),
        RUNS,
      );
    },
    LONG,
  );

  it(
    "gives back records below a nesting limit, and beside declared columns",
    async () => {
      const hints = fc.record({
        maxTableNesting: fc.nat(2),
        columns: fc.uniqueArray(
          fc.record({
            name: fc.constantFrom("a", "id", "a__b", "value", "list.a"),
            dataType: fc.constantFrom("text", "bigint", "double", "decimal", "bool", "json", "binary"),
          }),
          { selector: (hint) => hint.name, maxLength: 3 },
        ),
      }) as fc.Arbitrary<Partial<ResourceHints>>;
      // PostgreSQL's jsonb takes two keys for one that differ only in what it can't hold.
      const clean = records(scalar).filter((values) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(values)));
      await fc.assert(
        fc.asyncProperty(clean, split, hints, async (values, parts, limits) => {
          const { dataset, report, tables } = await load(database(), values, parts, limits);
          expect(report).toMatchObject({ status: "ok" });
          expect(recordsIn(await contentOf(database(), dataset, tables))).toEqual(meant(values));
        }),
        RUNS,
      );
    },
    LONG,
  );

  it(
    "sets aside exactly the records that break what is declared, each with its reason",
    async () => {
      const hints = {
        primaryKey: ["id"],
        columns: [{ name: "v", dataType: "bigint" }],
        typeConflict: "reject",
      } as const;
      const record = fc.record({ id: fc.option(fc.integer()), v: anyScalar, l: fc.array(fc.boolean()) });
      // The model: what fits into a column of 64-bit integers that was declared.
      const fits = (v: Json) =>
        v === null ||
        (typeof v === "number" && Number.isSafeInteger(v)) ||
        ((typeof v === "bigint" || (typeof v === "string" && /^-?\d+$/.test(v))) &&
          BigInt.asIntN(64, BigInt(v)) === BigInt(v));
      await fc.assert(
        fc.asyncProperty(fc.array(record, { maxLength: 12 }), split, async (values, parts) => {
          const { dataset, report, tables } = await load(database(), values, parts, hints);
          const expected = values.map(({ id, v }) =>
            fits(v) ? (id === null ? "null-in-not-null" : undefined) : "type-conflict",
          );
          const kept = values.filter((_, index) => expected[index] === undefined);
          expect(recordsIn(await contentOf(database(), dataset, tables))).toEqual(meant(kept));
          const rejects = await database().rows(dataset, "_sluice_rejects");
          expect(rejects.map(({ reason }) => String(reason).split(":")[0]).sort()).toEqual(
            expected.filter((reason) => reason !== undefined).sort(),
          );
          const count = rejects.length;
          expect(report.resources["t"]?.error?.code).toBe(count === 0 ? undefined : "data/rejected");
          const ids = (list: readonly JsonObject[]) => list.map(({ id }) => JSON.stringify(id)).sort();
          const parsed = rejects.map(({ record }) => JSON.parse(String(record)) as JsonObject);
          expect(ids(parsed)).toEqual(ids(values.filter((_, index) => expected[index] !== undefined)));
        }),
        RUNS,
      );
    },
    LONG,
  );
});
