import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EndpointConfig, Json, JsonObject, PaginatorConfig, RestApiConfig } from "../../src/index.js";
import { always, answer, html, status, tooManyRequests } from "../fake-api/behaviours.js";
import { type FakeApi, type SeenRequest, startFakeApi } from "../fake-api/fake-api.js";
import { queryOf } from "./mock-api.js";
import { failureOf, read, refusalOf, rowsOf } from "./read.js";

// What Airbyte's declarative framework is tested for (pagination, requests, errors, expressions, extraction), case by
// case in our own words, as far as Sluice has the same thing; and what a tool that reads such configurations should hold
// beyond. Where Sluice means to differ the row says so.

let api: FakeApi;
beforeEach(async () => {
  api = await startFakeApi();
});
afterEach(() => api.close());

interface Case {
  /** Number of the behaviour; `+n` is the nth of those beyond Airbyte. */
  readonly of: number | `+${number}`;
  readonly title: string;
  readonly changed?: string;
  readonly test: () => Promise<void> | void;
}

/**
 * Not here: 7, 30, 31 (filters and transformations), 13 (restarting a walk), 14, 32–34, 41, 42 (incremental and state),
 * 12 (slices), 38 (call budgets), 40 (test reads); 15 is case 48 of dlt, 26 and 28 beyond Retry-After are rate limits.
 * Of those beyond: 2 is in losses.test.ts, 7–11 and 14 belong to schemas, incremental loading and imports.
 */
const HERE = 27;
const HERE_BEYOND = 7;

const one = (endpoint: EndpointConfig, client: Partial<RestApiConfig["client"]> = {}): RestApiConfig => ({
  client: { base_url: api.url, ...client },
  resources: [{ name: "rows", endpoint: { path: "rows", ...endpoint } }],
});
const urls = (): string[] => api.requests.map(({ url }) => url);
const idsOf = (rows: readonly Json[] | undefined): (Json | undefined)[] =>
  (rows ?? []).map((row) => (row as JsonObject)["id"]);
const numbered = (from: number, count: number): JsonObject[] =>
  Array.from({ length: count }, (_, n) => ({ id: from + n }));
const serve = (
  respond: (turn: number, request: SeenRequest) => Json,
  headers: (turn: number) => Record<string, string> = () => ({}),
): void => {
  let turn = 0;
  api.route("/rows", (request) => {
    turn += 1;
    return answer(200, respond(turn, request), headers(turn));
  });
};

function rows<T extends readonly unknown[]>(
  of: Case["of"],
  title: string,
  table: readonly T[],
  test: (...row: T) => Promise<void> | void,
  changed?: string,
): Case[] {
  return table.map((row) => ({
    of,
    title: `${title}: ${row.map((item) => (typeof item === "string" ? item : JSON.stringify(item))).join(" → ")}`,
    ...(changed === undefined ? {} : { changed }),
    test: () => test(...row),
  }));
}

const cases: readonly Case[] = [
  ...rows<[string, string]>(
    1,
    "a token",
    [
      ["{{ config.token }}", "/rows?t=from%20config"],
      ["{{ config['token'] }}", "/rows?t=from%20config"],
      ["{{ last_record['id'] }}", "/rows?t=2"],
      ["{{ last_record.id + 1 }}", "/rows?t=3"],
      ["{{ response['_metadata']['content'] }}", "/rows?t=next%20one"],
      ["{{ headers['A_header'] }}", "/rows?t=by-header"],
      ["{{ headers['link']['next']['url'] }}", "/rows?t={api}%2Frows%3Fpage%3D2"],
      ["{{ last_page_size }}", "/rows?t=2"],
    ],
    async (cursor_value, second) => {
      serve(
        (turn) =>
          turn === 1
            ? { data: numbered(1, 2), _metadata: { content: "next one" } }
            : { data: numbered(3, 1) },
        () => ({ a_header: "by-header", link: `<${api.url}/rows?page=2>; rel="next"` }),
      );
      const config = one({
        data_selector: "data",
        max_pages: 2,
        paginator: { type: "cursor", cursor_value, cursor_param: "t" },
      });
      expect(idsOf(await rowsOf(config, { variables: { token: "from config" } }))).toEqual([1, 2, 3]);
      expect(urls()).toEqual(["/rows", second.replace("{api}", encodeURIComponent(api.url))]);
    },
  ),
  {
    of: 1,
    title: "a token that is the same for every page",
    changed: "refused: the second page would come for ever",
    test() {
      const paginator: PaginatorConfig = { type: "cursor", cursor_value: "fixed-token", cursor_param: "t" };
      expect(refusalOf(one({ paginator })).problems[0]).toContain("the same for every page");
    },
  },
  ...rows<[string]>(
    1,
    "a token that is missing ends",
    [
      ["{{ response.invalid_key }}"],
      ["{{ response.meta.next.cursor }}"],
      ["{{ headers['nope'] }}"],
      ["{{ headers['link']['next']['url'] }}"],
      ["{{ last_record.nope }}"],
      ["{{ config.nope }}"],
      ["{{ response.null }}"],
      ["{{ response.empty }}"],
    ],
    async (cursor_value) => {
      serve(() => ({ data: numbered(1, 2), null: null, empty: "" }));
      const paginator: PaginatorConfig = { type: "cursor", cursor_value, cursor_param: "t" };
      expect(idsOf(await rowsOf(one({ data_selector: "data", paginator })))).toEqual([1, 2]);
      expect(api.requests).toHaveLength(1);
    },
  ),
  ...rows<[Json, boolean]>(
    37,
    "a stop_condition that gives this stops",
    [
      [true, true],
      [1, true],
      ["true", true],
      ["1", true],
      ["no", true],
      [["x"], true],
      [{ a: 1 }, true],
      [false, false],
      [0, false],
      [0.0, false],
      ["", false],
      ["false", false],
      ["False", false],
      ["0", false],
      [[], false],
      [{}, false],
      [null, false],
    ],
    async (value, stops) => {
      // Case 2 as well: the cursor is there either way.
      serve((turn) => ({ data: numbered(turn, 1), stop: value, next: turn < 2 ? "c" : "" }));
      const paginator: PaginatorConfig = {
        type: "cursor",
        cursor_value: "{{ response.next }}",
        cursor_param: "c",
        stop_condition: "{{ response.stop }}",
      };
      await rowsOf(one({ data_selector: "data", paginator }));
      expect(api.requests).toHaveLength(stops ? 1 : 2);
    },
    "null is false; texts are read without regard to case",
  ),
  ...rows<[string, number]>(
    2,
    "a stop_condition beats a cursor that is there, and leaves it",
    [
      ["{{ response.page >= 2 }}", 2],
      ["{{ last_page_size < 2 }}", 3],
      ["{{ 'next' not in headers['link'] }}", 1],
      ["{{ response.nothing.at.all }}", 4],
      ["{{ not response.more }}", 3],
    ],
    async (stop_condition, pages) => {
      serve((turn) => ({
        data: numbered(turn * 2, turn < 3 ? 2 : 1),
        page: turn,
        more: turn < 3,
        next: turn < 4 ? `c${turn + 1}` : null,
      }));
      const paginator: PaginatorConfig = {
        type: "cursor",
        cursor_value: "{{ response.next }}",
        cursor_param: "c",
        stop_condition,
      };
      await rowsOf(one({ data_selector: "data", paginator }));
      expect(api.requests).toHaveLength(pages);
    },
  ),
  ...rows<[string, string]>(
    3,
    "an empty page has no last record",
    [
      ["{{ last_record['id'] }}", "{{ last_page_size == 0 }}"],
      ["{{ last_record.id }}", "{{ last_record is none }}"],
      ["{{ last_record.deep.id }}", "{{ not last_record }}"],
    ],
    async (cursor_value, stop_condition) => {
      serve((turn) => ({ data: turn === 1 ? [{ id: 1, deep: { id: 1 } }] : [] }));
      const paginator: PaginatorConfig = {
        type: "cursor",
        cursor_value,
        stop_condition,
        cursor_param: "after",
      };
      expect(idsOf(await rowsOf(one({ data_selector: "data", paginator })))).toEqual([1]);
      expect(urls()).toEqual(["/rows", "/rows?after=1"]);
    },
  ),
  ...rows<[unknown]>(
    4,
    "a page size that is no number is refused",
    [["many"], ["{{ config.size }}"], [1.5], [0], [-1]],
    (limit) => {
      const paginator = { type: "offset", limit };
      const config = {
        client: { base_url: api.url },
        resources: [{ name: "rows", endpoint: { paginator } }],
      };
      expect(refusalOf(config, { variables: { size: 5 } }).problems[0]).toContain("limit");
    },
    "it is written as a number",
  ),
  ...rows<[readonly number[], number]>(
    5,
    "pages of so many records are so many requests, if nothing but an empty page ends the walk",
    [
      [[2, 2, 1], 4],
      [[2, 2], 3],
      [[], 1],
    ],
    async (sizes, requests) => {
      serve((turn) => ({ data: numbered(turn * 10, sizes[turn - 1] ?? 0) }));
      const paginator: PaginatorConfig = { type: "page_number", total_path: null };
      await rowsOf(one({ data_selector: "data", paginator }));
      expect(api.requests).toHaveLength(requests);
    },
    "a short page is no end: an API may have a page size of its own",
  ),
  {
    of: 6,
    title: "the first page number",
    changed: "it is sent as well, as dlt does",
    async test() {
      serve((turn) => ({ data: turn < 3 ? numbered(turn, 1) : [] }));
      await rowsOf(
        one({ data_selector: "data", paginator: { type: "page_number", page: 7, total_path: null } }),
      );
      expect(urls()).toEqual(["/rows?page=7", "/rows?page=8", "/rows?page=9"]);
    },
  },
  {
    of: 8,
    title: "offsets grow by the records that came, for each walk of its own",
    async test() {
      api.route("/p", () => answer(200, [{ id: "a" }, { id: "b" }]));
      for (const id of ["a", "b"])
        api.route(`/p/${id}/c`, (request) => {
          const offset = Number(queryOf(request).get("offset"));
          return answer(200, { data: numbered(offset, Math.min(3, 5 - offset)) });
        });
      await read({
        client: { base_url: api.url },
        resources: [
          { name: "p", selected: false },
          {
            name: "c",
            endpoint: {
              path: "p/{resources.p.id}/c",
              data_selector: "data",
              paginator: { type: "offset", limit: 4, total_path: null },
            },
          },
        ],
      });
      for (const id of ["a", "b"])
        expect(urls().filter((url) => url.startsWith(`/p/${id}`))).toEqual(
          [0, 3, 5].map((offset) => `/p/${id}/c?offset=${offset}&limit=4`),
        );
    },
  },
  ...rows<[object, string]>(
    9,
    "refused",
    [
      [{ type: "cursor", cursor_path: "next", limit_param: "size" }, "limit"],
      [{ type: "offset", limit: 2, offset_param: "x", limit_param: "x" }, "x"],
      [{ type: "cursor", cursor_path: "next", cursor_param: "x", limit: 2, limit_param: "x" }, "x"],
      [{ type: "offset" }, "limit"],
    ],
    (paginator, message) => {
      const config = {
        client: { base_url: api.url },
        resources: [{ name: "rows", endpoint: { paginator } }],
      };
      expect(refusalOf(config).text).toContain(message);
      expect(refusalOf(config).problems[0]).toContain("paginator");
    },
  ),
  ...rows<[string, PaginatorConfig, readonly string[]]>(
    10,
    "where a token goes, from page two on",
    [
      [
        "as the URL",
        { type: "cursor", cursor_value: "{{ response.next }}", limit: 2, limit_param: "size" },
        ["/rows?q=1&size=2 {}", "/rows?page=2 {}"],
      ],
      [
        "as a parameter",
        {
          type: "cursor",
          cursor_value: "{{ response.token }}",
          cursor_param: "after",
          limit: 2,
          limit_param: "size",
        },
        ["/rows?q=1&size=2 {}", "/rows?q=1&size=2&after=t2 {}"],
      ],
      [
        "into the body",
        {
          type: "cursor",
          cursor_value: "{{ response.token }}",
          cursor_body_path: "after",
          limit: 2,
          limit_body_path: "size",
        },
        ['/rows?q=1 {"size":2}', '/rows?q=1 {"size":2,"after":"t2"}'],
      ],
    ],
    async (_, paginator, expected) => {
      serve((turn) => ({
        data: numbered(turn, 1),
        ...(turn === 1 ? { token: "t2", next: "/rows?page=2" } : {}),
      }));
      await rowsOf(one({ method: "POST", json: {}, params: { q: 1 }, data_selector: "data", paginator }));
      expect(api.requests.map(({ url, body }) => `${url} ${body}`)).toEqual(expected);
    },
  ),
  {
    of: 11,
    title: "a token of 0 counts as one",
    async test() {
      serve((turn) => ({ data: numbered(turn, 1), next: turn === 1 ? 0 : null }));
      await rowsOf(
        one({
          data_selector: "data",
          paginator: { type: "cursor", cursor_value: "{{ response.next }}", cursor_param: "c" },
        }),
      );
      expect(urls()).toEqual(["/rows", "/rows?c=0"]);
    },
  },
  {
    of: 12,
    title: "a next link is not given the first request's parameters once more",
    async test() {
      serve((turn) => ({ data: numbered(turn, 1), next: turn === 1 ? "/rows?page=2" : null }));
      await rowsOf(one({ data_selector: "data", params: { since: "x" }, paginator: "json_link" }));
      expect(urls()).toEqual(["/rows?since=x", "/rows?page=2"]);
    },
  },
  ...rows<[JsonObject, string]>(
    16,
    "parameters",
    [
      [{ k: ["a", "b"] }, "/rows?k=a&k=b"],
      [{ k: "00123" }, "/rows?k=00123"],
      [{ k: "1_000" }, "/rows?k=1_000"],
      [{ k: "[1,2]" }, "/rows?k=%5B1%2C2%5D"],
      [{ k: true, n: null, e: "" }, "/rows?k=true&e="],
      [{ k: "{{ config.text }}" }, "/rows?k=1_000"],
      [{ k: "{{ config.number + 1 }}" }, "/rows?k=8"],
      [{ k: "{{ config.nope }}" }, "/rows"],
    ],
    async (params, url) => {
      serve(() => []);
      await rowsOf(one({ params }), { variables: { text: "1_000", number: 7 } });
      expect(urls()).toEqual([url]);
    },
  ),
  {
    of: 16,
    title: "an object as a parameter",
    changed: "sent in brackets, as many APIs read it; Airbyte refuses it",
    async test() {
      serve(() => []);
      await rowsOf(one({ params: { k: { a: 1, b: { c: "x" } } } }));
      expect(urls().map(decodeURIComponent)).toEqual(["/rows?k[a]=1&k[b][c]=x"]);
    },
  },
  {
    of: 17,
    title: "one key from two sides",
    changed: "the paginator's wins over the configured parameter, as in dlt",
    async test() {
      serve(() => ({ data: [] }));
      await rowsOf(one({ params: { page: 9 }, paginator: { type: "page_number", total_path: null } }));
      expect(urls()).toEqual(["/rows?page=0"]);
    },
  },
  ...rows<[string, JsonObject, string]>(
    18,
    "a parameter that the path has already",
    [
      ["rows?k=1", { k: 1 }, "/rows?k=1"],
      ["rows?k=a%20b", { k: "a b" }, "/rows?k=a%20b"],
      ["rows?k=1", { k: 2 }, "/rows?k=1&k=2"],
      ["rows?k=1", { k: [1, 2] }, "/rows?k=1&k=2"],
      ["rows?j=1", { k: 1 }, "/rows?j=1&k=1"],
    ],
    async (path, params, url) => {
      serve(() => []);
      await rowsOf(one({ path, params }));
      expect(urls()).toEqual([url]);
    },
  ),
  ...rows<[number, number]>(
    19,
    "429 for ever, with so many retries, is so many calls",
    [
      [5, 6],
      [0, 1],
    ],
    async (max_retries, calls) => {
      api.behave("/rows", always(tooManyRequests()));
      const error = await failureOf(one({}, { retry: { max_retries } }));
      expect(error).toMatchObject({
        code: "http/status",
        message: expect.stringContaining("429 Too Many Requests") as unknown,
      });
      expect(api.requests).toHaveLength(calls);
    },
  ),
  {
    of: 20,
    title: "retries that are switched off",
    async test() {
      api.behave("/rows", always(status(503)));
      await failureOf(one({ retry: { max_retries: 0 } }, { retry: { max_retries: 9 } }));
      expect(api.requests).toHaveLength(1);
    },
  },
  {
    of: 21,
    title: "a refused token is renewed once, and the request sent again with the new one",
    async test() {
      let token = 0;
      api.route("/token", () => answer(200, { access_token: `t${(token += 1)}`, expires_in: 3600 }));
      api.route("/rows", ({ headers }) =>
        headers["authorization"] === "Bearer t2"
          ? answer(200, [{ id: 1 }])
          : answer(401, { error: "expired" }),
      );
      const auth = {
        type: "oauth2_client_credentials",
        access_token_url: `${api.url}/token`,
        client_id: "me",
        client_secret: "s3cr3t",
      } as const;
      expect(idsOf(await rowsOf(one({}, { auth })))).toEqual([1]);
      expect(urls()).toEqual(["/token", "/rows", "/token", "/rows"]);
    },
  },
  ...rows<[number, number]>(
    22,
    "a status nobody speaks of",
    [
      [418, 1],
      [409, 1],
      [501, 1],
      [502, 4],
      [504, 4],
    ],
    async (code, calls) => {
      api.behave("/rows", always(status(code)));
      expect((await failureOf(one({}))).code).toBe("http/status");
      expect(api.requests).toHaveLength(calls);
    },
    "retried are 429, 500, 502, 503 and 504 only: another status does not pass by waiting",
  ),
  ...rows<[string, NonNullable<EndpointConfig["response_actions"]>]>(
    23,
    "a 403 is ignored",
    [
      ["by its code", [{ status_code: 403, action: "ignore" }]],
      ["by its class", [{ status_code: "4xx", action: "ignore" }]],
      ["by its text", [{ content: "no such plan", action: "ignore" }]],
      ["by its body", [({ text }) => (text.includes("plan") ? "ignore" : undefined)]],
      ["by its headers", [({ headers }) => (headers["x-reason"] === "plan" ? "ignore" : undefined)]],
      [
        "by the second that fits",
        [
          { status_code: 404, action: "raise" },
          { status_code: 403, action: "ignore" },
        ],
      ],
    ],
    async (_, response_actions) => {
      api.route("/rows", () => answer(403, { error: "no such plan" }, { "x-reason": "plan" }));
      expect(await rowsOf(one({ response_actions }))).toEqual([]);
    },
  ),
  {
    of: 22,
    title: "an action for the body of a 200 wins over its status",
    async test() {
      serve(() => ({ data: [{ id: 1 }], state: "half-done" }));
      const response_actions: EndpointConfig["response_actions"] = [
        { content: "half-done", action: "raise" },
      ];
      expect((await failureOf(one({ response_actions }))).code).toBe("http/status");
    },
  },
  ...rows<[unknown]>(
    24,
    "retries that are no number are refused",
    [["3"], ["many"], [-1], [1.5]],
    (max_retries) => {
      const config = { client: { base_url: api.url, retry: { max_retries } }, resources: ["rows"] };
      expect(refusalOf(config).problems[0]).toContain("client.retry.max_retries");
    },
    "a text with digits too",
  ),
  {
    of: 25,
    title: "of several actions that fit",
    changed: "the first decides",
    async test() {
      api.behave("/rows", always(status(404)));
      const first: EndpointConfig["response_actions"] = [
        { status_code: 404, action: "raise" },
        { status_code: 404, action: "ignore" },
      ];
      expect((await failureOf(one({ response_actions: first }))).code).toBe("http/status");
      expect(await rowsOf(one({ response_actions: first.toReversed() }))).toEqual([]);
    },
  },
  ...rows<[string, RestApiConfig["client"]["retry"], readonly number[]]>(
    26,
    "waits in seconds",
    [
      ["default", {}, [2, 4, 8]],
      ["factor 5", { backoff_factor: 5 }, [5, 10, 20]],
      ["factor 0.5", { backoff_factor: 0.5 }, [0.5, 1, 2]],
      ["capped", { max_retries: 5, max_delay: 10 }, [2, 4, 8, 10, 10]],
      ["none", { backoff_factor: 0 }, [0, 0, 0]],
    ],
    async (_, retry, seconds) => {
      api.behave("/rows", always(status(503)));
      const { waits } = await read(one({}, { retry: retry ?? {} }));
      expect(waits).toEqual(seconds.map((wait) => wait * 1000));
    },
  ),
  ...rows<[string, string, Json, readonly Json[] | string]>(
    29,
    "records",
    [
      ["a list", "data", { data: [{ id: 1 }, { id: 2 }] }, [{ id: 1 }, { id: 2 }]],
      ["an object", "data", { data: { id: 1 } }, [{ id: 1 }]],
      ["the root", "$", [{ id: 1 }], [{ id: 1 }]],
      ["the root that is an object", "$", { id: 1 }, [{ id: 1 }]],
      ["nested", "data.rows", { data: { rows: [{ id: 1 }] } }, [{ id: 1 }]],
      ["under any key", "data.*", { data: { a: { id: 1 }, b: { id: 2 } } }, [{ id: 1 }, { id: 2 }]],
      [
        "in each of a list",
        "data[*].row",
        { data: [{ row: { id: 1 } }, { row: { id: 2 } }] },
        [{ id: 1 }, { id: 2 }],
      ],
      ["at any depth", "$..row", { a: { row: { id: 1 } }, row: { id: 2 } }, [{ id: 2 }, { id: 1 }]],
      ["none", "data", { data: [] }, []],
      // Changed: Airbyte takes it for none.
      ["a place that is not there", "nope", { data: [{ id: 1 }] }, "response/no-records"],
    ],
    async (_, data_selector, body, expected) => {
      serve(() => body);
      const config = one({ data_selector, paginator: "single_page" });
      if (typeof expected === "string") expect((await failureOf(config)).code).toBe(expected);
      else
        expect([...(await rowsOf(config))].map((row) => JSON.stringify(row)).sort()).toEqual(
          expected.map((row) => JSON.stringify(row)).sort(),
        );
    },
  ),
  {
    of: 35,
    title: "parents: doubles are read once, fields reach the children",
    async test() {
      api.route("/p", () =>
        answer(200, [
          { id: "a", n: 1 },
          { id: "b", n: 2 },
          { id: "a", n: 1 },
        ]),
      );
      for (const id of ["a", "b"]) api.route(`/p/${id}/c`, () => answer(200, [{ id }]));
      const { rows } = await read({
        client: { base_url: api.url },
        resources: [
          { name: "p", selected: false },
          { name: "c", include_from_parent: ["n"], endpoint: "p/{resources.p.id}/c" },
        ],
      });
      expect(rows["c"]).toEqual([
        { id: "a", _p_n: 1 },
        { id: "b", _p_n: 2 },
      ]);
      expect(urls()).toEqual(["/p", "/p/a/c", "/p/b/c"]);
    },
  },
  {
    of: 35,
    title: "a parent without the key",
    changed: "an error: its children would be missing without a word",
    async test() {
      api.route("/p", () => answer(200, [{ id: "a" }, { other: 1 }]));
      api.route("/p/a/c", () => answer(200, [{ id: 1 }]));
      const { errors, rows } = await read({
        client: { base_url: api.url },
        resources: [
          { name: "p", selected: false },
          { name: "c", endpoint: "p/{resources.p.id}/c" },
        ],
      });
      expect([errors["c"]?.code, rows["c"]]).toEqual(["parent/value", [{ id: 1 }]]);
    },
  },
  ...rows<[string, string]>(
    36,
    "an expression that can't be meant is refused",
    [
      ["{{ nothing_known }}", "nothing_known"],
      ["{{ stream_state.x }}", "stream_state"],
      ["{{ config.__class__ }}{{ x }}", '"x"'],
      ["{{ response.", "well-formed"],
      ["{{ response.x | nope }}", "nope"],
    ],
    (cursor_value, message) => {
      const paginator: PaginatorConfig = { type: "cursor", cursor_value, cursor_param: "c" };
      expect(refusalOf(one({ paginator })).text).toContain(message);
    },
  ),
  ...rows<[string]>(
    36,
    "what is inside of the language is not there",
    [
      ["{{ config.__class__ }}"],
      ["{{ ''.__class__ }}"],
      ["{{ config.constructor }}"],
      ["{{ response.__proto__ }}"],
    ],
    async (cursor_value) => {
      serve(() => ({ data: numbered(1, 1) }));
      const paginator: PaginatorConfig = { type: "cursor", cursor_value, cursor_param: "c" };
      await rowsOf(one({ data_selector: "data", paginator }));
      expect(api.requests).toHaveLength(1);
    },
  ),
  {
    of: 39,
    title: "a bad line of JSON Lines",
    changed: "an error: a line that is left out is a record that is lost",
    async test() {
      api.route("/rows", () => ({
        ...answer(200, null, { "content-type": "application/jsonl" }),
        body: Buffer.from('{"id":1}\n{"id":\n{"id":3}\n'),
      }));
      expect((await failureOf(one({}))).code).toBe("response/malformed");
    },
  },
  {
    of: 39,
    title: "numbers keep their digits, zipped or not",
    async test() {
      const text = '{"id":9007199254740993,"x":0.1}\n{"id":2,"x":1e-7}\n';
      api.route("/rows", () => ({
        ...answer(200, null, { "content-type": "application/jsonl", "content-encoding": "gzip" }),
        body: gzipSync(text),
      }));
      expect(await rowsOf(one({}))).toEqual([
        { id: 9007199254740993n, x: 0.1 },
        { id: 2, x: 1e-7 },
      ]);
    },
  },
  ...rows<[string, string | undefined]>(
    "+1",
    "a Link header",
    [
      ['<{api}/rows?p=2>; rel="next"', "/rows?p=2"],
      ["<{api}/rows?p=2>; rel='next'", undefined],
      ["<{api}/rows?p=2>; rel=next", "/rows?p=2"],
      ['<{api}/rows?p=2>; rel="Next"', "/rows?p=2"],
      ['<{api}/rows?p=2>; rel="next last"', "/rows?p=2"],
      ['<{api}/rows?p=2>; cursor="0:100:0="; rel="next"', "/rows?p=2"],
      ['<{api}/rows?p=2;v=1>; rel="next"', "/rows?p=2;v=1"],
      ['<{api}/rows?p=1>; title="a, <b>"; rel="prev", <{api}/rows?p=2>; rel="next"', "/rows?p=2"],
      ['</rows?p=2>; rel="next"', "/rows?p=2"],
      ['<?p=2>; rel="next"', "/rows?p=2"],
      ['<{api}/rows?p=2>; rel="next", <{api}/rows?p=3>; rel="next"', "/rows?p=2"],
      ['<{api}/rows?p=1>; rel="prev"', undefined],
      ["<{api}/rows?p=2>", undefined],
      ["", undefined],
    ],
    async (header, second) => {
      for (const paginator of [
        "header_link",
        {
          type: "cursor",
          cursor_value: "{{ headers['Link']['next']['url'] }}",
          stop_condition: "{{ 'next' not in headers['LINK'] }}",
        },
      ] as const) {
        let turn = 0;
        api.route("/rows", () => {
          turn += 1;
          return answer(
            200,
            numbered(turn, 2),
            turn === 1 ? { LINK: header.replaceAll("{api}", api.url) } : {},
          );
        });
        const sent = api.requests.length;
        await rowsOf(one({ paginator }));
        expect(urls().slice(sent)).toEqual(["/rows", ...(second === undefined ? [] : [second])]);
      }
    },
  ),
  {
    of: "+3",
    title: "a next link to another origin fails, and gets no credentials where it is allowed",
    async test() {
      const other = await startFakeApi();
      other.route("/rows", () => answer(200, [{ id: 2 }]));
      serve(
        () => [{ id: 1 }],
        () => ({ link: `<${other.url}/rows?p=2>; rel="next"` }),
      );
      const auth = { token: "canary-77" };
      const config = one({ paginator: "header_link" }, { auth });
      expect((await failureOf(config)).code).toBe("http/origin");
      expect(other.requests).toHaveLength(0);
      const allowed = one({ paginator: "header_link" }, { auth, allowed_origins: [other.url] });
      expect(idsOf(await rowsOf(allowed))).toEqual([1, 2]);
      expect(JSON.stringify(other.requests)).not.toContain("canary-77");
      await other.close();
    },
  },
  ...rows<[number]>("+4", "not retried", [[400], [402], [406], [409], [410], [422]], async (code) => {
    api.behave("/rows", always(status(code)));
    await failureOf(one({}));
    expect(api.requests).toHaveLength(1);
  }),
  ...rows<[string, number | Date, readonly number[], string | undefined]>(
    "+4",
    "Retry-After",
    [
      ["seconds", 3, [3000], undefined],
      ["a date", new Date(Date.UTC(2026, 0, 2, 0, 0, 5)), [5000], undefined],
      ["a date that is past", new Date(0), [2000], undefined],
      ["too long", 9999, [], "http/status"],
    ],
    async (_, after, waits, code) => {
      serve(() => [{ id: 1 }]);
      api.behave("/rows", tooManyRequests(after));
      const outcome = await read(one({}));
      expect([outcome.waits, outcome.errors["rows"]?.code]).toEqual([waits, code]);
    },
  ),
  {
    of: "+5",
    title: "a page that is not JSON, with status 200, is an error and not zero rows",
    async test() {
      api.behave("/rows", always(html));
      expect((await failureOf(one({}))).code).toBe("response/not-json");
      expect(api.requests).toHaveLength(4);
    },
  },
  ...rows<[number, readonly number[], string | undefined]>(
    "+6",
    "three retries, factor 2: failures, waits",
    [
      [0, [], undefined],
      [1, [2], undefined],
      [3, [2, 4, 8], undefined],
      [4, [2, 4, 8], "http/status"],
    ],
    async (failures, seconds, code) => {
      serve(() => [{ id: 1 }]);
      api.behave("/rows", ...Array.from({ length: failures }, () => status(500)));
      const { errors, waits } = await read(one({}, { retry: { max_retries: 3, backoff_factor: 2 } }));
      expect([waits, errors["rows"]?.code]).toEqual([seconds.map((wait) => wait * 1000), code]);
    },
  ),
  ...rows<[string, EndpointConfig, Json]>(
    "+12",
    "fewer records than the total says",
    [
      ["pages that end", { paginator: { type: "offset", limit: 2 } }, 9],
      [
        "a cursor that ends",
        { paginator: { type: "cursor", cursor_path: "next", has_more_path: "more" } },
        9,
      ],
    ],
    async (_, endpoint, total) => {
      serve((turn) => ({ data: turn === 1 ? numbered(1, 2) : [], total, more: true, next: null }));
      const { ends, errors } = await read(one({ data_selector: "data", ...endpoint }));
      expect(errors).toEqual({});
      expect(ends["rows"]).not.toBe("proved");
    },
  ),
  ...rows<[string, NonNullable<RestApiConfig["client"]["auth"]>]>(
    "+13",
    "a secret is in no event and no error, even if the API repeats it",
    [
      ["bearer", { type: "bearer", token: "canary/77+x" }],
      ["api_key in the query", { type: "api_key", name: "key", api_key: "canary/77+x", location: "query" }],
      ["http_basic", { type: "http_basic", username: "ada", password: "canary/77+x" }],
    ],
    async (_, auth) => {
      const pair = Buffer.from("ada:canary/77+x").toString("base64");
      api.route("/rows", ({ url, headers }) =>
        answer(400, { error: `bad request ${url} with ${headers["authorization"]} and canary/77+x` }),
      );
      const { errors, events } = await read(one({}, { auth }));
      const told = JSON.stringify([errors["rows"]?.toReport(), events]);
      expect(told).toContain("bad request");
      for (const form of ["canary/77+x", "canary%2F77%2Bx", "canary/77%2Bx", pair])
        expect(told).not.toContain(form);
    },
  ),
];

describe("Airbyte's behaviours", () => {
  for (const { of, title, changed, test } of cases)
    it(`${of}. ${title}${changed === undefined ? "" : ` (changed: ${changed})`}`, test);

  it("are here as far as they apply", () => {
    const numbers = new Set(cases.map(({ of }) => of));
    const beyond = [...numbers].filter((number) => typeof number === "string");
    expect([numbers.size - beyond.length, beyond.length]).toEqual([HERE, HERE_BEYOND]);
    expect(cases.length).toBeGreaterThan(140);
  });
});
