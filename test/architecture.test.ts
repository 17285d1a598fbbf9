import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

// The dependency rule of docs/architecture.md, enforced on the import lines. A file may import its own folder and
// lower levels; siblings on one level do not see each other.
const LEVELS = [
  ["model"],
  ["schema", "http", "expression", "thread", "wasm"],
  ["json"],
  ["normalize", "rest", "destinations"],
  ["pipeline"],
  ["config", "import"],
  ["api", "testing", "warm-up"],
  ["cli", "studio", "index"],
];

// Where the level alone would allow too much.
const ONLY: Readonly<Record<string, readonly string[]>> = {
  json: ["model", "schema", "wasm"],
  normalize: ["model", "json", "schema", "thread", "wasm"],
  destinations: ["model", "schema", "thread", "wasm"],
  pipeline: ["model", "schema", "normalize"],
  cli: ["api", "warm-up"],
  studio: ["api"],
};

const SOCKETS = /^(node:)?(https?|http2|net|tls|dgram)$/;
const DRIVERS = /^(@duckdb\/.*|pg|postgres|mysql2|@clickhouse\/.*|@aws-sdk\/.*)$/;
const VAGUE_NAMES =
  /^(utils?|helpers?|common|base|factory|manager|misc|shared)$|[-.](utils?|helpers?|factory|manager)$/;

/** Words that reach the world outside, and the only folders that may say them. */
const WORLD: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly only: readonly string[];
}[] = [
  { what: "prints", pattern: /\bconsole\.|\bprocess\.std(out|err)\b/, only: ["cli"] },
  // Signal 0 kills nothing: it asks whether a process lives.
  {
    what: "exits",
    pattern: /\bprocess\.(exit|exitCode|abort|kill(?!\([a-z]+, 0\)))\b/,
    only: ["cli"],
  },
  { what: "reads argv", pattern: /\bprocess\.argv\b/, only: ["cli"] },
  { what: "reads the environment", pattern: /\bprocess\.env\b/, only: ["config", "cli"] },
  { what: "fetches", pattern: /(?<![.\w])fetch\(/, only: [] },
];

// Strings, regular expressions (where one can start) and comments, so that words inside of them are not taken for code.
const TOKENS =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[(=,:!&|?[;{}]\s*|return\s+)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
const isComment = (token: string) => /^\/[/*]/.test(token);
const withoutComments = (text: string) => text.replace(TOKENS, (token) => (isComment(token) ? " " : token));
const bareCode = (text: string) => text.replace(TOKENS, " ");

interface Import {
  readonly from: string;
  readonly dynamic: boolean;
  readonly typeOnly: boolean;
}

function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  const statics = [
    ...code.matchAll(/(?:^|[;\n])\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^"';]*?\sfrom\s+)?"([^"]+)"/g),
  ];
  const dynamics = [...code.matchAll(/\b(import|require)\s*\(\s*["'`]([^"'`]+)["'`]/g)];
  return [
    ...statics.map((m) => ({ from: m[2]!, dynamic: false, typeOnly: m[1] !== undefined })),
    ...dynamics.map((m) => ({ from: m[2]!, dynamic: true, typeOnly: false })),
  ];
}

/** `rest/paginators/offset.ts` is in `rest`, `index.ts` in `index`. */
const unitOf = (path: string) => path.split("/")[0]!.replace(/\.ts$/, "");
const levelOf = (unit: string) => LEVELS.findIndex((level) => level.includes(unit));

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  const only = ONLY[from];
  return only === undefined ? levelOf(to) < levelOf(from) : only.includes(to);
}

/** Every rule that the file at `path` (relative to src/) breaks, as sentences. */
function violations(path: string, text: string): string[] {
  const unit = unitOf(path);
  const found: string[] = [];
  if (levelOf(unit) < 0)
    found.push(`${path}: ${unit} is in no level; add it to LEVELS and to docs/architecture.md`);
  const name = path
    .split("/")
    .at(-1)!
    .replace(/(\.test)?\.ts$/, "");
  if (VAGUE_NAMES.test(name)) found.push(`${path}: the name says nothing; name it after what is in it`);
  if (path.endsWith(".test.ts")) return found;

  for (const { from, dynamic, typeOnly } of importsOf(text)) {
    if (from.startsWith(".")) {
      const target = new URL(from, `file:///src/${path}`).pathname;
      const inside = target.startsWith("/src/");
      const to = inside ? unitOf(target.slice("/src/".length).replace(/\.js$/, ".ts")) : target;
      const allowed = inside ? mayImport(unit, to) : unit === "testing" && target.startsWith("/test/");
      if (!allowed) found.push(`${path}: ${unit} may not import ${from}`);
    }
    if (SOCKETS.test(from) && unit !== "http" && unit !== "studio") {
      found.push(`${path}: only http/ opens sockets, not ${from}`);
    }
    if (DRIVERS.test(from) && (unit !== "destinations" || !(dynamic || typeOnly))) {
      found.push(`${path}: ${from} is imported dynamically by its destination's file, and nowhere else`);
    }
  }
  const code = bareCode(text);
  // The index gives what the API gives, where it is listed.
  if (/\bexport\s*\*/.test(code) && unit !== "index") found.push(`${path}: export * hides what is public`);
  for (const { what, pattern, only } of WORLD) {
    if (pattern.test(code) && !only.includes(unit)) {
      found.push(
        `${path}: ${what}, which ${only.length > 0 ? `only ${only.join(" and ")} may` : "nothing may"}`,
      );
    }
  }
  return found;
}

const src = fileURLToPath(new URL("../src/", import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"));

describe("architecture", () => {
  it("finds the sources", () => {
    expect(files).toContain("model/table.ts");
  });

  it("holds in every file of src", () => {
    expect(files.flatMap((path) => violations(path, readFileSync(src + path, "utf8")))).toEqual([]);
  });
});

describe("the rules catch what they are for", () => {
  it.each([
    ["model/x.ts", 'import { a } from "../schema/infer.js";', "may not import"],
    ["http/x.ts", 'import type { A } from "../expression/template.js";', "may not import"],
    ["rest/x.ts", 'import { a } from "../normalize/ids.js";', "may not import"],
    ["rest/x.ts", 'import {\n  a,\n  b,\n} from "../destinations/duckdb.js";', "may not import"],
    ["pipeline/x.ts", 'import { duckdb } from "../destinations/duckdb.js";', "may not import"],
    ["pipeline/x.ts", 'export { a } from "../rest/walk.js";', "may not import"],
    ["pipeline/x.ts", 'const a = await import("../rest/walk.js");', "may not import"],
    ["cli/x.ts", 'import { run } from "../pipeline/run.js";', "may not import"],
    ["config/x.ts", 'import { run } from "../api.js";', "may not import"],
    ["cli/x.ts", 'import { z } from "../index.js";', "may not import"],
    ["rest/x.ts", 'import { law } from "../../test/laws/paginator.js";', "may not import"],
    ["rest/x.ts", 'import { request } from "node:https";', "sockets"],
    ["rest/x.ts", 'const { connect } = await import("node:net");', "sockets"],
    ["destinations/x.ts", 'import { a } from "@duckdb/node-api";', "dynamically"],
    ["pipeline/x.ts", 'const a = await import("@duckdb/node-api");', "dynamically"],
    ["rest/x.ts", 'import "@duckdb/node-api";', "dynamically"],
    ["rest/x.ts", "console.log(1);", "prints"],
    ["rest/x.ts", "const a = /[\"'`]/; process.stdout.write(a);", "prints"],
    ["pipeline/x.ts", "process.exitCode = 1;", "exits"],
    ["pipeline/x.ts", "process.kill(pid, 9);", "exits"],
    ["config/x.ts", "const a = process.argv[2];", "argv"],
    ["http/x.ts", "const proxy = process.env.HTTP_PROXY;", "environment"],
    ["rest/x.ts", "await fetch(url);", "fetches"],
    ["rest/x.ts", 'export * from "./walk.js";', "export *"],
    ["rest/utils.ts", "", "says nothing"],
    ["rest/client-factory.ts", "", "says nothing"],
    ["rest/helpers.test.ts", "", "says nothing"],
    ["plugins/x.ts", "", "in no level"],
  ])("%s: %s", (path, text, expected) => {
    expect(violations(path, text).join("\n")).toContain(expected);
  });

  it.each([
    ["rest/x.ts", 'import { a } from "../http/url.js";\nimport { z } from "zod";'],
    ["http/x.ts", 'import { Agent } from "node:http";\nconst u = "https://x"; // console.log(process.env.A)'],
    [
      "destinations/duckdb.ts",
      'import type { A } from "@duckdb/node-api";\nawait import("@duckdb/node-api");',
    ],
    ["model/x.ts", "/** `console.log(secret)` shows its name. */\nconst a = 'process.argv';"],
    ["cli/x.ts", 'import { run } from "../api.js";\nconsole.log(process.env.CI, process.argv);'],
    ["testing.ts", 'export { laws } from "../test/laws/destination.js";'],
    ["rest/x.test.ts", 'import { a } from "../normalize/ids.js";'],
    ["http/x.ts", "const close = client.fetch(url);"],
  ])("but not %s: %s", (path, text) => {
    expect(violations(path, text)).toEqual([]);
  });
});
