import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeApi, startFakeApi } from "../../test/fake-api/fake-api.js";
import { mistakesIn, planRest, readRest } from "../../test/read-rest.js";
import { defineResource } from "../config/define.js";
import type { ResourceConfig } from "./config.js";

let api: FakeApi;
beforeEach(async () => {
  api = await startFakeApi();
  for (const id of ["eu", "us", "a b"])
    api.route(`/${encodeURIComponent(id)}/sites`, { records: [{ at: id }, { at: `${id}2` }] });
});
afterEach(() => api.close());

const config = (...resources: ResourceConfig[]) => ({ client: { base_url: api.url }, resources });
const sites = (path: string): ResourceConfig => ({ name: "sites", endpoint: path });

describe("ready-made records", () => {
  it("are a resource without a request, and its children are asked for each", async () => {
    const both = config(
      { name: "regions", records: [{ id: "eu" }, { id: "us" }], selected: false },
      sites("{resources.regions.id}/sites"),
    );
    expect(planRest(both).resources.map(({ selected, request }) => [selected, request?.url])).toEqual([
      [false, undefined],
      [true, expect.any(String)],
    ]);
    expect((await readRest(both, "regions")).records).toEqual([{ id: "eu" }, { id: "us" }]);
    expect(api.requests).toEqual([]);
    const { records, completeness } = await readRest(both, "sites");
    expect(records).toEqual([{ at: "eu" }, { at: "eu2" }, { at: "us" }, { at: "us2" }]);
    expect(completeness).toBe("unknown");
  });

  it("may be plain values and expressions, and shared endpoint keys don't matter to them", async () => {
    const both = {
      ...config(
        { name: "regions", records: ["{{ config.region }}", "a b"] },
        sites("{resources.regions.value}/sites"),
      ),
      resource_defaults: { endpoint: { params: { of: "{resources.regions.value}" } } },
    };
    await readRest(both, "sites");
    expect(api.requests.map(({ url }) => url)).toEqual(["/eu/sites?of=eu", "/a%20b/sites?of=a+b"]);
  });

  it("go on within the list after a cut", async () => {
    const both = config({ name: "regions", records: ["eu", "us"] }, sites("{resources.regions.value}/sites"));
    const { pages } = await readRest(both, "sites", { pages: 1 });
    const from = pages[0]?.resume;
    expect((await readRest(both, "sites", from === undefined ? {} : { from })).records).toEqual([
      { at: "us" },
      { at: "us2" },
    ]);
  });

  it("have neither an endpoint nor secrets", () => {
    expect(
      mistakesIn(config({ name: "r", records: [{ key: "{{ secrets['key'] }}" }], endpoint: "path" })),
    ).toEqual([
      "resources.0.endpoint: records and endpoint can't stand side by side",
      "resources.0.records: a secret can't be part of records: they are loaded",
    ]);
  });

  it("may come from a resource of one's own beside the API", async () => {
    const ready = [
      defineResource({
        name: "regions",
        *read(_, io) {
          expect(io.cursor).toBeUndefined();
          yield [{ id: "us" }];
          yield [{ id: "eu" }];
        },
      }),
    ];
    const { records } = await readRest(config(sites("{resources.regions.id}/sites")), "sites", { ready });
    expect(records).toEqual([{ at: "us" }, { at: "us2" }, { at: "eu" }, { at: "eu2" }]);
    expect(mistakesIn(config(sites("{resources.regions.id}/sites")))).toEqual([
      expect.stringContaining('the parent "regions" is not a resource'),
    ]);
  });
});
