import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ColumnSchema, DATA_TYPES } from "../model/table.js";
import { type ColumnType, inferType } from "./infer.js";
import { join, type Present, widens } from "./join.js";

const inferred = (type: ColumnSchema["type"], more: Partial<ColumnSchema> = {}): ColumnSchema => ({
  name: "c",
  type,
  nullable: true,
  source: ["c"],
  ...more,
});
const declared = (type: ColumnSchema["type"], more: Partial<ColumnSchema> = {}): ColumnSchema =>
  inferred(type, { declared: true, ...more });
const BIG = 2n ** 53n + 1n;

/** What `join` did, in short: the stored value, the new type with it, or the variant's type. */
function outcome(column: ColumnSchema, value: Present): unknown {
  const joined = join(column, value);
  if ("variant" in joined) return `v_${joined.variant.type}`;
  return joined.column.type === column.type ? joined.stored : [joined.column.type, joined.stored];
}

describe("inferType", () => {
  it.each([
    [true, "bool"],
    [1, "bigint"],
    [1.5, "double"],
    [1e20, "double"],
    [BIG, "bigint"],
    [2n ** 63n - 1n, "bigint"],
    [-(2n ** 63n), "bigint"],
    [2n ** 63n, "decimal"],
    [10n ** 38n - 1n, "decimal"],
    [10n ** 38n, "text"],
    [-(10n ** 38n), "text"],
    [Number.NaN, "text"],
    ["", "text"],
    ["2024-01-02", "text"],
    ["12", "text"],
    ["2024-01-02T03:04:05Z", "timestamp"],
    [{ a: 1 }, "json"],
    [[1], "json"],
  ] as const)("takes %s for %s", (value, type) => {
    expect(inferType(value)?.type).toBe(type);
  });

  it("learns nothing from null", () => {
    expect(inferType(null)).toBeUndefined();
  });
});

describe("join, inferred columns", () => {
  it.each([
    ["bigint", 5, 5],
    ["bigint", BIG, BIG],
    ["bigint", 2.5, ["double", 2.5]],
    ["bigint", 1e20, ["double", 1e20]],
    ["bigint", 2n ** 64n, ["decimal", 2n ** 64n]],
    ["bigint", 10n ** 38n, "v_text"],
    ["bigint", "12", "v_text"],
    ["bigint", true, "v_bool"],
    ["bigint", "2024-01-02T03:04:05Z", "v_timestamp"],
    ["double", 5, 5],
    ["double", 10n ** 18n, 1e18],
    ["double", 2n ** 60n, "v_bigint"],
    ["double", BIG, "v_bigint"],
    ["double", 2n ** 64n + 1n, "v_decimal"],
    ["double", Number.NaN, "v_text"],
    ["double", "1.5", "v_text"],
    ["bool", 2, "v_bigint"],
    ["bool", 1, "v_bigint"],
    ["bool", "true", "v_text"],
    ["text", 5, "5"],
    ["text", 1.5, "1.5"],
    ["text", true, "true"],
    ["text", BIG, BIG.toString()],
    ["text", Number.POSITIVE_INFINITY, "Infinity"],
    ["text", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"],
    ["text", { a: 1 }, "v_json"],
    ["timestamp", "1970-01-01T00:00:01Z", 1_000_000n],
    ["timestamp", "n/a", "v_text"],
    ["timestamp", "", "v_text"],
    ["timestamp", "2024-01-02", "v_text"],
    ["timestamp", 1_700_000_000, "v_bigint"],
    ["date", "1970-01-02", 1],
    ["date", "1970-01-02T00:00:01Z", ["timestamp", 86_401_000_000n]],
    ["json", "x", '"x"'],
    ["json", [1, BIG], `[1,${BIG}]`],
    ["json", Number.NaN, "v_text"],
  ] as const)("%s meets %s", (type, value, expected) => {
    expect(outcome(inferred(type), value)).toEqual(expected);
  });

  it("keeps decimals of big integers exact and whole", () => {
    const column = inferred("decimal", { precision: 38, scale: 0 });
    expect(outcome(column, 5)).toBe(5n);
    expect(outcome(column, 10n ** 38n - 1n)).toBe(10n ** 38n - 1n);
    expect(outcome(column, 10n ** 38n)).toBe("v_text");
    expect(outcome(column, 0.5)).toBe("v_double");
    expect(outcome(column, 1e20)).toBe(10n ** 20n);
  });

  it("marks a bigint column that held a value beyond 2^53, and does not make it double then", () => {
    const joined = join(inferred("bigint"), BIG);
    if (!("column" in joined)) throw new Error("expected the column itself");
    expect(joined.column.beyondDouble).toBe(true);
    expect(outcome(joined.column, 2.5)).toBe("v_double");
    expect(outcome(joined.column, 2n ** 63n)).toEqual(["decimal", 2n ** 63n]);
  });

  it("drops the mark when the column becomes decimal", () => {
    const joined = join(inferred("bigint", { beyondDouble: true }), 2n ** 63n);
    expect(joined).toEqual({ column: inferred("decimal", { precision: 38, scale: 0 }), stored: 2n ** 63n });
  });

  it("does not widen a variant column", () => {
    expect(outcome(inferred("bigint", { variantOf: "x" }), 2.5)).toBe("v_double");
  });
});

describe("join, declared columns", () => {
  it.each([
    ["bigint", "12", 12n],
    ["bigint", "-9223372036854775808", -(2n ** 63n)],
    ["bigint", "9223372036854775808", "v_text"],
    ["bigint", "12.5", "v_text"],
    ["bigint", "0x10", "v_text"],
    ["bigint", 1.0, 1],
    ["bigint", 2.5, "v_double"],
    ["bigint", 2n ** 63n, "v_decimal"],
    ["double", "1.50", 1.5],
    ["double", "0.1", 0.1],
    ["double", "0.10000000000000000001", "v_text"],
    ["double", "NaN", "v_text"],
    ["bool", "true", true],
    ["bool", "false", false],
    ["bool", "yes", "v_text"],
    ["bool", 2, "v_bigint"],
    ["text", 5, "5"],
    ["timestamp", "2024-01-02", 1_704_153_600_000_000n],
    ["timestamp", 1_700_000_000, 1_700_000_000_000_000n],
    ["timestamp", 1_700_000_000_000, "v_bigint"],
    ["date", "2024-01-02", 19_724],
    ["date", "2024-01-02T00:00:00Z", 19_724],
    ["date", "2024-01-02T00:00:01Z", "v_timestamp"],
    ["time", "01:02", 3_720_000_000],
    ["time", "x", "v_text"],
    ["binary", "0xff00", new Uint8Array([255, 0])],
    ["binary", "/wA=", new Uint8Array([255, 0])],
    ["binary", "no base64!", "v_text"],
    ["json", { a: [1] }, '{"a":[1]}'],
  ] as const)("%s meets %s", (type, value, expected) => {
    expect(outcome(declared(type), value as Present)).toEqual(expected);
  });

  it("puts numbers into decimals exactly or not at all", () => {
    const money = declared("decimal", { precision: 10, scale: 2 });
    expect(outcome(money, 12.34)).toBe(1234n);
    expect(outcome(money, "12.30")).toBe(1230n);
    expect(outcome(money, 12.345)).toBe("v_double");
    expect(outcome(money, 123_456_789)).toBe("v_bigint");
    expect(outcome(money, 2n ** 64n)).toBe("v_decimal");
    expect(outcome(declared("decimal", { precision: 38, scale: 9 }), 0.1)).toBe(100_000_000n);
  });
});

describe("join, all columns", () => {
  const numbers = fc.oneof(
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
  );
  const odd = fc.constantFrom<Present>({ toString: [], valueOf: 1 }, [], [[1]], Number.NaN);
  const value = fc.oneof(fc.string(), fc.boolean(), numbers, odd);
  const anyColumn = fc
    .record({
      type: fc.constantFrom(
        "text",
        "bigint",
        "double",
        "decimal",
        "bool",
        "timestamp",
        "date",
        "time",
        "binary",
        "json",
      ),
      isDeclared: fc.boolean(),
    })
    .map(({ type, isDeclared }) =>
      inferred(type as ColumnSchema["type"], {
        ...(isDeclared ? { declared: true } : {}),
        ...(type === "decimal" ? { precision: 20, scale: 3 } : {}),
      }),
    );

  it.each(DATA_TYPES)("meets an object that can't be converted to a primitive, in a %s column", (type) => {
    const value = { toString: [], valueOf: 1 };
    const expected = type === "json" ? '{"toString":[],"valueOf":1}' : "v_json";
    expect(outcome(inferred(type), value)).toBe(expected);
    expect(outcome(declared(type), value)).toBe(expected);
  });

  it("finds a place for every value: the column, or a variant that takes it", () => {
    fc.assert(
      fc.property(anyColumn, value, (column, value) => {
        const joined = join(column, value);
        if ("stored" in joined) return;
        const variant = inferred(joined.variant.type, { ...joined.variant, variantOf: "c" });
        expect(join(variant, value)).toHaveProperty("stored");
      }),
    );
  });

  it("gives numbers one column type in any order, as long as all are safe integers and doubles", () => {
    const safe = fc.oneof(
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(fc.array(safe, { minLength: 1, maxLength: 8 }), (values) => {
        expect(finalType(values)).toBe(finalType(values.toReversed()));
        expect(finalType(values)).toBe(
          values.every((value) => Number.isSafeInteger(value)) ? "bigint" : "double",
        );
      }),
    );
  });

  it("gives integers of at most 38 digits one column type in any order", () => {
    const integer = fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n });
    fc.assert(
      fc.property(fc.array(integer, { minLength: 1, maxLength: 8 }), (values) => {
        expect(finalType(values)).toBe(finalType(values.toReversed()));
      }),
    );
  });

  function finalType(values: readonly (number | bigint)[]): string {
    let column = inferred(inferType(values[0]!)!.type, inferType(values[0]!));
    for (const value of values) {
      const joined = join(column, value);
      if (!("column" in joined)) throw new Error(`${value} does not fit ${column.type}`);
      column = joined.column;
    }
    return column.type;
  }
});

describe("the type that holds both", () => {
  /** Types as a column goes through them, with the digits of decimals. */
  const types = fc.oneof(
    fc.constantFrom<ColumnType>(...DATA_TYPES.filter((type) => type !== "decimal").map((type) => ({ type }))),
    fc
      .tuple(fc.integer({ min: 1, max: 38 }), fc.nat(38))
      .filter(([precision, scale]) => scale <= precision)
      .map(([precision, scale]): ColumnType => ({ type: "decimal", precision, scale })),
  );
  const holds = (a: ColumnType, b: ColumnType): boolean =>
    JSON.stringify(a) === JSON.stringify(b) || widens(a, b);

  it("is ordered: no two types widen into each other, and what widens twice widens at once", () => {
    fc.assert(
      fc.property(types, types, types, (a, b, c) => {
        if (holds(a, b) && holds(b, a)) expect(a).toEqual(b);
        // A bigint that is a double already has lost nothing, but a decimal beyond it would not fit back.
        if (holds(a, b) && holds(b, c)) expect(holds(a, c)).toBe(true);
        expect(widens(a, a)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  const value = fc.oneof(
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
    fc.string({ maxLength: 4 }),
    fc.constantFrom<Present>("2024-01-02T03:04:05Z", "2024-01-02", "12", "true", [1], { a: 1 }),
  );
  const column = fc
    .tuple(types, fc.boolean(), fc.boolean())
    .map(([type, isDeclared, nullable]) =>
      inferred(type.type, { ...type, nullable, ...(isDeclared ? { declared: true } : {}) }),
    );

  it("takes a value a second time without a change: joining is idempotent", () => {
    fc.assert(
      fc.property(column, value, (before, one) => {
        const first = join(before, one);
        if ("variant" in first) {
          expect(join(before, one)).toEqual(first);
          const variant = inferred(first.variant.type, { ...first.variant, variantOf: "c" });
          const stored = join(variant, one);
          if (!("column" in stored)) throw new Error("a variant must take its value");
          expect(join(stored.column, one)).toEqual(stored);
          return;
        }
        expect(join(first.column, one)).toEqual({ column: first.column, stored: expect.anything() });
      }),
      { numRuns: 1000 },
    );
  });

  it("changes a column's type, digits and mark and nothing else; a declared or variant column's not at all", () => {
    fc.assert(
      fc.property(column, value, (before, one) => {
        const joined = join(before, one);
        if ("variant" in joined) return;
        const { type, precision, scale, beyondDouble: _mark, ...rest } = joined.column;
        const { type: from, precision: digits, scale: after, beyondDouble: _before, ...same } = before;
        expect(rest).toEqual(same);
        if (before.declared === true) expect([type, precision, scale]).toEqual([from, digits, after]);
        else
          expect(
            holds({ type: from, ...digitsOf(digits, after) }, { type, ...digitsOf(precision, scale) }),
          ).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("is the same in any order and grouping for numbers that a wider column holds", () => {
    // Of the integers beyond 2^53 and fractions a double holds neither all: there the order decides which is beside.
    const family = fc.constantFrom(
      fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true })),
      fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }),
    );
    const values = family.chain((one) =>
      fc.array(one as fc.Arbitrary<number | bigint>, { minLength: 2, maxLength: 8 }),
    );
    const typeOf = (list: readonly Present[]): unknown => {
      const first = inferType(list[0]!)!;
      const end = list.reduce<ColumnSchema>(
        (before, one) => {
          const joined = join(before, one);
          if ("variant" in joined) throw new Error("it fits");
          return joined.column;
        },
        inferred(first.type, first),
      );
      return [end.type, end.precision, end.scale];
    };
    fc.assert(
      fc.property(values, fc.infiniteStream(fc.nat()), (list, random) => {
        const keys = list.map((one) => [random.next().value as number, one] as const);
        const shuffled = keys.toSorted(([a], [b]) => a - b).map(([, one]) => one);
        expect(typeOf(shuffled)).toEqual(typeOf(list));
        expect(typeOf([...list, ...list])).toEqual(typeOf(list));
      }),
      { numRuns: 500 },
    );
  });

  function digitsOf(precision: number | undefined, scale: number | undefined) {
    return { ...(precision === undefined ? {} : { precision }), ...(scale === undefined ? {} : { scale }) };
  }
});

describe("widens", () => {
  it("knows the lossless changes and no others", () => {
    expect(widens({ type: "bigint" }, { type: "double" })).toBe(true);
    expect(widens({ type: "bigint", beyondDouble: true }, { type: "double" })).toBe(false);
    expect(widens({ type: "bigint" }, { type: "decimal", precision: 38, scale: 0 })).toBe(true);
    expect(widens({ type: "bigint" }, { type: "decimal", precision: 20, scale: 2 })).toBe(false);
    expect(widens({ type: "date" }, { type: "timestamp" })).toBe(true);
    expect(
      widens({ type: "decimal", precision: 10, scale: 2 }, { type: "decimal", precision: 12, scale: 4 }),
    ).toBe(true);
    expect(
      widens({ type: "decimal", precision: 10, scale: 2 }, { type: "decimal", precision: 10, scale: 4 }),
    ).toBe(false);
    expect(
      widens({ type: "decimal", precision: 10, scale: 2 }, { type: "decimal", precision: 10, scale: 2 }),
    ).toBe(false);
    expect(widens({ type: "double" }, { type: "bigint" })).toBe(false);
    expect(widens({ type: "bool" }, { type: "text" })).toBe(false);
  });
});
