import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ResourceHints } from "../model/source.js";
import { columnsOfJsonSchema } from "./json-schema.js";
import { isStandardSchema, withSchema } from "./standard.js";

const HINTS: ResourceHints = { writeDisposition: "append", primaryKey: [], columns: [] };

/** `name: type` of each column, with `!` where it is not nullable. */
function short(hints: Pick<ResourceHints, "columns">): string[] {
  return hints.columns.map(
    ({ name, dataType, nullable }) => `${name}: ${dataType}${nullable === false ? "!" : ""}`,
  );
}

describe("the columns that a zod schema declares", () => {
  const columnsOf = (shape: Parameters<typeof z.object>[0], hints: Partial<ResourceHints> = {}) =>
    short(withSchema({ ...HINTS, ...hints }, z.object(shape)));

  it("scalars and formats", () => {
    expect(
      columnsOf({
        id: z.int(),
        price: z.number(),
        open: z.boolean(),
        name: z.string(),
        at: z.iso.datetime({ offset: true }),
        day: z.iso.date(),
        time: z.iso.time(),
        made: z.coerce.date(),
        kind: z.enum(["a", "b"]),
        email: z.email(),
      }),
    ).toEqual([
      "id: bigint!",
      "price: double!",
      "open: bool!",
      "name: text!",
      "at: timestamp!",
      "day: date!",
      "time: time!",
      "made: timestamp!",
      "kind: text!",
      "email: text!",
    ]);
  });

  it("what may be missing or null is nullable", () => {
    expect(
      columnsOf({
        a: z.string().optional(),
        b: z.string().nullable(),
        c: z.int().nullish(),
        d: z.int().default(3),
        e: z.union([z.int(), z.null()]),
      }),
    ).toEqual(["a: text", "b: text", "c: bigint", "d: bigint!", "e: bigint"]);
  });

  it("leaves to inference what has no single type", () => {
    expect(
      columnsOf({
        a: z.union([z.string(), z.int()]),
        b: z.any(),
        c: z.bigint(),
        d: z.string().transform(Number),
        e: z.literal([1, "x"]),
        f: z.record(z.string(), z.int()),
        g: z.null(),
        h: z.union([z.int(), z.number()]),
        "with.dot": z.int(),
      }),
    ).toEqual(["h: double!"]);
  });

  it("objects flatten; a column is required where the whole path is", () => {
    expect(
      columnsOf({
        address: z.object({ city: z.string(), geo: z.object({ lat: z.number() }).optional() }),
        owner: z.object({ name: z.string() }).nullable(),
      }),
    ).toEqual(["address.city: text!", "address.geo.lat: double", "owner.name: text"]);
  });

  it("alternatives of objects have the columns of all; only what is required in all of them is not nullable", () => {
    const schema = z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("a"), size: z.int(), x: z.int() }),
      z.object({ kind: z.literal("b"), size: z.number(), y: z.string() }),
    ]);
    expect(short(withSchema(HINTS, schema))).toEqual([
      "kind: text!",
      "size: double!",
      "x: bigint",
      "y: text",
    ]);
    const both = z.intersection(z.object({ a: z.int() }), z.object({ b: z.string() }));
    expect(short(withSchema(HINTS, both))).toEqual(["a: bigint!", "b: text!"]);
  });

  it("lists are child tables", () => {
    const schema = z.object({
      tags: z.array(z.string()),
      lines: z.array(z.object({ at: z.iso.date(), tax: z.object({ rates: z.array(z.int()) }) })),
      odd: z.array(z.array(z.int())),
    });
    const { columns, tables } = withSchema(HINTS, schema);
    expect(columns).toEqual([]);
    expect(tables).toEqual([
      { path: [["tags"]], columns: [{ name: "value", dataType: "text" }] },
      { path: [["lines"], ["tax", "rates"]], columns: [{ name: "value", dataType: "bigint" }] },
      { path: [["lines"]], columns: [{ name: "at", dataType: "date" }] },
    ]);
  });

  it("what is kept whole is one json column", () => {
    const shape = { a: z.object({ b: z.object({ c: z.int() }), l: z.array(z.int()) }), n: z.int() };
    expect(columnsOf(shape, { maxTableNesting: 0 })).toEqual(["a: json!", "n: bigint!"]);
    expect(columnsOf(shape, { maxTableNesting: 1 })).toEqual(["a.b: json!", "a.l: json!", "n: bigint!"]);
    expect(columnsOf(shape, { maxTableNesting: 2 })).toEqual(["a.b.c: bigint!", "n: bigint!"]);
  });

  it("declared columns win, key by key", () => {
    expect(
      columnsOf(
        { orderId: z.int(), price: z.number(), a: z.object({ b: z.int() }), l: z.array(z.int()) },
        {
          columns: [
            { name: "order_id", dataType: "text" },
            { name: "price", dataType: "decimal", precision: 10, scale: 2, nullable: true },
            { name: "a", dataType: "json" },
            { name: "l", dataType: "json" },
          ],
        },
      ),
    ).toEqual(["order_id: text!", "price: decimal", "a: json", "l: json"]);
  });

  it("a schema that holds itself ends", () => {
    interface Part {
      id: number;
      parts: Part[];
    }
    const part: z.ZodType<Part> = z.object({ id: z.int(), parts: z.array(z.lazy(() => part)) });
    const { columns, tables } = withSchema(HINTS, part);
    expect(short({ columns })).toEqual(["id: bigint!"]);
    expect(tables).toBeUndefined();
    const tree = z.object({ top: z.lazy(() => part) });
    expect(short(withSchema(HINTS, tree))).toEqual(["top.id: bigint!"]);
  });
});

describe("other schemas", () => {
  it("without the JSON Schema part declare nothing", () => {
    expect(withSchema(HINTS, v.object({ id: v.number() }))).toBe(HINTS);
  });

  it("are asked for draft 7 if they do not know the newer one", () => {
    const id = v.object({ id: v.number() });
    const output = ({ target }: { target: string }) => {
      if (target !== "draft-07") throw new Error("unknown target");
      return { type: "object", properties: { id: { type: "number" } }, required: ["id"] };
    };
    const schema = { "~standard": { ...id["~standard"], jsonSchema: { output, input: output } } };
    expect(short(withSchema(HINTS, schema))).toEqual(["id: double!"]);
  });

  it("are told from other values", () => {
    expect([z.int(), v.number(), Object.assign(() => 1, v.number())].map(isStandardSchema)).toEqual([
      true,
      true,
      true,
    ]);
    expect(
      [null, 1, {}, () => 1, { "~standard": { version: 2, validate: () => 1 } }].map(isStandardSchema),
    ).toEqual([false, false, false, false, false]);
  });
});

it("a JSON Schema that is nonsense declares nothing", () => {
  for (const schema of [
    {},
    { type: 5 },
    { $ref: "#/a/b" },
    { anyOf: [] },
    { type: "object", properties: 5 },
    { $ref: "x" },
  ])
    expect(columnsOfJsonSchema(schema)).toEqual({ columns: [], tables: [] });
});
