import { describe, expect, it } from "vitest";
import type { Resource } from "../model/source.js";
import type { PipelineState, ResourceState } from "../model/state.js";
import { findOpenLoad } from "./open-load.js";

const wanted = ["a", "b"].map((name) => ({ name, fingerprint: "f" }) as Resource);

function stateOf(states: Record<string, Partial<ResourceState>>): PipelineState {
  const whole = Object.entries(states).map(([name, state]) => [
    name,
    {
      fingerprint: "f",
      status: "done",
      loadId: "L2",
      loadResources: ["a", "b"],
      packages: 1,
      committedAt: 0,
      ...state,
    },
  ]);
  return { resources: Object.fromEntries(whole) as PipelineState["resources"], notes: {}, tables: [] };
}

describe("a load is open", () => {
  it.each([
    ["when a resource has not begun in it", { a: {} }],
    ["when a resource is in the middle of its walk", { a: {}, b: { status: "running" } }],
    ["when a resource ended in an older load only", { a: {}, b: { loadId: "L1" } }],
  ] as const)("%s", (_name, states) => {
    expect(findOpenLoad(stateOf(states), wanted)).toMatchObject({ id: "L2", complete: [{ resource: "a" }] });
  });

  it("and what was complete in it is read again if its configuration has changed", () => {
    const open = findOpenLoad(stateOf({ a: { fingerprint: "old" }, b: { status: "running" } }), wanted);
    expect(open).toMatchObject({ id: "L2", complete: [] });
  });

  it("and keeps the time at which it began", () => {
    const state = stateOf({ a: { loadStartedAt: 7 }, b: { loadId: "L1", loadStartedAt: 3 } });
    expect(findOpenLoad(state, wanted)).toMatchObject({ id: "L2", startedAt: 7 });
  });

  it("and takes in resources that are new in the configuration", () => {
    const state = stateOf({ a: { loadResources: ["a", "b"], status: "running" } });
    const open = findOpenLoad(state, [...wanted, { name: "c", fingerprint: "f" } as Resource]);
    expect(open?.resources).toEqual(["a", "b", "c"]);
  });
});

describe("a load is over", () => {
  it.each([
    ["when there is none", undefined],
    ["when all its resources are complete", stateOf({ a: {}, b: {} })],
    ["when the source broke one off", stateOf({ a: {}, b: { status: "failed" } })],
    [
      "when that one's configuration was corrected since",
      stateOf({ a: {}, b: { status: "failed", fingerprint: "old" } }),
    ],
    ["when none of the wanted resources belong to it", stateOf({ c: { loadResources: ["c", "d"] } })],
    [
      "when a newer one is complete",
      stateOf({ a: { loadId: "L3", loadResources: ["a"] }, b: { status: "running" } }),
    ],
  ])("%s", (_name, state) => {
    expect(findOpenLoad(state, wanted)).toBeUndefined();
  });
});
