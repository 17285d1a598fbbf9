import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
  definePipeline,
  defineResource,
  type Event,
  exportSchema,
  type Json,
  type PipelineConfig,
  type Report,
  type ResourceDefinition,
  readState,
  restApi,
  run,
  type TableSchema,
} from "../../src/index.js";
import { type Place, usePlaces } from "./places.js";

const places = usePlaces();
let datasets = 0;

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** Keys that somebody somewhere has. */
const HOSTILE = [
  "select",
  "ORDER",
  "Id",
  "ID",
  "id",
  "iD",
  "",
  " ",
  "1st",
  'say "hi"',
  "it's; drop table x --",
  "line\nbreak\ttab",
  "nul\0",
  "nul\u0001",
  "שלום עולם",
  "\u202eright to left",
  "😀".repeat(50),
  `${"😀".repeat(50)}x`,
  "é",
  "e\u0301",
  "É",
  "İ",
  "i\u0307",
  "ΑΣ",
  "ας",
  "ασ",
  "ß",
  "SS",
  "ﬀ",
  "a__b",
  "a.b",
  "a/b",
  "_sluice_id",
  "_SLUICE_ID",
  "_sluice_parent_id",
  "_sluice_new",
  "value",
  "value__v_text",
  "list",
  "__proto__x",
  "constructor",
  "x".repeat(200),
  `${"x".repeat(199)}y`,
  "\ud800",
  "\udfff",
];
/** So many of the keys are those of lists, too. */
const LISTS = 5;
const key = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE) },
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
);

describe.each(["duckdb", "postgres"] as const)("names in %s", (kind) => {
  let place: Place;
  let s: string;
  let events: Event[];

  beforeEach(() => newPlace());

  function newPlace(): void {
    datasets += 1;
    s = `n${datasets}`;
    place = places.of[kind](s);
  }

  const config = (
    definition: Partial<ResourceDefinition>,
    more: Partial<PipelineConfig> = {},
  ): PipelineConfig => ({
    pipeline: "names",
    source: defineResource({ name: "Things", read: () => [], ...definition }),
    destination: place.destination,
    dataset: s,
    ...more,
  });

  async function load(
    records: readonly Json[],
    definition: Partial<ResourceDefinition> = {},
    more: Partial<PipelineConfig> = {},
  ): Promise<Report> {
    events = [];
    const onEvent = (event: Event) => void events.push(event);
    const report = await run(config({ read: () => [records], ...definition }, more), { onEvent });
    expect(report.resources["Things"]?.error).toBeUndefined();
    return report;
  }

  const tables = async (): Promise<readonly TableSchema[]> =>
    (await readState(definePipeline(config({}))))?.tables ?? [];

  /** The values of each key, by its path, through the names that the schema gives. */
  async function readBack(): Promise<Map<string, unknown[]>> {
    const found = new Map<string, unknown[]>();
    for (const table of await tables()) {
      for (const { name, source, variantOf } of table.columns) {
        if (source === undefined || variantOf !== undefined) continue;
        const rows = await place.sql(
          `select cast(${quoted(name)} as varchar) as v from ${s}.${quoted(table.name)} where ${quoted(name)} is not null`,
        );
        const at = JSON.stringify([table.source ?? [], source]);
        found.set(at, rows.map(({ v }) => String(v)).sort());
      }
    }
    return found;
  }

  it.each(["snake_case", "preserve"] as const)(
    "%s: whatever the keys are, each keeps its values, also in the next load",
    async (naming) => {
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(key, { minLength: 5, maxLength: 20 }), async (keys) => {
          newPlace();
          const values = Object.fromEntries(keys.map((name, index) => [name, `v${index}`]));
          const record = {
            ...values,
            nested: values,
            rows: [values],
            lists: Object.fromEntries(keys.slice(0, LISTS).map((name) => [name, [1]])),
          };
          await load([record], { naming });
          const reversed = Object.fromEntries(Object.entries(values).toReversed());
          await load([{ rows: [reversed], nested: reversed, ...reversed }], { naming });
          await load([record], { naming, writeDisposition: "replace" });
          await load([{ rows: [reversed], nested: reversed, ...reversed }], { naming });

          const found = await readBack();
          keys.forEach((name, index) => {
            const twice = [`v${index}`, `v${index}`];
            for (const path of [
              [[], [name]],
              [[], ["nested", name]],
              [["rows"], [name]],
            ])
              expect(found.get(JSON.stringify(path)), JSON.stringify(path)).toEqual(twice);
          });
          const known = await tables();
          const tableNames = known.map(({ name }) => name.toLowerCase());
          expect(new Set(tableNames).size).toBe(2 + Math.min(LISTS, keys.length));
          for (const { name, columns } of known) {
            const names = columns.map((column) => column.name);
            expect(new Set(names.map((one) => one.toLowerCase())).size).toBe(names.length);
            for (const one of [name, ...names])
              expect(Buffer.byteLength(one)).toBeLessThanOrEqual(place.maxBytes);
          }
        }),
        { numRuns: 3, examples: [[HOSTILE]] },
      );
    },
    120_000,
  );

  it("preserve keeps names as they are, and tells which could not be kept", async () => {
    await load([{ userId: 1, "Straße ": 2, USERID: 3, Tags: [1] }], { naming: "preserve" });
    const [root, child] = await tables();
    const names = root!.columns.map(({ name }) => name).filter((name) => !name.startsWith("_sluice_"));
    expect(names).toEqual(["userId", "Straße ", expect.stringMatching(/^USERID_[0-9a-f]{6}$/)]);
    expect([root!.name, child!.name]).toEqual(["Things", "Things__Tags"]);
    const told = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(told).toEqual([
      `table Things: ["USERID"] is in column ${names[2]}, because USERID is the name of another one`,
    ]);
    await load([{ USERID: 3, userId: 1 }], { naming: "preserve" });
    expect(events.filter(({ type }) => type === "warning")).toEqual([]);
  });

  it("preserve: names survive an export of the schema into another dataset", async () => {
    const values = Object.fromEntries(HOSTILE.map((name, index) => [name, `v${index}`]));
    const record = { ...values, nested: values, rows: [values] };
    await load([record], { naming: "preserve" });
    const before = await tables();
    const file = join(places.folder(), `${s}.yaml`);
    await writeFile(file, await exportSchema(definePipeline(config({ naming: "preserve" }))));

    newPlace();
    await load([], { naming: "preserve" }, { schema: file });
    const shape = (list: readonly TableSchema[]) =>
      new Map(
        list.map((table) => [
          table.name,
          new Map(table.columns.map(({ name, type, source }) => [name, [type, source]])),
        ]),
      );
    const declared = shape(await tables());
    await load([record], { naming: "preserve" }, { schema: file });
    expect([...declared.keys()]).toEqual([...shape(before).keys()]);
    expect(shape(await tables())).toEqual(shape(before));
  });

  it("tables and columns keep their names when the convention changes; new ones follow it", async () => {
    const merge = {
      writeDisposition: "merge",
      primaryKey: ["userId"],
      merge: { hardDelete: "isGone" },
    } as const;
    await load(
      [
        { userId: 1, isGone: false, phoneNumbers: ["a"] },
        { userId: 2, isGone: false },
      ],
      merge,
    );
    await load(
      [
        { userId: 1, firstName: "Ada", isGone: false, phoneNumbers: ["b"] },
        { userId: 2, isGone: true },
      ],
      {
        ...merge,
        naming: "preserve",
      },
    );
    const [root, child, ...others] = await tables();
    expect([root!.name, child!.name, others]).toEqual(["things", "things__phone_numbers", []]);
    expect(root!.columns.map(({ name }) => name).slice(2)).toEqual(["user_id", "is_gone", "firstName"]);
    expect(await place.sql(`select user_id, ${quoted("firstName")} from ${s}.things`)).toHaveLength(1);
    expect(await place.sql(`select value from ${s}.things__phone_numbers`)).toEqual([{ value: "b" }]);
  });

  it("the pipeline's convention holds for resources that have none of their own", async () => {
    const source = restApi({
      client: { base_url: "http://127.0.0.1:1/" },
      resource_defaults: { naming: null },
      resources: [
        { name: "KeptAsIs", records: [{ theKey: 1 }] },
        { name: "InSnakeCase", naming: "snake_case", records: [{ theKey: 1 }] },
      ],
    });
    const pipeline: PipelineConfig = {
      pipeline: "names",
      source,
      destination: place.destination,
      dataset: s,
      schema: { naming: "preserve" },
    };
    expect((await run(pipeline)).status).toBe("ok");
    const found = (await readState(definePipeline(pipeline)))?.tables ?? [];
    expect(new Map(found.map(({ name, columns }) => [name, columns.at(-1)?.name]))).toEqual(
      new Map([
        ["KeptAsIs", "theKey"],
        ["in_snake_case", "the_key"],
      ]),
    );
  });

  it("two resources whose tables differ in case only are refused", () => {
    const two = ["Calls", "calls"].map((name) =>
      defineResource({ name, naming: "preserve", read: () => [] }),
    );
    expect(() => definePipeline({ source: two, destination: place.destination })).toThrow(
      /would both fill the table "calls"/,
    );
  });
});
