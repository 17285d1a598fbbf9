import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLookup } from "./secrets.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-secrets-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function project(files: { sluice?: string; dlt?: string } = {}): Promise<string> {
  const cwd = await mkdtemp(join(folder, "case-"));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(cwd, `.${name}`));
    await writeFile(join(cwd, `.${name}`, "secrets.toml"), text);
  }
  return cwd;
}
const pipeline = "call_analytics";

describe("secrets", () => {
  test("the environment wins, the pipeline's own name first", async () => {
    const cwd = await project({ sluice: 'api_key = "file"' });
    const both = { SOURCES__CALL_ANALYTICS__API_KEY: "own", API_KEY: "shared" };
    expect(createLookup({ env: both, cwd, pipeline }).secret("api_key")).toEqual({
      value: "own",
      from: "SOURCES__CALL_ANALYTICS__API_KEY",
    });
    expect(createLookup({ env: { API_KEY: "shared" }, cwd, pipeline }).secret("api_key")).toEqual({
      value: "shared",
      from: "API_KEY",
    });
  });

  test.each([
    ["sources.call_analytics", '[sources.call_analytics]\napi_key = "a"\n[sources]\napi_key = "b"', "a"],
    ["sources", 'api_key = "c"\n[sources]\napi_key = "b"', "b"],
    ["the top level", 'api_key = "c"\n[sources.other]\napi_key = "x"', "c"],
  ])("a file is searched from %s on", async (_name, text, value) => {
    const cwd = await project({ sluice: text });
    expect(createLookup({ env: {}, cwd, pipeline }).secret("api_key")).toMatchObject({ value });
  });

  test(".sluice comes before .dlt, and .dlt is enough", async () => {
    const dlt = '[sources.call_analytics]\napi_key = "dlt"';
    const both = await project({ sluice: 'api_key = "sluice"', dlt });
    expect(createLookup({ env: {}, cwd: both, pipeline }).secret("api_key")).toMatchObject({
      value: "sluice",
    });
    const old = await project({ dlt });
    expect(createLookup({ env: {}, cwd: old, pipeline }).secret("api_key")).toEqual({
      value: "dlt",
      from: ".dlt/secrets.toml: sources.call_analytics.api_key",
    });
  });

  test("dotted names are sections, or a key with dots", async () => {
    const cwd = await project({ sluice: '[destination.postgres]\npassword = "p"\n[sources]\n"a.b" = 1\n' });
    const lookup = createLookup({ env: { CRM__OAUTH__TOKEN: "t" }, cwd, pipeline });
    expect(lookup.secret("destination.postgres.password")).toMatchObject({ value: "p" });
    expect(lookup.secret("crm.oauth.token")).toEqual({ value: "t", from: "CRM__OAUTH__TOKEN" });
  });

  test.each([
    ["n = 42", "42"],
    ["n = 12345678901234567890123", "12345678901234567890123"],
    ["n = 9007199254740993", "9007199254740993"],
    ["n = true", "true"],
    ["n = 1.5", "1.5"],
    ['n = ""', ""],
    ["n = [1]", undefined],
    ["[n]\nx = 1", undefined],
  ])("%s is %j", async (text, value) => {
    const cwd = await project({ sluice: text });
    const found = createLookup({ env: {}, cwd, pipeline }).secret("n");
    expect(found).toEqual(
      value === undefined ? { tried: expect.any(Array) } : { value, from: expect.any(String) },
    );
  });

  test("a missing one lists every place in order", async () => {
    const cwd = await project({ dlt: "" });
    expect(createLookup({ env: { API_KEY: "" }, cwd, pipeline }).secret("api_key")).toEqual({
      tried: [
        "SOURCES__CALL_ANALYTICS__API_KEY",
        "API_KEY (set, but empty)",
        ".sluice/secrets.toml (no such file)",
        ".dlt/secrets.toml: sources.call_analytics.api_key",
        ".dlt/secrets.toml: sources.api_key",
        ".dlt/secrets.toml: api_key",
      ],
    });
  });

  test("a pipeline with a hyphen is found under both spellings", async () => {
    const cwd = await project({ sluice: '[sources.call_analytics]\napi_key = "u"' });
    expect(createLookup({ env: {}, cwd, pipeline: "call-analytics" }).secret("api_key")).toMatchObject({
      value: "u",
    });
    const env = { SOURCES__CALL_ANALYTICS__API_KEY: "e" };
    expect(createLookup({ env, cwd, pipeline: "call-analytics" }).secret("api_key")).toMatchObject({
      value: "e",
    });
  });

  test("keys of Object.prototype are not values", async () => {
    const cwd = await project({ sluice: "" });
    expect(createLookup({ env: {}, cwd, pipeline }).secret("constructor.name")).toHaveProperty("tried");
    expect(createLookup({ env: {}, cwd, pipeline: "__proto__" }).secret("toString")).toHaveProperty("tried");
  });

  test("a syntax error names file and line and quotes nothing", async () => {
    const cwd = await project({ sluice: '# keys\napi_key = "fine"\npassword = s3cr3t\n' });
    const lookup = createLookup({ env: {}, cwd, pipeline });
    try {
      lookup.secret("api_key");
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "config/unreadable", at: { file: ".sluice/secrets.toml:3" } });
      expect(JSON.stringify([(error as Error).message, (error as Error).cause])).not.toContain("s3cr3t");
    }
  });

  test("files are not needed when the environment has the value", async () => {
    const cwd = await project({ sluice: "broken" });
    expect(createLookup({ env: { API_KEY: "k" }, cwd, pipeline }).secret("api_key")).toMatchObject({
      value: "k",
    });
  });
});

describe("variables", () => {
  test("come from the environment only", async () => {
    const cwd = await project({ sluice: 'account_id = "file"' });
    expect(createLookup({ env: { ACCOUNT_ID: "42" }, cwd, pipeline }).variable("account_id")).toEqual({
      value: "42",
      from: "ACCOUNT_ID",
    });
    expect(createLookup({ env: {}, cwd, pipeline }).variable("account_id")).toEqual({
      tried: ["SOURCES__CALL_ANALYTICS__ACCOUNT_ID", "ACCOUNT_ID"],
    });
  });

  test("what a shell sets is not taken by accident", () => {
    const lookup = createLookup({
      env: { USER: "me", SOURCES__CALL_ANALYTICS__HOME: "h" },
      cwd: "/",
      pipeline,
    });
    expect(lookup.variable("user")).toEqual({
      tried: ["SOURCES__CALL_ANALYTICS__USER", "USER (not read: the shell sets it)"],
    });
    expect(lookup.variable("home")).toMatchObject({ value: "h" });
  });
});
