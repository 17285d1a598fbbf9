import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ApiServer,
  DEFAULT_ACCOUNT_ID,
  DEFAULT_API_KEY,
  startServer,
} from "../../examples/call-analytics/server.js";
import { loadPipeline, run, runTests } from "../../src/index.js";
import { query } from "../run/database.js";

// What the README shows must work as it stands there.
const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(`${root}README.md`, "utf8");
const block = (language: string): string =>
  new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1] ?? "";

let api: ApiServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-readme-"));
  api = await startServer({ counts: { calls: 230 } });
});
afterAll(async () => {
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("the guide to incremental loading", () => {
  const guide = readFileSync(`${root}docs/incremental.md`, "utf8");
  const blocks = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text!);

  it.each(blocks)("has a configuration without mistakes: %#", async (text) => {
    writeFileSync(join(folder, "incremental.yaml"), text);
    const pipeline = await loadPipeline({ cwd: folder, config: "incremental.yaml", env: {} });
    expect(pipeline.resources).toHaveLength(1);
  });
});

describe("the README", () => {
  it("has a configuration that loads every call", async () => {
    writeFileSync(join(folder, "calls.yaml"), block("yaml"));
    const pipeline = await loadPipeline({
      cwd: folder,
      config: "calls.yaml",
      env: { API_KEY: DEFAULT_API_KEY },
      destination: `duckdb:${join(folder, "calls.duckdb")}`,
      set: [`account_id=${DEFAULT_ACCOUNT_ID}`, `client.base_url=${api.url}`],
    });
    const report = await run(pipeline);
    expect(report).toMatchObject({
      pipeline: "calls",
      status: "ok",
      resources: { calls: { pages: 3, rows: 230, completeness: "proved" } },
      tables: { calls: { inserted: 230 } },
    });
  });

  it("has tests that pass on a recording, without network and secrets", async () => {
    const [config = "", tests = ""] = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map(
      ([, text]) => text ?? "",
    );
    expect(tests).toMatch(/^tests:/);
    const server = await startServer({ counts: { calls: 230 } });
    const file = join(folder, "tested.yaml");
    writeFileSync(file, config.replace(/base_url: .*/, `base_url: ${server.url}`));
    const given = { cwd: folder, config: "tested.yaml" };
    const pipeline = await loadPipeline({
      ...given,
      env: { API_KEY: DEFAULT_API_KEY },
      destination: `duckdb:${join(folder, "recorded.duckdb")}`,
      set: [`account_id=${DEFAULT_ACCOUNT_ID}`],
      record: "recordings/calls",
    });
    await run(pipeline);
    await server.close();
    const [row] = await query(join(folder, "recorded.duckdb"), "select id from tested.calls limit 1");
    const ours = tests.replace("ACC81547", DEFAULT_ACCOUNT_ID).replace("CAL1", String(row?.["id"]));
    appendFileSync(file, ours);
    const { tests: results } = await runTests({ ...given, env: {} });
    expect(results.flatMap(({ verdicts }) => verdicts.filter(({ passed }) => !passed))).toEqual([]);
    expect(results).toHaveLength(1);
  });

  it("has a library example that compiles", () => {
    const temporary = `${root}test/examples/readme.tmp`;
    mkdirSync(temporary, { recursive: true });
    try {
      writeFileSync(`${temporary}/library.ts`, block("ts"));
      writeFileSync(
        `${temporary}/tsconfig.json`,
        JSON.stringify({
          extends: "../../../tsconfig.test.json",
          compilerOptions: { rootDir: "../../.." },
          include: ["*.ts"],
        }),
      );
      const tsc = `${root}node_modules/typescript/bin/tsc`;
      const { stdout } = spawnSync(process.execPath, [tsc, "-p", temporary], { encoding: "utf8" });
      expect(stdout.split("\n").filter((line) => line.includes("readme.tmp"))).toEqual([]);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  });

  it("links to files that exist, and so do the other guides", () => {
    const guides = [
      "README.md",
      "CONTRIBUTING.md",
      "docs/architecture.md",
      "docs/incremental.md",
      "examples/call-analytics/README.md",
    ];
    const broken = guides.flatMap((guide) =>
      [...readFileSync(root + guide, "utf8").matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].flatMap(
        ([, link]) => {
          const target = new URL(link!, `file://${root}${guide}`);
          try {
            readFileSync(target);
            return [];
          } catch (error) {
            return (error as NodeJS.ErrnoException).code === "EISDIR" ? [] : [`${guide}: ${link}`];
          }
        },
      ),
    );
    expect(broken).toEqual([]);
  });
});
