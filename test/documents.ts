import * as fc from "fast-check";
import type { Json, JsonObject } from "../src/index.js";

/** An object as JSON.parse makes it: `__proto__` is a key like any other. */
export function objectOf(entries: readonly (readonly [string, Json])[]): JsonObject {
  const object = {};
  for (const [key, value] of entries) {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

const HOSTILE = [
  "",
  " ",
  "A",
  "a__b",
  "a_b",
  "a b",
  "aB",
  "ID",
  "Id",
  "__proto__",
  "constructor",
  "select",
  "table",
  'say "hi"',
  "'; drop table t; --",
  "a.b",
  "😀",
  "%",
  "\0",
  "\ud800",
  "1",
  "0",
  "_sluice_id",
  "_sluice_load_id",
  "_sluice_parent_id",
  "_sluice_list_idx",
  "a__v_text",
  "a__v_bigint",
  "x".repeat(63),
  "x".repeat(64),
  "y".repeat(300),
];

/** Keys: mostly a few that come again, and some that are hard to name. */
export const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "c", "id", "value", "list") },
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 8 }) },
);

const twoDigits = (max: number) => fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, "0"));

/** Texts that are dates with times, in every shape, or nearly are. */
export const timestamp = fc
  .tuple(
    fc.integer({ min: 0, max: 10_000 }).map((year) => String(year).padStart(4, "0")),
    twoDigits(13),
    twoDigits(31),
    fc.constantFrom("T", " ", "t"),
    twoDigits(24),
    twoDigits(60),
    fc.oneof(
      fc.constant(""),
      twoDigits(60).map((second) => `:${second}`),
    ),
    fc.constantFrom("", ".1", ".123456", ".123456789", ".1234567890"),
    fc.constantFrom("", "Z", "z", "+02", "-0330", "+14:00", "-23:59", "+24:00"),
  )
  .map(([y, mo, d, t, h, mi, s, f, o]) => `${y}-${mo}-${d}${t}${h}:${mi}${s}${s === "" ? "" : f}${o}`);

/** Scalars as JSON and its reader give them, without integers beyond 2^53. */
export const scalar: fc.Arbitrary<Json> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  timestamp,
  fc.constantFrom(
    "2024-01-02",
    "12:30",
    "12",
    "-0",
    "true",
    "null",
    "",
    " ",
    "1e5",
    "0x00",
    "1.50",
    "\u00a0",
  ),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
  // Half a pair, and NUL.
  fc.constantFrom("\ud800", "x\udc00y", "\0", "a\0b"),
);

/** All scalars. */
export const anyScalar: fc.Arbitrary<Json> = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }) },
);

/** Records of any shape: mostly objects, nested, with lists of anything. */
export function records(leaf: fc.Arbitrary<Json> = anyScalar): fc.Arbitrary<Json[]> {
  const { value } = fc.letrec<{ value: Json; object: JsonObject; list: Json[] }>((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, tie("object"), tie("list")),
    object: fc
      .uniqueArray(fc.tuple(key, tie("value")), { selector: ([name]) => name, maxLength: 5 })
      .map((entries) => objectOf(entries as [string, Json][])),
    list: fc.array(tie("value"), { maxLength: 4 }) as fc.Arbitrary<Json[]>,
  }));
  const record = fc
    .uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, maxLength: 8 })
    .map(objectOf);
  return fc.array(fc.oneof({ weight: 9, arbitrary: record }, { weight: 1, arbitrary: value }), {
    minLength: 1,
    maxLength: 8,
  });
}
