import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answer } from "../../test/fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../../test/fake-api/fake-api.js";
import { mistakesIn, planRest, readRest } from "../../test/read-rest.js";
import type { EndpointConfig } from "./config.js";

let api: FakeApi;
beforeEach(async () => {
  api = await startFakeApi();
});
afterEach(() => api.close());

const rows = (endpoint: EndpointConfig, client: object = {}) => ({
  client: { base_url: api.url, ...client },
  resources: [{ name: "rows", endpoint: { paginator: "single_page" as const, ...endpoint } }],
});
const read = (endpoint: EndpointConfig, client?: object) => readRest(rows(endpoint, client), "rows");

/** Answers one body after the other, and the last one from then on. */
function script(...bodies: readonly object[]): void {
  let turn = 0;
  api.route("/rows", () => answer(200, bodies[Math.min(turn++, bodies.length - 1)] as never));
}

describe("success_when", () => {
  const good = { ok: true, rows: [{ id: 1 }] };
  const bad = { ok: false, error: "over\nloaded", rows: [] };

  it("lets a success through, decided by body, headers and status", async () => {
    script(good);
    const condition =
      "{{ response.ok and status == 200 and 'json' in headers['content-type'] and config.region == 'eu' }}";
    expect((await read({ success_when: condition })).records).toEqual([{ id: 1 }]);
    expect(
      (await read({ success_when: ({ response, status }) => status === 200 && "ok" in (response as object) }))
        .records,
    ).toEqual([{ id: 1 }]);
  });

  it("makes anything else an error at once, with the API's words if asked for", async () => {
    script(bad);
    await expect(read({ success_when: "{{ response.ok }}" })).rejects.toMatchObject({
      code: "response/unsuccessful",
      kind: "source",
      message: `200 OK, but success_when does not hold for the response: GET ${api.url}/rows`,
      at: { resource: "rows" },
    });
    expect(api.requests).toHaveLength(1);
    await expect(
      read({ success_when: { condition: "{{ response.ok }}", message: "API says {{ response.error }}" } }),
    ).rejects.toThrow(`API says over loaded (200 OK): GET ${api.url}/rows`);
  });

  it("retries if told so, whatever the method, and within the limits", async () => {
    script(bad, bad, good);
    const success_when = { condition: "{{ response.ok }}", otherwise: "retry" } as const;
    const { records, events } = await read({ method: "POST", success_when });
    expect(records).toEqual([{ id: 1 }]);
    expect(events.filter(({ type }) => type === "retry")).toHaveLength(2);
    script(bad);
    await expect(read({ success_when, retry: { max_retries: 1 } })).rejects.toThrow("after 2 attempts");
  });

  it("ignores if told so, with a warning", async () => {
    script(bad);
    const { records, warnings, completeness } = await read({
      success_when: { condition: "{{ response.ok }}", otherwise: "ignore" },
    });
    expect([records, completeness, warnings.map(({ code }) => code)]).toEqual([
      [],
      "unknown",
      ["response/ignored"],
    ]);
  });

  it("asks nothing of a response without a body", async () => {
    api.route("/rows", () => ({ ...answer(204, null), body: Buffer.alloc(0) }));
    expect((await read({ success_when: "{{ response.ok }}" })).records).toEqual([]);
  });

  it("tells what a function threw without what it said", async () => {
    script(good);
    const success_when = () => {
      throw new RangeError("canary");
    };
    await expect(read({ success_when })).rejects.toMatchObject({
      code: "expression/failed",
      message: "the function of success_when threw RangeError",
      at: { resource: "rows" },
    });
  });

  it("is checked before the first request", () => {
    expect(mistakesIn(rows({ success_when: "response.ok" }))).toEqual([
      "resources.0.endpoint.success_when: a condition is an expression in {{ … }}",
    ]);
    expect(mistakesIn(rows({ success_when: { condition: "{{ record.ok }}" } }))[0]).toContain(
      'uses the name "record"',
    );
  });
});

describe("refresh_auth", () => {
  const client = {
    auth: {
      type: "oauth2_client_credentials",
      access_token_url: "",
      client_id: "id",
      client_secret: "canary-77",
    },
  };
  const refresh: EndpointConfig = { response_actions: [{ content: "expired", action: "refresh_auth" }] };
  let tokens: number;

  beforeEach(() => {
    tokens = 0;
    client.auth.access_token_url = `${api.url}/token`;
    api.route("/token", () => answer(200, { access_token: `tok-${++tokens}`, expires_in: 3600 }));
  });

  it("gets a new token where the API refuses the old one with status 200", async () => {
    api.route("/rows", ({ headers }) =>
      headers["authorization"] === "Bearer tok-1"
        ? answer(200, { message: "expired" })
        : answer(200, { rows: [{ id: 1 }] }),
    );
    expect((await read(refresh, client)).records).toEqual([{ id: 1 }]);
    expect(tokens).toBe(2);
  });

  it("does so once for a request, and fails with auth/rejected", async () => {
    api.route("/rows", () => answer(200, { message: "expired" }));
    await expect(read(refresh, client)).rejects.toMatchObject({ code: "auth/rejected" });
    expect(tokens).toBe(2);
    expect(api.requests.filter(({ url }) => url === "/rows")).toHaveLength(2);
  });

  it("without anything to renew is an error", async () => {
    api.route("/rows", () => answer(200, { message: "expired" }));
    await expect(read(refresh)).rejects.toMatchObject({ code: "auth/rejected" });
    expect(api.requests).toHaveLength(1);
  });
});

it("sends nested parameters in brackets, lists as repeated keys, and no null", async () => {
  api.route("/rows", { records: [] });
  await read({
    params: {
      filter: { status: ["open", "new"], by: { id: 7, name: null }, "a b": true },
      page: { size: "{{ 5 + 5 }}" },
      none: {},
      ids: [1, null, 2],
    },
  });
  const { searchParams } = new URL(api.requests[0]!.url, api.url);
  expect([...searchParams]).toEqual([
    ["filter[status]", "open"],
    ["filter[status]", "new"],
    ["filter[by][id]", "7"],
    ["filter[a b]", "true"],
    ["page[size]", "10"],
    ["ids", "1"],
    ["ids", "2"],
  ]);
});

it("keeps a secret within a nested parameter out of the stored request", async () => {
  api.route("/rows", { records: [] });
  const config = rows({ params: { auth: { key: "{{ secrets['key'] }}" } } });
  expect(JSON.stringify(planRest(config).resources[0]?.request)).not.toContain("canary-77");
  await readRest(config, "rows");
  expect(new URL(api.requests[0]!.url, api.url).searchParams.get("auth[key]")).toBe("canary-77");
});

it("refuses parameters that have no form in a query", () => {
  expect(mistakesIn(rows({ params: { a: { b: [{ c: 1 }] } } }))).toEqual([
    "resources.0.endpoint.params.a.b: a query parameter is text, a number, a boolean, a list of these, or an object of all these",
  ]);
});
