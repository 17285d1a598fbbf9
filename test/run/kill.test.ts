import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type ApiServer,
  DEFAULT_ACCOUNT_ID,
  DEFAULT_API_KEY,
  startServer,
} from "../../examples/call-analytics/server.js";
import { sluice } from "./cli.js";
import { contentOf, query } from "./database.js";

const CALLS = 1500;
/** Seeded, so that a failure can be repeated: the moments of the kills follow from it. */
const SEED = Number(process.env["SLUICE_KILL_SEED"] ?? 7);
const KILLS = Number(process.env["SLUICE_KILLS"] ?? 6);

let folder: string;
let server: ApiServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-kill-"));
  server = await startServer({
    counts: { calls: CALLS, conversations: 400, users: 20, companies: 4 },
    latencyMs: 12,
  });
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** Commits every 200 rows, so that a run has many moments to be killed at. */
function configuration(disposition: string): string {
  const paginator = `{ type: cursor, limit: 50, cursor_value: "{{ headers['link']['next']['url'] }}", stop_condition: "{{ 'next' not in headers['link'] }}" }`;
  return `
checkpoint: { rows: 200 }
client:
  base_url: "${server.url}"
  auth: { type: api_key, api_key: "{{ secrets.api_key }}" }
resource_defaults: { primary_key: id, write_disposition: ${disposition}, endpoint: { paginator: ${paginator} } }
resources:
  - { name: calls, endpoint: { path: "/{account_id}/calls.json?", data_selector: calls } }
  - { name: conversations, endpoint: { path: "/{account_id}/text-messages.json?", data_selector: conversations } }
`;
}

function load(name: string, onStart?: Parameters<typeof sluice>[1]["onStart"]) {
  return sluice(["run", `${name}.yaml`, "--set", `account_id=${DEFAULT_ACCOUNT_ID}`, "--json"], {
    cwd: folder,
    env: { API_KEY: DEFAULT_API_KEY },
    ...(onStart === undefined ? {} : { onStart }),
  });
}

/** Whether every resource's state says that its walk is complete. */
async function isComplete(file: string, dataset: string): Promise<boolean> {
  const states = await query(file, `select state from ${dataset}._sluice_state`).catch(() => []);
  const done = states.filter(
    ({ state }) => (JSON.parse(state as string) as { status: string }).status === "done",
  );
  return done.length === 2;
}

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

it.each(["append", "merge"])(
  "a %s killed again and again ends with the tables of an undisturbed run",
  async (disposition) => {
    const calm = `calm_${disposition}`;
    const killed = `killed_${disposition}`;
    await writeFile(join(folder, `${calm}.yaml`), configuration(disposition));
    await writeFile(join(folder, `${killed}.yaml`), configuration(disposition));
    const startedAt = performance.now();
    expect((await load(calm)).code).toBe(0);
    const duration = performance.now() - startedAt;

    const next = random(SEED);
    let kills = 0;
    let finished = false;
    // Whatever was complete in the load that is cut short is not read again, so appends don't double.
    for (let attempt = 0; attempt < KILLS && !finished; attempt++) {
      const result = await load(killed, (child) => {
        setTimeout(() => child.kill("SIGKILL"), (0.3 + 0.7 * next()) * duration);
      });
      if (result.signal === "SIGKILL") kills += 1;
      else expect(result.code, result.stderr).toBe(0);
      // A kill may come after the last commit: then nothing is left to do, and a further run would be a new load.
      finished = await isComplete(join(folder, `${killed}.duckdb`), killed);
    }
    expect(kills).toBeGreaterThan(0);
    if (!finished) expect((await load(killed)).code).toBe(0);

    const expected = await contentOf(join(folder, `${calm}.duckdb`), calm);
    const actual = await contentOf(join(folder, `${killed}.duckdb`), killed);
    expect(Object.keys(actual)).toEqual(Object.keys(expected));
    for (const [table, rows] of Object.entries(expected)) expect(actual[table], table).toEqual(rows);
    expect(expected["calls"]).toHaveLength(CALLS);

    const [state] = await query(
      join(folder, `${killed}.duckdb`),
      `select count(*)::int as n, count(distinct resource)::int as resources from ${killed}._sluice_state`,
    );
    expect(state).toEqual({ n: 2, resources: 2 });
  },
  120_000,
);
