import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SluiceError } from "../model/error.js";
import type { ConfigDocument } from "./document.js";
import { readConfigFile } from "./read.js";
import { parseJson } from "./read-json.js";
import { parseYaml } from "./read-yaml.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-read-"));
});
afterAll(() => rm(folder, { recursive: true }));

let counter = 0;
async function write(name: string, text: string): Promise<string> {
  const path = join(folder, `${++counter}-${name}`);
  await writeFile(path, text);
  return path;
}
async function read(name: string, text: string): Promise<ConfigDocument> {
  return readConfigFile(await write(name, text));
}
function failure(action: () => unknown): SluiceError {
  try {
    action();
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error("expected a SluiceError");
}
async function rejection(promise: Promise<unknown>): Promise<SluiceError> {
  return promise.then(
    () => Promise.reject(new Error("expected a SluiceError")),
    (error: unknown) => {
      if (error instanceof SluiceError) return error;
      throw error;
    },
  );
}

const YAML = `client:
  base_url: https://api.example.com/v3/a/
  auth:
    type: api_key
    api_key: "{{ secrets.api_key }}"
resources:
  - calls
  - name: users
    endpoint:
      path: /{account_id}/users.json
      params: {limit: 100}
`;

describe("YAML and JSON", () => {
  test("values arrive as written", async () => {
    const { value } = await read("a.yaml", YAML);
    expect(value).toEqual({
      client: {
        base_url: "https://api.example.com/v3/a/",
        auth: { type: "api_key", api_key: "{{ secrets.api_key }}" },
      },
      resources: [
        "calls",
        { name: "users", endpoint: { path: "/{account_id}/users.json", params: { limit: 100 } } },
      ],
    });
  });

  test.each<[(string | number)[], number]>([
    [[], 1],
    [["client", "auth", "type"], 4],
    [["client", "auth", "token"], 3],
    [["resources"], 6],
    [["resources", 0], 7],
    [["resources", 1], 8],
    [["resources", 1, "endpoint", "path"], 10],
    [["resources", 1, "endpoint", "params", "limit"], 11],
    [["resources", 7, "endpoint"], 6],
    [["nowhere"], 1],
  ])("%j is on line %i", (path, line) => {
    expect(parseYaml(YAML, "a.yaml").locate(path)).toEqual({ file: `a.yaml:${line}` });
  });

  test("lines are found through aliases", () => {
    const document = parseYaml("base: &b\n  x: 1\nuse: *b\n", "a.yaml");
    expect(document.value).toEqual({ base: { x: 1 }, use: { x: 1 } });
    expect(document.locate(["use", "x"])).toEqual({ file: "a.yaml:2" });
  });

  test("JSON with tabs, escapes and a __proto__ key", async () => {
    const { value, locate } = await read(
      "a.json",
      '{\n\t"a\\u0041": [1,\n\t\t2.5e3],\n"__proto__": {"x": null}}',
    );
    expect(Object.entries(value as object)).toEqual([
      ["aA", [1, 2500]],
      ["__proto__", { x: null }],
    ]);
    expect(locate(["aA", 1]).file).toMatch(/a\.json:3$/);
  });

  test("any JSON document is read as JSON.parse reads it", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.constantFrom(undefined, 2, "\t"), (text, indent) => {
        const wanted: unknown = JSON.parse(text);
        // Beyond 2^53 the two differ on purpose.
        fc.pre(!/\d{16}/.test(text) && !text.includes("e+") && !text.includes("-0"));
        expect(parseYaml(JSON.stringify(wanted, null, indent), "x.json").value).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  test("a JSON file is read as the YAML that it is", () => {
    const outcome = (read: () => ConfigDocument): unknown => {
      try {
        const { value, locate } = read();
        return [value, locate(["a", 0]).file];
      } catch (error) {
        return (error as SluiceError).message;
      }
    };
    const value = fc.oneof(
      { weight: 3, arbitrary: fc.json({ maxDepth: 3 }) },
      fc.constantFrom("9007199254740993", "-1234567890123456789012", "1e3", "0.1000000000000000001", "1E400"),
    );
    const text = fc.oneof(
      fc.tuple(value, value, value).map(([a, b, c]) => `{"a": [${a},\n${b}], "b:\\"": ${c}}`),
      fc.tuple(value, value).map(([a, b]) => `{"a": ${a}, "a": ${b}}`),
      value.map((text) => `{"a": ${text},}`),
      fc.nat(300).map((depth) => "[".repeat(depth) + "]".repeat(depth)),
    );
    fc.assert(
      fc.property(text, (text) => {
        fc.pre(!text.includes("-0"));
        expect(outcome(() => parseJson(text, "x.json"))).toEqual(outcome(() => parseYaml(text, "x.json")));
      }),
      { numRuns: 500 },
    );
  });

  test("integers keep every digit", () => {
    const text = "a: 9007199254740993\nb: 9007199254740991\nc: -12345678901234567890\nd: 1.5\n";
    expect(parseYaml(text, "a.yaml").value).toEqual({
      a: 9007199254740993n,
      b: 9007199254740991,
      c: -12345678901234567890n,
      d: 1.5,
    });
  });

  test("merge keys have no meaning", () => {
    expect(parseYaml("<<: {a: 1}\nb: 2", "a.yaml").value).toEqual({ "<<": { a: 1 }, b: 2 });
  });

  test("an empty file is null", () => {
    const document = parseYaml("", "a.yaml");
    expect(document.value).toBeNull();
    expect(document.locate(["client"])).toEqual({ file: "a.yaml:1" });
  });

  test("duplicate keys are errors", () => {
    const error = failure(() => parseYaml("a: 1\nb: 2\na: 3\n", "a.yaml"));
    expect(error).toMatchObject({ code: "config/unreadable", at: { file: "a.yaml:3" } });
    expect(error.message).toMatch(/a\.yaml:3: .*unique/);
  });

  test("all syntax errors are listed with their lines, without the text", () => {
    const text = 'a: "ok"\nb: @s3cr3t\nc: 1\nd: "\\q s3cr3t"\n';
    const error = failure(() => parseYaml(text, "a.yaml"));
    expect(error.code).toBe("config/unreadable");
    expect(error.problems.map(({ at }) => at.file)).toEqual(["a.yaml:2", "a.yaml:4"]);
    expect(error.message).toContain("2 syntax errors in a.yaml\n  a.yaml:2: ");
    expect(JSON.stringify([error.message, error.problems])).not.toContain("s3cr3t");
  });

  test("the parser's excerpts of the source are cut", () => {
    const error = failure(() => parseYaml('a: ["x"\nkey: s3cr3t }\n"s3cr3t2', "a.yaml"));
    expect(JSON.stringify([error.message, error.problems])).not.toContain("s3cr3t");
  });

  test.each([
    ["a template", "a: 1\nkey: {{ x }}\n", 2],
    ["a template in a flow map", "auth: {token: {{ secrets.x }}, b: 1}\n", 1],
    ["a template with brackets", "a: 1\ncursor: {{ headers['link']['next'] }}\nb: 1\n", 2],
    ["a template and more", "key: {{ x }}/foo\n", 1],
    ["a template in a list", "list:\n  - {{ x }}\n", 2],
    ["a placeholder", "path: {account_id}/calls\n", 1],
  ])("%s without quotes: says to quote it", (_name, text, line) => {
    const error = failure(() => parseYaml(text, "a.yaml"));
    expect(error.at.file).toBe(`a.yaml:${line}`);
    expect(error.message).toContain("not in quotes");
    expect(error.hint).toContain("in quotes");
  });

  test("templates inside block texts and quotes are texts", () => {
    const { value } = parseYaml("a: |\n  {{ x }}\nb: '{{ y }}'\nc: x {{ z }}\n", "a.yaml");
    expect(value).toEqual({ a: "{{ x }}\n", b: "{{ y }}", c: "x {{ z }}" });
  });

  test("an alias without an anchor", () => {
    const error = failure(() => parseYaml("a: 1\nb: *all\n", "a.yaml"));
    expect(error.at.file).toBe("a.yaml:2");
    expect(error.message).toContain("*all");
  });

  test("alias bombs are refused", () => {
    const levels = Array.from(
      { length: 9 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(", ")}]`,
    );
    const error = failure(() => parseYaml(["l0: &l0 [x]", ...levels].join("\n"), "a.yaml"));
    expect(error.code).toBe("config/unreadable");
    expect(error.message).toContain("alias");
  });

  test.each(["[".repeat(20_000), `${"[".repeat(5000)}${"]".repeat(5000)}`, `${"- ".repeat(5000)}a`])(
    "hostile nesting is refused (%#)",
    (text) => {
      expect(failure(() => parseYaml(text, "a.yaml")).message).toContain("nested deeper");
    },
  );
});

describe("TypeScript and JavaScript", () => {
  test("TypeScript with an enum, types and a .js import that means .ts", async () => {
    await writeFile(join(folder, "shared.ts"), "export const limit: number = 100;\n");
    const { value, locate, file } = await read(
      "a.config.ts",
      `import { limit } from "./shared.js";
       enum Kind { Bearer = "bearer" }
       interface Config { auth: Kind; limit: number }
       export default { auth: Kind.Bearer, limit } satisfies Config;`,
    );
    expect(value).toEqual({ auth: "bearer", limit: 100 });
    expect(locate(["auth"])).toEqual({ file });
    expect(file).toMatch(/a\.config\.ts$/);
  });

  test.each(["ts", "mjs"])("sluice in a .%s file is the running package", async (extension) => {
    const text = `import { defineConfig, SluiceError } from "sluice";
      export default defineConfig({ source: [], error: SluiceError });`;
    expect((await read(`own.${extension}`, text)).value).toEqual({ source: [], error: SluiceError });
  });

  test.each([
    ["function", "export default () => ({ a: 1 });"],
    ["async function", "export default async () => ({ a: 1 });"],
    ["promise", "export default Promise.resolve({ a: 1 });"],
  ])("the default export may be a %s", async (_name, text) => {
    expect((await read("f.ts", text)).value).toEqual({ a: 1 });
    expect((await read("f.mjs", text)).value).toEqual({ a: 1 });
  });

  test("an error in the file has its message, file and line", async () => {
    const text = "const settings: { deep?: { a: 1 } } = {};\n\nexport default { a: settings.deep!.a };\n";
    const error = await rejection(read("throws.ts", text));
    expect(error.code).toBe("config/unreadable");
    expect(error.at.file).toMatch(/throws\.ts:3$/);
    expect(error.message).toMatch(/throws\.ts:3: TypeError: Cannot read properties of undefined/);
  });

  test("a syntax error has its line and no excerpt", async () => {
    const error = await rejection(
      read("syntax.ts", 'const key = "s3cr3t";\nexport default { key: = 2, k: "s3cr3t" };\n'),
    );
    expect(error.code).toBe("config/unreadable");
    expect(error.at.file).toMatch(/syntax\.ts:2$/);
    expect(error.message).not.toContain("s3cr3t");
  });

  test("a SluiceError from a function of the file keeps its code", async () => {
    const text = `export default () => { throw globalThis.plannedError; };`;
    Object.assign(globalThis, { plannedError: new SluiceError("config/missing-secret", "no value") });
    const error = await rejection(read("planned.ts", text));
    expect(error.code).toBe("config/missing-secret");
    expect(error.at.file).toMatch(/planned\.ts$/);
  });

  test("a module without a default export says how to write one", async () => {
    const error = await rejection(read("none.ts", "export const config = {};\n"));
    expect(error.message).toContain("export default");
  });

  test("a file is read anew each time", async () => {
    const path = await write("again.ts", "export default { version: 1 };");
    expect((await readConfigFile(path)).value).toEqual({ version: 1 });
    await writeFile(path, "export default { version: 2 };");
    expect((await readConfigFile(path)).value).toEqual({ version: 2 });
  });
});

test("a file that is not there, and an ending that is not known", async () => {
  for (const name of ["gone.yaml", "gone.ts"]) {
    const error = await rejection(readConfigFile(join(folder, name)));
    expect(error).toMatchObject({ code: "config/unreadable" });
    expect(error.message).toMatch(/gone\.\w+: the file can't be read \(ENOENT\)/);
  }
  expect((await rejection(read("a.ini", ""))).hint).toContain(".yaml");
});
