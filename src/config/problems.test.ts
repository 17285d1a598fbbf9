import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Problem } from "../model/error.js";
import { configError, formatProblem, problemAt, toProblems } from "./problems.js";
import { parseYaml } from "./read-yaml.js";

const paginator = z.union([
  z.enum(["auto", "single_page"]),
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("cursor"), cursor_value: z.string(), limit: z.int().min(1).optional() }),
    z.strictObject({ type: z.literal("offset"), limit: z.int() }),
  ]),
]);
const endpoint = z.strictObject({
  path: z.string(),
  method: z
    .string()
    .regex(/^[A-Z]+$/, "Must be an HTTP method such as GET")
    .optional(),
  paginator: paginator.optional(),
  params: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});
const schema = z.strictObject({
  client: z.strictObject({ base_url: z.string(), auth: z.strictObject({ token: z.string() }).optional() }),
  write_disposition: z.enum(["append", "replace", "merge"]).optional(),
  resources: z.array(
    z.union([
      z.string(),
      z.strictObject({ name: z.string(), endpoint: z.union([z.string(), endpoint]).optional() }),
    ]),
  ),
});

function check(text: string): readonly Problem[] {
  const document = parseYaml(text, "file.yaml");
  const checked = schema.safeParse(document.value);
  if (checked.success) return [];
  return toProblems(checked.error.issues, { document, value: document.value, schema });
}
const lines = (text: string) => check(text).map(formatProblem);

const CLIENT = "client: {base_url: x}\n";

describe("toProblems", () => {
  test("an unknown key deep inside unions: its line, its path, what was meant", () => {
    const text = `${CLIENT}resources:
  - name: calls
    endpoint:
      path: /x
      paginator:
        type: cursor
        cursor_vale: "{{ x }}"
`;
    expect(lines(text)).toEqual([
      "file.yaml:6  resources[0].endpoint.paginator.cursor_value: is missing; expected text",
      'file.yaml:8  resources[0].endpoint.paginator: unknown key "cursor_vale" – did you mean "cursor_value"?',
    ]);
  });

  test("several unknown keys are several problems, each on its line", () => {
    expect(lines("client:\n  base_url: x\n  tokn: 1\n  base: 2\nresources: []\nzzz: 1\n")).toEqual([
      'file.yaml:3  client: unknown key "tokn"',
      'file.yaml:4  client: unknown key "base" – did you mean "base_url"?',
      'file.yaml:6: unknown key "zzz"',
    ]);
    expect(check("client: {base_url: x}\nresources: []\nzzz: 1\n")[0]?.hint).toBe(
      "Known keys: client, write_disposition, resources.",
    );
  });

  test("missing and mistyped values name types only", () => {
    expect(lines("client:\n  auth: {token: 12345}\nresources: s3cr3t\n")).toEqual([
      "file.yaml:1  client.base_url: is missing; expected text",
      "file.yaml:2  client.auth.token: expected text, got a number",
      "file.yaml:3  resources: expected a list, got text",
    ]);
  });

  test("allowed values are listed, what was given is not", () => {
    expect(lines(`${CLIENT}write_disposition: mrege\nresources: []\n`)).toEqual([
      'file.yaml:2  write_disposition: expected one of "append", "replace", "merge", got another text – did you mean "merge"?',
    ]);
    expect(lines(`${CLIENT}write_disposition: s3cr3t-value\nresources: []\n`).join()).not.toContain("s3cr3t");
  });

  test("an unknown discriminator lists the types", () => {
    expect(
      lines(`${CLIENT}resources:\n  - {name: a, endpoint: {path: /, paginator: {type: curser}}}\n`),
    ).toEqual([
      'file.yaml:3  resources[0].endpoint.paginator.type: expected one of "cursor", "offset", got another text – did you mean "cursor"?',
    ]);
    expect(lines(`${CLIENT}resources:\n  - {name: a, endpoint: {path: /, paginator: {limit: 1}}}\n`)).toEqual(
      ['file.yaml:3  resources[0].endpoint.paginator.type: is missing; expected one of "cursor", "offset"'],
    );
  });

  test("a union follows the value's JavaScript type", () => {
    expect(lines(`${CLIENT}resources:\n  - {name: a, endpoint: {path: /, paginator: atuo}}\n`)).toEqual([
      'file.yaml:3  resources[0].endpoint.paginator: expected one of "auto", "single_page", got another text – did you mean "auto"?',
    ]);
    expect(lines(`${CLIENT}resources:\n  - 12\n`)).toEqual([
      "file.yaml:3  resources[0]: expected text or an object, got a number",
    ]);
    expect(lines(`${CLIENT}resources:\n  - {name: a, endpoint: {path: /, params: {x: [1]}}}\n`)).toEqual([
      "file.yaml:3  resources[0].endpoint.params.x: expected text or a number, got a list",
    ]);
  });

  test("messages of a schema's author stay", () => {
    expect(lines(`${CLIENT}resources:\n  - {name: a, endpoint: {path: /, method: "1"}}\n`)).toEqual([
      "file.yaml:3  resources[0].endpoint.method: must be an HTTP method such as GET",
    ]);
  });

  test("issues of a part are placed below its path", () => {
    const document = parseYaml("source:\n  client:\n    base_url: 1\n", "file.yaml");
    const part = schema.shape.client.safeParse({ base_url: 1 });
    const problems = toProblems(part.error!.issues, {
      document,
      value: document.value,
      path: ["source", "client"],
    });
    expect(problems.map(formatProblem)).toEqual([
      "file.yaml:3  source.client.base_url: expected text, got a number",
    ]);
  });

  test("keys that are no words are quoted in the path", () => {
    const document = parseYaml('"a b":\n  - x.y: 1\n', "file.yaml");
    expect(problemAt(document, ["a b", 0, "x.y"], "no").at).toEqual({
      file: "file.yaml:2",
      path: '["a b"][0]["x.y"]',
    });
  });
});

describe("configError", () => {
  test("one problem is its message", () => {
    const problems = check("client: {base_url: 1}\nresources: []\n");
    const error = configError(problems);
    expect(error).toMatchObject({
      code: "config/invalid",
      message: "file.yaml:1  client.base_url: expected text, got a number",
      at: { file: "file.yaml:1", path: "client.base_url" },
      problems,
    });
  });

  test("several are all listed", () => {
    const error = configError(check("client: {base_url: 1}\nresources: 2\nzzz: 3\n"));
    expect(error.at).toEqual({ file: "file.yaml" });
    expect(error.message).toBe(
      [
        "3 problems in file.yaml",
        "  file.yaml:1  client.base_url: expected text, got a number",
        "  file.yaml:2  resources: expected a list, got a number",
        '  file.yaml:3: unknown key "zzz"',
        "    Known keys: client, write_disposition, resources.",
      ].join("\n"),
    );
  });

  test("a code that all problems share is the error's", () => {
    const missing: Problem = { code: "config/missing-secret", message: "no value", at: {} };
    expect(configError([missing, missing]).code).toBe("config/missing-secret");
    expect(configError([missing, { message: "other", at: {} }]).code).toBe("config/invalid");
  });
});
