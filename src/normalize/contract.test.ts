import { describe, expect, it } from "vitest";
import type { Json } from "../model/json.js";
import type { ContractMode, ResourceHints, SchemaContract } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { createNormalizer, type Normalizer } from "./normalizer.js";
import { batchRows } from "./rows.js";

const HINTS: ResourceHints = { writeDisposition: "append", primaryKey: ["id"], columns: [] };

function start(hints: Partial<ResourceHints>, known: readonly TableSchema[], settled: boolean): Normalizer {
  const now = Date.parse("2024-01-01T00:00:00Z");
  return createNormalizer({
    resource: "people",
    table: "people",
    hints: { ...HINTS, ...hints },
    known,
    settled,
    loadId: "1",
    now,
  });
}

/** What is left of records that come after a first load of `{ id: 1, age: 5, pets: [{ name: "Rex" }] }`. */
function second(
  contract: Partial<SchemaContract>,
  records: readonly Json[],
  hints: Partial<ResourceHints> = {},
) {
  const first = start(hints, [], false);
  first.add({ kind: "objects", values: [{ id: 1, age: 5, pets: [{ name: "Rex" }] }] });
  const whole = { tables: "evolve", columns: "evolve", dataType: "evolve", ...contract } as const;
  const normalizer = start({ ...hints, contract: whole }, first.tables(), true);
  normalizer.add({ kind: "objects", values: records });
  const rows = Object.fromEntries(
    normalizer
      .take()
      .map((batch) => [
        batch.table.name,
        batchRows(batch).map((row) =>
          Object.fromEntries(
            Object.entries(row).filter(([key, cell]) => !key.startsWith("_") && cell !== null),
          ),
        ),
      ]),
  );
  const schema = Object.fromEntries(
    normalizer
      .tables()
      .map(({ name, columns }) => [name, columns.map((c) => c.name).filter((c) => !c.startsWith("_"))]),
  );
  return { rows, schema, ...normalizer.takeRejects() };
}

const SAME = { people: ["id", "age"], people__pets: ["name"] };

describe("a column that would be new", () => {
  const records = [
    { id: 2, city: "Rome" },
    { id: 3, age: 7 },
  ];

  it("is an error under freeze, which names it and not its value", () => {
    const load = () => second({ columns: "freeze" }, records);
    expect(load).toThrow(
      expect.objectContaining({
        code: "data/contract",
        at: { resource: "people", table: "people" },
        message: expect.stringMatching(/^at \$\.city: column "city" would be new.*columns is freeze$/),
      }),
    );
    expect(load).not.toThrow("Rome");
  });

  it("takes its row with it under discard_row, and the rows below that", () => {
    const { rows, schema, rejects, discarded } = second({ columns: "discard_row" }, [
      { id: 2, pets: [{ name: "Tom" }], city: "Rome" },
      { id: 3, age: 7 },
    ]);
    expect(rows).toEqual({ people: [{ id: 3n, age: 7n }] });
    expect(schema).toEqual(SAME);
    expect(discarded).toBe(1);
    expect(rejects).toEqual([
      {
        resource: "people",
        table: "people",
        path: "$.city",
        reason: 'contract-columns: column "city" would be new, and schema_contract.columns is discard_row',
        value: '"Rome"',
        record: '{"id":2,"pets":[{"name":"Tom"}],"city":"Rome"}',
      },
    ]);
  });

  it("is left out under discard_value, and kept beside its record's key", () => {
    const { rows, schema, rejects, discarded } = second({ columns: "discard_value" }, [
      { id: 2, city: "Rome", home: { zip: 123 } },
      { id: 3, age: 7 },
    ]);
    expect(rows).toEqual({ people: [{ id: 2n }, { id: 3n, age: 7n }] });
    expect(schema).toEqual(SAME);
    expect(discarded).toBe(2);
    expect(rejects.map(({ path, value, record }) => ({ path, value, record }))).toEqual([
      { path: "$.city", value: '"Rome"', record: '{"id":2}' },
      { path: "$.home.zip", value: "123", record: '{"id":2}' },
    ]);
  });

  it("in a child table takes only its own row with it", () => {
    const { rows, rejects } = second({ columns: "discard_row" }, [
      { id: 2, pets: [{ name: "Tom" }, { name: "Kim", legs: [1], age: 3 }, { name: "Joe" }] },
    ]);
    expect(rows).toEqual({ people: [{ id: 2n }], people__pets: [{ name: "Tom" }, { name: "Joe" }] });
    expect(rejects).toMatchObject([{ table: "people__pets", path: "$.pets[*].age", value: "3" }]);
  });

  it("is allowed if it is declared, or in a table that is new itself", () => {
    const columns = [{ name: "city", dataType: "text" as const }];
    expect(second({ columns: "freeze" }, records, { columns }).rows["people"]).toHaveLength(2);
    expect(second({ columns: "freeze" }, [{ id: 2, cars: [{ brand: "x" }, { year: 1 }] }]).rows).toEqual({
      people: [{ id: 2n }],
      people__cars: [{ brand: "x" }, { year: 1n }],
    });
  });
});

describe("a value of another type", () => {
  it.each([
    ["needs a variant", "many", "text"],
    ["would widen the column", 1.5, "double"],
  ])("that %s is an error under freeze", (_, age, type) => {
    expect(() => second({ dataType: "freeze" }, [{ id: 2, age }])).toThrow(
      expect.objectContaining({
        code: "data/contract",
        message: expect.stringContaining(`column "age" is bigint and would have to hold ${type}`),
      }),
    );
  });

  it.each<[ContractMode, object[]]>([
    ["discard_value", [{ id: 2n }, { id: 3n, age: 7n }]],
    ["discard_row", [{ id: 3n, age: 7n }]],
  ])("is set aside under %s", (dataType, people) => {
    const { rows, schema, rejects } = second({ dataType }, [
      { id: 2, age: "many" },
      { id: 3, age: 7 },
    ]);
    expect(rows).toEqual({ people });
    expect(schema).toEqual(SAME);
    expect(rejects).toMatchObject([{ path: "$.age", value: '"many"' }]);
  });
});

describe("a table that would be new", () => {
  const records = [{ id: 2, age: 1, cars: [{ brand: "x" }] }];

  it("is an error under freeze", () => {
    expect(() => second({ tables: "freeze" }, records)).toThrow(
      expect.objectContaining({ message: expect.stringContaining('table "people__cars" would be new') }),
    );
  });

  it.each<ContractMode>(["discard_row", "discard_value"])("is left out with its rows under %s", (tables) => {
    const { rows, schema, rejects } = second({ tables }, records);
    expect(rows).toEqual({ people: [{ id: 2n, age: 1n }] });
    expect(schema).toEqual(SAME);
    expect(rejects).toMatchObject([{ path: "$.cars", value: '[{"brand":"x"}]' }]);
  });

  it("is refused as a whole if it is the root table", () => {
    const contract = { tables: "discard_row", columns: "evolve", dataType: "evolve" } as const;
    const normalizer = start({ contract }, [], true);
    normalizer.add({ kind: "objects", values: records });
    expect(normalizer.tables()).toEqual([]);
    expect(normalizer.takeRejects()).toMatchObject({ discarded: 1, rejects: [{ path: "$" }] });
  });
});

it("a row that is discarded goes whole, with children that come after what breaks it", () => {
  const record = { id: 2, age: "x", pets: [{ name: "Leo" }, { name: "Mia" }] };
  const { rows, rejects, discarded } = second({ dataType: "discard_row" }, [record, { id: 3, age: 4 }]);
  expect(rows).toEqual({ people: [{ id: 3n, age: 4n }] });
  expect(discarded).toBe(1);
  expect(rejects).toMatchObject([{ table: "people", path: "$.age", record: JSON.stringify(record) }]);
});

describe("the first load", () => {
  const contract = { tables: "freeze", columns: "freeze", dataType: "freeze" } as const;

  it("makes the schema that is frozen afterwards", () => {
    const normalizer = start({ contract }, [], false);
    normalizer.add({ kind: "objects", values: [{ id: 1 }, { id: 2, a: 1, b: [1] }, { id: 3, a: "x" }] });
    expect(normalizer.tables().map((table) => table.name)).toEqual(["people", "people__b"]);
    expect(normalizer.takeRejects()).toEqual({ rejects: [], discarded: 0 });
  });

  it("is bound by the columns that are declared", () => {
    const columns = [
      { name: "id", dataType: "bigint" as const },
      { name: "a", dataType: "text" as const },
    ];
    const normalizer = start({ contract, columns }, [], false);
    normalizer.add({ kind: "objects", values: [{ id: 1, a: "x" }] });
    expect(() => normalizer.add({ kind: "objects", values: [{ id: 2, extra: 1 }] })).toThrow(
      expect.objectContaining({ code: "data/contract" }),
    );
  });
});
