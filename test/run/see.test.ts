import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "../../src/cli/program.js";
import type { Session } from "../../src/cli/session.js";
import type { CheckResult, PlanResult, PreviewResult, TestResults } from "../../src/index.js";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";

// What people look at before and after they load: preview, check --connect, plan, test.

let folder: string;
let api: FakeApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-see-"));
  api = await startFakeApi({ accepts: ({ headers }) => headers["authorization"] === "Bearer c4n" });
  const posts = Array.from({ length: 25 }, (_, id) => ({
    id,
    title: `post ${id}`,
    customer: { City: "Denver" },
  }));
  api.route("/posts", { records: posts, paging: "link-header", pageSize: 10 });
  api.route("/posts/0/comments", () => answer(200, { data: [], next_cursor: null }));
  api.route("/posts/1/comments", ({ url }) =>
    answer(200, {
      data: [{ text: url.includes("cursor") ? "b" : "a" }],
      next_cursor: url.includes("cursor") ? null : "c2",
    }),
  );
  api.route("/search", ({ body }) => answer(200, { found: [{ asked: body }], total: 1 }));
  await write(CONFIG);
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const CONFIG = `
pipeline: blog
client:
  base_url: URL
  auth: { type: bearer, token: "{{ secrets.token }}" }
  retry: { max_retries: 0 }
resources:
  - { name: posts, primary_key: id, write_disposition: merge, endpoint: { path: posts } }
  - { name: comments, endpoint: { path: "posts/{resources.posts.id}/comments" } }
  - { name: search, endpoint: { path: search, method: POST, json: { q: all }, data_selector: found, paginator: single_page } }
`;

const write = (text: string) => writeFile(join(folder, "blog.yaml"), text.replace("URL", api.url));

async function sluice(
  ...args: readonly string[]
): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const written = { stdout: "", stderr: "" };
  const session: Session = {
    stdout: { write: (text) => (written.stdout += text), columns: 160 },
    stderr: { write: (text) => (written.stderr += text) },
    // A secret of three characters: too short to be recognized by its value.
    env: args.includes("--replay") || args[0] === "test" ? {} : { TOKEN: "c4n" },
    cwd: folder,
    signal: new AbortController().signal,
    now: () => 0,
    every: () => () => {},
    confirm: () => Promise.resolve(false),
    exitCode: 0,
  };
  await runCli(args, session);
  return { ...written, exitCode: session.exitCode };
}

const urls = () => api.requests.map(({ url }) => url);
const isThere = (name: string) =>
  access(join(folder, name)).then(
    () => true,
    () => false,
  );

describe("preview", () => {
  it("shows the request, the response, the records, the paginator and what follows, each with its why", async () => {
    const { stdout, exitCode } = await sluice("preview", "posts", "blog.yaml");
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`request    GET ${api.url}/posts\n`);
    expect(stdout).toContain("authorization: ***\n");
    expect(stdout).toContain("response   200\n");
    expect(stdout).toMatch(/link: <.*>; rel="next"/);
    expect(stdout).toMatch(/records +10 records, .* the body: it is a list/);
    expect(stdout).toContain("paginator  auto, as none is configured\n");
    expect(stdout).toMatch(/next +GET .*page=2: detected header_link: the Link header has rel="next"/);
    expect(stdout).toMatch(/^customer__city +text +yes +customer\.City/m);
    expect(stdout).toMatch(/^0 +post 0 +Denver$/m);
    expect(stdout).not.toContain("c4n");
    expect(urls()).toEqual(["/posts"]);
    expect(await isThere("blog.duckdb")).toBe(false);
  });

  it("--pages asks for so many and no more; --json has it all", async () => {
    const { stdout } = await sluice("preview", "posts", "blog.yaml", "--pages", "3", "--json");
    const shown = JSON.parse(stdout) as PreviewResult;
    expect(shown.pages.map(({ records, end }) => [records, end])).toEqual([
      [10, undefined],
      [10, undefined],
      [5, "proved"],
    ]);
    expect(shown.pages[2]?.trace?.next).toEqual({ end: "proved", why: "no next link" });
    expect(shown.requests).toHaveLength(3);
    expect(urls()).toHaveLength(3);
    expect(shown.rows["posts"]).toHaveLength(3);
  });

  it("of a body shows it, and who chose selector and paginator", async () => {
    const { stdout } = await sluice("preview", "search", "blog.yaml");
    expect(stdout).toContain('body       {"q":"all"}');
    expect(stdout).toContain("found: as data_selector says");
    expect(stdout).toContain("paginator  single_page, as endpoint.paginator says");
  });

  it("of a child shows its parent's page, and looks for the first record that has children", async () => {
    const { stdout } = await sluice("preview", "comments", "blog.yaml");
    expect(stdout).toContain("page of posts");
    expect(stdout).toContain(`request    GET ${api.url}/posts/1/comments\n`);
    expect(stdout).toContain("data: the only list of objects");
    expect(stdout).toMatch(
      /next +GET .*cursor=c2: detected cursor: next_cursor holds a token, sent as cursor/,
    );
    expect(urls()).toEqual(["/posts", "/posts/0/comments", "/posts/1/comments"]);
  });

  it("masks a key that is written in the configuration's headers, and cookies", async () => {
    api.route("/posts", () => answer(200, [{ id: 1 }], { "set-cookie": "s=c00kie" }));
    await write(CONFIG.replace("base_url: URL", "base_url: URL\n  headers: { X-Api-Key: l1teral }"));
    const { stdout } = await sluice("preview", "posts", "blog.yaml");
    expect(api.requests[0]?.headers["x-api-key"]).toBe("l1teral");
    expect(stdout).toContain("x-api-key: ***");
    expect(stdout).toContain("set-cookie: ***");
    expect(stdout).not.toMatch(/l1teral|c00kie/);
  });

  it("masks a key in the URL, however short", async () => {
    await write(
      CONFIG.replace('token: "{{ secrets.token }}"', 'token: "{{ secrets.token }}"').replace(
        "path: posts }",
        'path: posts, params: { k: "{{ secrets.token }}" } }',
      ),
    );
    const { stdout } = await sluice("preview", "posts", "blog.yaml");
    expect(stdout).toContain(`GET ${api.url}/posts?k=***\n`);
    expect(api.requests[0]?.url).toBe("/posts?k=c4n");
  });

  it("reads a recording as well", async () => {
    await sluice("run", "blog.yaml", "--quiet", "--record", "tape");
    await api.close();
    expect((await sluice("preview", "posts", "blog.yaml", "--replay", "tape")).stdout).toContain(
      "10 records",
    );
  });
});

describe("check --connect", () => {
  it("reads one page of each resource, and creates nothing", async () => {
    const { stdout, exitCode } = await sluice("check", "blog.yaml", "--connect");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^posts .* 200 +10 records +more pages$/m);
    expect(stdout).toMatch(/^comments .* 200 +0 records +goes on$/m);
    expect(stdout).toMatch(/^search .* 200 +1 record +end, likely$/m);
    expect(stdout).toContain("not there yet, the first run creates it");
    expect(urls()).toEqual(["/posts", "/posts/0/comments", "/search"]);
    expect(await isThere("blog.duckdb")).toBe(false);
  });

  it("takes the lease of a destination that is there", async () => {
    await sluice("run", "blog.yaml", "--quiet", "--select", "search");
    const { stdout } = await sluice("check", "blog.yaml", "--connect", "--select", "search", "--json");
    expect((JSON.parse(stdout) as CheckResult).resources.map(({ name }) => name)).toEqual(["search"]);
    expect((JSON.parse(stdout) as CheckResult).destination).toMatchObject({ reached: true });
  });

  it("ends with the first failing kind: refused credentials, then the source, then the destination", async () => {
    await write(CONFIG.replace("secrets.token", "secrets.token + 'x'"));
    const refused = await sluice("check", "blog.yaml", "--connect");
    expect(refused.exitCode).toBe(3);
    expect(refused.stdout).toMatch(/^posts .* credentials refused +\(auth\/rejected\)/m);
    await write(CONFIG.replace("path: posts }", "path: nowhere }"));
    expect((await sluice("check", "blog.yaml", "--connect")).exitCode).toBe(4);
    await write(CONFIG);
    const destination = `duckdb:${join(folder, "blog.yaml", "x.duckdb")}`;
    const unreachable = await sluice("check", "blog.yaml", "--connect", "--destination", destination);
    expect(unreachable.exitCode).toBe(6);
    expect(unreachable.stdout).toContain("not reached");
  });
});

describe("plan", () => {
  it("shows the tree, first requests and where each begins, without a request", async () => {
    const { stdout, exitCode } = await sluice("plan", "blog.yaml");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^posts +merge by id +auto, as none is configured +unknown +at the start$/m);
    expect(stdout).toMatch(/^└─ comments +append /m);
    expect(stdout).toMatch(/^search .* 1 +at the start$/m);
    expect(stdout).toContain(`GET ${api.url}/posts/{resources.posts.id}/comments`);
    expect(stdout).toContain("the first run creates it");
    expect(api.requests).toEqual([]);
    expect(await isThere("blog.duckdb")).toBe(false);
  });

  it("knows what the last run has left", async () => {
    let asked = 0;
    api.route("/posts/1/comments", () =>
      ++asked === 1 ? answer(200, { data: [{ a: 1 }], next_cursor: "c2" }) : answer(500, null),
    );
    await sluice("run", "blog.yaml", "--quiet");
    const steps = (JSON.parse((await sluice("plan", "blog.yaml", "--json")).stdout) as PlanResult).resources;
    expect(steps.map(({ name, begins, state }) => [name, begins, state?.status])).toEqual([
      ["posts", "start", "done"],
      ["comments", "resume", "failed"],
      ["search", "start", "done"],
    ]);
    const { stdout } = await sluice("plan", "blog.yaml");
    expect(stdout).toMatch(/^└─ comments .*where it was cut short$/m);
    expect(stdout).toContain("stored positions");
    await write(CONFIG.replace("name: comments", "name: comments, include_from_parent: [title]"));
    expect((await sluice("plan", "blog.yaml")).stdout).toContain("as its configuration changed");
  });

  it("shows the first request as the paginator begins with it", async () => {
    await write(CONFIG.replace("path: posts }", "path: posts, paginator: { type: offset, limit: 7 } }"));
    expect((await sluice("plan", "blog.yaml")).stdout).toContain(`GET ${api.url}/posts?offset=0&limit=7`);
  });

  it("shows what is known only later as it was written", async () => {
    const incremental =
      "incremental: { cursor_path: at, initial_value: '2026-01-01', start_param: since, end_param: until, step: P1D }";
    await write(
      CONFIG.replace("path: posts }", `path: posts, ${incremental} }`).replace(
        '/comments" }',
        "/comments\", params: { of: '{resources.posts.id}' } }",
      ),
    );
    const { stdout } = await sluice("plan", "blog.yaml");
    expect(stdout).toContain(
      `GET ${api.url}/posts?since={incremental.start_value}&until={incremental.end_value}`,
    );
    expect(stdout).toContain("/comments?of={resources.posts.id}");
  });

  it("has a parent that is not loaded itself", async () => {
    await write(CONFIG.replace("name: posts,", "name: posts, selected: false,"));
    expect((await sluice("plan", "blog.yaml")).stdout).toMatch(/^posts +only as parent/m);
  });
});

describe("test", () => {
  const TESTS = `
tests:
  - name: all posts
    replay: tape
    expect:
      tables:
        posts:
          rows: 25
          min_rows: 20
          columns: { id: bigint, customer__city: text }
          contains: [{ id: 3, title: "post 3" }, { id: 24 }]
      resources: { posts: { completeness: proved, pages: 3, requests: 3 } }
    select: [posts]
`;

  it("passes offline and without secrets, and fails by what it finds", async () => {
    await write(CONFIG + TESTS);
    await sluice("run", "blog.yaml", "--quiet", "--record", "tape", "--select", "posts");
    await api.close();
    const passed = await sluice("test", "blog.yaml");
    expect(passed).toMatchObject({ exitCode: 0, stderr: "" });
    expect(passed.stdout).toContain("pass  all posts");
    expect(passed.stdout).toContain("pass  posts: rows 25");
    expect(passed.stdout).toContain("ok  1 test passed");

    await write(
      CONFIG +
        TESTS.replace("rows: 25", "rows: 26")
          .replace('title: "post 3"', "title: x")
          .replace("id: bigint", "id: text"),
    );
    const failed = await sluice("test", "blog.yaml");
    expect(failed.exitCode).toBe(5);
    expect(failed.stdout).toContain("FAIL  posts: rows\n        expected 26\n        found    25");
    expect(failed.stdout).toContain(
      'expected {"id":3,"title":"x"}\n        found    {"id":3,"title":"post 3"}',
    );
    expect(failed.stdout).toContain("expected text\n        found    bigint");
    expect(failed.stdout).toContain("failed  1 of 1 test");
    const { tests, passed: all } = JSON.parse(
      (await sluice("test", "blog.yaml", "--json")).stdout,
    ) as TestResults;
    expect(all).toBe(false);
    expect(tests[0]?.verdicts.filter(({ passed }) => !passed).map(({ what }) => what)).toEqual([
      "posts: rows",
      "posts: type of id",
      "posts: contains",
    ]);
  });

  it("compares numbers, instants, JSON and null by value", async () => {
    api.route("/posts", () => ({
      ...answer(200, null),
      body: Buffer.from(
        '[{"big":9007199254740993,"n":1.50,"at":"2026-02-19T13:41:00-05:00","no":null,"is":true,"raw":{"a":[1]}}]',
      ),
    }));
    const wide = CONFIG.replace(
      "name: posts,",
      "name: posts, max_table_nesting: 0, columns: { no: { data_type: text } },",
    ).replace("primary_key: id, write_disposition: merge,", "");
    const row = (changes = "") =>
      `\ntests:\n  - { name: t, replay: tape, select: [posts], expect: { tables: { posts: { contains: [{ big: 9007199254740993, n: 1.5, at: "2026-02-19T18:41:00Z", no: null, is: true, raw: { a: [1] }${changes} }] } } } }\n`;
    await write(wide + row());
    await sluice("run", "blog.yaml", "--quiet", "--record", "tape", "--select", "posts");
    const passed = await sluice("test", "blog.yaml");
    expect(passed.stdout).toContain("ok  1 test passed");
    await write(wide + row().replace("993", "992"));
    expect((await sluice("test", "blog.yaml")).exitCode).toBe(5);
    await write(wide + row().replace("18:41", "18:42"));
    expect((await sluice("test", "blog.yaml")).exitCode).toBe(5);
  });

  it("can expect a failure", async () => {
    await write(
      `${CONFIG.replace("path: posts }", "path: nowhere }")}\ntests:\n  - { name: t, replay: tape, select: [posts], expect: { status: failed, resources: { posts: { error: http/status } } } }\n`,
    );
    await sluice("run", "blog.yaml", "--quiet", "--record", "tape", "--select", "posts");
    expect((await sluice("test", "blog.yaml")).exitCode).toBe(0);
  });

  it("what is not recorded fails by name; mistakes in tests are mistakes of the configuration", async () => {
    await write(CONFIG + TESTS);
    await sluice("run", "blog.yaml", "--quiet", "--record", "tape", "--select", "search");
    const missing = await sluice("test", "blog.yaml");
    expect(missing.exitCode).toBe(5);
    expect(missing.stdout).toContain(`has no GET ${api.url}/posts`);
    await rm(join(folder, "tape"), { recursive: true });
    expect(await sluice("test", "blog.yaml")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("replay/folder"),
    });
    await write(CONFIG + TESTS.replace("rows: 25", "rowz: 25"));
    const wrong = await sluice("test", "blog.yaml");
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toMatch(/blog\.yaml:\d+ .*unknown key "rowz" – did you mean "rows"/);
    await write(CONFIG);
    expect(await sluice("test", "blog.yaml")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("has no tests"),
    });
  });
});

it("a recording of the command line holds no short secret either", async () => {
  await sluice("run", "blog.yaml", "--quiet", "--record", "tape", "--select", "posts");
  expect(await readFile(join(folder, "tape", "posts-0001.json"), "utf8")).not.toContain("c4n");
});

describe("wrong names", () => {
  it("a resource with selected: false can be previewed, and is told apart from none when it is to be loaded", async () => {
    await write(CONFIG.replace("name: search,", "name: search, selected: false,"));
    expect((await sluice("preview", "search", "blog.yaml")).exitCode).toBe(0);
    for (const command of ["run", "check"]) {
      const { stderr, exitCode } = await sluice(command, "blog.yaml", "--select", "search");
      expect([exitCode, stderr]).toEqual([
        2,
        expect.stringContaining("search can't be loaded: selected is false"),
      ]);
    }
    expect((await sluice("preview", "sarch", "blog.yaml")).stderr).toContain("posts, comments, search");
  });

  it("a folder that is not there is said to be no recording for that reason", async () => {
    const { stderr, exitCode } = await sluice("run", "blog.yaml", "--replay", "nowhere");
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining("nowhere is no usable recording: there is no such folder"),
    ]);
  });
});

describe("a parent and its children", () => {
  it("the credentials of a shared response's request are shown masked; a parent's error is told once", async () => {
    await write(
      CONFIG.replace(
        "{ type: bearer,",
        '{ type: api_key, location: query, name: key, api_key: "{{ secrets.token }}" }\n#',
      ).replace("URL", api.url),
    );
    const { stderr, stdout } = await sluice("check", "blog.yaml", "--connect", "--select", "posts,comments");
    expect(stdout.match(/credentials refused/g)).toHaveLength(2);
    expect(stderr.match(/error auth\/rejected/g)).toHaveLength(1);
  });

  it("preview shows the parent's request as it was sent", async () => {
    const { stdout } = await sluice("preview", "comments", "blog.yaml");
    expect(stdout.slice(0, stdout.indexOf("page 1"))).toContain("authorization: ***");
  });
});
