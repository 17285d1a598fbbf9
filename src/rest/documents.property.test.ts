import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type FakeApi, startFakeApi } from "../../test/fake-api/fake-api.js";
import { planRest } from "../../test/read-rest.js";
import type { Event } from "../model/event.js";
import type { JsonObject } from "../model/json.js";
import { memoryNotes } from "../model/notes.js";
import type { EndpointConfig } from "./config.js";

/** `FUZZ_RUNS=20000 npx vitest run src/rest/documents.property.test.ts` is the long form. */
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 80);

// Pages that stay documents must give what pages of values give: records, positions, cursors, events and errors.

let api: FakeApi;
beforeAll(async () => {
  api = await startFakeApi();
});
afterAll(() => api.close());

/** What the walks of an example are answered: the pages of each path, as text. */
type Site = Readonly<Record<string, readonly string[]>>;

function serve(site: Site): void {
  for (const [path, pages] of Object.entries(site)) {
    api.route(path, ({ url }) => {
      const page = Number(new URL(url, api.url).searchParams.get("page") ?? 0);
      const next = page + 1 < pages.length ? page + 1 : null;
      const body = Buffer.from(`{"data":[${pages[page] ?? ""}],"next":${next}}`);
      return {
        status: 200,
        headers: { "content-type": "application/json" },
        body,
        delivery: { kind: "whole" },
      };
    });
  }
}

const times = ["2024-01-01T00:00:00Z", "2024-01-02T03:04:05.123456789+02:00", "2024-01-02", "2024-02-01"];
const kinds: Readonly<Record<string, readonly string[]>> = {
  numbers: ["1", "2", "3", "3.0", "2.5", "-1", "1e1", "9007199254740993", "12345678901234567890"],
  times: [...times.map((time) => `"${time}"`), '"2024-01-0\\u0031T00:00:00Z"'],
  texts: ['"a"', '"b"', '"B"', '""', '"\\u0062"', '"\\ud800"', '"b\\n"', '"é"'],
};
const odd = fc.constantFrom("null", "true", "[]", "{}", '"x"', "7", '[{"b":"2024-01-01"}]');

/** Members that lead to a cursor value, by several ways, and others. */
const member = (value: fc.Arbitrary<string>) =>
  fc
    .tuple(
      fc.constantFrom("at", "\\u0061t", "a", "a", "a.b", "id", "list", "_parent_at", "__proto__", "n"),
      value,
      fc.constantFrom("plain", "inside", "twice", "items"),
    )
    .map(([name, text, how]) => {
      if (name !== "a" && name !== "list") return `"${name}":${text}`;
      if (how === "inside") return `"${name}":{"b":${text}}`;
      if (how === "twice") return `"${name}":{"b":0,"c":[{}],"\\u0062":${text}}`;
      return how === "items" ? `"${name}":[${text}, 1]` : `"${name}":${text}`;
    });

const recordsWith = (kind: string, oddness: number) => {
  const value = fc.oneof(
    { arbitrary: fc.constantFrom(...kinds[kind]!), weight: 20 },
    { arbitrary: odd, weight: oddness },
  );
  const at = (text: string) => `"at":${text},"a":{"b":${text}},"a.b.c":1,"list":[{"at":${text}}, ${text}]`;
  const complete = fc
    .tuple(
      fc.integer({ min: 0, max: 5 }),
      value,
      fc.array(member(value), { maxLength: 3 }),
      fc.boolean(),
      fc.nat(),
    )
    .map(([id, text, members, isFirst, unique]) => {
      const own = [`"id":${id},"unique":${unique}`, at(text)];
      return `{${(isFirst ? [...members, ...own] : [...own, ...members]).join(", ")}}`;
    });
  const loose = fc.array(member(value), { maxLength: 5 }).map((members) => `{${members.join(",")}}`);
  return fc.oneof(
    { arbitrary: complete, weight: 20 },
    { arbitrary: loose, weight: oddness },
    { arbitrary: value, weight: oddness > 0 ? 1 : 0 },
  );
};

const incremental = (kind: string) =>
  fc.record(
    {
      cursor_path: fc.constantFrom(
        "at",
        "a.b",
        "a",
        "list.0.at",
        "list.1",
        "_parent_at",
        "_parent_a.b",
        "list[*].at",
      ),
      initial_value: fc.constantFrom(...kinds[kind]!.map((text) => JSON.parse(text) as string | number)),
      last_value_func: fc.constantFrom("max" as const, "min" as const),
      primary_key: fc.constantFrom("id", "a.b", ["id", "_parent_at"], [], "list"),
      row_order: fc.constantFrom("asc" as const, "desc" as const),
      on_cursor_value_missing: fc.constantFrom("raise" as const, "include" as const, "exclude" as const),
      range_start: fc.constantFrom("open" as const, "closed" as const),
      scope: fc.constantFrom("parent" as const, "global" as const),
      lag: kind === "texts" ? fc.constant(null) : fc.constant(1),
    },
    { requiredKeys: ["cursor_path"] },
  );

const example = fc
  .tuple(fc.constantFrom(...Object.keys(kinds)), fc.constantFrom(0, 0, 2))
  .chain(([kind, oddness]) => {
    const pages = fc
      .array(fc.array(recordsWith(kind, oddness), { minLength: 1, maxLength: 5 }), {
        minLength: 1,
        maxLength: 4,
      })
      .map((all) => all.map((records) => records.join(" , ")));
    return fc.record({
      isChild: fc.boolean(),
      isMerged: fc.boolean(),
      incremental: fc.option(incremental(kind), { nil: undefined, freq: 6 }),
      first: pages,
      // What the API has when it is asked again: the same, and perhaps more.
      more: pages,
      parentAt: fc.constantFrom(...kinds[kind]!),
      included: fc.subarray(["at", "a", { field: "id", as: "id" }, { field: "a.b", as: "a.b" }]),
    });
  });

type Example = typeof example extends fc.Arbitrary<infer T> ? T : never;

const paginator = { type: "cursor" as const, cursor_path: "next", cursor_param: "page" };

let documents = 0;

/** Two runs, the second with the cursor of the first, as everything that anyone can see of them. */
async function seen(
  { isChild, isMerged, incremental, first, more, parentAt, included }: Example,
  own: EndpointConfig,
): Promise<unknown> {
  const endpoint = {
    path: isChild ? "children/{resources.parent.id}" : "rows",
    paginator,
    data_selector: "data",
    ...(incremental === undefined ? {} : { incremental }),
    ...own,
  };
  const { findings, resources } = planRest({
    client: { base_url: api.url },
    resources: [
      {
        name: "parent",
        selected: false,
        endpoint: { path: "parents", data_selector: "data", paginator: "single_page" },
      },
      {
        name: "rows",
        write_disposition: isMerged ? "merge" : "append",
        primary_key: "id",
        endpoint,
        ...(isChild ? { include_from_parent: included } : {}),
      },
    ],
  } as Parameters<typeof planRest>[0]);
  if (findings.length > 0) throw new Error(JSON.stringify(findings));
  const { resource } = resources.find(({ resource }) => resource.name === "rows")!;
  const told: unknown[] = [];
  let cursor: JsonObject | undefined;
  for (const pages of [first, [...first, ...more]]) {
    const parents = [1, 2].map((id) => `{"id":${id},"at":${parentAt},"a":{"b":${parentAt}}}`).join(",");
    serve({ "/rows": pages, "/parents": [parents], "/children/1": pages, "/children/2": first });
    const events: Event[] = [];
    const io = {
      ...(cursor === undefined ? {} : { cursor }),
      notes: memoryNotes(),
      signal: new AbortController().signal,
      emit: (event: Event) => void events.push(event),
      runtime: { now: () => 1_706_000_000_000, random: () => 0, sleep: async () => {} },
    };
    try {
      for await (const page of resource.read(undefined, io)) {
        const { records, ...rest } = page;
        if (records.kind === "document") documents++;
        told.push({ values: records.values, ...rest });
        cursor = page.cursor ?? cursor;
      }
    } catch (error) {
      told.push(String(error));
    }
    told.push(events.filter(({ type }) => type === "warning"));
  }
  return told;
}

it(
  "documents give the records, positions, cursors, warnings and errors that values give",
  async () => {
    await fc.assert(
      fc.asyncProperty(example, async (given) => {
        // A condition on the response makes values of every page.
        const values = await seen(given, { success_when: "{{ status == 200 }}" });
        expect(await seen(given, {})).toStrictEqual(values);
      }),
      { numRuns: RUNS },
    );
    expect(documents).toBeGreaterThan(RUNS / 4);
  },
  60_000 + 200 * RUNS,
);

it.each<[string, string, object, readonly string[]]>([
  ["a plain resource", "rows", {}, ["objects", "document"]],
  ["an incremental one", "rows", { incremental: { cursor_path: "at" } }, ["objects", "document"]],
  [
    "one with a JSONPath for a cursor",
    "rows",
    { incremental: { cursor_path: "$.at" } },
    ["objects", "objects"],
  ],
  ["a child", "children/{resources.parent.id}", {}, ["objects", "document"]],
])("pages after the first of %s stay documents where they can", async (_, path, more, kinds) => {
  serve({
    "/rows": ['{"at":1}', '{"at":2}'],
    "/parents": ['{"id":1}'],
    "/children/1": ['{"at":1}', '{"at":2}'],
  });
  const { resources } = planRest({
    client: { base_url: api.url },
    resources: [
      { name: "parent", endpoint: { path: "parents", data_selector: "data", paginator: "single_page" } },
      { name: "rows", endpoint: { path, paginator, data_selector: "data", ...more } },
    ],
  });
  const io = {
    notes: memoryNotes(),
    signal: new AbortController().signal,
    emit: () => {},
    runtime: { now: () => 0, random: () => 0, sleep: async () => {} },
  };
  const found: string[] = [];
  for await (const { records } of resources.at(-1)!.resource.read(undefined, io)) found.push(records.kind);
  expect(found).toEqual(kinds);
});
