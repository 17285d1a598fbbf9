import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runCli } from "../../src/cli/program.js";
import type { Session } from "../../src/cli/session.js";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { sluice as built } from "./cli.js";
import { query } from "./database.js";

// A TypeScript configuration in a folder of its own, with a paginator, an auth method and a format that Sluice has not.

let folder: string;
let api: FakeApi;
/** The page at which the API is down; 0: it is up. */
let downAt = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-own-"));
  downAt = 0;
  api = await startFakeApi({ accepts: ({ headers }) => headers["x-sum"] === "4:k3ys" });
  api.route("/readings", ({ headers }) => {
    const page = Number(headers["x-ticket"] ?? 1);
    if (page === downAt) return answer(500, {});
    const body = Buffer.from(`id;value\n${page};${page / 2}\n${page + 10};1.5\n`);
    return { ...answer(200, null, page < 3 ? { "x-next-ticket": String(page + 1) } : {}), body };
  });
  await write(CONFIG);
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const write = (text: string) => writeFile(join(folder, "meter.ts"), text.replace("URL", api.url));

const CONFIG = `
import { credential, defineAuth, defineConfig, defineDecoder, definePaginator, RetryableError, restApi, secret, z } from "sluice";

const ticket = definePaginator({
  type: "ticket",
  summary: "Sends the ticket of each page back in a header.",
  options: z.strictObject({ header: z.string().min(1).describe("Header of the request.") }),
  create: ({ header }) => ({
    needs: "head",
    first: (request) => request,
    next({ request, head }) {
      const given = head.headers["x-next-ticket"];
      if (given === undefined) return { end: "proved", why: "no further ticket" };
      return { request: { ...request, headers: { ...request.headers, [header]: given } } };
    },
  }),
  examples: [],
});

const table = defineDecoder({
  type: "table",
  summary: "Lines of numbers below their names.",
  mediaTypes: ["text/x-table"],
  options: z.strictObject({}),
  create: () => (body) => {
    const [names, ...rows] = new TextDecoder().decode(body).trimEnd().split("\\n").map((line) => line.split(";"));
    if (names === undefined) throw new RetryableError("there are no names");
    return rows.map((row) => Object.fromEntries(row.map((value, at) => [names[at], Number(value)])));
  },
  examples: [],
});

const sum = defineAuth({
  type: "sum",
  summary: "Sends a key and its length.",
  options: z.strictObject({ key: credential().describe("The key.") }),
  create: ({ key }) => ({
    queryNames: [],
    authorize: (request) => ({
      ...request,
      headers: { ...request.headers, "x-sum": key.reveal().length + ":" + key.reveal() },
    }),
  }),
  examples: [],
});

export default defineConfig({
  pipeline: "meter",
  source: restApi({
    client: { base_url: "URL", auth: sum({ key: secret("key") }), paginator: ticket({ header: "x-ticket" }), retry: { max_retries: 0 } },
    resources: [{ name: "readings", primary_key: "id", write_disposition: "merge", endpoint: { format: table } }],
  }),
});
`;

async function sluice(...args: readonly string[]) {
  const written = { stdout: "", stderr: "" };
  const session: Session = {
    stdout: { write: (text) => (written.stdout += text), columns: 160 },
    stderr: { write: (text) => (written.stderr += text) },
    env: { KEY: "k3ys" },
    cwd: folder,
    signal: new AbortController().signal,
    now: () => 0,
    every: () => () => {},
    confirm: () => Promise.resolve(false),
    exitCode: 0,
  };
  await runCli(args, session);
  expect(written.stdout + written.stderr).not.toContain("k3ys");
  return { ...written, exitCode: session.exitCode };
}

const stored = async () =>
  (
    await query(join(folder, "meter.duckdb"), "select id::int as id, value from meter.readings order by id")
  ).map(Object.values);

it("checks, previews, plans and loads", async () => {
  const checked = await sluice("check", "meter.ts");
  expect([checked.exitCode, checked.stdout]).toEqual([0, expect.stringContaining("readings")]);
  const { stdout } = await sluice("preview", "readings", "meter.ts");
  expect(stdout).toContain("x-sum: ***");
  expect(stdout).toContain("paginator  ticket, as client.paginator says");
  expect(stdout).toMatch(/next +GET/);
  expect((await sluice("plan", "meter.ts")).exitCode).toBe(0);
  expect((await sluice("check", "meter.ts", "--connect")).exitCode).toBe(0);

  const ran = await sluice("run", "meter.ts");
  expect(ran).toMatchObject({ exitCode: 0 });
  expect(await stored()).toEqual([
    [1, 0.5],
    [2, 1],
    [3, 1.5],
    [11, 1.5],
    [12, 1.5],
    [13, 1.5],
  ]);
});

it("goes on with the ticket that it had, unless the code has changed", async () => {
  const tickets = () => api.requests.map(({ headers }) => headers["x-ticket"]);
  downAt = 3;
  expect((await sluice("run", "meter.ts")).exitCode).toBe(4);
  downAt = 0;
  expect((await sluice("run", "meter.ts")).exitCode).toBe(0);
  expect(tickets()).toEqual([undefined, "2", "3", "3"]);
  expect(await stored()).toHaveLength(6);

  downAt = 2;
  expect((await sluice("run", "meter.ts")).exitCode).toBe(4);
  downAt = 0;
  await write(CONFIG.replace("no further ticket", "the last one"));
  expect((await sluice("run", "meter.ts")).exitCode).toBe(0);
  expect(tickets().slice(4)).toEqual([undefined, "2", undefined, "2", "3"]);
});

it("says what is wrong with their options, with file and key", async () => {
  await write(CONFIG.replace('ticket({ header: "x-ticket" })', '{ type: ticket, haeder: "x" }'));
  const { stderr, exitCode } = await sluice("check", "meter.ts");
  expect(exitCode).toBe(2);
  expect(stderr).toContain('unknown key "haeder" – did you mean "header"?');
  expect(stderr).toContain("client.paginator");
  await write(CONFIG.replace("format: table", "format: { type: 5 }"));
  expect((await sluice("check", "meter.ts")).stderr).toContain("must be a type's name");
});

it("may have options and a schema of another zod than the one that is built in", async () => {
  const zod = import.meta.resolve("zod");
  const schema = "schema: z.object({ id: z.int(), value: z.number().multipleOf(0.5) }),";
  const own = CONFIG.replace(", z } from", ` } from`)
    .replace("\nconst ticket", `import { z } from ${JSON.stringify(zod)};\n\nconst ticket`)
    .replace('{ name: "readings",', `{ name: "readings", ${schema}`);
  const env = { KEY: "k3ys" };
  await write(own);
  const ran = await built(["run", "meter.ts", "--quiet"], { cwd: folder, env });
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  expect(await stored()).toHaveLength(6);

  await write(own.replace('ticket({ header: "x-ticket" })', '{ type: ticket, haeder: "x" }'));
  const { code, stderr } = await built(["check", "meter.ts"], { cwd: folder, env });
  expect(code).toBe(2);
  expect(stderr).toContain('unknown key "haeder" – did you mean "header"?');
});
