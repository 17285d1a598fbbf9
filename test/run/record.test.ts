import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type AuthConfig,
  definePipeline,
  duckdb,
  exitCodeOf,
  type LoadOptions,
  type PipelineConfig,
  type Report,
  type RestApiConfig,
  restApi,
  run,
  secret,
} from "../../src/index.js";
import { systemRuntime } from "../../src/model/runtime.js";
import {
  answer,
  asUsual,
  gzipped,
  redirect,
  status,
  tooManyRequests,
  truncated,
} from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { contentOf } from "./database.js";

/** What a URL, a header, JSON and base64 all write differently. */
const CANARY = `c4n/ary"+key=\\x y`;

let folder: string;
let tape: string;
let api: FakeApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-record-"));
  tape = join(folder, "tape");
  api = await startFakeApi();
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const instant = { ...systemRuntime, sleep: () => Promise.resolve() };

function config(resources: RestApiConfig["resources"], auth: AuthConfig, file: string): PipelineConfig {
  return {
    pipeline: "blog",
    source: restApi({ client: { base_url: api.url, auth }, resources }),
    destination: duckdb(join(folder, file)),
  };
}

const load = (pipeline: PipelineConfig, options: LoadOptions): Promise<Report> =>
  Promise.resolve(
    run(
      definePipeline(pipeline, { cwd: folder, env: {}, ...options }),
      options.record ? { runtime: instant } : {},
    ),
  );

async function files(): Promise<Record<string, string>> {
  const names = (await readdir(tape)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(tape, name), "utf8")] as const)),
  );
}

/** How many connections are opened while the work is done. */
async function connections(work: () => Promise<unknown>): Promise<number> {
  let opened = 0;
  const count = (): void => {
    opened += 1;
  };
  subscribe("net.client.socket", count);
  await work().finally(() => unsubscribe("net.client.socket", count));
  return opened;
}

describe("a recorded run, replayed without the API and without its secrets", () => {
  const resources: RestApiConfig["resources"] = [
    { name: "posts", primary_key: "id", write_disposition: "merge", endpoint: { path: "posts" } },
    { name: "comments", endpoint: { path: "posts/{resources.posts.id}/comments" } },
    {
      name: "search",
      endpoint: { path: "search", method: "POST", json: { q: "all" }, paginator: "single_page" },
    },
    { name: "lines", endpoint: { path: "moved", format: "jsonl", params: { day: "{{ today_utc() }}" } } },
  ];

  beforeEach(async () => {
    const posts = Array.from({ length: 7 }, (_, id) => ({ id, tags: [{ name: `t${id}` }] }));
    api.route("/posts", { records: posts, paging: "link-header", pageSize: 3 });
    for (const { id } of posts) {
      const records = Array.from({ length: 5 }, (_, n) => ({ n, at: "2026-02-19T13:41:00.236-05:00" }));
      api.route(`/posts/${id}/comments`, { records, paging: "link-header", pageSize: 2 });
    }
    let asked = 0;
    api.route("/search", ({ body }) => answer(200, [{ body, asked: ++asked }]));
    api.route("/lines", () => ({
      ...answer(200, null, { "content-type": "application/jsonl" }),
      body: Buffer.from('{"a":9007199254740993}\n{"b":"Jos\u00e9"}\n'),
    }));
    api.behave("/moved", redirect("/lines?hop=1"));
    api.behave("/posts", tooManyRequests(2), asUsual, truncated, asUsual, gzipped);
    api.behave("/posts/3/comments", status(503), status(503));
  });

  it("fills equal tables, with the same retries", async () => {
    const auth = { type: "bearer" as const, token: secret("token") };
    const recorded = await load(config(resources, auth, "live.duckdb"), {
      record: "tape",
      env: { TOKEN: CANARY.slice(0, 8) },
    });
    expect(Object.values(recorded.resources).flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(recorded).toMatchObject({ status: "ok", tables: { comments: { inserted: 35 } } });
    const { length } = api.requests;
    await api.close();

    const replayed = await load(config(resources, auth, "replay.duckdb"), { replay: "tape" });
    expect(replayed).toMatchObject({ status: "ok" });
    expect(api.requests.length).toBe(length);
    expect(await contentOf(join(folder, "replay.duckdb"), "blog")).toEqual(
      await contentOf(join(folder, "live.duckdb"), "blog"),
    );
    const completeness = ({ resources }: Report) =>
      Object.values(resources).map(({ completeness, pages, rows }) => [completeness, pages, rows]);
    expect(completeness(replayed)).toEqual(completeness(recorded));
    // Which of the two that read posts meets a failure is chance.
    const sum = ({ resources }: Report, key: "requests" | "retries") =>
      Object.values(resources).reduce((sum, resource) => sum + resource[key], 0);
    expect(sum(replayed, "requests")).toBe(sum(recorded, "requests"));
    expect(sum(replayed, "retries")).toBe(sum(recorded, "retries"));
    expect(sum(recorded, "retries")).toBe(4);
    expect(replayed.load_id.slice(0, 13)).toBe(recorded.load_id.slice(0, 13));
  });

  it("is files that are numbered, and readable as they are", async () => {
    await load(config(resources, null, "live.duckdb"), { record: tape });
    const found = await files();
    expect(Object.keys(found)).toContain("index.json");
    expect(JSON.parse(found["search-0001.json"]!)).toMatchObject({
      resource: "search",
      request: { method: "POST", url: `${api.url}/search`, body: { json: { q: "all" } } },
      response: { status: 200, body: { json: [{ asked: 1 }] } },
    });
    expect(found["posts-0001.json"]! + found["posts-0002.json"]!).toMatch(
      /"status": 429,\s+"headers": \{[^}]*"retry-after": "2"/,
    );
    expect(JSON.parse(found["lines-0001.json"]!)).toMatchObject({ response: { status: 302 } });
    // A second recording replaces the first.
    await load(
      config(
        [{ name: "search", endpoint: { path: "search", method: "POST", json: { q: "all" } } }],
        null,
        "x.duckdb",
      ),
      { record: tape },
    );
    expect(Object.keys(await files())).toEqual(["index.json", "search-0001.json"]);
  });

  it("a request that was not recorded is named, and nothing is sent", async () => {
    await load(config(resources.slice(0, 1), null, "live.duckdb"), { record: tape });
    const { length } = api.requests;
    const changed = [{ name: "posts", endpoint: { path: "posts", params: { q: 1 } } }, "users"];
    const report = await load(config(changed, null, "replay.duckdb"), { replay: tape });
    expect(report.resources["posts"]?.error).toMatchObject({
      code: "replay/missing",
      message: expect.stringContaining(`GET ${api.url}/posts?q=1`),
      hint: expect.stringContaining(`GET ${api.url}/posts`),
    });
    expect(report.resources["users"]?.error?.code).toBe("replay/missing");
    expect(exitCodeOf(report)).toBe(4);
    expect(api.requests.length).toBe(length);
  });
});

it("a replay opens no connection", async () => {
  api.route("/token", () => answer(200, { access_token: "t0k3n-value" }));
  api.route("/calls", () => answer(200, [{ id: 1 }]));
  const auth = {
    type: "oauth2_client_credentials" as const,
    access_token_url: `${api.url}/token`,
    client_id: "me",
    client_secret: "s3cr3t",
  };
  const use = (file: string, options: LoadOptions) => () => load(config(["calls"], auth, file), options);
  expect(await connections(use("live.duckdb", { record: tape }))).toBeGreaterThan(0);
  expect(await connections(use("replay.duckdb", { replay: tape }))).toBe(0);
});

it("failures are replayed as they were", async () => {
  api.route("/gone", () => answer(404, { error: "no such thing" }));
  api.route("/down", () => answer(200, []));
  for (let n = 0; n < 4; n++) api.behave("/down", status(503));
  const resources = ["gone", "down"];
  const live = await load(config(resources, null, "live.duckdb"), { record: tape });
  await api.close();
  const replayed = await load(config(resources, null, "replay.duckdb"), { replay: tape });
  expect(live.resources["gone"]?.error?.message).toContain("no such thing");
  for (const name of resources) expect(replayed.resources[name]?.error).toEqual(live.resources[name]?.error);
});

describe("no file of a recording holds a secret", () => {
  const forms = [
    CANARY,
    encodeURIComponent(CANARY),
    JSON.stringify(CANARY).slice(1, -1),
    JSON.stringify(CANARY).slice(1, -1).replaceAll("/", String.raw`\/`),
    ...[0, 1, 2].map((shift) =>
      Buffer.from("x".repeat(shift) + CANARY)
        .toString("base64")
        .slice(shift + 1, -4),
    ),
    "c4n4ry-token",
    "c4n4ry-cookie",
    "c4n4ry-refresh",
  ];
  /** An API that tells everyone what it was told. */
  const echo = {
    clear: CANARY,
    link: `/x?key=${encodeURIComponent(CANARY)}`,
    basic: Buffer.from(`user:${CANARY}`).toString("base64"),
  };
  const methods: readonly AuthConfig[] = [
    { type: "bearer", token: secret("key") },
    { type: "api_key", name: "x-key", api_key: secret("key") },
    { type: "api_key", name: "key", api_key: secret("key"), location: "query" },
    { type: "http_basic", username: "user", password: secret("key") },
    {
      type: "oauth2_client_credentials",
      access_token_url: "TOKENS",
      client_id: "me",
      client_secret: secret("key"),
    },
    { type: "oauth2_refresh_token", token_url: "TOKENS", client_id: "me", refresh_token: secret("key") },
    {
      type: "session_token",
      login: { path: "login", json: { password: secret("key") } },
      token_path: "access_token",
    },
  ];

  it.each(methods.map((auth) => [(auth as { type: string }).type, auth] as const))(
    "%s",
    async (_, method) => {
      const auth = JSON.parse(JSON.stringify(method).replace("TOKENS", `${api.url}/token`)) as AuthConfig;
      const grant = {
        access_token: "c4n4ry-token",
        refresh_token: "c4n4ry-refresh",
        expires_in: 3600,
        token_type: "Bearer",
      };
      const cookie = { "set-cookie": "s=c4n4ry-cookie", "x-echo": echo.basic };
      api.route("/token", () => answer(200, grant, cookie));
      api.route("/login", () => answer(200, grant, cookie));
      api.route("/calls", ({ headers, url, body }) => ({
        ...answer(200, null, { ...cookie, "content-type": "application/json" }),
        body: Buffer.from(
          JSON.stringify([{ id: 1, ...echo, url, body, sent: headers["authorization"] ?? "" }]).replaceAll(
            "/",
            String.raw`\/`,
          ),
        ),
      }));
      const resources: RestApiConfig["resources"] = [
        {
          name: "calls",
          endpoint: {
            path: "calls",
            params: { more: secret("key") },
            headers: { "x-more": secret("key") },
            paginator: "single_page",
          },
        },
      ];
      const live = await load(config(resources, auth, "live.duckdb"), { record: tape, env: { KEY: CANARY } });
      expect(live.resources["calls"]?.error).toBeUndefined();
      const written = Object.values(await files()).join("\n");
      for (const form of forms) expect(written).not.toContain(form);
      expect(written).toContain("***");
      await api.close();
      // Without any secret: what was one is made up.
      const replayed = await load(config(resources, auth, "replay.duckdb"), { replay: tape });
      expect(replayed).toMatchObject({ status: "ok", tables: { calls: { inserted: 1 } } });
    },
  );
});

describe("the folder", () => {
  const one: RestApiConfig["resources"] = ["calls"];

  it("of other files is not written to", async () => {
    await mkdir(tape);
    await writeFile(join(tape, "thesis-0001.json"), "{}");
    expect(() => definePipeline(config(one, null, "x.duckdb"), { record: tape })).toThrow(
      expect.objectContaining({ code: "replay/folder" }),
    );
    expect(await readdir(tape)).toEqual(["thesis-0001.json"]);
  });

  it.each([
    ["is missing", undefined],
    ["is that of something else", "{}"],
    ["is broken", "{"],
    [
      "is of a later version",
      '{"format":"sluice-recording","version":2,"recorded_at":"2030-01-01T00:00:00Z"}',
    ],
  ])("that %s can't be replayed", async (_, index) => {
    await mkdir(tape);
    if (index !== undefined) await writeFile(join(tape, "index.json"), index);
    expect(() => definePipeline(config(one, null, "x.duckdb"), { replay: tape })).toThrow(
      expect.objectContaining({ code: "replay/folder" }),
    );
  });

  it("is either recorded or replayed", () => {
    expect(() => definePipeline(config(one, null, "x.duckdb"), { record: tape, replay: tape })).toThrow(
      "replay",
    );
  });
});
