import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../api.js";
import { inOrder } from "./commands/preview.js";
import { watchInterrupts } from "./interrupts.js";
import { runCli } from "./program.js";
import { hasColor, isInteractive, type Session } from "./session.js";

/** Two resources without a network: calls loads, users fails as told. */
const CONFIG = `
const hints = { writeDisposition: "merge", primaryKey: ["id"], columns: [] };
const resource = (name, read) => ({ name, table: name, fingerprint: name, hints, read });
const page = (...values) => ({ records: { kind: "objects", values }, bytes: 10 });
export default {
  pipeline: "crm",
  destination: "duckdb:" + import.meta.dirname + "/crm.duckdb",
  source: [
    resource("calls", async function* () { yield page({ id: 1, tags: ["a"] }, { id: 2, tags: [] }); }),
    resource("users", async function* () { yield page({ id: 9007199254740993n, name: "x\\u001b[2J" }); }),
  ],
};
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function project(text = CONFIG, name = "sluice.config.mjs"): Promise<string> {
  const cwd = await mkdtemp(join(folder, "case-"));
  await writeFile(join(cwd, name), text);
  return cwd;
}

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

async function sluice(
  cwd: string,
  args: readonly string[],
  changes: Partial<Session> = {},
): Promise<Outcome> {
  const written = { stdout: "", stderr: "" };
  const session: Session = {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    env: {},
    cwd,
    signal: new AbortController().signal,
    now: () => 0,
    every: () => () => {},
    confirm: () => Promise.resolve(false),
    exitCode: 0,
    ...changes,
  };
  await runCli(args, session);
  return { ...written, exitCode: session.exitCode };
}

describe("run", () => {
  test("progress goes to stderr, the summary to stdout", async () => {
    const { stdout, stderr, exitCode } = await sluice(await project(), ["run"]);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("calls: committed 2 rows");
    expect(stdout).toMatch(/^calls__tags +1 /m);
    expect(stdout).toContain("select * from crm.crm.calls limit 5");
  });

  test("--json: stdout is exactly the report", async () => {
    const { stdout, stderr, exitCode } = await sluice(await project(), ["run", "--json"]);
    expect(exitCode).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report).toMatchObject({ pipeline: "crm", status: "ok", tables: { calls: { inserted: 2 } } });
    expect(stderr).toContain("calls: started");
  });

  test("--quiet says nothing when all is well", async () => {
    expect(await sluice(await project(), ["run", "--quiet"])).toEqual({
      stdout: "",
      stderr: "",
      exitCode: 0,
    });
  });

  test("--select, --dataset and --destination reach the run", async () => {
    const cwd = await project();
    const args = [
      "run",
      "--select",
      "calls",
      "--dataset",
      "other",
      "--destination",
      `duckdb:${cwd}/x.duckdb`,
      "--json",
    ];
    const report = JSON.parse((await sluice(cwd, args)).stdout) as Report;
    expect(Object.keys(report.resources)).toEqual(["calls"]);
    await access(join(cwd, "x.duckdb"));
    await expect(access(join(cwd, "crm.duckdb"))).rejects.toThrow("ENOENT");
  });

  test("a failed resource is explained on stderr, the others are loaded, the exit code is the failing kind", async () => {
    const broken = CONFIG.replace(
      'yield page({ id: 9007199254740993n, name: "x\\u001b[2J" });',
      "throw new Error('no');",
    );
    const { stdout, stderr, exitCode } = await sluice(await project(broken), ["run", "--json"]);
    const report = JSON.parse(stdout) as Report;
    expect(report.status).toBe("partial");
    expect(report.resources["users"]?.error?.message).toBe("no");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("what   no");
    expect(stderr).toContain("resource users");
  });

  test("a configuration that is not valid: a report all the same, every problem with its line", async () => {
    const cwd = await project(
      "client:\n  base_url: https://x\n  heders: {}\nresources: [calls]\nzzz: 1\n",
      "crm.yaml",
    );
    const { stdout, stderr, exitCode } = await sluice(cwd, ["run", "crm.yaml", "--json"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      pipeline: "",
      load_id: "",
      status: "failed",
      resources: {},
      error: { code: "config/invalid", kind: "config" },
    });
    expect(stderr).toContain('crm.yaml:3  client: unknown key "heders" – did you mean "headers"?');
    expect(stderr).toMatch(/crm\.yaml:5.*unknown key "zzz"/);
  });

  test("interrupted before it began", async () => {
    const { exitCode, stderr } = await sluice(await project(), ["run"], { signal: AbortSignal.abort() });
    expect(exitCode).toBe(130);
    expect(stderr).toContain("error run/interrupted");
  });

  test("on a terminal the picture is live, and the cursor comes back", async () => {
    let written = "";
    const stderr = { write: (text: string) => (written += text), isTTY: true, columns: 0, rows: 0 };
    await sluice(await project(), ["run"], { stderr });
    expect(written.startsWith("\u001b[?25l")).toBe(true);
    expect(written).toMatch(/calls.*2 rows/);
    expect(written.endsWith("\u001b[?25h")).toBe(true);
  });
});

describe("looking at a pipeline", () => {
  test("check lists requests and says that it is valid; --connect tries everything", async () => {
    const cwd = await project();
    const plain = await sluice(cwd, ["check"]);
    expect(plain).toMatchObject({ exitCode: 0, stderr: "" });
    expect(plain.stdout).toContain("ok  crm is valid");
    const connected = await sluice(cwd, ["check", "--connect"]);
    expect(connected.stdout).toMatch(/calls +2 records/);
    expect(JSON.parse((await sluice(cwd, ["check", "--json"])).stdout)).toMatchObject({ ok: true });
  });

  test("check --json of a configuration that is not valid lists the problems", async () => {
    const cwd = await project("client: {base_url: 1}\nresources: 2\n", "a.yaml");
    const { stdout, exitCode } = await sluice(cwd, ["check", "a.yaml", "--json"]);
    expect(exitCode).toBe(2);
    const { problems } = JSON.parse(stdout) as { problems: { at: { file: string } }[] };
    expect(problems.map(({ at }) => at.file.replace(/.*\//, ""))).toEqual(["a.yaml:1", "a.yaml:2"]);
  });

  test("preview shows pages, tables and rows, and writes nothing", async () => {
    const cwd = await project();
    const { stdout, exitCode } = await sluice(cwd, ["preview", "users", "sluice.config.mjs"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^9007199254740993 +x \[2J$/m);
    expect(stdout).not.toContain("\u001b");
    const json = (await sluice(cwd, ["preview", "calls", "--json"])).stdout;
    expect(JSON.parse(json)).toMatchObject({ rows: { calls: [{ id: 1 }, { id: 2 }] } });
    await expect(access(join(cwd, "crm.duckdb"))).rejects.toThrow("ENOENT");
  });

  test("state and schema before and after a run", async () => {
    const cwd = await project();
    expect((await sluice(cwd, ["state", "show"])).stdout).toContain("has no state of crm");
    expect((await sluice(cwd, ["schema"])).stdout).toContain("has no tables of crm yet");
    await sluice(cwd, ["run"]);
    expect((await sluice(cwd, ["state", "show"])).stdout).toMatch(/^calls +complete /m);
    const schema = (await sluice(cwd, ["schema"])).stdout;
    expect(schema).toMatch(/^id +bigint +no +id +primary key$/m);
    const json = JSON.parse((await sluice(cwd, ["state", "show", "--select", "users", "--json"])).stdout);
    expect(Object.keys((json as { resources: object }).resources)).toEqual(["users"]);
  });

  test("state reset asks, and forgets what was selected", async () => {
    const cwd = await project();
    await sluice(cwd, ["run"]);
    const refused = await sluice(cwd, ["state", "reset"]);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain("--yes");
    const questions: string[] = [];
    const confirm = (question: string) => Promise.resolve(questions.push(question) > 0);
    expect((await sluice(cwd, ["state", "reset", "--select", "calls"], { confirm })).exitCode).toBe(0);
    expect(questions[0]).toContain("calls");
    const { stdout } = await sluice(cwd, ["state", "show", "--json"]);
    expect(Object.keys((JSON.parse(stdout) as { resources: object }).resources)).toEqual(["users"]);
  });

  test.each([
    ["calls", undefined, "calls", undefined],
    ["calls", "crm.yaml", "calls", "crm.yaml"],
    ["crm.yaml", "calls", "calls", "crm.yaml"],
    ["conf/crm", "calls", "calls", "conf/crm"],
  ])("preview %s %s", (first, second, resource, config) => {
    expect(inOrder(first, second)).toEqual({ resource, config });
  });
});

describe("the command line itself", () => {
  test.each([
    ["explain", "paginator/loop", 0],
    ["explain", "loop", 2],
    ["explain", "paginator/lop", 2],
    ["explain", "pagnator/loop", 2],
  ])("%s %s", async (command, code, exitCode) => {
    const outcome = await sluice("/", [command, code]);
    expect(outcome.exitCode).toBe(exitCode);
    expect(outcome.stdout + outcome.stderr).toContain("paginator/loop");
    if (exitCode === 2) expect(outcome.stderr).toContain('did you mean "paginator/loop"');
  });

  test("explain without a code lists all", async () => {
    expect((await sluice("/", ["explain"])).stdout.split("\n").length).toBeGreaterThan(20);
  });

  test("help and version are no errors", async () => {
    expect(await sluice("/", ["--version"])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\.\d+/),
    });
    const help = await sluice("/", ["--help"]);
    expect(help.exitCode).toBe(0);
    for (const command of ["run", "check", "plan", "preview", "test", "state", "schema", "explain"]) {
      expect(help.stdout).toContain(`  ${command} `);
    }
  });

  test.each([
    [["runn"]],
    [["run", "--bogus"]],
    [["preview"]],
    [["preview", "a", "--pages", "0"]],
    [["run", "--select", ","]],
  ])("%j is a usage error", async (args) => {
    const { exitCode, stdout, stderr } = await sluice("/", args);
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^error: /);
  });

  test("a usage error of run --json is a report too", async () => {
    const { stdout, exitCode } = await sluice("/", ["run", "--json", "--bogus"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ status: "failed", error: { code: "config/usage" } });
  });

  test("SLUICE_DEBUG=1 shows places in the code", async () => {
    const { stderr } = await sluice(await project("export default null.x;"), ["run"], {
      env: { SLUICE_DEBUG: "1" },
    });
    expect(stderr).toMatch(/ {4}at /);
    expect(stderr).toContain("cause  TypeError");
  });

  test("the first interrupt aborts, the second quits", () => {
    const listeners: Record<string, () => void> = {};
    let quits = 0;
    const source = { on: (name: string, listener: () => void) => (listeners[name] = listener) };
    const signal = watchInterrupts(source, () => quits++);
    listeners["SIGTERM"]?.();
    expect([signal.aborted, quits]).toEqual([true, 0]);
    listeners["SIGINT"]?.();
    expect(quits).toBe(1);
  });

  test("NO_COLOR, CI and dumb terminals", () => {
    const terminal = { write: () => true, isTTY: true };
    expect([{}, { CI: "false" }].map((env) => isInteractive(terminal, env))).toEqual([true, true]);
    expect([{ CI: "true" }, { TERM: "dumb" }].map((env) => isInteractive(terminal, env))).toEqual([
      false,
      false,
    ]);
    expect([{}, { NO_COLOR: "1" }].map((env) => hasColor(terminal, env))).toEqual([true, false]);
    expect(hasColor({ write: () => true }, {})).toBe(false);
  });
});
