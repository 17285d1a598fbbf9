import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isReadableLinkHeader, parseLinkHeader } from "./link-header.js";

const base = "https://api.example.com/v3/calls?page=1";
const next = "https://api.example.com/v3/calls?page=2";

describe("parseLinkHeader", () => {
  it.each([
    ["plain", `<${next}>; rel="next"`],
    ["unquoted", `<${next}>; rel=next`],
    ["another case, blanks", `<${next}> ; REL = "Next"`],
    ["two relations in one", `<${next}>; rel="last  next"`],
    ["relative", `<?page=2>; rel="next"`],
    ["after others", `</a>; rel=prev, <${next}>; rel=next`],
    ["a value with equals signs before", `<${next}>; cursor="0:100:0="; rel="next"`],
    ["delimiters in a title", `<${next}>; title="a, <b>; rel=x"; rel="next"`],
    ["an extended title", `<${next}>; rel="next"; title*=UTF-8''%e2%82%ac`],
    ["the first of two", `<${next}>; rel="next", </other>; rel="next"`],
    ["a folded line", `<${next}>;\r\n rel="next"`],
  ])("reads: %s", (_title, header) => {
    expect(parseLinkHeader(header, base)["next"]?.url).toBe(next);
  });

  it("keeps the URL byte for byte, and attributes as sent", () => {
    const header = `<https://h/a;b?c=d,e&f=%2f>; rel="next"; results="true"; URL="x"`;
    expect({ ...parseLinkHeader(header, base)["next"] }).toEqual({
      url: "https://h/a;b?c=d,e&f=%2f",
      rel: "next",
      results: "true",
    });
  });

  it("gives nothing for no header, no relation and garbage", () => {
    for (const header of [
      undefined,
      "",
      `<${next}>`,
      `<${next}; rel="next"`,
      "garbage",
      "<https://[>; rel=next",
    ]) {
      expect(Object.keys(parseLinkHeader(header, base))).toEqual([]);
    }
  });

  it("has no inherited keys", () => {
    const links = parseLinkHeader(`</a>; rel="__proto__ constructor"; __proto__="x"`, base);
    expect(Object.keys(links)).toEqual(["__proto__", "constructor"]);
    expect(links["toString"]).toBeUndefined();
    expect("polluted" in {}).toBe(false);
  });

  it("never throws, and is not slow on blanks", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."<>;,=\"\\ arel*'%\n".split("")) }), (header) => {
        parseLinkHeader(header, base);
      }),
    );
    const before = performance.now();
    parseLinkHeader(`</a>;${" ".repeat(100_000)}rel="next"`, base);
    expect(performance.now() - before).toBeLessThan(500);
  });
});

describe("isReadableLinkHeader", () => {
  it.each([
    undefined,
    "",
    `<${next}>; rel="next"`,
    "</style.css>; rel=preload",
    "<?page=2>; rel=next; rel=x",
  ])("accepts %j", (value) => {
    expect(isReadableLinkHeader(value)).toBe(true);
  });

  it.each([
    `${next}; rel="next"`,
    "next: /calls?page=2",
    `<${next}; rel="next"`,
    "<http://[>; rel=next",
    ",",
  ])("refuses %j", (value) => {
    expect(isReadableLinkHeader(value)).toBe(false);
  });
});
