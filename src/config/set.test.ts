import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SluiceError } from "../model/error.js";
import { applySettings, parseSetting, settingVariables } from "./set.js";

const config = {
  client: { base_url: "https://a", retry: { max_retries: 3 } },
  resources: ["tags", { name: "calls", endpoint: { path: "/calls" } }, { name: "2", endpoint: {} }],
};
const set = (...texts: string[]) => applySettings(config, texts.map(parseSetting));

describe("variables", () => {
  test.each(["007", "true", "{}", "a=b", ""])("account_id=%s is that text", (value) => {
    expect(parseSetting(`account_id=${value}`)).toEqual({ kind: "variable", name: "account_id", value });
  });

  test("are collected, the last of one name counts, and change nothing in the configuration", () => {
    const settings = ["a=1", "client.x=2", "a=3"].map(parseSetting);
    expect(settingVariables(settings)).toEqual({ a: "3" });
    expect(set("a=1")).toEqual(config);
  });
});

describe("paths", () => {
  test.each([
    ["42", 42],
    ["-1.5e2", -150],
    ["007", "007"],
    ["9007199254740993", BigInt("9007199254740993")],
    ["true", true],
    ["null", null],
    ['"42"', "42"],
    ["[1, 2]", [1, 2]],
    ['{"a": null}', { a: null }],
    ["http://127.0.0.1:80/?a=b", "http://127.0.0.1:80/?a=b"],
    ["{{ secrets.api_key }}", "{{ secrets.api_key }}"],
    ["", ""],
  ])("client.x=%s", (text, value) => {
    expect(parseSetting(`client.x=${text}`)).toEqual({ kind: "path", path: ["client", "x"], value });
  });

  test("replaces, and leaves the given configuration alone", () => {
    const before = structuredClone(config);
    expect(set("client.base_url=http://b", "client.retry.max_retries=0")).toMatchObject({
      client: { base_url: "http://b", retry: { max_retries: 0 } },
    });
    expect(config).toEqual(before);
  });

  test("makes objects that are missing", () => {
    expect(set("resource_defaults.endpoint.params.limit=5")).toMatchObject({
      resource_defaults: { endpoint: { params: { limit: 5 } } },
    });
    expect(applySettings(null, [parseSetting("a.b=1")])).toEqual({ a: { b: 1 } });
  });

  test("lists by index and by name; a name that looks like an index is a name", () => {
    expect(set("resources.1.endpoint.path=/x")).toHaveProperty(["resources", 1, "endpoint", "path"], "/x");
    expect(set("resources.calls.endpoint.path=/x")).toHaveProperty(
      ["resources", 1, "endpoint", "path"],
      "/x",
    );
    expect(set("resources.2.selected=false")).toHaveProperty(["resources", 2, "selected"], false);
    expect(set("resources.tags=labels")).toHaveProperty(["resources", 0], "labels");
  });

  test("a list without that name says which there are", () => {
    expect(() => set("resources.cals.selected=true")).toThrow(/no "cals" – did you mean "calls"\?/);
    expect(() => set("resources.7.selected=true")).toThrow(SluiceError);
    expect(() => set("resources.__proto__.x=1")).toThrow(SluiceError);
  });

  test("what is no object can't be entered", () => {
    expect(() => set("client.base_url.host=x")).toThrow(/"host" can't be set/);
    expect(() => applySettings({ source: new Map() }, [parseSetting("source.a=1")])).toThrow(SluiceError);
  });

  test("no key reaches a prototype", () => {
    const result = set("__proto__.polluted=1", "client.constructor.prototype.polluted=1");
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
    expect(Object.keys(result as object)).toContain("__proto__");
  });

  test("what was set is there, whatever the keys", () => {
    const key = fc.string({ minLength: 1 }).filter((text) => !/[.=\s]/.test(text));
    fc.assert(
      fc.property(fc.array(key, { minLength: 2, maxLength: 5 }), fc.integer(), (keys, value) => {
        let found = applySettings({}, [parseSetting(`${keys.join(".")}=${value}`)]);
        for (const step of keys) found = Object.entries(found as object).find(([name]) => name === step)?.[1];
        expect(found).toBe(value);
      }),
    );
  });
});

test.each(["novalue", "=x", "a..b=1", ".a=1", "a.=1", 'client.x={"a": s3cr3t', "client.x=[s3cr3t]"])(
  "%s is refused, and the value is not repeated",
  (text) => {
    try {
      parseSetting(text);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "config/usage" });
      expect((error as SluiceError).message).not.toContain("s3cr3t");
    }
  },
);
