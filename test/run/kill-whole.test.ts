import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { type PostgresServer, queryPostgres, startPostgres } from "../postgres-server.js";
import { type CliResult, sluice } from "./cli.js";
import { query } from "./database.js";

const PAGES = 12;
const PAGE_ROWS = 10;
/** A commit every other page. */
const CHECKPOINT = 2 * PAGE_ROWS;

let folder: string;
let api: FakeApi;
let server: PostgresServer;
/** What all records of the API say at present. */
let generation = 0;
/** How often each page was asked for in this generation. */
let asked: number[] = [];
let killAt: number | undefined;
let kill: () => void = () => undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-kill-whole-"));
  server = await startPostgres();
  api = await startFakeApi();
  api.route("/items", ({ url }) => {
    const page = Number(new URL(url, api.url).searchParams.get("page") ?? 0);
    asked[page] = (asked[page] ?? 0) + 1;
    if (page === killAt) kill();
    const items = Array.from({ length: PAGE_ROWS }, (_, n) => {
      const id = page * PAGE_ROWS + n;
      return { id, day: `d${id % 3}`, generation, tags: [`a${id}`, "b"] };
    });
    const next = page + 1 < PAGES ? `${api.url}/items?page=${page + 1}` : null;
    return answer(200, { items, next });
  });
});

afterAll(async () => {
  await api.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

const DISPOSITIONS = {
  replace: "{ write_disposition: replace }",
  merge_key: "{ write_disposition: merge, merge_key: day }",
  delete_missing: "{ primary_key: id, write_disposition: { disposition: merge, delete_missing: hard } }",
} as const;
type Disposition = keyof typeof DISPOSITIONS;

/** A database of either kind, and how its rows are read. */
interface Place {
  readonly uri: string;
  /** Rows by generation, of the table and of its child table. */
  seen(dataset: string): Promise<unknown[]>;
  parts(dataset: string): Promise<number>;
}

const SEEN = (dataset: string) =>
  `select generation::text as generation, count(*)::text as rows, count(distinct i.id)::text as ids, count(t.value)::text as tags
   from (select * from "${dataset}".items) as i left join "${dataset}".items__tags as t on t._sluice_parent_id = i._sluice_id
   group by 1`;
const PARTS =
  "select table_schema from information_schema.tables where table_name like '\\_sluice\\_part\\_%' escape '\\'";

const whole = (count: number) => [
  {
    generation: String(count),
    rows: String(2 * PAGES * PAGE_ROWS),
    ids: String(PAGES * PAGE_ROWS),
    tags: String(2 * PAGES * PAGE_ROWS),
  },
];

function load(name: string, uri: string, at?: number): Promise<CliResult> {
  killAt = at;
  return sluice(["run", `${name}.yaml`, "--json", "--destination", uri], {
    cwd: folder,
    onStart(child) {
      // Commits are made while the next pages are read: one of this run is to be there.
      let isAsked = false;
      let hasCommitted = false;
      const killThen = (): void => {
        if (isAsked && hasCommitted) child.kill("SIGKILL");
      };
      child.stderr.on("data", (text: string) => {
        hasCommitted ||= text.includes("committed");
        killThen();
      });
      kill = () => {
        isAsked = true;
        killThen();
      };
    },
  });
}

async function prove(disposition: Disposition, place: Place): Promise<void> {
  const name = `whole_${disposition}`;
  await writeFile(
    join(folder, `${name}.yaml`),
    `
checkpoint: { rows: ${CHECKPOINT} }
client: { base_url: "${api.url}" }
resource_defaults: ${DISPOSITIONS[disposition]}
resources:
  - name: items
    endpoint: { path: items, data_selector: items, paginator: { type: json_link, next_url_path: next } }
`,
  );
  generation = 1;
  const first = await load(name, place.uri);
  expect(first.code, first.stderr).toBe(0);
  expect(await place.seen(name)).toEqual(whole(1));

  generation = 2;
  asked = [];
  for (const at of [4, 9]) {
    const killed = await load(name, place.uri, at);
    expect(killed.signal, killed.stdout + killed.stderr).toBe("SIGKILL");
    expect(await place.seen(name)).toEqual(whole(1));
    expect(await place.parts(name)).toBe(2);
  }
  const last = await load(name, place.uri);
  expect(last.code, last.stderr).toBe(0);
  expect(await place.seen(name)).toEqual(whole(2));
  expect(await place.parts(name)).toBe(0);
  // Every page before the last commit was asked for once; a killed run loses no more than its uncommitted pages: those
  // of a commit that was under way, those after it, and one that was asked for ahead.
  expect(asked.slice(0, 2)).toEqual([1, 1]);
  expect(asked.reduce((sum, times) => sum + times)).toBeLessThanOrEqual(PAGES + 2 * 5);
}

describe("a load that becomes visible as a whole, killed again and again, goes on and shows old rows until it is done", () => {
  it.each(Object.keys(DISPOSITIONS) as Disposition[])(
    "%s, in DuckDB",
    async (disposition) => {
      const file = join(folder, `${disposition}.duckdb`);
      await prove(disposition, {
        uri: `duckdb:${file}`,
        seen: (dataset) => query(file, SEEN(dataset)),
        parts: async () => (await query(file, PARTS)).length,
      });
    },
    120_000,
  );

  it.each(Object.keys(DISPOSITIONS) as Disposition[])(
    "%s, in PostgreSQL",
    async (disposition) => {
      const uri = await server.newDatabase();
      const watcher = new AbortController();
      const strange: unknown[] = [];
      const dataset = `whole_${disposition}`;
      const watch = async (): Promise<number> => {
        let reads = 0;
        while (!watcher.signal.aborted) {
          const rows = await queryPostgres(uri, SEEN(dataset)).catch(() => []);
          const isWhole = [1, 2].some((one) => JSON.stringify(rows) === JSON.stringify(whole(one)));
          if (rows.length > 0 && !isWhole) strange.push(rows);
          reads += rows.length;
        }
        return reads;
      };
      const watching = watch();
      await prove(disposition, {
        uri,
        seen: (dataset) => queryPostgres(uri, SEEN(dataset)),
        parts: async () => (await queryPostgres(uri, PARTS)).length,
      }).finally(() => watcher.abort());
      expect(await watching).toBeGreaterThan(10);
      expect(strange).toEqual([]);
    },
    120_000,
  );
});
