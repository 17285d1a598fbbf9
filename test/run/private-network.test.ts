import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { definePipeline, duckdb, type PipelineConfig, restApi, run } from "../../src/index.js";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";
import { sluice } from "./cli.js";

let api: FakeApi;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-private-"));
  api = await startFakeApi();
  api.route("/rows", { records: [{ id: 1 }] });
  api.route("/token", () => answer(200, { access_token: "t" }));
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

function configOf(auth?: { readonly access_token_url: string }): PipelineConfig {
  return {
    pipeline: "untrusted",
    source: restApi({
      client: {
        base_url: api.url,
        ...(auth === undefined
          ? {}
          : {
              auth: { type: "oauth2_client_credentials", client_id: "a", client_secret: "secret", ...auth },
            }),
      },
      resources: ["rows"],
    }),
    destination: duckdb(join(folder, "untrusted.duckdb")),
  };
}

it("sends nothing into a private network, neither for rows nor for a token", async () => {
  for (const config of [configOf(), configOf({ access_token_url: `${api.url}/token` })]) {
    const report = await run(config, { blockPrivateNetwork: true });
    expect(report.resources["rows"]).toMatchObject({
      status: "failed",
      error: { code: "http/private-network" },
    });
  }
  expect(api.requests).toEqual([]);
  expect(await run(configOf())).toMatchObject({ status: "ok" });
});

it("a pipeline that was loaded without it is not run as if it had it", () => {
  expect(() => run(definePipeline(configOf()), { blockPrivateNetwork: true })).toThrow(
    "loaded without blockPrivateNetwork",
  );
});

it("is an option of run, preview and check, and no key of a configuration", async () => {
  await writeFile(
    join(folder, "untrusted.yaml"),
    `client: { base_url: "${api.url}" }\nresources: [rows]\ndestination: duckdb:x.duckdb\n`,
  );
  const file = "untrusted.yaml";
  const calls = [
    ["run", file],
    ["preview", "rows", file],
    ["check", "--connect", file],
  ];
  const results = await Promise.all(
    calls.map((args) => sluice([...args, "--block-private-network"], { cwd: folder })),
  );
  for (const { code, stderr } of results) {
    expect(code).not.toBe(0);
    expect(stderr).toContain("private network");
  }
  expect(api.requests).toEqual([]);
  const set = await sluice(["check", file, "--set", "client.block_private_network=false"], { cwd: folder });
  expect(set.stderr).toContain("unknown key");
});
