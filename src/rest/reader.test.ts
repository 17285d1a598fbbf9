import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { HttpRequest } from "../http/message.js";
import type { Json, JsonObject } from "../model/json.js";
import { memoryNotes } from "../model/notes.js";
import { Redactor } from "../model/secret.js";
import type { Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import { expandResource } from "./defaults.js";
import type { Endpoint } from "./endpoint.js";
import { Findings } from "./finding.js";
import type { IncrementalOptions } from "./incremental/options.js";
import { planIncremental } from "./incremental/plan.js";
import { readAlone, readOfParents } from "./reader.js";

interface Item extends JsonObject {
  readonly id: number;
  readonly at: number;
}
interface Comment extends Item {
  readonly post: number;
}
interface Blog {
  posts: Item[];
  comments: Comment[];
}

class Killed extends Error {}

type Pages = AsyncGenerator<Page, void, undefined>;

function endpointOf(
  disposition: "append" | "merge",
  incremental: Partial<IncrementalOptions> | undefined,
  bind: Endpoint["bind"],
): Endpoint {
  const findings = new Findings();
  const env = {
    variables: {},
    variable: () => ({ tried: [] }),
    secret: () => ({ tried: [] }),
    conceal: () => {},
    redactor: new Redactor(),
    userAgent: "test",
  };
  const endpoint =
    incremental === undefined
      ? {}
      : { incremental: { cursor_path: "at", start_param: "since", end_param: "until", ...incremental } };
  const planned = planIncremental(
    expandResource({ name: "r", write_disposition: disposition, endpoint }, undefined),
    env,
    [],
    findings,
  );
  expect(findings.all).toEqual([]);
  return {
    request: request("", {}),
    bind,
    parentKey: (record) => JSON.stringify([(record as Item).id]),
    incremental: planned.incremental,
    maxPages: undefined,
    parallelized: 5,
    ofParent: (pages) => pages,
    answers: "",
    first: request("", {}),
    paginator: "",
    isMerged: disposition === "merge",
    read: () => {
      throw new Error("not used");
    },
    described: {},
  };
}

function request(path: string, { start_value = null, end_value = null }: JsonObject): HttpRequest {
  return { method: "GET", url: `${path}?${JSON.stringify([start_value, end_value])}`, headers: {} };
}

/** Pages of what the API has between the bounds in the request. */
async function* pagesOf(
  records: readonly Item[],
  url: string,
  size: number,
  from: Position | undefined,
): Pages {
  const [since, until] = JSON.parse(
    (from?.["bounds"] as string | undefined) ?? url.slice(url.indexOf("?") + 1),
  ) as (number | null)[];
  const found = records.filter(({ at }) => (since == null || at >= since) && (until == null || at <= until));
  for (let offset = Number(from?.["offset"] ?? 0); ; offset += size) {
    await new Promise(setImmediate);
    const next = offset + size;
    yield {
      records: { kind: "objects", values: found.slice(offset, next) },
      bytes: 1,
      ...(next >= found.length
        ? { completeness: "likely" }
        : { resume: { offset: next, bounds: JSON.stringify([since ?? null, until ?? null]) } }),
    };
    if (next >= found.length) return;
  }
}

interface Setup {
  readonly disposition: "append" | "merge";
  readonly child: Partial<IncrementalOptions> | undefined;
  readonly parent: Partial<IncrementalOptions> | undefined;
  readonly parentSize: number;
  readonly childSize: number;
}

function reader(blog: () => Blog, setup: Setup, asked: string[] = []) {
  const posts = endpointOf("merge", setup.parent, ({ incremental = {} }) => request("posts", incremental));
  const comments = endpointOf(setup.disposition, setup.child, ({ record, incremental = {} }) =>
    request(`posts/${(record as Item).id}/comments`, incremental),
  );
  const readPosts = (from: Position | undefined, io: Io) =>
    readAlone(
      "posts",
      posts,
      (walk, from) => pagesOf(blog().posts, walk.request?.url ?? "posts?[null,null]", setup.parentSize, from),
      from,
      io,
    );
  return (from: Position | undefined, io: Io) =>
    readOfParents(
      "comments",
      comments,
      {
        parent: "posts",
        readParent: readPosts,
        included: () => ({}),
        readChild: ({ request }, from) => {
          if (from === undefined) asked.push(request.url);
          const post = Number(/\d+/.exec(request.url)?.[0]);
          const found = blog().comments.filter((comment) => comment.post === post);
          return pagesOf(found, request.url, setup.childSize, from);
        },
      },
      from,
      io,
    );
}

interface Store {
  rows: Json[];
  state: string;
  /** The clock of the run. */
  now: number;
}

/** One run of a lane: rows, position and cursor are stored together, and read back as JSON. */
async function load(
  read: ReturnType<typeof reader>,
  store: Store,
  killAfter = Number.POSITIVE_INFINITY,
  warnings: string[] = [],
): Promise<void> {
  const state = JSON.parse(store.state) as { position?: Position; cursor?: JsonObject };
  const io: Io = {
    ...(state.cursor === undefined ? {} : { cursor: state.cursor }),
    notes: memoryNotes(),
    signal: new AbortController().signal,
    runtime: { now: () => store.now, sleep: async () => {}, random: () => 0 },
    emit: (event) => void (event.type === "warning" && warnings.push(event.code)),
  };
  let { cursor } = state;
  let staged: Json[] = [];
  let count = 0;
  let end: Page["completeness"];
  for await (const page of read(state.position, io)) {
    count += 1;
    staged.push(...page.records.values);
    cursor = page.cursor ?? cursor;
    if (page.resume !== undefined && count % 2 === killAfter % 2) {
      store.rows.push(...staged);
      staged = [];
      store.state = JSON.stringify({ position: page.resume, cursor });
    }
    if (count >= killAfter) throw new Killed();
    end = page.completeness;
  }
  expect(end).toBe("likely");
  store.rows.push(...staged);
  store.state = JSON.stringify({ cursor });
}

async function loadThrough(
  read: ReturnType<typeof reader>,
  store: Store,
  kills: readonly number[],
): Promise<void> {
  for (const killAfter of kills) {
    try {
      await load(read, store, killAfter);
      return;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      store.now += 1000;
    }
  }
  await load(read, store);
}

const arrivals = fc.array(
  fc.array(fc.record({ post: fc.nat(8), comment: fc.nat(3), ahead: fc.nat(2), content: fc.nat(1) }), {
    maxLength: 8,
  }),
  { minLength: 1, maxLength: 4 },
);
/** Seconds since 1970; what is further ahead is so by about half a day. */
const START = 1_700_000_000;
const AHEAD = 40_000;
const newest = (items: readonly Item[]) => Math.max(START, ...items.map(({ at }) => at));

/** Comments that come or change; each one touches its post. `isOrdered`: nothing is older than what is there. */
function changed(
  { posts, comments }: Blog,
  arrived: readonly { post: number; comment: number; ahead: number; content: number }[],
  isOrdered: boolean,
): Blog {
  const byId = new Map(comments.map((comment) => [comment.id, comment]));
  const postById = new Map(posts.map((post) => [post.id, post]));
  for (const { post, comment, ahead, content } of arrived) {
    const others = isOrdered ? [...comments, ...posts] : comments.filter((other) => other.post === post);
    const id = post * 10 + comment;
    byId.set(id, { id, post, at: newest(others) + ahead * AHEAD, content });
    postById.set(post, { id: post, at: newest(isOrdered ? [...comments, ...posts] : posts) + ahead * AHEAD });
  }
  return { posts: [...postById.values()], comments: [...byId.values()] };
}

/** What appears with a value before that of a step that is over, or of another parent, comes too late. */
function isOrdered({ child, parent }: Setup): boolean {
  return child?.scope === "global" || child?.step !== undefined || parent?.step !== undefined;
}

const setups = fc.record({
  child: fc.constantFrom<Partial<IncrementalOptions>>(
    {},
    { scope: "global" },
    { initial_value: START, step: "1d" },
    { initial_value: START, step: "1d", scope: "global" },
  ),
  parent: fc.constantFrom<Partial<IncrementalOptions> | undefined>(
    undefined,
    {},
    { row_order: "desc" },
    { initial_value: START, end_value: START + 100 * AHEAD, step: 7 * AHEAD },
    { initial_value: START, step: "2d" },
  ),
  disposition: fc.constantFrom<"append" | "merge">("append", "merge"),
  parentSize: fc.integer({ min: 1, max: 4 }),
  childSize: fc.integer({ min: 1, max: 3 }),
});

it("finds every version of every child once, whatever pages and stops come in between", () =>
  fc.assert(
    fc.asyncProperty(setups, arrivals, fc.array(fc.nat(5), { maxLength: 3 }), async (setup, runs, kills) => {
      let blog: Blog = { posts: [], comments: [] };
      const store: Store = { rows: [], state: "{}", now: 0 };
      const read = reader(() => blog, setup);
      const versions = new Set<string>();
      for (const arrived of runs) {
        blog = changed(blog, arrived, isOrdered(setup));
        if (setup.parent?.row_order === "desc") blog.posts.sort((one, other) => other.at - one.at);
        for (const comment of blog.comments) versions.add(JSON.stringify(comment));
        store.now = Math.max(store.now, (Math.max(newest(blog.posts), newest(blog.comments)) + 1) * 1000);
        await loadThrough(
          read,
          store,
          kills.map((kill) => kill + 1),
        );
        expect(store.rows.map((row) => JSON.stringify(row)).sort()).toEqual([...versions].sort());
      }
    }),
    { numRuns: 200 },
  ));

it("asks for each parent from its own last value", async () => {
  const asked: string[] = [];
  const setup = { disposition: "append", child: {}, parent: undefined, parentSize: 1, childSize: 2 } as const;
  const comments = [9, 5, 7].map((at, post) => ({ id: post, post, at }));
  let blog: Blog = { posts: [0, 1, 2].map((id) => ({ id, at: 0 })), comments };
  const store: Store = { rows: [], state: "{}", now: 0 };
  const read = reader(() => blog, setup, asked);
  await load(read, store);
  asked.length = 0;
  blog = { posts: [...blog.posts, { id: 3, at: 0 }], comments: [...comments, { id: 10, post: 1, at: 6 }] };
  await load(read, store);
  expect(asked).toEqual(
    [0, 1, 2, 3].map((post) => `posts/${post}/comments?[${[9, 5, 7, null][post] ?? "null"},null]`),
  );
  expect(store.rows).toHaveLength(4);
  const { state } = store;
  await load(read, store);
  await load(read, store);
  // What has not changed does not make the state grow.
  expect(store.state.length).toBe(state.length);
});

it("starts from initial_value with a warning when the scope changes", async () => {
  const setup = { disposition: "append", child: {}, parent: undefined, parentSize: 1, childSize: 2 } as const;
  const blog: Blog = { posts: [{ id: 0, at: 0 }], comments: [{ id: 0, post: 0, at: 5 }] };
  const store: Store = { rows: [], state: "{}", now: 0 };
  const asked: string[] = [];
  await load(
    reader(() => blog, setup),
    store,
  );
  for (const scope of ["global", "parent"] as const) {
    asked.length = 0;
    const warnings: string[] = [];
    await load(
      reader(() => blog, { ...setup, child: { scope } }, asked),
      store,
      undefined,
      warnings,
    );
    expect(asked).toEqual(["posts/0/comments?[null,null]"]);
    expect(warnings).toEqual(["incremental/changed"]);
  }
});

it("reads all parents in every step, also after a stop between two of them", async () => {
  const setup = {
    disposition: "append",
    child: { scope: "global", initial_value: START, step: "1d" },
    parent: {},
    parentSize: 2,
    childSize: 2,
  } as const;
  const blog: Blog = {
    posts: [0, 1].map((id) => ({ id, at: START + id })),
    comments: [
      { id: 0, post: 0, at: START + 90_000 },
      { id: 1, post: 1, at: START },
    ],
  };
  const store: Store = { rows: [], state: "{}", now: (START + 100_000) * 1000 };
  // The second page is the last one of the first step.
  await expect(
    load(
      reader(() => blog, setup),
      store,
      2,
    ),
  ).rejects.toThrow(Killed);
  expect(store.rows).toHaveLength(1);
  await load(
    reader(() => blog, setup),
    store,
  );
  expect(store.rows).toHaveLength(2);
});
