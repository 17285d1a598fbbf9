import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  definePipeline,
  duckdb,
  type PipelineConfig,
  type RestApiConfig,
  restApi,
  run,
  type SluiceError,
} from "../../src/index.js";
import type { Json } from "../../src/model/json.js";
import { answer, status } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { contentOf, query } from "./database.js";

const POSTS = 25;
const COMMENTS = 50;

let folder: string;
let file: string;
let api: FakeApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-children-"));
  file = join(folder, "blog.duckdb");
  api = await startFakeApi();
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

function posts(count = POSTS): { id: number; title: string; author: { id: string } }[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    title: `post ${id}`,
    author: { id: `a${id % 3}` },
  }));
}

/** dlt's mock API: posts of five a page, comments of five a page. */
function serveBlog(comments = COMMENTS, all = posts()): void {
  api.route("/posts", { records: all, paging: "link-header", pageSize: 5 });
  for (const post of all) {
    api.route(`/posts/${post.id}`, () => answer(200, { ...post, body: "text" }));
    api.route(`/posts/${post.id}/comments`, {
      records: Array.from({ length: comments }, (_, n) => ({ id: n, text: `comment ${n} of ${post.id}` })),
      paging: "link-header",
      pageSize: 5,
    });
  }
}

function blog(
  resources: RestApiConfig["resources"],
  rest: Partial<PipelineConfig> = {},
  target = file,
): PipelineConfig {
  return {
    pipeline: "blog",
    source: restApi({ client: { base_url: api.url, retry: { max_retries: 0 } }, resources }),
    destination: duckdb(target),
    ...rest,
  };
}

const count = async (table: string, what = "*") =>
  (await query(file, `select count(${what})::int as n from blog.${table}`))[0]?.["n"];

const urls = () => api.requests.map(({ url }) => url);

describe("children", () => {
  it("of all parents, with the parent after the child in the file, and single records", async () => {
    serveBlog();
    const report = await run(
      blog([
        {
          name: "comments",
          include_from_parent: ["id", "author.id", { field: "title", as: "post_title" }],
          endpoint: "posts/{resources.posts.id}/comments",
        },
        "posts",
        { name: "details", endpoint: "posts/{resources.posts.id}" },
      ]),
    );
    expect(report).toMatchObject({
      status: "ok",
      resources: { posts: { rows: 25 }, comments: { rows: 1250 }, details: { rows: 25 } },
    });
    expect(
      await query(
        file,
        "select count(*)::int as n, count(distinct _posts_id)::int as posts, min(_posts_author__id) as a from blog.comments where post_title = 'post ' || _posts_id::varchar and text like '% of ' || _posts_id::varchar",
      ),
    ).toEqual([{ n: 1250, posts: 25, a: "a0" }]);
    // Three lanes read the posts, and each page of them was asked for once.
    expect(urls().filter((url, index) => urls().indexOf(url) !== index)).toEqual([]);
    expect(urls()).toHaveLength(5 + 250 + 25);
  });

  it("in dlt's older form, with a parent that is not loaded itself", async () => {
    serveBlog(3);
    const report = await run(
      blog([
        { name: "posts", selected: false },
        {
          name: "comments",
          endpoint: {
            path: "posts/{post_id}/comments",
            params: { post_id: { type: "resolve", resource: "posts", field: "id" }, sort: "desc" },
          },
        },
      ]),
    );
    expect(Object.keys(report.resources)).toEqual(["comments"]);
    expect(await count("comments")).toBe(75);
    expect(urls()).toContain("/posts/24/comments?sort=desc");
  });

  it("come in the order of their parents, whichever answers first", async () => {
    serveBlog(7);
    await run(
      blog([
        { name: "posts", selected: false },
        { name: "comments", include_from_parent: ["id"], endpoint: "posts/{resources.posts.id}/comments" },
      ]),
    );
    const rows = await query(
      file,
      "select _posts_id::int * 100 + id::int as n from blog.comments order by _sluice_id",
    );
    const numbers = rows.map(({ n }) => Number(n));
    expect(numbers).toHaveLength(175);
    expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
  });

  it("of children, three levels deep, each carrying its ancestors' keys", async () => {
    api.route("/a", { records: [{ id: 1 }, { id: 2 }], paging: "link-header", pageSize: 1 });
    for (const a of [1, 2]) {
      api.route(`/a/${a}/b`, {
        records: [{ id: 10 }, { id: 20 }, { id: 30 }],
        paging: "link-header",
        pageSize: 2,
      });
      for (const b of [10, 20, 30])
        api.route(`/a/${a}/b/${b}/c`, { records: [{ n: a * 1000 + b }, { n: a * 1000 + b + 1 }] });
    }
    const report = await run(
      blog([
        {
          name: "c",
          include_from_parent: ["id", "_a_id"],
          endpoint: "a/{resources.b._a_id}/b/{resources.b.id}/c",
        },
        { name: "b", include_from_parent: ["id"], endpoint: "a/{resources.a.id}/b" },
        "a",
      ]),
    );
    expect(report).toMatchObject({
      status: "ok",
      resources: { a: { rows: 2 }, b: { rows: 6 }, c: { rows: 12 } },
    });
    expect(
      await query(
        file,
        "select count(*)::int as n from blog.c where n::int in (_b__a_id * 1000 + _b_id, _b__a_id * 1000 + _b_id + 1)",
      ),
    ).toEqual([{ n: 12 }]);
  });
});

describe("the values of a parent", () => {
  it("are one segment of a path, whatever they hold", async () => {
    api.route("/files", { records: [{ id: "a/b?x=1#f" }, { id: "ä {resources.files.id} {{ 1 }}" }] });
    const seen: string[] = [];
    for (const path of [
      "/files/a%2Fb%3Fx%3D1%23f/parts",
      "/files/%C3%A4%20%7Bresources.files.id%7D%20%7B%7B%201%20%7D%7D/parts",
    ])
      api.route(path, ({ url }) => {
        seen.push(url);
        return answer(200, [{ url }]);
      });
    const report = await run(
      blog(["files", { name: "parts", endpoint: "files/{resources.files.id}/parts" }]),
    );
    expect(report.status).toBe("ok");
    expect(seen).toHaveLength(2);
  });

  it("go into params, headers and a JSON body, there with their own type", async () => {
    api.route("/p", () => ({
      ...answer(200, []),
      body: Buffer.from(
        '[{"id":7,"big":12345678901234567890,"flag":true,"tags":["x","y"],"none":null,"deep":{"er":"v"}}]',
      ),
    }));
    api.route("/c", () => answer(200, [{ ok: 1 }]));
    const report = await run(
      blog([
        "p",
        {
          name: "c",
          endpoint: {
            path: "c",
            method: "POST",
            params: {
              a: "{resources.p.id}",
              t: "{resources.p.tags}",
              n: "{resources.p.none}",
              f: "is-{resources.p.flag}",
            },
            headers: { "X-Parent": "p {resources.p.deep.er}", "X-None": "{resources.p.none}" },
            json: {
              whole: "{resources.p.big}",
              list: ["{resources.p.flag}", "n={resources.p.id}"],
              none: "{resources.p.none}",
              other: "{x}",
            },
          },
        },
      ]),
    );
    expect(report.status).toBe("ok");
    const request = api.requests.find(({ method }) => method === "POST");
    expect(request?.url).toBe("/c?a=7&t=x&t=y&f=is-true");
    expect(request?.headers).toMatchObject({ "x-parent": "p v" });
    expect(request?.headers).not.toHaveProperty("x-none");
    expect(request?.body).toBe(
      '{"whole":12345678901234567890,"list":[true,"n=7"],"none":null,"other":"{x}"}',
    );
  });

  it.each([
    ["null", { id: null }, 'record 2 on page 1 of its parent "p": field id is null'],
    ["missing", { other: 1 }, "field id is missing"],
    ["empty", { id: "" }, "field id is empty text"],
    ["a list", { id: [1] }, "field id is a list"],
  ])(
    "that are %s fail the child in a path, after the children before it were read",
    async (_, record, message) => {
      api.route("/p", { records: [{ id: 1 }, record as Json] });
      api.route("/p/1/c", { records: [{ a: 1 }] });
      const report = await run(blog(["p", { name: "c", endpoint: "p/{resources.p.id}/c" }]));
      expect(report.resources).toMatchObject({ p: { status: "ok" }, c: { status: "failed" } });
      expect(report.resources["c"]?.error).toMatchObject({
        code: "parent/value",
        message: expect.stringContaining(message),
      });
      expect(urls()).toContain("/p/1/c");
    },
  );

  it("that repeat on a page are asked for once", async () => {
    api.route("/posts", { records: [{ user: 1 }, { user: 2 }, { user: 1 }, { user: 1 }] });
    for (const id of [1, 2]) api.route(`/users/${id}`, () => answer(200, { id }));
    await run(blog(["posts", { name: "users", endpoint: "users/{resources.posts.user}" }]));
    expect(urls().filter((url) => url.startsWith("/users"))).toEqual(["/users/1", "/users/2"]);
    expect(await count("users")).toBe(2);
  });
});

it("bound to a name in params stand in the path under that name", async () => {
  api.route("/p", { records: [{ id: "x/y" }] });
  api.route("/p/x%2Fy/c", { records: [{ a: 1 }] });
  const report = await run(
    blog(["p", { name: "c", endpoint: { path: "p/{id}/c", params: { id: "{resources.p.id}" } } }]),
  );
  expect(report.status).toBe("ok");
  expect(urls()).toContain("/p/x%2Fy/c");
});

describe("single records", () => {
  it("are told by the last segment of the path alone", async () => {
    api.route("/p", { records: [{ id: 1 }] });
    for (const path of ["/p/1", "/p/1/"])
      api.route(path, () => answer(200, { id: 1, items: [{ a: 1 }, { a: 2 }] }));
    api.route("/seasons", { records: [{ a: 1 }, { a: 2 }], envelope: "items" });
    api.route("/books/x", { records: [{ a: 1 }, { a: 2 }], envelope: "items" });
    const report = await run({
      ...blog([
        "p",
        { name: "one", endpoint: "p/{resources.p.id}/" },
        { name: "chosen", endpoint: { path: "p/{resources.p.id}", data_selector: "items" } },
        { name: "seasons", endpoint: "seasons?of={resources.p.id}" },
        { name: "books", endpoint: { path: "books/{kind}", params: { kind: "x" } } },
      ]),
    });
    expect(report.status).toBe("ok");
    const rows = Object.fromEntries(Object.entries(report.resources).map(([name, { rows }]) => [name, rows]));
    expect(rows).toEqual({ p: 1, one: 1, chosen: 2, seasons: 2, books: 2 });
  });
});

it("single records are not asked for by pages, unless they say so themselves", async () => {
  api.route("/p", { records: [{ id: 1 }] });
  api.route("/p/1", () => answer(200, { id: 1 }));
  const paginator = { type: "page_number", base_page: 1, total_path: null, maximum_page: 2 } as const;
  const report = await run({
    ...blog([]),
    source: restApi({
      client: { base_url: api.url, paginator },
      resources: [
        { name: "p", selected: false, endpoint: { path: "p", paginator: "single_page" } },
        { name: "plain", endpoint: "p/{resources.p.id}" },
        { name: "paged", endpoint: { path: "p/{resources.p.id}", paginator } },
      ],
    }),
  });
  expect(report.status).toBe("ok");
  expect(
    urls()
      .filter((url) => url.startsWith("/p/"))
      .sort(),
  ).toEqual(["/p/1", "/p/1?page=1"]);
});

describe("a child's walk", () => {
  const resources: RestApiConfig["resources"] = [
    { name: "posts", selected: false },
    { name: "comments", include_from_parent: ["id"], endpoint: "posts/{resources.posts.id}/comments" },
  ];

  it.each([1, 9, 20])("stopped after page %i goes on there: the rows are those of one run", async (pages) => {
    serveBlog(12, posts(7));
    const calm = join(folder, "calm.duckdb");
    expect((await run(blog(resources, {}, calm))).status).toBe("ok");
    const sent = api.requests.length;
    const stop = new AbortController();
    let seen = 0;
    const cut = await run(blog(resources, { checkpoint: { rows: 1 } }), {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === "page" && ++seen === pages) stop.abort();
      },
    });
    expect(cut.resources["comments"]?.status).toBe("interrupted");
    const before = api.requests.length;
    expect((await run(blog(resources, { checkpoint: { rows: 1 } }))).status).toBe("ok");
    expect(await contentOf(file, "blog")).toEqual(await contentOf(calm, "blog"));
    if (pages > 15) expect(api.requests.length - before).toBeLessThan(sent / 2);
  });

  it("of three levels goes on within all of them", async () => {
    api.route("/a", { records: [{ id: 1 }, { id: 2 }, { id: 3 }], paging: "link-header", pageSize: 2 });
    for (const a of [1, 2, 3]) {
      api.route(`/a/${a}/b`, {
        records: [{ id: 10 }, { id: 20 }, { id: 30 }],
        paging: "link-header",
        pageSize: 2,
      });
      for (const b of [10, 20, 30])
        api.route(`/a/${a}/b/${b}/c`, {
          records: [1, 2, 3].map((n) => ({ n: a * 1000 + b + n })),
          paging: "link-header",
          pageSize: 2,
        });
    }
    const chain: RestApiConfig["resources"] = [
      { name: "a", selected: false },
      { name: "b", selected: false, include_from_parent: ["id"], endpoint: "a/{resources.a.id}/b" },
      { name: "c", endpoint: "a/{resources.b._a_id}/b/{resources.b.id}/c" },
    ];
    // 18 pages of c; a run reads three and is stopped, the last is left alone.
    for (let stops = 0; stops < 5; stops++) {
      const stop = new AbortController();
      let seen = 0;
      const report = await run(blog(chain, { checkpoint: { rows: 1 } }), {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.type === "page" && ++seen === 3) stop.abort();
        },
      });
      expect(report.resources["c"]?.status).toBe("interrupted");
    }
    expect((await run(blog(chain))).status).toBe("ok");
    expect([await count("c"), await count("c", "distinct n")]).toEqual([27, 27]);
  });

  it("finds its parent again when the page of parents has shifted", async () => {
    let list = [{ id: 1 }, { id: 2 }, { id: 3 }];
    api.route("/posts", () => answer(200, list));
    for (const id of [0, 1, 2, 3])
      api.route(`/posts/${id}/comments`, {
        records: [{ n: 1 }, { n: 2 }],
        paging: "link-header",
        pageSize: 1,
      });
    const stop = new AbortController();
    let seen = 0;
    await run(blog(resources), {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === "page" && ++seen === 3) stop.abort();
      },
    });
    list = [{ id: 0 }, ...list];
    await run(blog(resources));
    expect(
      await query(file, "select _posts_id::int * 10 + n::int as n from blog.comments order by 1"),
    ).toEqual([11, 12, 21, 22, 31, 32].map((n) => ({ n })));
  });

  it("reads a page of parents again, and says so, when the one to go on with is gone", async () => {
    let list = [{ id: 1 }, { id: 2 }];
    api.route("/posts", () => answer(200, list));
    for (const id of [1, 2, 3])
      api.route(`/posts/${id}/comments`, {
        records: [{ n: 1 }, { n: 2 }],
        paging: "link-header",
        pageSize: 1,
      });
    const stop = new AbortController();
    await run(blog(resources), {
      signal: stop.signal,
      onEvent: ({ type }) => type === "page" && stop.abort(),
    });
    list = [{ id: 2 }, { id: 3 }];
    const warnings: string[] = [];
    await run(blog(resources), {
      onEvent: (event) => event.type === "warning" && warnings.push(event.code),
    });
    expect(warnings).toEqual(["parent/moved"]);
    expect(
      await query(file, "select _posts_id::int * 10 + n::int as n from blog.comments order by 1"),
    ).toEqual([11, 21, 22, 31, 32].map((n) => ({ n })));
  });

  it("that fails at one parent goes on with it in the next run", async () => {
    serveBlog(6);
    api.behave("/posts/8/comments", status(500));
    const failed = await run(blog(resources));
    expect(failed.resources["comments"]).toMatchObject({
      status: "failed",
      rows: 48,
      error: { code: "http/status" },
    });
    expect((await run(blog(resources))).status).toBe("ok");
    expect(await count("comments")).toBe(150);
  });

  it("is as sure of its end as the least sure of its walks", async () => {
    api.route("/posts", { records: [{ id: 1 }, { id: 2 }], paging: "link-header", pageSize: 1 });
    api.route("/posts/1/comments", { records: [{ n: 1 }] });
    api.route("/posts/2/comments", { records: [{ n: 2 }], paging: "page" });
    const sure = (paginator: object | string, parents: string) =>
      run(
        blog([
          { name: "posts", selected: false, endpoint: { path: "posts", paginator: parents as never } },
          {
            name: "comments",
            endpoint: { path: "posts/{resources.posts.id}/comments", paginator: paginator as never },
          },
        ]),
      );
    expect((await sure("header_link", "header_link")).resources["comments"]?.completeness).toBe("proved");
    expect((await sure("single_page", "header_link")).resources["comments"]?.completeness).toBe("likely");
    expect((await sure("header_link", "single_page")).resources["comments"]?.completeness).toBe("likely");
  });

  it("of no parents is complete and empty", async () => {
    api.route("/posts", { records: [] });
    const report = await run(blog(resources));
    expect(report.resources["comments"]).toMatchObject({ status: "ok", rows: 0 });
  });
});

describe("mistakes in the configuration", () => {
  function problems(resources: RestApiConfig["resources"]): readonly string[] {
    try {
      definePipeline(blog(resources), { env: {} });
    } catch (error) {
      return (error as SluiceError).problems.map(({ message }) => message);
    }
    return [];
  }
  const child = (name: string, path: string) => ({ name, endpoint: path });

  it.each<[string, RestApiConfig["resources"], string]>([
    ["two parents", ["a", "b", child("c", "{resources.a.id}/{resources.b.id}")], "a and b"],
    [
      "an unknown parent",
      ["posts", child("c", "{resources.post.id}/c")],
      'the parent "post" is not a resource – did you mean "posts"?',
    ],
    ["itself as parent", [child("c", "{resources.c.id}/c")], "c → c"],
    [
      "a circle",
      [child("a", "{resources.b.id}/a"), child("b", "{resources.c.id}/b"), child("c", "{resources.a.id}/c")],
      "a → b → c → a",
    ],
    ["no field", ["a", child("c", "{resources.a}/c")], "names no field"],
    [
      "include_from_parent without parent",
      [{ name: "a", include_from_parent: ["id"] }],
      "include_from_parent needs a parent",
    ],
    [
      "a resolve parameter that is not used",
      [
        "a",
        {
          name: "c",
          endpoint: { path: "c", params: { x: { type: "resolve", resource: "a", field: "id" } } },
        },
      ],
      "the resolve parameter x is not used in the path as {x}",
    ],
  ])("%s", (_, resources, message) => {
    expect(problems(resources)).toEqual([expect.stringContaining(message)]);
  });
});
