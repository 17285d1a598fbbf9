import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { childTableName, columnName, type Naming, tableName, variantName } from "./naming.js";

const snake = (maxBytes: number): Naming => ({ convention: "snake_case", maxBytes });
const preserve = (maxBytes = 255): Naming => ({ convention: "preserve", maxBytes });

describe("columnName", () => {
  it.each([
    ["firstName", "first_name"],
    ["HTTPResponse", "http_response"],
    ["camelCaseID", "camel_case_id"],
    ["userIDs", "user_i_ds"],
    ["ALLCAPS", "allcaps"],
    ["A1B2", "a1_b2"],
    ["1abc", "_1abc"],
    ["100%", "_100x"],
    ["trail_", "trailx"],
    ["__lead", "lead"],
    ["Amount(USD)", "amount_usdx"],
    ["Straße", "stra_e"],
    ["ünï", "_nx"],
    ["emoji😀", "emojix"],
    ["+1", "x1"],
    ["-1", "_1"],
    ["@type", "atype"],
    ["a|b", "alb"],
    ["%", "x"],
    ["*", "x"],
    ["_", "x"],
    ["a__b", "a__b"],
    ["a___b", "a___b"],
    ["", "_empty"],
    ["   ", "_empty"],
    ["__", "_empty"],
    ["__proto__", "proto"],
    ["My Table!", "my_tablex"],
    ["aBcDe", "a_bc_de"],
  ])("names %j %j, as dlt does", (key, expected) => {
    expect(columnName([key])).toBe(expected);
  });

  it("joins the keys of a path after normalizing each", () => {
    expect(columnName(["address", "ZipCode", "1"])).toBe("address__zip_code___1");
    expect(columnName(["trail_", "x"])).toBe("trailx__x");
  });

  it("calls the item of a list value", () => {
    expect(columnName([])).toBe("value");
  });

  it("shortens with dlt's tag over the original key", () => {
    expect(columnName(["a_very_long_identifier_that_must_be_shortened"], snake(20))).toBe(
      "a_very_kjbxagortened",
    );
  });

  it("gives a name that fits and that SQL can use, and naming it again changes nothing", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 300 }),
        fc.constantFrom(20, 63, 255),
        (key, max) => {
          const name = columnName([key], snake(max));
          expect(name).toMatch(/^[a-z_][a-z0-9_]*$/);
          expect(name.length).toBeLessThanOrEqual(max);
          expect(columnName([name], snake(10_000))).toBe(name);
        },
      ),
    );
  });
});

describe("table names", () => {
  it("normalizes the resource's name", () => {
    expect(tableName("My Table!")).toBe("my_tablex");
  });

  it("hangs the list's path below the parent", () => {
    expect(childTableName("users", ["contact", "phoneNumbers"])).toBe("users__contact__phone_numbers");
    expect(childTableName("users__rows", [])).toBe("users__rows__list");
    expect(childTableName("users", ["x".repeat(100)], snake(63))).toHaveLength(63);
  });

  it("names a variant after its column and type", () => {
    expect(variantName("price", "text")).toBe("price__v_text");
    expect(variantName("p".repeat(30), "timestamp", snake(30))).toHaveLength(30);
  });
});

describe("preserve", () => {
  it.each([
    ["firstName", "firstName"],
    ["Straße", "Straße"],
    [" padded ", " padded "],
    ["1abc", "1abc"],
    ["select", "select"],
    ['say "hi"\n', 'say "hi"\n'],
    ["שלום", "שלום"],
    ["a\0b", "a_b"],
    ["\0", "_"],
    ["half \ud83d", "half \ufffd"],
    ["", "_empty"],
  ])("%j → %j", (key, name) => {
    expect(columnName([key], preserve())).toBe(name);
    expect(tableName(key, preserve())).toBe(name);
  });

  it("joins paths as ever", () => {
    expect(columnName(["Address", "zipCode"], preserve())).toBe("Address__zipCode");
    expect(childTableName("Users", ["phoneNumbers"], preserve())).toBe("Users__phoneNumbers");
    expect(variantName("Price", "text", preserve())).toBe("Price__v_text");
  });

  it("shortens by bytes, and cuts no character in two", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary", maxLength: 300 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(20, 63, 255),
        (path, max) => {
          const name = columnName(path, preserve(max));
          expect(Buffer.byteLength(name)).toBeLessThanOrEqual(max);
          expect(name).not.toBe("");
          expect(Buffer.from(name).toString()).toBe(name);
          expect(name).not.toContain("\0");
        },
      ),
    );
    const emoji = columnName(["😀".repeat(50)], preserve(63));
    expect(Buffer.byteLength(emoji)).toBeGreaterThan(55);
    expect(emoji).not.toContain("\ufffd");
  });

  it("gives long names that differ in the middle different names", () => {
    const long = (middle: string) => `${"a".repeat(50)}${middle}${"b".repeat(50)}`;
    expect(columnName([long("x")], preserve(63))).not.toBe(columnName([long("y")], preserve(63)));
  });
});
