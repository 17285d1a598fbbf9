/**
 * The example from end to end, offline: starts the API of server.ts, syncs it with the command line, changes the data,
 * syncs again, and checks that the database holds exactly what the API has. `npm run demo`.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { RESOURCES, type ResourceName } from "./data.js";
import { type ApiServer, DEFAULT_ACCOUNT_ID, DEFAULT_API_KEY, startServer } from "./server.js";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const show = (path: string): string => relative(process.cwd(), path);

const CLI = at("../../dist/src/cli/main.js");
const CONFIG = at("./call-analytics.yaml");
const OUTPUT = at("./output");
const DATABASE = `${OUTPUT}/call_analytics.duckdb`;

let failures = 0;
function check(what: string, holds: boolean): void {
  console.log(`  ${holds ? "ok  " : "FAIL"} ${what}`);
  if (!holds) failures += 1;
}

/** Runs the command line as a user would; its output goes straight to the terminal. */
async function sync(api: ApiServer): Promise<void> {
  const args = ["run", show(CONFIG), "--destination", `duckdb:${show(DATABASE)}`];
  args.push("--set", `account_id=${DEFAULT_ACCOUNT_ID}`, "--set", `client.base_url=${api.url}`);
  console.log(`$ API_KEY=... sluice ${args.join(" ")}\n`);
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, API_KEY: DEFAULT_API_KEY },
    stdio: "inherit",
  });
  const status = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  console.log();
  check(`sluice ends with exit code 0${status === 0 ? "" : `, not ${String(status)}`}`, status === 0);
}

type Row = Readonly<Record<string, unknown>>;

/** Opens the file for these questions only, as the next sync needs it for itself. */
async function query<T>(ask: (rows: (sql: string) => Promise<Row[]>) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(DATABASE, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  try {
    // File and dataset have one name, so DuckDB wants both.
    await connection.run("use call_analytics.call_analytics");
    return await ask(async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJson());
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function compare(api: ApiServer): Promise<void> {
  await query(async (rows) => {
    for (const resource of RESOURCES) {
      const [found] = await rows(`select count(*) as n, count(distinct id) as ids from ${resource}`);
      const expected = String(api.count(resource));
      const what = `${resource}: ${String(found?.["n"])} rows, ${String(found?.["ids"])} ids; the API has ${expected}`;
      check(what, found?.["n"] === expected && found["ids"] === expected);
    }
  });
}

const MISSED_CALLS = `
  select count(*) as calls,
         round(100 * avg((not answered)::int), 1) as "missed %",
         round(avg(duration) filter (answered)) as "seconds a call",
         co.name as company
  from calls join companies co on co.id = company_id
  group by company order by "missed %" desc, company limit 4`;

async function askForMissedCalls(): Promise<void> {
  const rows = await query((ask) => ask(MISSED_CALLS));
  console.log("Who misses the most calls?\n");
  const names = Object.keys(rows[0] ?? {});
  for (const values of [names, ...rows.map((row) => names.map((name) => String(row[name])))]) {
    const company = values.at(-1) ?? "";
    const numbers = values.slice(0, -1).map((value) => value.padStart(15));
    console.log(`${numbers.join("")}   ${company}`);
  }
  console.log();
  check("the query has an answer", rows.length > 0);
}

async function changeSomething(api: ApiServer): Promise<{ id: string; note: string }> {
  const id = String(api.record("calls", 41)["id"]);
  const note = "Changed after the first sync – naïve ☎";
  api.update("calls", id, { note, lead_status: "good_lead" });
  const additions: readonly ResourceName[] = ["calls", "calls", "calls", "conversations", "users"];
  for (const resource of additions) api.add(resource);
  return { id, note };
}

async function main(): Promise<void> {
  if (!existsSync(CLI)) throw new Error("dist/ is missing: run `npm run build` first");
  await rm(OUTPUT, { recursive: true, force: true });
  await mkdir(OUTPUT, { recursive: true });

  // One request in the middle of the calls fails first, as in real life.
  const api = await startServer({
    failures: { status: 503, times: 1, resource: "calls", after: 4, retryAfter: 1 },
  });
  try {
    console.log(`A call tracking API listens on ${api.url}\n\nFirst sync\n`);
    await sync(api);
    await compare(api);
    console.log();
    await askForMissedCalls();

    const { id, note } = await changeSomething(api);
    console.log("\nOne call was changed; 3 calls, a conversation and a user are new. Second sync\n");
    await sync(api);
    await compare(api);
    const found = await query((rows) => rows(`select note from calls where id = '${id}'`));
    check("the changed call has its new note, once", found.length === 1 && found[0]?.["note"] === note);
  } finally {
    await api.close();
  }
  console.log(
    failures === 0 ? `\nAll checks passed. The database is ${show(DATABASE)}` : `\n${failures} checks failed`,
  );
  if (failures > 0) process.exitCode = 1;
}

await main();
