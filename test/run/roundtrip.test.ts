import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { defineResource, duckdb, type Json, type JsonObject, run } from "../../src/index.js";
import { contentOf, query } from "./database.js";

let folder: string;
let files = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-roundtrip-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Any scalar; texts that are no timestamps, since those are stored as instants. */
const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.string({ unit: "grapheme" }).map((text) => `s${text}`),
);
const key = fc.constantFrom(
  "a",
  "b",
  "Name",
  "is Active?",
  "été",
  "select",
  "x__y",
  "__proto__",
  "constructor",
  "",
);
const record = fc
  .record({
    fields: fc.array(fc.tuple(key, scalar), { maxLength: 6 }),
    list: fc.array(scalar, { maxLength: 4 }),
  })
  .map(({ fields, list }): JsonObject => {
    const values = Object.create(null) as Record<string, Json>;
    for (const [name, value] of fields) values[name] = value;
    values["list"] = list;
    return values;
  });
const records = fc
  .array(record, { minLength: 1, maxLength: 12 })
  .map((all) => all.map((fields, n) => ({ ...own(fields), n }) as JsonObject));

/** A plain object with the same own keys, `__proto__` among them. */
function own(fields: JsonObject): JsonObject {
  const copy: Record<string, Json> = {};
  for (const name of Object.keys(fields)) {
    Object.defineProperty(copy, name, {
      value: fields[name],
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return copy;
}

async function load(pages: readonly (readonly Json[])[]): Promise<string> {
  files += 1;
  const file = join(folder, `${files}.duckdb`);
  const source = defineResource({ name: "things", read: () => pages });
  const report = await run({ pipeline: "own", source, destination: duckdb(file) });
  expect(report).toMatchObject({ status: "ok" });
  return file;
}

/** A stored value and a source value are the same if their texts are: the type is the column's. */
const text = (value: unknown): string =>
  typeof value === "number" ? String(Object.is(value, -0) ? 0 : value) : String(value);

function present(values: readonly unknown[]): string[] {
  return values
    .filter((value) => value !== null)
    .map(text)
    .sort();
}

it("every value of any records is read back from the database, once", async () => {
  await fc.assert(
    fc.asyncProperty(records, async (all) => {
      const file = await load([all]);
      const rows = await query(file, 'select * from own.things order by "n"');
      const hasList = all.some(({ list = [] }) => (list as readonly Json[]).length > 0);
      const items = hasList
        ? await query(file, "select * from own.things__list order by _sluice_parent_id, _sluice_list_idx")
        : [];
      expect(rows).toHaveLength(all.length);
      for (const [index, { list, ...fields }] of all.entries()) {
        const { _sluice_id: id, _sluice_load_id: _load, ...columns } = rows[index] ?? {};
        expect(present(Object.values(columns))).toEqual(present(Object.values(fields)));
        const own = items.filter((item) => item["_sluice_parent_id"] === id);
        const values = own.map((item) =>
          Object.entries(item).flatMap(([name, value]) => (name.startsWith("value") ? [value] : [])),
        );
        expect(values.map(present)).toEqual((list as readonly Json[]).map((value) => present([value])));
      }
    }),
    { numRuns: 30 },
  );
}, 120_000);

it("the tables don't depend on how the records were cut into pages", async () => {
  await fc.assert(
    fc.asyncProperty(records, fc.array(fc.nat(12), { maxLength: 4 }), async (all, cuts) => {
      const borders = [0, ...cuts.filter((cut) => cut < all.length).sort((a, b) => a - b), all.length];
      const pages = borders.slice(1).map((end, index) => all.slice(borders[index], end));
      const whole = await contentOf(await load([all]), "own");
      expect(await contentOf(await load(pages), "own")).toEqual(whole);
    }),
    { numRuns: 15 },
  );
}, 120_000);
