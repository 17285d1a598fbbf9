import { expect, it } from "vitest";
import { incrementalAt } from "../../../test/incremental.js";
import type { JsonObject } from "../../model/json.js";
import { memoryNotes } from "../../model/notes.js";
import type { Io, Page } from "../../model/source.js";
import { MAX_PARENTS, ParentCursors, withoutKeys, withParentCursors } from "./parents.js";

const incremental = incrementalAt();
const described = { cursor_path: "at", last_value_func: "max" };

it("remembers each parent, in an object that later ones do not change", () => {
  const cursors = new ParentCursors(incremental, undefined, false);
  const states: JsonObject[] = [];
  for (let n = 0; n < 1000; n++) {
    cursors.set(`[${n}]`, { ...described, value: n });
    states.push(cursors.toStored());
  }
  for (const [n, state] of states.entries()) {
    const again = new ParentCursors(incremental, JSON.parse(JSON.stringify(state)) as JsonObject, false);
    expect(again.of(`[${n}]`)).toEqual({ ...described, value: n });
    expect(again.of(`[${n + 1}]`)).toBeUndefined();
  }
});

it("takes both when a parent comes twice in a walk, and starts the second time where it did the first", () => {
  const cursors = new ParentCursors(incremental, { parents: { "[1]": { value: 5, keys: ["a"] } } }, false);
  cursors.set("[1]", { ...described, value: 7, keys: ["b"] });
  expect(cursors.of("[1]")).toEqual({ ...described, value: 5, keys: ["a"] });
  cursors.set("[1]", { ...described, value: 7, keys: ["c"] });
  cursors.set("[1]", { ...described, value: 6, keys: ["d"] });
  expect(cursors.toStored()["newer"]).toEqual({ "[1]": { value: 7, keys: ["b", "c"] } });
});

it("keeps those that it has when there are too many; the others must be merged", async () => {
  const parents = Object.fromEntries(Array.from({ length: MAX_PARENTS }, (_, n) => [`[${n}]`, { value: n }]));
  const warnings: string[] = [];
  const io: Io = {
    notes: memoryNotes(),
    signal: new AbortController().signal,
    runtime: { now: () => 0, sleep: async () => {}, random: () => 0 },
    emit: (event) => void (event.type === "warning" && warnings.push(event.code)),
  };
  async function* pages(): AsyncGenerator<Page> {
    for (const key of ["[1]", "[-1]", "[-2]"]) {
      const cursor = { visit: { key, cursor: { ...described, value: 70_000 } } };
      yield { records: { kind: "objects", values: [] }, bytes: 0, cursor };
    }
  }
  const read = async (isMerged: boolean) => {
    let last: Page | undefined;
    const cursors = new ParentCursors(incremental, { parents }, isMerged);
    for await (const page of withParentCursors(pages(), {}, cursors, "comments", io)) last = page;
    return last;
  };
  expect((await read(true))?.cursor).toMatchObject({ own: { newer: { "[1]": { value: 70_000 } } } });
  expect(warnings).toEqual(["incremental/parents"]);
  await expect(read(false)).rejects.toMatchObject({ code: "incremental/too-many-parents" });
});

it("asks for parents again without what makes them known, at every level", () => {
  const cursor = { value: 1, keys: ["a"], own: { parents: { "[1]": { value: 2, keys: ["b"] } } } };
  expect(withoutKeys(cursor)).toEqual({ value: 1, own: { parents: { "[1]": { value: 2 } } } });
});
