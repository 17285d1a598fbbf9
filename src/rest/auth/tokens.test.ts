import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { always, answer, status } from "../../../test/fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../../../test/fake-api/fake-api.js";
import type { SluiceError } from "../../model/error.js";
import type { Event } from "../../model/event.js";
import type { Json } from "../../model/json.js";
import { memoryNotes } from "../../model/notes.js";
import { Redactor } from "../../model/secret.js";
import type { Notes, Resource } from "../../model/source.js";
import { defineAuth } from "../authenticator.js";
import type { AuthConfig, RestApiConfig } from "../config.js";
import { credential } from "../credential.js";
import { type RestApiOptions, restApiOptions } from "../options.js";
import { planRestApi } from "../plan.js";

const SECRETS: Readonly<Record<string, string>> = {
  client_secret: "c4n4ry-client-secret",
  other: "c4n4ry-other",
};

let api: FakeApi;
let tokens: FakeApi;
/** The token that the API accepts; undefined: every one. */
let accepted: string | undefined;
let now: number;
let events: Event[];

beforeEach(async () => {
  accepted = undefined;
  now = Date.UTC(2030, 0, 1);
  events = [];
  api = await startFakeApi({
    accepts: ({ headers, url }) =>
      accepted === undefined || url === "/login" || headers["authorization"] === `Bearer ${accepted}`,
  });
  tokens = await startFakeApi();
  api.route("/calls", { records: [{ id: 1 }] });
});
afterEach(async () => {
  await Promise.all([api.close(), tokens.close()]);
});

/** Serves the answers in their order, the last one again and again. */
function serveTokens(...answers: readonly Json[]): void {
  let next = 0;
  tokens.route("/token", () => answer(200, answers[Math.min(next++, answers.length - 1)] ?? null));
}

function plan(auth: AuthConfig, rest: Partial<RestApiOptions> = {}): Resource[] {
  const redactor = new Redactor();
  const options = {
    client: { base_url: `${api.url}/`, auth, retry: { max_retries: 0 }, paginator: "single_page" },
    resources: ["calls"],
    ...rest,
  };
  const { findings, resources } = planRestApi(restApiOptions.parse(options), {
    variables: {},
    variable: () => ({ tried: [] }),
    secret: (name) => (SECRETS[name] === undefined ? { tried: [name] } : { value: SECRETS[name] }),
    conceal: (value) => redactor.add(value),
    redactor,
    userAgent: "sluice/test",
  });
  expect(findings).toEqual([]);
  return resources.map(({ resource }) => resource);
}

async function read(
  resource: Resource | undefined,
  signal = new AbortController().signal,
  notes = memoryNotes(),
): Promise<void> {
  const runtime = { now: () => now, random: () => 0, sleep: async () => {} };
  const emit = (event: Event): unknown => events.push(event);
  for await (const page of resource?.read(undefined, { notes, signal, runtime, emit }) ?? []) {
    expect(page.records.values).toEqual([{ id: 1 }]);
  }
}

async function failure(resource: Resource | undefined, notes = memoryNotes()): Promise<SluiceError> {
  return read(resource, undefined, notes).then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => error as SluiceError,
  );
}

const clientCredentials = (rest: object = {}): AuthConfig => ({
  type: "oauth2_client_credentials",
  access_token_url: `${tokens.url}/token`,
  client_id: "sluice",
  client_secret: "{{ secrets.client_secret }}",
  ...rest,
});

describe("oauth2_client_credentials", () => {
  it("obtains one token for all resources of a client, and sends the token's request nothing else", async () => {
    serveTokens({ access_token: "tok-1", expires_in: 600 });
    const names = Array.from({ length: 20 }, (_, index) => `calls${index}`);
    const resources = plan(clientCredentials(), {
      client: {
        base_url: `${api.url}/`,
        auth: clientCredentials() as Exclude<RestApiOptions["client"]["auth"], undefined>,
        headers: { "x-other": "{{ secrets.other }}" },
        paginator: "single_page",
      },
      resources: names.map((name) => ({ name, endpoint: { path: "calls" } })),
    });
    await Promise.all(resources.map((resource) => read(resource)));
    expect(tokens.requests).toHaveLength(1);
    expect(tokens.requests[0]?.body).toBe(
      "grant_type=client_credentials&client_id=sluice&client_secret=c4n4ry-client-secret",
    );
    expect(tokens.requests[0]?.headers).not.toHaveProperty("x-other");
    expect(api.requests.map(({ headers }) => headers["authorization"])).toEqual(
      names.map(() => "Bearer tok-1"),
    );
  });

  it.each([
    [600, 540],
    [7200, 7140],
    ["600", 540],
    [null, 3540],
    [undefined, 3540],
    [0, 3540],
  ])("with expires_in %j a token serves for %i s", async (expires_in, seconds) => {
    serveTokens({ access_token: "tok", ...(expires_in === undefined ? {} : { expires_in }) });
    const [calls] = plan(clientCredentials());
    await read(calls);
    now += seconds * 1000 - 1;
    await read(calls);
    expect(tokens.requests).toHaveLength(1);
    now += 1;
    await read(calls);
    expect(tokens.requests).toHaveLength(2);
  });

  it("obtains one token when 20 requests are refused at the same time", async () => {
    accepted = "tok-2";
    serveTokens({ access_token: "tok-1" }, { access_token: "tok-2" });
    const resources = plan(clientCredentials(), {
      resources: Array.from({ length: 20 }, (_, index) => ({
        name: `calls${index}`,
        endpoint: { path: "calls" },
      })),
    });
    await Promise.all(resources.map((resource) => read(resource)));
    expect(tokens.requests).toHaveLength(2);
    expect(api.requests).toHaveLength(40);
  });

  it("gives up when the API refuses the new token too", async () => {
    accepted = "another";
    serveTokens({ access_token: "tok-1" }, { access_token: "tok-2" });
    const error = await failure(plan(clientCredentials())[0]);
    expect(error).toMatchObject({ code: "auth/rejected" });
    expect(error.message).toContain("also with renewed credentials");
    expect([tokens.requests.length, api.requests.length]).toEqual([2, 2]);
    expect(JSON.stringify([events, error.toReport()])).not.toMatch(/tok-|c4n4ry/);
  });

  it("starts with a token that is there already", async () => {
    serveTokens({ access_token: "tok-2" });
    const [calls] = plan(clientCredentials({ access_token: "tok-0" }));
    await read(calls);
    expect(tokens.requests).toHaveLength(0);
    accepted = "tok-2";
    await read(calls);
    expect(tokens.requests).toHaveLength(1);
  });

  it.each<Json>([{}, { access_token: null }, { access_token: "" }, { access_token: 7 }, [], "tok"])(
    "never sends what is no token: %j",
    async (body) => {
      serveTokens(body);
      const error = await failure(plan(clientCredentials())[0]);
      expect(error).toMatchObject({ code: "auth/rejected", at: { request: `POST ${tokens.url}/token` } });
      expect(error.message).toMatch(/has (no|an unusable) access_token/);
      expect(api.requests).toHaveLength(0);
    },
  );

  it.each([400, 401])("tells the server's word of a refusal with %i, without the secret", async (code) => {
    tokens.route("/token", () => answer(code, { error: "invalid_client", got: SECRETS["client_secret"]! }));
    const error = await failure(plan(clientCredentials())[0]);
    expect(error).toMatchObject({
      code: "auth/rejected",
      hint: expect.stringContaining("client_id") as string,
    });
    expect(error.message).toContain("invalid_client");
    expect(`${error.message}${String(error.stack)}${JSON.stringify(events)}`).not.toContain("c4n4ry");
  });

  it("is asked for again by the client's retry rules", async () => {
    serveTokens({ access_token: "tok-1" });
    tokens.behave("/token", status(503));
    const client = { base_url: `${api.url}/`, auth: clientCredentials(), paginator: "single_page" };
    await read(plan(null, { client: client as RestApiOptions["client"] })[0]);
    expect(tokens.requests).toHaveLength(2);
    expect(events.filter(({ type }) => type === "retry")).toHaveLength(1);
  });

  it("who stops waiting does not stop the others", async () => {
    const stop = new AbortController();
    tokens.route("/token", () => {
      stop.abort();
      return answer(200, { access_token: "tok-1" });
    });
    const [first, second] = plan(clientCredentials(), {
      resources: ["calls", { name: "more", endpoint: { path: "calls" } }],
    });
    const stopped = read(first, stop.signal);
    const other = read(second);
    await expect(stopped).rejects.toMatchObject({ code: "run/interrupted" });
    await other;
    expect(tokens.requests).toHaveLength(1);
  });
});

describe("a refused login", () => {
  it("is remembered for the run, whoever asks, and asked again in the next one", async () => {
    tokens.route("/token", () => answer(401, { error: "invalid_client" }));
    const resources = plan(clientCredentials(), {
      resources: Array.from({ length: 5 }, (_, index) => ({
        name: `calls${index}`,
        endpoint: { path: "calls" },
      })),
    });
    const notes = memoryNotes();
    const errors = [];
    for (const resource of resources) errors.push(await failure(resource, notes));
    expect(new Set(errors.map(({ code, message }) => `${code} ${message}`)).size).toBe(1);
    expect(errors[4]).toMatchObject({ code: "auth/rejected" });
    expect([tokens.requests.length, api.requests.length]).toEqual([1, 0]);
    serveTokens({ access_token: "tok-1" });
    await read(resources[0], undefined, memoryNotes());
    expect(tokens.requests).toHaveLength(2);
  });

  it("is not remembered when the server could not answer", async () => {
    const [calls] = plan(clientCredentials());
    const notes = memoryNotes();
    tokens.route("/token", () => answer(503, {}));
    expect(await failure(calls, notes)).toMatchObject({ code: "http/status" });
    serveTokens({ access_token: "tok-1" });
    await read(calls, undefined, notes);
  });
});

describe("oauth2_refresh_token", () => {
  /** A server that hands out a new refresh token each time, and knows only the last one. */
  function serveRotating(): void {
    let valid = 1;
    tokens.route("/token", ({ body }) => {
      if (new URLSearchParams(body).get("refresh_token") !== `refresh-${valid}`)
        return answer(400, { error: "invalid_grant" });
      valid += 1;
      return answer(200, { access_token: `tok-${valid}`, expires_in: 60, refresh_token: `refresh-${valid}` });
    });
  }
  const refreshing = (rest: object = {}): AuthConfig => ({
    type: "oauth2_refresh_token",
    token_url: `${tokens.url}/token`,
    client_id: "sluice",
    client_secret: "{{ secrets.client_secret }}",
    refresh_token: "refresh-1",
    ...rest,
  });

  it("goes on with a rotated refresh token", async () => {
    serveTokens(
      { access_token: "tok-1", expires_in: 60, refresh_token: "refresh-2" },
      { access_token: "tok-2", expires_in: 60, refresh_token: "refresh-3" },
      { access_token: "tok-3", expires_in: 60 },
    );
    const [calls] = plan(refreshing({ client_secret: null, scopes: "a b" }));
    for (let round = 0; round < 3; round++) {
      await read(calls);
      now += 60_000;
    }
    const sent = tokens.requests.map(({ body }) => new URLSearchParams(body).get("refresh_token"));
    expect(sent).toEqual(["refresh-1", "refresh-2", "refresh-3"]);
    expect(tokens.requests[0]?.body).toBe(
      "grant_type=refresh_token&client_id=sluice&refresh_token=refresh-1&scope=a+b",
    );
    expect(JSON.stringify(events)).not.toMatch(/refresh-\d/);
  });

  it.each([{}, { client_secret: null }])(
    "a process that is killed before the first use does not lock the user out: %j",
    async (rest) => {
      serveRotating();
      const notes = recordedNotes();
      // Killed: whatever is sent to the API after the token was stored fails, and the process's memory is lost.
      api.behave("/calls", always(status(500)));
      await failure(plan(refreshing(rest))[0], notes);
      expect(notes.log).toHaveLength(1);
      expect(api.requests).toHaveLength(1);
      api.route("/calls", { records: [{ id: 1 }] });
      expect(JSON.stringify(notes.log)).not.toMatch(/refresh-|tok-|c4n4ry/);

      const client = { base_url: `${api.url}/`, auth: refreshing(rest), paginator: "single_page" };
      const again = plan(null, {
        client: client as RestApiOptions["client"],
        resources: ["more", { name: "others", endpoint: "more" }],
      });
      api.route("/more", { records: [{ id: 1 }] });
      await Promise.all(again.map((resource) => read(resource, undefined, notes)));
      const sent = tokens.requests.map(({ body }) => new URLSearchParams(body).get("refresh_token"));
      expect(sent).toEqual(["refresh-1", "refresh-2"]);
    },
  );

  it("is stored before the access token is used", async () => {
    serveRotating();
    const notes = recordedNotes(() => expect(api.requests).toHaveLength(0));
    await read(plan(refreshing())[0], undefined, notes);
    expect([notes.log.length, api.requests.length]).toEqual([1, 1]);
  });

  it("that could not be stored is not used, and stored before anything else", async () => {
    serveRotating();
    const notes = recordedNotes();
    const [calls] = plan(refreshing());
    notes.broken = true;
    await expect(read(calls, undefined, notes)).rejects.toThrow("disk full");
    expect(api.requests).toHaveLength(0);
    notes.broken = false;
    await read(calls, undefined, notes);
    expect(notes.log).toHaveLength(2);
    await read(plan(refreshing())[0], undefined, notes);
    expect(tokens.requests).toHaveLength(3);
  });

  it("that is newly configured wins over a kept one", async () => {
    serveRotating();
    const notes = memoryNotes();
    await read(plan(refreshing())[0], undefined, notes);
    serveTokens({ access_token: "tok-1" });
    await read(plan(refreshing({ refresh_token: "refresh-new" }))[0], undefined, notes);
    expect(new URLSearchParams(tokens.requests[1]?.body).get("refresh_token")).toBe("refresh-new");
  });

  it("that can't be decrypted is told, and the configured one used", async () => {
    serveRotating();
    const notes = recordedNotes();
    await read(plan(refreshing())[0], undefined, notes);
    serveTokens({ access_token: "tok-1" });
    await read(plan(refreshing({ client_secret: "{{ secrets.other }}" }))[0], undefined, notes);
    expect(new URLSearchParams(tokens.requests[1]?.body).get("refresh_token")).toBe("refresh-1");
    expect(events.filter(({ type }) => type === "warning")).toMatchObject([{ code: "auth/note" }]);
    await notes.write(notes.log[0]?.[0] ?? "", "x");
    await read(plan(refreshing())[0], undefined, notes);
    expect(new URLSearchParams(tokens.requests[2]?.body).get("refresh_token")).toBe("refresh-1");
  });
});

/** Notes that tell what was written, and can fail. */
function recordedNotes(onWrite: () => void = () => {}): Notes & { broken: boolean; log: [string, Json][] } {
  const notes = memoryNotes();
  const log: [string, Json][] = [];
  return {
    broken: false,
    log,
    read: (key) => notes.read(key),
    async write(key, value) {
      onWrite();
      if (this.broken) throw new Error("disk full");
      log.push([key, value]);
      await notes.write(key, value);
    },
  };
}

describe("session_token", () => {
  it("logs in with secrets in the body, and once again after a 401", async () => {
    let logins = 0;
    api.route("/login", () => answer(200, { data: { token: `session-${++logins}` } }));
    accepted = "session-1";
    const [calls] = plan({
      type: "session_token",
      login: { path: "login", json: { user: "ada", password: ["{{ secrets.other }}"] } },
      token_path: "data.token",
    });
    await read(calls);
    now += 1e9;
    await read(calls);
    expect(logins).toBe(1);
    accepted = "session-2";
    await read(calls);
    expect(logins).toBe(2);
    expect(JSON.parse(api.requests[0]?.body ?? "")).toEqual({ user: "ada", password: ["c4n4ry-other"] });
    expect(JSON.stringify(events)).not.toMatch(/session-|c4n4ry/);
  });

  it("says where it found no token", async () => {
    api.route("/login", () => answer(200, { data: {} }));
    const error = await failure(
      plan({ type: "session_token", login: { path: "login" }, token_path: "data.token" })[0],
    );
    expect(error).toMatchObject({ code: "auth/rejected" });
    expect(error.message).toContain("data.token");
  });
});

describe("endpoint.auth", () => {
  const own = defineAuth({
    type: "team",
    summary: "Sends the team's key.",
    options: z.strictObject({ key: credential().describe("The key.") }),
    create: ({ key }) => ({
      queryNames: [],
      authorize: (request) => ({ ...request, headers: { ...request.headers, "x-team": key.reveal() } }),
    }),
    examples: [],
  });

  it("wins over client.auth; null is none; one's own method is like any other", async () => {
    const resources = plan(
      { type: "bearer", token: "tok-1" },
      {
        resources: [
          "calls",
          { name: "none", endpoint: { path: "calls", auth: null } },
          { name: "own", endpoint: { path: "calls", auth: own({ key: "{{ secrets.other }}" }) } },
        ],
      },
    );
    for (const resource of resources) await read(resource);
    expect(api.requests.map(({ headers }) => [headers["authorization"], headers["x-team"]])).toEqual([
      ["Bearer tok-1", undefined],
      [undefined, undefined],
      [undefined, "c4n4ry-other"],
    ]);
  });

  it("one method in resource_defaults obtains one token for all", async () => {
    serveTokens({ access_token: "tok-1" });
    api.behave("/calls", always({}));
    const resources = plan(null, {
      resource_defaults: { endpoint: { auth: clientCredentials() as Record<string, unknown> } },
      resources: ["calls", { name: "more", endpoint: "calls" }],
    } as Partial<RestApiOptions>);
    for (const resource of resources) await read(resource);
    expect(tokens.requests).toHaveLength(1);
  });

  it("mistakes in the options of one's own method are found when the pipeline is loaded", () => {
    const config: RestApiConfig = {
      client: { base_url: "https://h/", auth: { ...own({ key: "k" }), kye: 1 } },
      resource_defaults: { endpoint: { auth: own({ key: "k" }) } },
      resources: [
        { name: "calls", endpoint: { auth: null } },
        {
          name: "users",
          // @ts-expect-error the option is called key
          endpoint: { auth: own({ token: "k" }) },
        },
      ],
    };
    const options = restApiOptions.parse(config);
    const { findings } = planRestApi(options, {
      variables: {},
      variable: () => ({ tried: [] }),
      secret: () => ({ tried: [] }),
      conceal: () => {},
      redactor: new Redactor(),
      userAgent: "sluice/test",
    });
    expect(findings).toMatchObject([
      { path: ["client", "auth"] },
      { path: ["resources", 1, "endpoint", "auth"] },
    ]);
  });
});
