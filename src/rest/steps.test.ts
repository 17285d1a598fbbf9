import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeApi, startFakeApi } from "../../test/fake-api/fake-api.js";
import { mistakesIn, planRest, readRest } from "../../test/read-rest.js";
import type { ResourceConfig } from "./config.js";

let api: FakeApi;
beforeEach(async () => {
  api = await startFakeApi();
  api.route("/posts", {
    records: Array.from({ length: 6 }, (_, id) => ({ id, title: `t${id}`, tags: ["a", "b"], secret: "x" })),
    paging: "link-header",
    pageSize: 2,
  });
});
afterEach(() => api.close());

type Steps = NonNullable<ResourceConfig["processing_steps"]>;
const config = (processing_steps: Steps, ...more: ResourceConfig[]) => ({
  client: { base_url: api.url, retry: { max_retries: 0 } },
  resources: [{ name: "posts", processing_steps }, ...more],
});
const read = async (steps: Steps) => (await readRest(config(steps), "posts")).records;

describe("processing steps", () => {
  it("as expressions: filter, map that sets and removes, yield_map", async () => {
    expect(
      await read([
        { filter: "{{ record.id % 2 == 0 }}" },
        {
          map: {
            title: "{{ record.title | upper }} of {{ config.region }}",
            again: "{{ record.title }}",
            fixed: { a: [1, "{{ record.id }}"] },
            missing: "{{ record.nothing }}",
            secret: null,
          },
        },
        { filter: "{{ record.id > 2 }}", yield_map: "{{ [record, {'id': record.id * 100}] }}" },
      ]),
    ).toEqual([
      {
        id: 4,
        title: "T4 of eu",
        tags: ["a", "b"],
        again: "t4",
        fixed: { a: [1, 4] },
        missing: null,
      },
      { id: 400 },
    ]);
  });

  it("as functions, async ones too, in the order filter, map, yield_map", async () => {
    const order: string[] = [];
    const records = await read([
      {
        async *yield_map(record) {
          order.push("yield_map");
          yield record;
          yield { id: -1 };
        },
        map: async (record) => {
          order.push("map");
          return { id: record["id"]! };
        },
        filter: async ({ id }) => {
          order.push("filter");
          return id === 3;
        },
      },
      { filter: ({ id }) => id },
    ]);
    expect(records).toEqual([{ id: 3 }, { id: -1 }]);
    expect(order).toEqual(["filter", "filter", "filter", "filter", "map", "yield_map", "filter", "filter"]);
  });

  it("leave pages, positions and the verdict as they are", async () => {
    const { pages, completeness } = await readRest(config([{ filter: "{{ false }}" }]), "posts");
    expect(pages.map(({ records, resume }) => [records.values.length, resume !== undefined])).toEqual([
      [0, true],
      [0, true],
      [0, false],
    ]);
    expect(completeness).toBe("proved");
  });

  it("see plain values as { value }", async () => {
    api.route("/posts", { records: [1, 2, 3] });
    expect(await read([{ filter: "{{ record.value > 1 }}" }, { map: { n: "{{ record.value }}" } }])).toEqual([
      { value: 2, n: 2 },
      { value: 3, n: 3 },
    ]);
  });

  it("keep every integer and every key", async () => {
    // Braces would be a template in the configuration.
    const text = fc.string().filter((value) => !/[{}]/.test(value));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.oneof(fc.integer(), text)), async (record) => {
        const { resources } = planRest({
          client: { base_url: api.url },
          resources: [
            {
              name: "r",
              records: [{ given: 1, ...record, big: 9007199254740993n }],
              processing_steps: [{ map: { copy: "{{ record.big }}", given: null } }],
            },
          ],
        });
        const { given: _, ...rest } = { given: 1, ...record };
        for await (const page of resources[0]!.resource.read(undefined, {
          runtime: { now: () => 0 },
        } as never)) {
          expect(page.records.values).toEqual([{ ...rest, big: 9007199254740993n, copy: 9007199254740993n }]);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("of a parent decide for which of its records children are asked, and those of a child see the parent's fields", async () => {
    for (const id of [0, 4])
      api.route(`/posts/${id}/comments`, { records: [{ text: "old" }, { text: "new" }] });
    const { records } = await readRest(
      config([{ filter: "{{ record.id in [0, 4] }}" }, { map: { slug: "s-{{ record.id }}" } }], {
        name: "comments",
        endpoint: "posts/{resources.posts.id}/comments",
        include_from_parent: ["slug"],
        processing_steps: [
          { filter: "{{ record.text == 'new' }}", map: { of: "{{ record._posts_slug }}", text: null } },
        ],
      }),
      "comments",
    );
    expect(records).toEqual([
      { _posts_slug: "s-0", of: "s-0" },
      { _posts_slug: "s-4", of: "s-4" },
    ]);
    expect(api.requests.map(({ url }) => url)).not.toContain("/posts/1/comments");
  });

  it("fail with the step and without the record's values", async () => {
    const failing: Steps[number][] = [
      { map: (record) => JSON.parse(record["title"] as string) as null },
      { filter: () => Promise.reject(new Error("t0")) },
      { map: () => undefined as never },
      { yield_map: (record) => record["id"] as never },
    ];
    const messages: string[] = [];
    for (const step of failing) {
      const error = await read([{ filter: () => true }, step]).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "step/failed", at: { resource: "posts" } });
      messages.push((error as Error).message);
    }
    expect(messages[0]).toMatch(
      /^processing_steps\[1\]\.map failed on record 1 of a page: it threw a SyntaxError/,
    );
    expect(messages[1]).toMatch(
      /^processing_steps\[1\]\.filter failed on record 1 of a page: it threw an Error at steps\.test\.ts:\d+:\d+$/,
    );
    expect(messages.slice(2)).toEqual([
      "processing_steps[1].map failed on record 1 of a page: it gave nothing; to leave a record out, use filter",
      "processing_steps[1].yield_map failed on record 1 of a page: it gave something that is no list",
    ]);
    expect(messages.join(" ")).not.toContain("t0");
    await expect(read([{ filter: "{{ record.title - 1 }}" }])).rejects.toMatchObject({
      code: "expression/failed",
      at: { resource: "posts" },
      message: expect.stringMatching(/^processing_steps\[0\]\.filter failed on record 1/) as string,
    });
  });

  it("are checked before the first request", () => {
    expect(
      mistakesIn(
        config([{}, { filter: "record.id > 3" }, { map: { a: "{{ response.x }}" } }, { map: "{{ record." }]),
      ),
    ).toEqual([
      "resources.0.processing_steps.0: a step has a filter, a map or a yield_map",
      "resources.0.processing_steps.1.filter: a step that is text is an expression in {{ … }}",
      expect.stringContaining(
        'resources.0.processing_steps.2.map: The template {{ response.x }} uses the name "response"',
      ),
      expect.stringContaining("resources.0.processing_steps.3.map: The template is not well-formed"),
    ]);
  });

  it("are part of what gives a position its meaning, for children as well", () => {
    const fingerprints = (steps: Steps) =>
      planRest(
        config(steps, { name: "comments", endpoint: "posts/{resources.posts.id}/comments" }),
      ).resources.map(({ resource }) => resource.fingerprint);
    const [plain, changed] = [fingerprints([]), fingerprints([{ filter: (post) => post["id"] }])];
    expect(changed[0]).not.toBe(plain[0]);
    expect(changed[1]).not.toBe(plain[1]);
    expect(fingerprints([{ filter: (post) => post["id"] }])).toEqual(changed);
  });
});
