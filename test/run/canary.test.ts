import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  check,
  definePipeline,
  duckdb,
  type Event,
  type Pipeline,
  type PipelineConfig,
  preview,
  restApi,
  run,
  SluiceError,
} from "../../src/index.js";
import { answer, malformed, status } from "../fake-api/behaviours.js";
import { type FakeApi, type SeenRequest, startFakeApi } from "../fake-api/fake-api.js";
import { sluice } from "./cli.js";
import { query } from "./database.js";

/** Secrets of awkward shapes. Each has a part that no other text has, so that half of one is found too. */
const SECRETS: Readonly<Record<string, string>> = {
  plain: "c4n4ryPLAINc4n4ry",
  quotes: `c4n4ry"QUO'TESc4n4ry`,
  spaces: "c4n4ry SPA CES c4n4ry",
  slashes: "c4n4ry/SLA/SHES\\c4n4ry",
  percent: "c4n4ry%2FPER%25CENT%c4n4ry",
  signs: "c4n4ry+&=?#:;,@SIGNSc4n4ry",
  base64: "YzRuNHJ5QkFTRTY0YzRuNHJ5Cg==",
  json: 'c4n4ry{"a":["JSON\\u0041"]}c4n4ry',
  latin: "c4n4ryÄß©LATINc4n4ry",
  long: `c4n4ry${"LONG0123456789".repeat(80)}c4n4ry`,
};

const ENVIRONMENT = Object.fromEntries(
  Object.entries(SECRETS).map(([name, value]) => [name.toUpperCase(), value]),
);

/** Every form in which a secret could be seen. */
function formsOf(secret: string): string[] {
  const percent = encodeURIComponent(secret);
  const base64 = [0, 1, 2].flatMap((shift) => {
    // What stays of the base64 text whatever stands around the secret.
    const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]).toString("base64");
    return text.slice(shift === 0 ? 0 : shift + 1, Math.floor(((shift + Buffer.byteLength(secret)) * 8) / 6));
  });
  const forms = [
    secret,
    percent,
    percent.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    percent.replaceAll("%20", "+"),
    new URLSearchParams([["", secret]]).toString().slice(1),
    encodeURI(secret),
    JSON.stringify(secret).slice(1, -1),
    JSON.stringify(JSON.stringify(secret)).slice(3, -3),
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
  ];
  return [...new Set(forms)];
}

type Client = Extract<PipelineConfig["source"], { kind: "rest_api" }>["config"]["client"];
type Place = (secret: string, api: FakeApi) => Omit<Client, "base_url">;

/** Every place where a secret can stand. */
const PLACES: Readonly<Record<string, Place>> = {
  bearer: (token) => ({ auth: { type: "bearer", token } }),
  "http_basic password": (password) => ({ auth: { type: "http_basic", username: "ada", password } }),
  "http_basic username": (username) => ({ auth: { type: "http_basic", username, password: "pw-c4n4ry" } }),
  "api_key in a header": (api_key) => ({ auth: { type: "api_key", api_key, name: "X-Key" } }),
  "api_key in the query": (api_key) => ({
    auth: { type: "api_key", api_key, name: "key", location: "query" },
  }),
  "api_key in a cookie": (api_key) => ({
    auth: { type: "api_key", api_key, name: "sid", location: "cookie" },
  }),
  "a header": (secret) => ({ headers: { "x-team": secret } }),
  "client_secret in the body": (client_secret, api) => ({
    auth: {
      type: "oauth2_client_credentials",
      access_token_url: `${api.url}/token`,
      client_id: "sluice",
      client_secret,
    },
  }),
  "client_secret in HTTP Basic": (client_secret, api) => ({
    auth: {
      type: "oauth2_client_credentials",
      access_token_url: `${api.url}/token`,
      client_id: "sluice",
      client_secret,
      client_auth: "basic",
    },
  }),
  refresh_token: (refresh_token, api) => ({
    auth: { type: "oauth2_refresh_token", token_url: `${api.url}/token`, client_id: "sluice", refresh_token },
  }),
  "session login": (password) => ({
    auth: {
      type: "session_token",
      login: { path: "login", json: { user: "ada", password } },
      token_path: "token",
    },
  }),
};

/** Paths of an API that gives away whatever it is sent, in every way it can. */
const PATHS = [
  "ok",
  "echo401",
  "echo403",
  "echo500",
  "redirect",
  "foreign",
  "link",
  "reset",
  "malformed",
  "html",
];

let api: FakeApi;
let folder: string;

beforeAll(async () => {
  api = await startFakeApi();
  folder = await mkdtemp(join(tmpdir(), "sluice-canary-"));
  const echoed = ({ url, headers, body }: SeenRequest) => ({ url, headers, body, text: decoded(url) });
  const credentialOf = ({ url, headers }: SeenRequest): string =>
    new URLSearchParams({
      query: new URL(url, api.url).search,
      ...Object.fromEntries(
        Object.entries(headers).filter(([name]) => /^(?:authorization|x-|cookie)/.test(name)),
      ),
    }).toString();
  for (const code of [401, 403, 500]) api.route(`/echo${code}`, (request) => answer(code, echoed(request)));
  api.route("/ok", { records: [{ id: 1 }, { id: 2 }] });
  api.route("/token", (request) =>
    answer(200, {
      access_token: "tok-c4n4ry-1",
      refresh_token: "ref-c4n4ry-2",
      expires_in: 3600,
      echo: echoed(request),
    }),
  );
  api.route("/login", () => answer(200, { token: "tok-c4n4ry-1" }));
  const to = (request: SeenRequest, url: string) =>
    answer(302, null, { location: `${url}?${credentialOf(request)}` });
  api.route("/redirect", (request) => to(request, "/echo403"));
  api.route("/foreign", (request) => to(request, "http://127.0.0.2:1/x"));
  api.route("/link", (request) =>
    answer(200, { items: [{ id: 1 }], next: `${api.url}/echo500?${credentialOf(request)}` }),
  );
  for (const path of ["malformed", "html", "reset"]) {
    api.route(`/${path}`, (request) =>
      path === "html"
        ? {
            ...answer(200, null),
            body: Buffer.from(`<p>${credentialOf(request)} ${JSON.stringify(request)}`),
          }
        : answer(200, echoed(request)),
    );
  }
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url;
  }
}

function pipelineOf(client: Omit<Client, "base_url">, name: string): Pipeline {
  api.behave("/malformed", malformed);
  api.behave("/reset", status(500));
  return definePipeline(
    {
      pipeline: name,
      source: restApi({
        client: { base_url: `${api.url}/`, retry: { max_retries: 0 }, ...client },
        resources: PATHS.map((path) => ({
          name: path,
          endpoint: {
            path,
            ...(path === "ok" || path === "link" ? {} : { paginator: "single_page" as const }),
          },
        })),
      }),
      destination: duckdb(join(folder, `${name}.duckdb`)),
    },
    { env: ENVIRONMENT, cwd: folder },
  );
}

/** Everything that a run, a preview and a check of a pipeline say and store. Rows may hold what the API echoed. */
async function everything(pipeline: Pipeline): Promise<string[]> {
  const said: unknown[] = [];
  const events: Event[] = [];
  said.push(await run(pipeline, { onEvent: (event) => events.push(event) }), events);
  // The same code shows the others in the run; these are those whose requests hold what the API made of them.
  for (const path of ["link", "echo500", "foreign"]) {
    try {
      const { rows: _, ...shown } = await preview(pipeline, path, { pages: 2 });
      said.push(shown);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      said.push(error.toReport(), error.message, String(error.stack));
    }
  }
  said.push(await check(pipeline));
  return said.map((item) => (typeof item === "string" ? item : JSON.stringify(item)));
}

function found(secret: string, texts: readonly string[]): string[] {
  return formsOf(secret).flatMap((form) =>
    texts.flatMap((text) => {
      const at = text.indexOf(form);
      return at < 0 ? [] : [text.slice(Math.max(0, at - 60), at + form.length + 20)];
    }),
  );
}

/** All shapes where a secret is percent-encoded or in base64, one elsewhere: each run takes a quarter of a second. */
const shapesFor = (place: string): string[] =>
  /query|password/.test(place) ? Object.keys(SECRETS) : ["percent"];

describe.each(Object.entries(PLACES))("a secret as %s", (place, client) => {
  it.each(shapesFor(place))("shaped like %s is nowhere to be seen", async (shape) => {
    const secret = SECRETS[shape]!;
    const name = `p_${place.replaceAll(/\W+/g, "_")}_${shape}`;
    const before = api.requests.length;
    const texts: string[] = [];
    try {
      texts.push(...(await everything(pipelineOf(client(`{{ secrets.${shape} }}`, api), name))));
      expect(texts[0]).toContain('"ok":{"status":"ok"');
      expect(api.requests.length - before).toBeGreaterThan(PATHS.length);
      const file = await readFile(join(folder, `${name}.duckdb`));
      texts.push(
        file.toString("utf8"),
        JSON.stringify(await query(join(folder, `${name}.duckdb`), `select * from ${name}._sluice_state`)),
      );
    } catch (error) {
      // Some places can't carry some shapes. That is told, too.
      if (!(error instanceof SluiceError)) throw error;
      expect(error.message).toMatch(/can't|cookie/);
      expect(api.requests.length).toBe(before);
      texts.push(
        JSON.stringify(error.toReport()),
        error.message,
        String(error.stack),
        JSON.stringify(error.problems),
      );
    }
    for (const hidden of [secret, `ada:${secret}`, "tok-c4n4ry-1", "ref-c4n4ry-2"]) {
      expect(found(hidden, texts)).toEqual([]);
    }
  });
});

it("a secret of several lines is refused before anything is sent", () => {
  for (const client of Object.values(PLACES)) {
    const secret = "c4n4ry\nLINESc4n4ry";
    const told = (() => {
      try {
        definePipeline(
          {
            pipeline: "lines",
            source: restApi({
              client: { base_url: `${api.url}/`, ...client("{{ secrets.lines }}", api) },
              resources: ["ok"],
            }),
          },
          { env: { LINES: secret }, cwd: folder },
        );
        return "";
      } catch (error) {
        return error instanceof SluiceError ? `${error.message}${String(error.stack)}` : String(error);
      }
    })();
    expect(found(secret, [told])).toEqual([]);
  }
});

it.each(["quotes", "percent", "json"])(
  "the command line prints no secret that is shaped like %s",
  async (shape) => {
    const secret = SECRETS[shape]!;
    const config = {
      client: {
        base_url: `${api.url}/`,
        auth: { type: "http_basic", username: "ada", password: "{{ secrets.canary }}" },
        headers: { "x-team": "{{ secrets.canary }}" },
        retry: { max_retries: 0 },
      },
      resources: PATHS.map((path) => ({ name: path, endpoint: { path } })),
    };
    await writeFile(join(folder, `${shape}.json`), JSON.stringify(config));
    const file = `${shape}.json`;
    const calls = [
      ["run", file],
      ["run", file, "--json"],
      ["preview", "link", file, "--pages", "3"],
      ["check", file, "--connect", "--json"],
    ];
    const results = [];
    for (const args of calls) results.push(await sluice(args, { cwd: folder, env: { CANARY: secret } }));
    const texts = results.flatMap(({ stdout, stderr }) => [stdout, stderr]);
    expect(texts.join("")).toContain("403");
    // What a page of records holds is shown by preview: there the API's own echo is data.
    for (const hidden of [secret, `ada:${secret}`]) expect(found(hidden, texts)).toEqual([]);
  },
);
