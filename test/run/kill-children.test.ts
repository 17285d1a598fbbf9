import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { type CliResult, sluice } from "./cli.js";
import { contentOf, query } from "./database.js";

const POSTS = 15;
const COMMENTS = 7;

let folder: string;
let api: FakeApi;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-kill-children-"));
  api = await startFakeApi();
  const posts = Array.from({ length: POSTS }, (_, id) => ({
    id,
    title: `post ${id}`,
    tags: [`t${id}`, "all"],
  }));
  api.route("/posts", { records: posts, paging: "link-header", pageSize: 5 });
  for (const { id } of posts) {
    const records = Array.from({ length: COMMENTS }, (_, n) => ({ id: id * 100 + n, votes: [n, id] }));
    api.route(`/posts/${id}/comments`, { records, paging: "link-header", pageSize: 5 });
    api.route(`/posts/${id}/details`, () =>
      id % 4 === 0 ? answer(404, { error: "none" }) : answer(200, { post: id }),
    );
  }
});

afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

/** Commits every other page, so that a run has many moments to be killed at. */
function configuration(disposition: string): string {
  return `
checkpoint: { rows: 10 }
concurrency: 1
client: { base_url: "${api.url}", paginator: header_link }
resource_defaults: { primary_key: id, write_disposition: ${disposition} }
resources:
  - { name: posts }
  - { name: comments, include_from_parent: [id, title], endpoint: "posts/{resources.posts.id}/comments" }
`;
}

const database = (name: string) => join(folder, `${name}.duckdb`);

/** Runs, and kills the process when it has sent so many requests. */
async function load(name: string, killAfter?: number): Promise<CliResult> {
  const target = killAfter === undefined ? Number.POSITIVE_INFINITY : api.requests.length + killAfter;
  let watch: NodeJS.Timeout | undefined;
  const result = await sluice(["run", `${name}.yaml`, "--json"], {
    cwd: folder,
    onStart(child) {
      watch = setInterval(() => {
        if (api.requests.length >= target) child.kill("SIGKILL");
      }, 1);
    },
  });
  clearInterval(watch);
  return result;
}

describe("a load with children, killed again and again", () => {
  it.each(["append", "merge"])(
    "%s ends with the tables of an undisturbed run",
    async (disposition) => {
      const calm = `calm_${disposition}`;
      const killed = `killed_${disposition}`;
      for (const name of [calm, killed])
        await writeFile(join(folder, `${name}.yaml`), configuration(disposition));
      const before = api.requests.length;
      const undisturbed = await load(calm);
      expect(undisturbed.code, undisturbed.stderr).toBe(0);
      const requests = api.requests.length - before;

      // Within the posts, among the first children, and in the middle: counted from where the run before had come.
      let finished = false;
      let kills = 0;
      for (const after of [3, 10, 14]) {
        if (finished) break;
        const result = await load(killed, after);
        finished = result.signal !== "SIGKILL";
        if (finished) expect(result.code, result.stderr).toBe(0);
        else kills += 1;
      }
      expect(kills).toBeGreaterThan(1);
      if (!finished) {
        const resumedAt = api.requests.length;
        const last = await load(killed);
        expect(last.code, last.stderr).toBe(0);
        // It went on where the killed ones had come to.
        expect(api.requests.length - resumedAt).toBeLessThan(requests);
      }

      const expected = await contentOf(database(calm), calm);
      const actual = await contentOf(database(killed), killed);
      expect(Object.keys(actual)).toEqual(["comments", "comments__votes", "posts", "posts__tags"]);
      for (const [table, rows] of Object.entries(expected)) expect(actual[table], table).toEqual(rows);
      expect(expected["comments"]).toHaveLength(POSTS * COMMENTS);
    },
    60_000,
  );
});

it("a 404 of some children is ignored, warned of, and the others are loaded", async () => {
  await writeFile(
    join(folder, "details.yaml"),
    `
client: { base_url: "${api.url}", paginator: header_link }
resources:
  - { name: posts, selected: false }
  - name: details
    endpoint:
      path: "posts/{resources.posts.id}/details"
      data_selector: $
      response_actions: [{ status_code: 404, action: ignore }]
`,
  );
  const { code, stdout, stderr } = await sluice(["run", "details.yaml", "--json"], { cwd: folder });
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    status: "ok",
    resources: { details: { status: "ok", rows: 11, completeness: "unknown" } },
  });
  expect(stderr).toContain("404 Not Found was ignored");
  const posts = await query(
    database("details"),
    "select post::int as post from details.details order by post",
  );
  const found = Array.from({ length: POSTS }, (_, id) => id).filter((id) => id % 4 !== 0);
  expect(posts).toEqual(found.map((post) => ({ post })));
});
