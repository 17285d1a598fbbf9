import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { duckdb, type EndpointConfig, type PipelineConfig, restApi, run } from "../../src/index.js";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { query } from "./database.js";

const ISSUES = Array.from({ length: 23 }, (_, n) => ({
  id: `I_${n}`,
  title: `issue ${n}`,
  author: { login: `u${n % 3}` },
}));

let folder: string;
let file: string;
let api: FakeApi;
/** What the server answers instead of its data, once it has given so many pages. */
let failing: { readonly after: number; readonly body: object } | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-graphql-"));
  file = join(folder, "forge.duckdb");
  failing = undefined;
  api = await startFakeApi();
  let served = 0;
  // A GraphQL server as far as a client can see: one path, POST, always status 200.
  api.route("/graphql", ({ body, method }) => {
    const { query: text, variables } = JSON.parse(body) as { query: string; variables: Variables };
    if (method !== "POST" || !text.includes("{ nodes { id title author { login } }")) {
      return answer(200, { data: null, errors: [{ message: "Syntax Error", locations: [{ line: 1 }] }] });
    }
    if (failing !== undefined && served >= failing.after) return answer(200, failing.body as never);
    served += 1;
    const start = variables.after === undefined || variables.after === null ? 0 : Number(variables.after);
    const end = Math.min(start + variables.first, ISSUES.length);
    return answer(200, {
      data: {
        project: {
          issues: {
            nodes: ISSUES.slice(start, end),
            pageInfo: { hasNextPage: end < ISSUES.length, endCursor: String(end) },
          },
        },
      },
    });
  });
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

interface Variables {
  readonly first: number;
  readonly after?: string | null;
  readonly project: string;
}

const QUERY =
  "query ($project: ID!, $first: Int!, $after: String) { project(id: $project) { issues(first: $first, after: $after) { nodes { id title author { login } } pageInfo { hasNextPage endCursor } } } }";

function forge(endpoint: EndpointConfig = {}): PipelineConfig {
  return {
    pipeline: "forge",
    source: restApi({
      client: { base_url: api.url, retry: { max_retries: 0 } },
      resources: [
        {
          name: "issues",
          primary_key: "id",
          write_disposition: "merge",
          endpoint: {
            path: "graphql",
            method: "post",
            json: { query: QUERY, variables: { project: "p{1}", first: 5, after: null } },
            data_selector: "data.project.issues.nodes",
            paginator: {
              type: "cursor",
              cursor_path: "data.project.issues.pageInfo.endCursor",
              cursor_body_path: "variables.after",
              has_more_path: "data.project.issues.pageInfo.hasNextPage",
            },
            ...endpoint,
          },
        },
      ],
    }),
    destination: duckdb(file),
    checkpoint: { rows: 1 },
  };
}

const loaded = async () =>
  (
    await query(
      file,
      "select count(*)::int as n, count(distinct id)::int as ids, min(author__login) as u from forge.issues",
    )
  )[0];

describe("a GraphQL API", () => {
  it("is read to its end by cursors among the variables", async () => {
    const report = await run(forge());
    expect(report).toMatchObject({
      status: "ok",
      resources: { issues: { rows: 23, pages: 5, completeness: "proved" } },
    });
    expect(await loaded()).toEqual({ n: 23, ids: 23, u: "u0" });
    const variables = api.requests.map(
      ({ body }) => (JSON.parse(body) as { variables: Variables }).variables,
    );
    expect(variables.map(({ after }) => after)).toEqual([null, "5", "10", "15", "20"]);
    expect(variables.every(({ first, project }) => first === 5 && project === "p{1}")).toBe(true);
  });

  it.each<[string, object]>([
    ["no data", { data: null, errors: [{ message: "rate limited" }] }],
    ["null on the way", { data: { project: null }, errors: [{ message: "rate limited" }] }],
    [
      "null for the list",
      { data: { project: { issues: { nodes: null } } }, errors: [{ message: "rate limited" }] },
    ],
  ])(
    "that answers with errors and %s fails the resource, on a later page too, and goes on from there",
    async (_, body) => {
      failing = { after: 2, body };
      const report = await run(forge());
      expect(report.resources["issues"]).toMatchObject({
        status: "failed",
        error: {
          code: "response/unsuccessful",
          message: "the response has a successful status, but tells of an error: rate limited",
        },
      });
      expect(await loaded()).toMatchObject({ n: 10 });
      failing = undefined;
      const before = api.requests.length;
      expect(await run(forge())).toMatchObject({ status: "ok" });
      expect(api.requests.length - before).toBe(3);
      expect(await loaded()).toMatchObject({ n: 23, ids: 23 });
    },
  );

  it("that refuses the query on the first page fails, instead of loading nothing", async () => {
    const report = await run(
      forge({ json: { query: "query { oops", variables: { first: 5, project: "p" } } }),
    );
    expect(report.resources["issues"]).toMatchObject({
      status: "failed",
      error: { code: "response/unsuccessful", message: expect.stringContaining("Syntax Error") as string },
    });
  });

  it("that gives data and errors at once is a success unless success_when says no", async () => {
    failing = {
      after: 0,
      body: {
        data: {
          project: {
            issues: { nodes: [{ id: "a" }], pageInfo: { hasNextPage: false, endCursor: null } },
          },
        },
        errors: [{ message: "one author could not be read" }],
      },
    };
    expect(await run(forge())).toMatchObject({ resources: { issues: { rows: 1 } } });
    const report = await run(
      forge({
        success_when: {
          condition: "{{ not response.errors }}",
          message: "{{ response.errors[0].message }}",
        },
      }),
    );
    expect(report.resources["issues"]).toMatchObject({
      error: { message: expect.stringContaining("one author could not be read (200 OK)") as string },
    });
  });
});
