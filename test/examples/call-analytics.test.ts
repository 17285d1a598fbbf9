import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import program from "../../examples/call-analytics/call-analytics.js";
import {
  type ApiRecord,
  DEFAULT_COUNTS,
  RESOURCES,
  type ResourceName,
  recordAt,
} from "../../examples/call-analytics/data.js";
import {
  type ApiServer,
  DEFAULT_ACCOUNT_ID,
  DEFAULT_API_KEY,
  type ServerOptions,
  startServer,
} from "../../examples/call-analytics/server.js";

const yaml = parse(
  readFileSync(
    fileURLToPath(new URL("../../examples/call-analytics/call-analytics.yaml", import.meta.url)),
    "utf8",
  ),
) as { resources: { name: ResourceName; endpoint: unknown; columns?: Columns }[] };
type Columns = Record<string, { data_type: string; nullable?: boolean }>;

// The founding configuration as it was written down, dlt.secrets["api_key"] apart.
const PAGINATOR = {
  type: "cursor",
  limit: 100,
  cursor_value: "{{ headers['link']['next']['url'] }}",
  stop_condition: "{{ 'next' not in headers['link'] }}",
};
const GUIDE = {
  client: {
    base_url: "https://api.example.com/v3/a/",
    auth: { type: "api_key", name: "Authorization", api_key: "{{ secrets.api_key }}", location: "header" },
  },
  resource_defaults: { primary_key: "id", write_disposition: "merge" },
  resources: [
    {
      name: "calls",
      endpoint: { path: "/{account_id}/calls.json?", data_selector: "calls", paginator: PAGINATOR },
    },
    {
      name: "conversations",
      endpoint: {
        path: "/{account_id}/text-messages.json?",
        data_selector: "conversations",
        paginator: PAGINATOR,
      },
    },
    {
      name: "users",
      endpoint: { path: "/{account_id}/users.json?", data_selector: "users", paginator: PAGINATOR },
    },
    {
      name: "companies",
      endpoint: { path: "/{account_id}/companies.json?", data_selector: "companies", paginator: PAGINATOR },
    },
  ],
};

describe("the configuration", () => {
  it("is the guide's, key for key, with columns added", () => {
    const resources = yaml.resources.map(({ name, endpoint }) => ({ name, endpoint }));
    expect({ ...yaml, resources }).toEqual(GUIDE);
    for (const resource of yaml.resources)
      expect(Object.keys(resource)).toEqual(["name", "endpoint", "columns"]);
  });

  it("says the same in TypeScript", () => {
    expect(program.pipeline).toBe("call_analytics");
    const { source } = program;
    if (!("kind" in source)) throw new Error("the example's source is one REST API");
    // The two ways to write a reference to a secret.
    const text = JSON.stringify(source.config).replace("{{ secrets['api_key'] }}", "{{ secrets.api_key }}");
    expect(JSON.parse(text)).toEqual(yaml);
  });

  it("declares the columns of every field that is not a list", () => {
    const sizes = yaml.resources.map(({ name, columns = {} }) => [name, Object.keys(columns).length]);
    expect(Object.fromEntries(sizes)).toEqual({ calls: 67, conversations: 17, users: 8, companies: 17 });
    const required = yaml.resources.flatMap(({ name, columns = {} }) =>
      Object.entries(columns).flatMap(([column, { nullable }]) =>
        nullable === false ? [`${name}.${column}`] : [],
      ),
    );
    expect(required).toEqual(
      expect.arrayContaining([
        "calls.id",
        "conversations.id",
        "users.id",
        "companies.id",
        "companies.swap_cookie_duration",
      ]),
    );
    expect(required).toHaveLength(5);
  });
});

const FITS: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: (value) => typeof value === "string",
  bigint: (value) => Number.isSafeInteger(value),
  bool: (value) => typeof value === "boolean",
  timestamp: (value) =>
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/.test(String(value)) &&
    !Number.isNaN(Date.parse(String(value))),
};
const UNDECLARED: Readonly<Record<ResourceName, readonly string[]>> = {
  calls: ["call_highlights", "keywords_spotted", "milestones", "speaker_percent", "tags", "waveforms"],
  conversations: ["recent_messages"],
  users: [],
  companies: [],
};

describe.each(yaml.resources)("the data of $name", ({ name, columns = {} }) => {
  const records = Array.from({ length: 300 }, (_, index) => recordAt(name, index, 1, DEFAULT_COUNTS));

  it("has the declared fields with values of the declared types", () => {
    const wrong = records.flatMap((record) =>
      Object.entries(columns).flatMap(([column, { data_type, nullable }]) => {
        const value = record[column];
        const fits = value === null ? nullable !== false : FITS[data_type]!(value);
        return fits ? [] : [`${column}: ${JSON.stringify(value)}`];
      }),
    );
    expect(wrong).toEqual([]);
    for (const record of records) {
      expect(Object.keys(record).filter((field) => !(field in columns))).toEqual(UNDECLARED[name]);
    }
  });

  it("has ids that differ, and is the same for the same seed only", () => {
    expect(new Set(records.map((record) => record["id"])).size).toBe(records.length);
    expect(recordAt(name, 7, 1, DEFAULT_COUNTS)).toEqual(records[7]);
    expect(recordAt(name, 7, 2, DEFAULT_COUNTS)).not.toEqual(records[7]);
  });
});

describe("the server", () => {
  let api: ApiServer;
  afterEach(() => api.close());
  const start = async (options: ServerOptions = {}): Promise<void> => {
    api = await startServer({ counts: { calls: 230, users: 3 }, ...options });
  };
  const get = async (path: string, key = DEFAULT_API_KEY, account = DEFAULT_ACCOUNT_ID) => {
    const url = path.startsWith("http") ? path : `${api.url}${account}/${path}`;
    const response = await fetch(url, { headers: { authorization: key } });
    const links = Object.fromEntries(
      [...(response.headers.get("link") ?? "").matchAll(/<([^>]+)>; rel="(\w+)"/g)].map(([, to, rel]) => [
        rel,
        to,
      ]),
    );
    return {
      status: response.status,
      headers: response.headers,
      links,
      body: (await response.json()) as Record<string, unknown>,
    };
  };
  const walk = async (path: string): Promise<ApiRecord[][]> => {
    const pages: ApiRecord[][] = [];
    for (let next: string | undefined = path; next !== undefined; ) {
      const { body, links } = await get(next);
      pages.push((body["calls"] as ApiRecord[] | undefined) ?? []);
      next = links["next"];
    }
    return pages;
  };

  it("links its pages by cursor, and keeps the other parameters", async () => {
    await start();
    const first = await get("calls.json?limit=100&sort=up");
    expect(first.body).toMatchObject({ page: 1, per_page: 100, total_pages: 3, total_records: 230 });
    expect(Object.keys(first.links)).toEqual(["first", "next", "last"]);
    expect(first.links["next"]).toMatch(
      /^http:\/\/127\.0\.0\.1:\d+\/v3\/a\/ACC\w+\/calls\.json\?limit=100&sort=up&cursor=\w+$/,
    );
    const pages = await walk("calls.json?limit=100");
    expect(pages.map((page) => page.length)).toEqual([100, 100, 30]);
    expect(new Set(pages.flat().map((record) => record["id"])).size).toBe(230);
  });

  it("links by page number when asked that way", async () => {
    await start();
    const pages = await walk("calls.json?page=1&per_page=90");
    expect(pages.map((page) => page.length)).toEqual([90, 90, 50]);
    expect((await get("calls.json?page=1")).links["next"]).toMatch(/page=2$/);
  });

  it("ends with a page that links to no next one, also when it is full or the table is empty", async () => {
    await start({ counts: { calls: 200, users: 0 } });
    expect((await walk("calls.json?limit=100")).map((page) => page.length)).toEqual([100, 100]);
    const empty = await get("users.json");
    expect(empty.body).toMatchObject({ total_records: 0, users: [] });
    expect(empty.links).not.toHaveProperty("next");
  });

  it("limits the size of pages", async () => {
    await start({ counts: { calls: 300 } });
    expect((await get("calls.json?limit=1000")).body["calls"]).toHaveLength(250);
    expect((await get("calls.json")).body["calls"]).toHaveLength(100);
    expect((await get("calls.json?limit=x")).status).toBe(400);
    expect((await get("calls.json?cursor=zzz")).status).toBe(400);
  });

  it("wants the key, in either form, and the account", async () => {
    await start();
    expect((await get("users.json")).status).toBe(200);
    expect((await get("users.json", `Token token="${DEFAULT_API_KEY}"`)).status).toBe(200);
    expect(await get("users.json", `Bearer ${DEFAULT_API_KEY}`)).toMatchObject({
      status: 401,
      body: { error: expect.any(String) },
    });
    expect(await get("users.json", DEFAULT_API_KEY, "ACC1")).toMatchObject({
      status: 404,
      body: { error: expect.any(String) },
    });
    expect((await get("constructor")).status).toBe(404);
    expect(api.requests.map(({ status }) => status)).toEqual([200, 200, 401, 404, 404]);
  });

  it("fails as often as told, and where", async () => {
    await start({ failures: { status: 429, times: 2, resource: "calls", after: 1, retryAfter: 3 } });
    expect((await get("users.json")).status).toBe(200);
    const calls = [
      await get("calls.json"),
      await get("calls.json"),
      await get("calls.json"),
      await get("calls.json"),
    ];
    expect(calls.map(({ status }) => status)).toEqual([200, 429, 429, 200]);
    expect(calls[1]?.headers.get("retry-after")).toBe("3");
  });

  it("shows changes and additions", async () => {
    await start();
    const before = await get("users.json");
    const [user] = before.body["users"] as ApiRecord[];
    api.update("users", String(user?.["id"]), { role: "owner" });
    const added = api.add("users", { name: "Ada" });
    const after = (await get("users.json")).body["users"] as ApiRecord[];
    expect(after).toHaveLength(4);
    expect(after[0]).toEqual({ ...user, role: "owner" });
    expect(after[3]).toEqual(added);
    expect(added).toMatchObject({ name: "Ada", id: expect.stringMatching(/^USR/) });
    expect(() => api.update("users", "USR00000000", {})).toThrow(/no users record/);
    expect(RESOURCES.map((resource) => api.count(resource))).toEqual([230, 400, 4, 12]);
  });
});
