import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  duckdb,
  type EndpointConfig,
  type JsonObject,
  type Position,
  type RestApiConfig,
  restApi,
  run,
} from "../../src/index.js";
import {
  answer,
  asUsual,
  drip,
  gzipped,
  malformed,
  reset,
  status,
  tooManyRequests,
  truncated,
} from "../fake-api/behaviours.js";
import { type FakeApi, type SeenRequest, startFakeApi } from "../fake-api/fake-api.js";
import { query } from "../run/database.js";
import { queryOf } from "./mock-api.js";
import { pagesFrom, read, stillRuntime } from "./read.js";

// However an API pages, cuts its pages, repeats records on the next page, and fails on the way: the table is the same.
// fast-check prints seed and path of a failure; with them in the parameters of fc.assert it comes again.

let folder: string;
let api: FakeApi;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-walks-"));
  api = await startFakeApi();
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

/** Where a page stands, as a way of paging has to tell it. */
interface At {
  readonly index: number;
  /** Index of the next page, undefined on the last one. */
  readonly next: number | undefined;
  readonly pages: number;
  readonly url: string;
}

/** A way of paging: how the client is told of it, which page a request asks for, and what a page says beside its records. */
interface Way {
  readonly endpoint: EndpointConfig;
  readonly asks: (request: SeenRequest, starts: readonly number[]) => number;
  readonly says: (
    at: At,
    total: number,
  ) => { readonly body?: JsonObject; readonly headers?: Record<string, string> };
  /** Counting ends at an empty page, so there is none in the middle. */
  readonly counts?: boolean;
  /** Positions are those of records: what comes twice can't be expressed. */
  readonly exact?: boolean;
}

const param =
  (name: string, base = 0) =>
  (request: SeenRequest) =>
    Number(queryOf(request).get(name) ?? base) - base;
const linkTo = ({ next, url }: At) => `${url}?n=${next}`;
const linkHeader = (at: At) => ({
  headers: {
    link: `<${at.url}>; rel="first"${at.next === undefined ? "" : `, <${linkTo(at)}>; rel="next"`}`,
  },
});
const linkBody = (at: At) => ({ body: { next: at.next === undefined ? null : linkTo(at) } });
const token = ({ next }: At) => ({ body: { next_cursor: next === undefined ? null : String(next) } });
const startingAt = (name: string) => (request: SeenRequest, starts: readonly number[]) => {
  const index = starts.indexOf(Number(queryOf(request).get(name)));
  return index === -1 ? starts.length : index;
};

const WAYS: Readonly<Record<string, Way>> = {
  header_link: { endpoint: { paginator: "header_link" }, asks: param("n"), says: linkHeader },
  json_link: { endpoint: { paginator: "json_link" }, asks: param("n"), says: linkBody },
  cursor: {
    endpoint: { paginator: { type: "cursor", cursor_path: "next_cursor", cursor_param: "after" } },
    asks: param("after"),
    says: token,
  },
  "cursor in the body": {
    endpoint: {
      method: "POST",
      json: { q: "x" },
      paginator: { type: "cursor", cursor_path: "next_cursor", cursor_body_path: "at.page" },
    },
    asks: ({ body }) => Number((JSON.parse(body) as { at?: { page: string } }).at?.page ?? 0),
    says: token,
  },
  "cursor by an expression on headers": {
    endpoint: {
      paginator: {
        type: "cursor",
        cursor_value: "{{ headers['link']['next']['url'] }}",
        stop_condition: "{{ 'next' not in headers['link'] }}",
      },
    },
    asks: param("n"),
    says: linkHeader,
  },
  "cursor by an expression on the body": {
    endpoint: {
      paginator: { type: "cursor", cursor_value: "{{ response.next_cursor }}", cursor_param: "after" },
    },
    asks: param("after"),
    says: token,
  },
  header_cursor: {
    endpoint: { paginator: { type: "header_cursor", cursor_key: "x-next", cursor_param: "after" } },
    asks: param("after"),
    says: ({ next }) => ({ headers: { "X-Next": next === undefined ? "" : String(next) } }),
  },
  "page numbers and their total": {
    endpoint: { paginator: { type: "page_number", base_page: 1, total_path: "pages" } },
    asks: param("page", 1),
    says: ({ pages }) => ({ body: { pages } }),
    counts: true,
  },
  "page numbers and a flag": {
    endpoint: { paginator: { type: "page_number", total_path: null, has_more_path: "more" } },
    asks: param("page"),
    says: ({ next }) => ({ body: { more: next !== undefined } }),
    counts: true,
  },
  "page numbers until an empty page": {
    endpoint: { paginator: { type: "page_number", total_path: null } },
    asks: param("page"),
    says: () => ({}),
    counts: true,
  },
  "offsets and a total": {
    endpoint: { paginator: { type: "offset", limit: 6, total_path: "total" } },
    asks: startingAt("offset"),
    says: (_, total) => ({ body: { total } }),
    counts: true,
    exact: true,
  },
  "offsets until an empty page": {
    endpoint: { paginator: { type: "offset", limit: 6, total_path: null } },
    asks: startingAt("offset"),
    says: () => ({}),
    counts: true,
    exact: true,
  },
  "links, detected": { endpoint: {}, asks: param("n"), says: linkHeader },
  "links in the body, detected": { endpoint: {}, asks: param("n"), says: linkBody },
  "a token, detected": {
    endpoint: {},
    asks: param("cursor"),
    // A token of digits may count on for ever, so an empty page ends.
    says: ({ next }) => ({ body: { next_cursor: next === undefined ? null : String(next) } }),
    counts: true,
  },
  "page numbers, detected": {
    endpoint: {},
    asks: param("page", 1),
    says: ({ index, pages }) => ({ body: { page: index + 1, total_pages: pages } }),
    counts: true,
  },
};

/** What a request may meet, by names that a counterexample can show. */
const WEATHER = {
  503: status(503),
  500: status(500),
  429: tooManyRequests(),
  "429 with a wait": tooManyRequests(7),
  reset,
  truncated,
  malformed,
  fine: asUsual,
  gzipped,
  slow: drip(3, 1),
};
type Weather = readonly (keyof typeof WEATHER)[];
/** Whether a POST that broke off was carried out is not known, so it is not sent again. */
const BROKEN: Weather = ["reset", "truncated", "malformed"];

/** What happens to the requests in the order of arrival. */
const weather = fc.array(fc.constantFrom(...(Object.keys(WEATHER) as Weather)), { maxLength: 14 });

function misbehave(way: Way, path: string, script: Weather): void {
  const isPost = way.endpoint.method === "POST";
  const turns = script.map((turn) => (isPost && BROKEN.includes(turn) ? asUsual : WEATHER[turn]));
  api.behave(path, ...turns);
}

/** New records of each page, and how many of the page before come again. */
const cuts = fc.array(
  fc.record({ fresh: fc.integer({ min: 0, max: 6 }), again: fc.integer({ min: 0, max: 3 }) }),
  {
    maxLength: 7,
  },
);

interface Scene {
  readonly pages: readonly (readonly JsonObject[])[];
  /** Ids, and the page that had the record last, as `v`. */
  readonly expected: readonly JsonObject[];
  readonly repeats: boolean;
}

function sceneOf(way: Way, cut: readonly { fresh: number; again: number }[], withRepeats: boolean): Scene {
  const kept = way.counts === true ? cut.filter(({ fresh }) => fresh > 0) : cut;
  const last = new Map<number, number>();
  let seen = 0;
  const pages = kept.map(({ fresh, again }, index) => {
    // Without a new record a page would be the same as the one before, which is refused.
    const repeated = fresh > 0 && withRepeats && way.exact !== true ? Math.min(again, seen) : 0;
    const ids = Array.from({ length: fresh + repeated }, (_, n) => seen - repeated + n + 1);
    seen += fresh;
    for (const id of ids) last.set(id, index);
    return ids.map((id) => ({ id, v: index, tags: [`${index}-a`, `${index}-b`] }));
  });
  return {
    pages,
    expected: [...last].sort(([one], [other]) => one - other).map(([id, v]) => ({ id, v })),
    repeats: pages.flat().length > last.size,
  };
}

let scenes = 0;

/** Serves a scene on a path of its own. */
function serve(way: Way, { pages, expected }: Scene, script: Weather = []): string {
  const path = `/rows${(scenes += 1)}`;
  const starts: number[] = [];
  pages.reduce((sum, page) => {
    starts.push(sum);
    return sum + page.length;
  }, 0);
  api.route(path, (request) => {
    const index = way.asks(request, starts);
    const next = index + 1 < pages.length ? index + 1 : undefined;
    const at: At = { index, next, pages: Math.max(1, pages.length), url: api.url + path };
    const { body = {}, headers = {} } = way.says(at, expected.length);
    return answer(200, { data: pages[index] ?? [], ...body }, headers);
  });
  misbehave(way, path, script);
  return path;
}

function configOf(way: Way, path: string): RestApiConfig {
  return {
    client: { base_url: api.url, retry: { max_retries: 20 } },
    resources: [
      { name: "rows", primary_key: "id", write_disposition: "merge", endpoint: { path, ...way.endpoint } },
    ],
  };
}

/** Whatever came twice, the last one counts. */
function merged(rows: readonly unknown[]): JsonObject[] {
  const byId = new Map(
    (rows as JsonObject[]).map(({ id, v }) => [Number(id), { id: id ?? null, v: v ?? null }]),
  );
  return [...byId.values()].sort((one, other) => Number(one.id) - Number(other.id));
}

describe.each(Object.entries(WAYS))("%s", (_, way) => {
  it("reads all records, in whatever pages and weather", async () => {
    await fc.assert(
      fc.asyncProperty(cuts, weather, fc.boolean(), async (cut, script, withRepeats) => {
        const scene = sceneOf(way, cut, withRepeats);
        const { rows, errors, ends } = await read(configOf(way, serve(way, scene, script)));
        expect(errors).toEqual({});
        expect(merged(rows["rows"] ?? [])).toEqual(scene.expected);
        // A retry repeats nothing: what comes twice is what the API gave twice.
        expect(rows["rows"]).toEqual(scene.pages.flat());
        expect(ends["rows"]).toMatch(/proved|likely/);
      }),
      { numRuns: 10 },
    );
  });

  it("goes on from any page's stored position with what is left", async () => {
    await fc.assert(
      fc.asyncProperty(cuts, fc.nat(), weather, async (cut, choice, script) => {
        const path = serve(way, sceneOf(way, cut, true));
        const config = configOf(way, path);
        const pages = await pagesFrom(config, undefined);
        const index = choice % pages.length;
        const { resume } = pages[index] ?? {};
        fc.pre(resume !== undefined);
        const position = JSON.parse(JSON.stringify(resume)) as Position;
        misbehave(way, path, script);
        const rest = await pagesFrom(config, position);
        const rowsOf = (list: typeof pages) => list.flatMap(({ records }) => records.values);
        expect(rowsOf(rest)).toEqual(rowsOf(pages.slice(index + 1)));
      }),
      { numRuns: 4 },
    );
  });
});

it("the table in the database is the same by every way", async () => {
  const ways = Object.entries(WAYS);
  let turn = 0;
  await fc.assert(
    fc.asyncProperty(cuts, weather, fc.nat({ max: ways.length - 1 }), async (cut, script, start) => {
      turn += 1;
      const [name, way] = ways[(start + turn) % ways.length]!;
      const scene = sceneOf(way, cut, true);
      const file = join(folder, `t${turn}.duckdb`);
      const report = await run(
        {
          pipeline: "p",
          source: restApi(configOf(way, serve(way, scene, script))),
          destination: duckdb(file),
          checkpoint: { rows: 5 },
        },
        { runtime: stillRuntime() },
      );
      expect(report.status, name).toBe("ok");
      if (scene.expected.length === 0) return;
      expect(await query(file, "select id::int as id, v::int as v from p.rows order by id")).toEqual(
        scene.expected,
      );
      const tags = await query(
        file,
        "select r.id::int as id, string_agg(t.value, ' ' order by t._sluice_list_idx) as tags from p.rows r join p.rows__tags t on t._sluice_parent_id = r._sluice_id group by 1 order by 1",
      );
      const both = scene.expected.map(({ id, v }) => ({ id, tags: `${Number(v)}-a ${Number(v)}-b` }));
      expect(tags).toEqual(both);
    }),
    { numRuns: 10 },
  );
});

it("a body that comes to a halt is asked for again", async () => {
  const way = WAYS["json_link"]!;
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 2 }), async (at) => {
      const cut = [3, 2, 4].map((fresh) => ({ fresh, again: 0 }));
      const scene = sceneOf(way, cut, false);
      const path = serve(way, scene);
      api.behave(path, ...Array.from({ length: at }, () => asUsual), drip(2, 5000));
      const config = configOf(way, path);
      const { rows, errors, waits } = await read({
        ...config,
        client: { ...config.client, timeouts: { body: 0.2 } },
      });
      expect(errors).toEqual({});
      expect(waits).toHaveLength(1);
      expect(rows["rows"]).toEqual(scene.pages.flat());
    }),
    { numRuns: 2 },
  );
});
