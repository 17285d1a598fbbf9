import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ColumnSchema, DATA_TYPES, type SchemaChange, type TableSchema } from "../model/table.js";
import { diffTables } from "./diff.js";
import { schemaHash } from "./hash.js";

const column = (name: string, type: ColumnSchema["type"] = "text"): ColumnSchema => ({
  name,
  type,
  nullable: true,
});
const table = (name: string, columns: readonly ColumnSchema[], parent?: string): TableSchema => ({
  name,
  resource: "r",
  ...(parent === undefined ? {} : { parent }),
  primaryKey: [],
  columns,
});

/** What a destination does with the changes. */
function apply(have: readonly TableSchema[], changes: readonly SchemaChange[]): readonly TableSchema[] {
  const tables = new Map(have.map((one) => [one.name, one]));
  for (const change of changes) {
    if (change.op === "create-table") {
      tables.set(change.table.name, change.table);
      continue;
    }
    const target = [...tables.values()].find((one) => one.name.toLowerCase() === change.table.toLowerCase());
    if (target === undefined) throw new Error(`${change.table} does not exist`);
    const columns =
      change.op === "add-column"
        ? [...target.columns, change.column]
        : target.columns.map((one) =>
            one.name.toLowerCase() === change.column.name.toLowerCase() ? change.column : one,
          );
    tables.set(target.name, { ...target, columns });
  }
  return [...tables.values()];
}

describe("diffTables", () => {
  it("creates parents before children", () => {
    const root = table("a", [column("x")]);
    const child = table("a__b", [column("x")], "a");
    const grandchild = table("a__b__c", [column("x")], "a__b");
    const changes = diffTables([], [grandchild, child, root]);
    expect(changes.map((change) => change.op === "create-table" && change.table.name)).toEqual([
      "a",
      "a__b",
      "a__b__c",
    ]);
  });

  it("adds and widens columns, compares names without case, and leaves the rest", () => {
    const have = [
      table("T", [column("ID", "bigint"), column("price", "bigint"), column("old"), column("d", "double")]),
    ];
    const want = [
      table("t", [column("id", "bigint"), column("price", "double"), column("new"), column("d", "bigint")]),
    ];
    expect(diffTables(have, want)).toEqual([
      { op: "widen-column", table: "t", column: column("price", "double"), from: "bigint" },
      { op: "add-column", table: "t", column: column("new") },
    ]);
  });

  it("changes nothing where types have no common column", () => {
    expect(diffTables([table("t", [column("a", "text")])], [table("t", [column("a", "bigint")])])).toEqual(
      [],
    );
  });

  it("has nothing left to do after its changes were made", () => {
    const columns = fc.uniqueArray(
      fc.record({
        name: fc.constantFrom("a", "B", "c", "D"),
        type: fc.constantFrom(...DATA_TYPES),
        nullable: fc.constant(true),
        precision: fc.constantFrom(10, 19, 38),
        scale: fc.constantFrom(0, 2),
      }),
      { selector: (one) => one.name, maxLength: 4 },
    );
    const tables = fc.uniqueArray(
      fc
        .record({ name: fc.constantFrom("t", "t__x", "u"), columns })
        .map((one) => table(one.name, one.columns)),
      { selector: (one) => one.name, maxLength: 3 },
    );
    fc.assert(
      fc.property(tables, tables, (have, want) => {
        const after = apply(have, diffTables(have, want));
        expect(diffTables(after, want)).toEqual([]);
        for (const one of want) {
          const there = after.find((other) => other.name === one.name);
          expect(there?.columns.map((c) => c.name)).toEqual(
            expect.arrayContaining(one.columns.map((c) => c.name)),
          );
        }
      }),
    );
  });
});

describe("schemaHash", () => {
  const a = table("a", [column("x"), column("y", "bigint")]);
  const b = table("b", [column("x")]);

  it("does not depend on the order of tables and keys", () => {
    const reordered = { columns: a.columns, primaryKey: a.primaryKey, name: a.name, resource: a.resource };
    expect(schemaHash([a, b])).toBe(schemaHash([b, reordered]));
    expect(schemaHash([a])).toMatch(/^[0-9a-f]{64}$/);
  });

  it("changes with every name, type and the order of columns", () => {
    const hashes = [
      schemaHash([a]),
      schemaHash([{ ...a, columns: a.columns.toReversed() }]),
      schemaHash([{ ...a, columns: [column("x"), column("y", "double")] }]),
      schemaHash([{ ...a, name: "c" }]),
      schemaHash([a, b]),
      schemaHash([{ ...a, primaryKey: ["x"] }]),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
