import { expect, it } from "vitest";
import { renderState } from "./state.js";

it("shows how far each resource has read, without what it knows records by", async () => {
  const state = {
    fingerprint: "f",
    status: "done",
    loadId: "load",
    loadResources: [],
    packages: 1,
    committedAt: 0,
  } as const;
  const orders = { cursor_path: "at", last_value_func: "max", value: "2026-01-01", keys: ["aaaa"] };
  const text = await renderState(
    {
      orders: { ...state, cursor: orders },
      ids: { ...state, cursor: { ...orders, value: { integer: "9007199254740993" } } },
      comments: {
        ...state,
        cursor: { parent: orders, own: { parents: { "[1]": {} }, newer: { "[2]": {}, "[1]": {} } } },
      },
      plain: state,
    },
    { color: false, columns: 160 },
  );
  const shown = text.split("\n").map((line) => line.trim().split(/ {2,}/).at(-1));
  expect(shown).toEqual(
    expect.arrayContaining(["at 2026-01-01", "at 9007199254740993", "2 parents, each its own"]),
  );
  expect(text).not.toContain("aaaa");
});
