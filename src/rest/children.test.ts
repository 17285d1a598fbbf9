import * as fc from "fast-check";
import { expect, it } from "vitest";
import { memoryNotes } from "../model/notes.js";
import { systemRuntime } from "../model/runtime.js";
import type { Completeness, Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import { readChildren } from "./children.js";

type Tree = readonly (readonly (readonly number[][])[])[];

/** How a list of pages is read: by number, and the last page says how sure it is. */
async function* pagesOf(
  pages: readonly (readonly unknown[])[],
  from: Position | undefined,
  end: Completeness,
): AsyncGenerator<Page, void, undefined> {
  for (let n = Number(from?.["page"] ?? 0); n < pages.length; n++) {
    // Others get their turn, as on a network.
    await new Promise(setImmediate);
    const records = { kind: "objects", values: pages[n] as never } as const;
    yield {
      records,
      bytes: 1,
      ...(n === pages.length - 1 ? { completeness: end } : { resume: { page: n + 1 } }),
    };
  }
}

/** Pages of parents, each with pages of children; the busiest moment is kept. */
function read(tree: Tree, from?: Position, watch = { open: 0, most: 0 }): AsyncGenerator<Page> {
  const parents = tree.map((page, p) => page.map((_, index) => ({ p, index })));
  const io: Io = {
    notes: memoryNotes(),
    runtime: systemRuntime,
    signal: new AbortController().signal,
    emit: () => {},
  };
  return readChildren(
    {
      resource: "children",
      parent: "parents",
      readParent: (at) => pagesOf(parents.length === 0 ? [[]] : parents, at, "proved"),
      request: (record) => {
        const { p, index } = record as { p: number; index: number };
        return { method: "GET", url: `${p}/${index}`, headers: {} };
      },
      included: () => ({}),
      parallelized: 5,
      async *readChild({ request }, at) {
        const [p, index] = request.url.split("/").map(Number);
        const pages = tree[p ?? 0]?.[index ?? 0] ?? [];
        watch.most = Math.max(watch.most, ++watch.open);
        try {
          yield* pagesOf(
            pages.map((page) => page.map((n) => ({ at: `${request.url}/${n}` }))),
            at,
            "likely",
          );
        } finally {
          watch.open -= 1;
        }
      },
    },
    from,
    io,
  );
}

function expected(tree: Tree): unknown[] {
  return tree.flatMap((page, p) =>
    page.flatMap((child, index) => child.flat().map((n) => ({ at: `${p}/${index}/${n}` }))),
  );
}

const trees = fc.array(
  fc.array(fc.array(fc.array(fc.nat(9), { maxLength: 3 }), { minLength: 1, maxLength: 3 }), { maxLength: 8 }),
  { maxLength: 4 },
);

it("reads every child once and in order, at most five walks at a time, and ends with a verdict", () =>
  fc.assert(
    fc.asyncProperty(trees, async (tree) => {
      const watch = { open: 0, most: 0 };
      const records: unknown[] = [];
      const ends: unknown[] = [];
      for await (const page of read(tree, undefined, watch)) {
        records.push(...page.records.values);
        ends.push(page.completeness);
      }
      expect(records).toEqual(expected(tree));
      expect(ends.filter((end) => end !== undefined)).toHaveLength(1);
      expect(ends.at(-1)).toBe(tree.flat().length === 0 ? "proved" : "likely");
      expect(watch.open).toBe(0);
      const widest = Math.max(0, ...tree.map((page) => page.length));
      expect(watch.most).toBeGreaterThanOrEqual(Math.min(5, widest));
      expect(watch.most).toBeLessThanOrEqual(5);
    }),
    { numRuns: 50 },
  ));

it("goes on from any page's position with what is left", () =>
  fc.assert(
    fc.asyncProperty(trees, fc.nat(), async (tree, chosen) => {
      const all: Page[] = [];
      for await (const page of read(tree)) all.push(page);
      const cut = chosen % all.length;
      const from = all[cut]?.resume;
      if (from === undefined) {
        expect(cut).toBe(all.length - 1);
        return;
      }
      const rest: unknown[] = [];
      let end: Completeness | undefined;
      for await (const page of read(tree, JSON.parse(JSON.stringify(from)) as Position)) {
        rest.push(...page.records.values);
        end = page.completeness;
      }
      const before = all.slice(0, cut + 1).flatMap(({ records }) => records.values as unknown[]);
      expect([...before, ...rest]).toEqual(expected(tree));
      expect(end).toBe("likely");
    }),
    { numRuns: 50 },
  ));

it("stops every walk when its reader stops", async () => {
  const watch = { open: 0, most: 0 };
  const child = [[1], [2], [3]];
  for await (const page of read([[child, child, child]], undefined, watch)) {
    expect(page.records.values).toHaveLength(1);
    break;
  }
  expect(watch).toEqual({ open: 0, most: 3 });
});
