import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { check, definePipeline, duckdb, preview, restApi, run } from "../../src/index.js";
import { answer } from "../fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../fake-api/fake-api.js";

let folder: string;
let api: FakeApi;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-notes-"));
  api = await startFakeApi();
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true, force: true });
});

it("a preview and a check keep a refresh token that was rotated, so that the next run is not locked out", async () => {
  let valid = "refresh-0";
  let issued = 0;
  api.route("/token", (request) => {
    const sent = new URLSearchParams(request.body).get("refresh_token");
    if (sent !== valid) return answer(400, { error: "invalid_grant" });
    valid = `refresh-${(issued += 1)}`;
    return answer(200, { access_token: `access-${issued}`, refresh_token: valid, expires_in: 3600 });
  });
  api.route("/items", () => answer(200, [{ id: 1 }]));
  const pipeline = () =>
    definePipeline(
      {
        pipeline: "shop",
        destination: duckdb(join(folder, "shop.duckdb")),
        source: restApi({
          client: {
            base_url: api.url,
            auth: {
              type: "oauth2_refresh_token",
              token_url: `${api.url}/token`,
              client_id: "id",
              client_secret: "{{ secrets.client_secret }}",
              refresh_token: "{{ secrets.refresh_token }}",
            },
          },
          resources: [{ name: "items", endpoint: { path: "items", paginator: "single_page" } }],
        }),
      },
      { env: { CLIENT_SECRET: "canary-secret", REFRESH_TOKEN: "refresh-0" } },
    );
  expect((await preview(pipeline(), "items")).pages[0]).toMatchObject({ records: 1 });
  expect(await check(pipeline(), { connect: true })).toMatchObject({ ok: true });
  expect((await run(pipeline())).status).toBe("ok");
  expect(issued).toBe(3);
});
