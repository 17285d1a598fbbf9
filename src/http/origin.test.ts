import { describe, expect, it } from "vitest";
import { originRule, trustIn } from "./origin.js";

describe("trustIn", () => {
  const rule = originRule("https://api.example.com/v3/", [
    "https://cdn.example.com/",
    "http://plain.example",
    "nonsense",
  ]);

  it.each([
    ["https://api.example.com/x", "own"],
    ["https://API.EXAMPLE.COM:443", "own"],
    ["https://api.example.com\\@evil.example/", "own"],
    ["https://cdn.example.com/y", "allowed"],
    ["https://api.example.com:8443/", "foreign"],
    ["https://api.example.com.evil.example/", "foreign"],
    ["https://api.example.com@evil.example/", "foreign"],
    ["//api.example.com/", "foreign"],
    ["ftp://api.example.com/", "foreign"],
    ["data:text/plain,x", "foreign"],
    ["http://api.example.com/x", "downgrade"],
    ["http://plain.example/", "downgrade"],
  ])("%s is %s", (url, trust) => {
    expect(trustIn(rule, url)).toBe(trust);
  });

  it("does not go back to http after a redirect from https", () => {
    const plain = originRule("http://api.example.com", ["https://cdn.example.com", "http://plain.example"]);
    expect(trustIn(plain, "http://plain.example/")).toBe("allowed");
    expect(trustIn(plain, "http://api.example.com/", "https://cdn.example.com/a")).toBe("downgrade");
    expect(trustIn(plain, "https://api.example.com/")).toBe("foreign");
  });

  it("has no own origin without a base_url", () => {
    expect(trustIn(originRule("", []), "http://h/")).toBe("foreign");
  });
});
