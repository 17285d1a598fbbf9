import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { queryDuckdb } from "../../src/destinations/duckdb.js";
import * as uncompiled from "../../src/index.js";
import { sluice } from "./cli.js";

// Only the built package has threads: what it loads must be what its sources load without any.
const compiled = (await import(
  new URL("../../dist/src/index.js", import.meta.url).href
)) as typeof uncompiled;

const PAGES = 60;
const ON_PAGE = 200;
/** Makes a page some 200 KB long. */
const FILLER = "é".repeat(450);

type Page = (page: number) => readonly unknown[];

let folder: string;
let server: Server;
let url: string;
let pageOf: Page;
let onPage: (page: number) => void = () => {};
let threads = 0;
let files = 0;
const countThreads = (): void => {
  threads += 1;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-normalizer-"));
  server = createServer((request, response) => {
    const page = Number(new URL(request.url ?? "/", url).searchParams.get("page") ?? 1);
    onPage(page);
    if (page < PAGES) response.setHeader("link", `<${url}/items?page=${page + 1}>; rel="next"`);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ items: pageOf(page) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.on("worker", countThreads);
});
afterAll(async () => {
  process.off("worker", countThreads);
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  threads = 0;
});

/** Records of a page, the same each time. */
function records(page: number, change: (id: number) => object): object[] {
  return Array.from({ length: ON_PAGE }, (_, n) => {
    const id = (page - 1) * ON_PAGE + n;
    return {
      id,
      text: `${id} ${FILLER}`,
      at: "2026-01-01T00:00:00Z",
      tags: [{ n }, { n: id }],
      ...change(id),
    };
  });
}

interface Loaded {
  readonly report: uncompiled.Report;
  readonly tables: Readonly<Record<string, readonly unknown[]>>;
  readonly threads: number;
}

async function load(
  { duckdb, restApi, run }: typeof uncompiled,
  hints: object,
  rows?: number,
): Promise<Loaded> {
  const file = join(folder, `${++files}.duckdb`);
  threads = 0;
  const report = await run({
    pipeline: "p",
    normalizer_threads: 1,
    dataset: "d",
    ...(rows === undefined ? {} : { checkpoint: { rows } }),
    source: restApi({
      client: { base_url: url },
      resources: [
        {
          name: "items",
          primary_key: "id",
          endpoint: { path: "items", data_selector: "items", paginator: "header_link" },
          ...hints,
        },
      ],
    }),
    destination: duckdb(file),
  });
  const found = await queryDuckdb(
    file,
    "SELECT table_name AS name FROM duckdb_tables() WHERE table_name NOT LIKE '\\_sluice%' ESCAPE '\\' OR table_name = '_sluice_rejects' ORDER BY 1",
  );
  const tables: Record<string, readonly unknown[]> = {};
  for (const { name } of found) {
    // Ids and times are each load's own; what belongs where is seen by joining with the parent.
    const joined =
      name === "items__tags"
        ? "SELECT i.id, t.* EXCLUDE (_sluice_id, _sluice_parent_id, _sluice_root_id) FROM d.items__tags t JOIN d.items i ON t._sluice_parent_id = i._sluice_id AND t._sluice_root_id = i._sluice_id"
        : `SELECT COLUMNS(c -> c NOT LIKE '%\\_id' ESCAPE '\\' AND c <> 'text') FROM d."${String(name)}"`;
    const rows = await queryDuckdb(file, `SELECT to_json(r)::VARCHAR AS row FROM (${joined}) r ORDER BY 1`);
    tables[String(name)] = rows.map(({ row }) => row);
  }
  return { report, tables, threads };
}

/** What a report says apart from times and names of the load. */
function meaningOf({ report }: Loaded) {
  const { status, resources, tables, schema_changes } = report;
  const { pages, rows, completeness, error } = resources["items"]!;
  // A thread works behind: some pages more have been read when it fails.
  return {
    status,
    ...(status === "failed" ? {} : { pages }),
    rows,
    completeness,
    error,
    tables,
    schema_changes,
  };
}

async function expectTheSame(hints: object, rows?: number): Promise<Loaded> {
  const inThread = await load(compiled, hints, rows);
  const here = await load(uncompiled, hints, rows);
  // DuckDB's, and the one for columns.
  expect(inThread.threads).toBe(2);
  expect(here.threads).toBe(0);
  expect(meaningOf(inThread)).toEqual(meaningOf(here));
  expect(inThread.tables).toEqual(here.tables);
  return inThread;
}

describe("a walk of which a thread takes over", () => {
  const change = (id: number) => ({
    ...(id % 7 === 0 ? { size: id } : {}),
    ...(id > 9_000 ? { size: 0.5 + id } : {}),
    ...(id === 10_001 ? { size: "large", [`Wide ${id}`]: [1, 2] } : {}),
    ...(id % 1000 === 3 ? { big: 12345678901234567890n.toString() } : {}),
    ...(id > 11_000 ? { late: { deep: [{ er: [id, null] }] } } : {}),
  });

  it.each(["append", "merge", "replace"] as const)(
    "by %s gives the same tables",
    async (write_disposition) => {
      pageOf = (page) => records(page, change);
      const { report, tables } = await expectTheSame({ write_disposition });
      expect(report.status).toBe("ok");
      expect(tables["items"]).toHaveLength(PAGES * ON_PAGE);
      expect(tables["items__tags"]).toHaveLength(2 * PAGES * ON_PAGE);
    },
  );

  it("gives the same tables with many checkpoints", async () => {
    pageOf = (page) => records(page, change);
    const { report } = await expectTheSame({ write_disposition: "merge" }, 900);
    expect(report.status).toBe("ok");
  });

  it("sets aside the same records", async () => {
    pageOf = (page) => records(page, (id) => ({ ...change(id), ...(id % 500 === 499 ? { id: null } : {}) }));
    const { report, tables } = await expectTheSame({ write_disposition: "append" }, 5000);
    expect(report.status).toBe("partial");
    expect(tables["_sluice_rejects"]).toHaveLength((PAGES * ON_PAGE) / 500);
  });

  it("fails by the same contract, and commits nothing of the package", async () => {
    pageOf = (page) => records(page, (id) => (id === 11_111 ? { size: "large" } : { size: id }));
    const { report } = await expectTheSame({
      write_disposition: "append",
      columns: { size: { data_type: "bigint" } },
      schema_contract: { data_type: "freeze" },
    });
    expect(report.resources["items"]?.error).toMatchObject({ code: "data/contract" });
    expect(report.tables).toEqual({});
  });

  it("goes on with scalars among the records, and with a page that is no document", async () => {
    const odd: Readonly<Record<number, readonly unknown[]>> = { 50: ["none", 7, null], 55: [] };
    pageOf = (page) => odd[page] ?? records(page, change);
    await expectTheSame({ write_disposition: "append", primary_key: [] });
  });
});

it("a process that is killed while it works behind loses nothing, and brings nothing twice", async () => {
  pageOf = (page) => records(page, () => ({}));
  const config = {
    checkpoint: { rows: 700 },
    normalizer_threads: 1,
    client: { base_url: url },
    resources: [
      {
        name: "items",
        write_disposition: "append",
        endpoint: { path: "items", data_selector: "items", paginator: "header_link" },
      },
    ],
  };
  await writeFile(join(folder, "killed.json"), JSON.stringify(config));
  const load = (killAt?: number) =>
    sluice(["run", "killed.json", "--json"], {
      cwd: folder,
      onStart: (child) => {
        onPage = (page) => {
          if (page === killAt) child.kill("SIGKILL");
        };
      },
    });
  for (const killAt of [37, 48, 56]) expect((await load(killAt)).code).toBe(null);
  onPage = () => {};
  const { code, stdout } = await load();
  expect(code).toBe(0);
  // Each run but the first goes on from a commit.
  const report = JSON.parse(stdout) as uncompiled.Report;
  expect(report.resources["items"]?.pages).toBeLessThan(PAGES - 40);
  const [found] = await queryDuckdb(
    join(folder, "killed.duckdb"),
    "SELECT count(*)::INT AS rows, count(DISTINCT id)::INT AS ids, max(id)::INT AS last FROM killed.killed.items",
  );
  expect(found).toEqual({ rows: PAGES * ON_PAGE, ids: PAGES * ON_PAGE, last: PAGES * ON_PAGE - 1 });
});

it("resources that share their responses keep their memory to themselves", async () => {
  pageOf = (page) => records(page, () => ({}));
  const { duckdb, restApi, run } = compiled;
  const file = join(folder, `${++files}.duckdb`);
  const endpoint = { path: "items", data_selector: "items", paginator: "header_link" } as const;
  const report = await run({
    pipeline: "p",
    normalizer_threads: 1,
    dataset: "d",
    source: restApi({
      client: { base_url: url },
      resources: [
        { name: "items", endpoint },
        { name: "again", endpoint },
      ],
    }),
    destination: duckdb(file),
  });
  expect(report.status).toBe("ok");
  expect(threads).toBeGreaterThanOrEqual(2);
  for (const table of ["items", "again"]) {
    const [sums] = await queryDuckdb(
      file,
      `SELECT count(*)::INT AS rows, sum(id)::INT AS ids FROM d.${table}`,
    );
    expect(sums).toEqual({ rows: PAGES * ON_PAGE, ids: (PAGES * ON_PAGE * (PAGES * ON_PAGE - 1)) / 2 });
  }
});
