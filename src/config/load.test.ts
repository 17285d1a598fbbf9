import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Destination } from "../model/destination.js";
import type { SluiceError } from "../model/error.js";
import type { Supports } from "../model/supports.js";
import { defineResource, restApi, secret } from "./define.js";
import { definePipeline, type LoadOptions, loadPipeline } from "./load.js";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-load-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(text: string, options: LoadOptions = {}, name = "my-api.yaml") {
  await writeFile(join(folder, name), text);
  return loadPipeline({ config: name, cwd: folder, env: {}, ...options });
}

async function failure(text: string, options: LoadOptions = {}): Promise<SluiceError> {
  return load(text, options).then(
    () => expect.unreachable("the configuration was accepted"),
    (error: unknown) => error as SluiceError,
  );
}

describe("a bare rest_api configuration", () => {
  it("is a whole pipeline: its name from the file, its database beside it", async () => {
    const pipeline = await load("client: { base_url: 'https://h/v1' }\nresources: [users, posts]\n");
    expect(pipeline).toMatchObject({ name: "my_api", dataset: "my_api", resources: ["users", "posts"] });
    expect(pipeline.destination).toMatchObject({
      type: "duckdb",
      location: expect.stringContaining("my_api.duckdb"),
    });
    expect(pipeline.parts.requests["users"]?.url).toBe("https://h/v1/users");
  });

  it("may have the pipeline's keys beside client and resources", async () => {
    const pipeline = await load(
      "pipeline: p\ndataset: d\ndestination: 'duckdb:x.duckdb'\nvariables: { id: 7 }\nclient: { base_url: 'https://h' }\nresources: [{ name: a, endpoint: 'u/{id}/x' }]\n",
    );
    expect(pipeline).toMatchObject({ name: "p", dataset: "d" });
    expect(pipeline.parts.requests["a"]?.url).toBe("https://h/u/7/x");
  });

  it("leaves out resources that are not selected", async () => {
    const pipeline = await load(
      "client: { base_url: 'https://h' }\nresources: [{ name: a, selected: false }, b]\n",
    );
    expect(pipeline.resources).toEqual(["b"]);
  });
});

describe("placeholders in paths", () => {
  const text =
    "client: { base_url: 'https://h/' }\nvariables: { id: from-file }\nresources: [{ name: a, endpoint: '/{id}/a.json?' }]\n";
  const unbound = text.replace(/variables.*\n/, "");
  it.each([
    ["variables", text, {}, "https://h/from-file/a.json"],
    ["--set, over variables", text, { set: ["id=set"] }, "https://h/set/a.json"],
    ["the environment", unbound, { env: { ID: "env" } }, "https://h/env/a.json"],
    ["one encoded segment", unbound, { set: ["id=a/b?c#d"] }, "https://h/a%2Fb%3Fc%23d/a.json"],
    [
      "endpoint.params, which are then not sent",
      unbound.replace("endpoint: '/{id}/a.json?'", "endpoint: { path: '{id}/a', params: { id: 5, z: 1 } }"),
      {},
      "https://h/5/a?z=1",
    ],
  ])("are bound from %s", async (_name, config, options, url) => {
    expect((await load(config, options)).parts.requests["a"]?.url).toBe(url);
  });

  it("unbound: the error says where it stands and how to bind it", async () => {
    const error = await failure(unbound);
    expect(error).toMatchObject({ code: "config/unbound-variable", kind: "config" });
    expect(error.message).toContain("my-api.yaml:2");
    expect(error.hint).toContain("--set id=");
  });
});

describe("--set with dots", () => {
  it("changes the configuration before it is checked", async () => {
    const text = "client: { base_url: 'https://h' }\nresources: [{ name: a }]\n";
    const pipeline = await load(text, {
      set: ["client.base_url=http://127.0.0.1:9/x", "resources.a.endpoint.path=z"],
    });
    expect(pipeline.parts.requests["a"]?.url).toBe("http://127.0.0.1:9/x/z");
  });
});

describe("mistakes", () => {
  it("are told all at once, each with its line", async () => {
    const error = await failure(`client:
  base_url: nonsense
  auth: { type: bearr, token: x }
resources:
  - name: a
    primary_kee: id
  - name: b
    endpoint:
      path: "{who}/b"
      paginator: { type: cursor, cursor_vale: x }
`);
    expect(error.code).toBe("config/invalid");
    const text = [error.message, ...error.problems.map(({ message, hint }) => `${message} ${hint}`)].join(
      "\n",
    );
    expect(text).toMatch(/my-api\.yaml:6.*primary_kee/);
    expect(text).toContain('did you mean "primary_key"');
  });

  it("of spelling and of the plan are told together", async () => {
    const error = await failure(`client: { base_url: "https://h", auth: { token: "{{ secrets.none }}" } }
resources:
  - { name: a, primary_kee: id }
  - { name: b, endpoint: "{who}/b" }
  - { name: c, columns: { x: { data_type: txt } }, endpoint: { paginator: curser } }
`);
    const text = error.problems.map(({ message }) => message).join("\n");
    for (const expected of ["primary_kee", "{who}", "data_type", "text", "curser", "none"])
      expect(text + error.message).toContain(expected);
  });

  it("of the plan are told all at once too", async () => {
    const error = await failure(`client:
  base_url: nonsense
  auth: { type: bearr, token: x }
resources:
  - name: b
    endpoint:
      path: "{who}/b"
      paginator: { type: cursor, cursor_value: "{{ headers['link' }}" }
  - name: c
    endpoint: { paginator: { type: page_number, pages: 1 } }
  - c
`);
    const lines = error.problems.map(({ at }) => Number(at.file?.split(":")[1]));
    expect(lines).toEqual(expect.arrayContaining([2, 3, 7, 8, 10, 11]));
  });

  it("of two resources in one table are told", async () => {
    const error = await failure("client: { base_url: 'https://h' }\nresources: [userList, user_list]\n");
    expect(error.message).toContain('would both fill the table "user_list"');
  });

  it("of a destination on the command line don't point into the file", async () => {
    const error = await failure("client: { base_url: 'https://h' }\nresources: [a]\n", {
      destination: "duckbd:x",
    });
    expect(error.message).toContain('no destination has the scheme "duckbd:" – did you mean "duckdb"?');
    expect(error.message).not.toContain("my-api.yaml");
  });

  it("name the known types of a paginator", async () => {
    const error = await failure(
      "client: { base_url: 'https://h' }\nresources: [{ name: a, endpoint: { paginator: curser } }]\n",
    );
    expect(error.message).toContain('unknown paginator type "curser"');
    expect(error.hint).toContain("header_link");
  });

  it("never show a secret", async () => {
    const error = await failure(
      `client: { base_url: "https://h", auth: { type: api_key, api_key: "{{ secrets.k }}", nmae: "x" } }\nresources: [a]\n`,
      { env: { K: "canary-4471" } },
    );
    expect(JSON.stringify([error.message, error.hint, error.problems])).not.toContain("canary");
  });

  it("a secret in a path or body is refused", async () => {
    const env = { K: "canary-4471" };
    const inPath = await failure(
      `client: { base_url: "https://h" }\nresources: [{ name: a, endpoint: "{{ secrets.k }}/a" }]\n`,
      { env },
    );
    expect(inPath.message).toContain("path");
    const inBody = await failure(
      `client: { base_url: "https://h" }\nresources: [{ name: a, endpoint: { method: post, json: { k: "{{ secrets.k }}" } } }]\n`,
      { env },
    );
    expect(inBody.message).toContain("body");
  });

  it("a missing secret lists every place that was tried", async () => {
    const error = await failure(
      `client: { base_url: "https://h", auth: { token: "{{ secrets.my_token }}" } }\nresources: [a]\n`,
    );
    expect(error).toMatchObject({ code: "config/missing-secret" });
    for (const place of [
      "SOURCES__MY_API__MY_TOKEN",
      "MY_TOKEN",
      ".sluice/secrets.toml",
      ".dlt/secrets.toml",
    ]) {
      expect(error.message).toContain(place);
    }
  });
});

describe("in TypeScript", () => {
  it("secret() is a reference that stands anywhere in a text", () => {
    expect(`Token token="${secret("api_key")}"`).toBe(`Token token="{{ secrets['api_key'] }}"`);
    const pipeline = definePipeline(
      {
        source: restApi({
          client: { base_url: "https://h", auth: { type: "api_key", api_key: `Token ${secret("api_key")}` } },
          resources: ["a"],
        }),
      },
      { env: { API_KEY: "canary-9911" }, cwd: folder },
    );
    expect(JSON.stringify(pipeline.parts.requests)).not.toContain("canary");
    expect(pipeline.parts.redactor.redact("x canary-9911")).toBe("x ***");
  });

  it("--set reaches into the one source", () => {
    const config = { source: restApi({ client: { base_url: "https://h" }, resources: ["a"] }) };
    const pipeline = definePipeline(config, {
      env: {},
      cwd: folder,
      set: ["client.base_url=http://127.0.0.1:1"],
    });
    expect(pipeline.parts.requests["a"]?.url).toBe("http://127.0.0.1:1/a");
  });

  it("a value of the wrong type is told as that, not as missing", () => {
    const config = {
      source: restApi({ client: { base_url: "https://h" }, resources: [{ name: 5 as never }] }),
    };
    expect(() => definePipeline(config, { env: {}, cwd: folder })).toThrow(/got a number/);
  });

  it("REST sources and resources of one's own stand side by side", () => {
    const own = defineResource({
      name: "own",
      *read() {
        yield [{ a: 1 }];
      },
    });
    const pipeline = definePipeline(
      { source: [restApi({ client: { base_url: "https://h" }, resources: ["a"] }), own] },
      { env: {}, cwd: folder },
    );
    expect(pipeline.resources).toEqual(["a", "own"]);
  });

  it("refuses a configuration with types of its own making, too", () => {
    expect(() => definePipeline({ source: { client: {} } as never }, { env: {}, cwd: folder })).toThrow(
      expect.objectContaining({ code: "config/invalid" }),
    );
  });
});

describe("a destination that can't do everything", () => {
  const destination = (supports: Supports): Destination => ({
    type: "queue",
    location: "queue",
    supports,
    connect: () => Promise.reject(new Error("not to be opened")),
  });
  const resources = (merge: object) => [
    { name: "a", endpoint: "a" },
    { name: "b", primary_key: "id", write_disposition: merge, endpoint: "b" },
  ];
  const define = (supports: Supports, merge: object) =>
    definePipeline({
      destination: destination(supports),
      client: { base_url: "https://h" },
      resources: resources(merge),
    } as never);

  it.each([
    [{ writeDispositions: ["append"] }, {}, "write_disposition: merge"],
    [{ mergeStrategies: ["upsert"] }, {}, "merge with the strategy delete-insert"],
    [{ mergeStrategies: ["delete-insert"] }, { strategy: "insert-only" }, "the strategy insert-only"],
  ] as [Supports, object, string][])("%o refuses it before it is opened", (supports, rules, said) => {
    expect(() => define(supports, { disposition: "merge", ...rules })).toThrow(
      expect.objectContaining({
        code: "config/unsupported",
        message: expect.stringMatching(
          new RegExp(`the resource "b" wants .*${said}, which .* queue can't do`),
        ),
      }),
    );
  });

  it("is taken for what it can do", () => {
    const merge = { disposition: "merge", strategy: "upsert" };
    expect(define({ mergeStrategies: ["upsert"], mergeRules: [] }, merge).resources).toEqual(["a", "b"]);
  });
});
