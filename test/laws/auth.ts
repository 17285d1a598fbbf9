import assert from "node:assert/strict";
import type { ZodType } from "zod";
import { bodyText } from "../../src/http/body.js";
import type { HttpRequest } from "../../src/http/message.js";
import { SluiceError } from "../../src/model/error.js";
import type { Event } from "../../src/model/event.js";
import type { Json } from "../../src/model/json.js";
import { memoryNotes } from "../../src/model/notes.js";
import { Redactor, Secret } from "../../src/model/secret.js";
import type { Page } from "../../src/model/source.js";
import type { AuthDefinition, AuthExample, Authenticator, AuthIo } from "../../src/rest/authenticator.js";
import { planRestApi } from "../../src/rest/plan.js";
import { always, answer, status } from "../fake-api/behaviours.js";
import { type FakeApi, type SeenRequest, startFakeApi } from "../fake-api/fake-api.js";

/** A sentence that holds for every auth method, and its proof on the definition's own examples. */
export interface AuthLaw {
  readonly name: string;
  /** Rejects if the law does not hold. */
  check(definition: AuthDefinition): Promise<void>;
}

type Example = AuthExample<unknown>;
type Obtains = NonNullable<Example["obtains"]>;

/** Where the examples' APIs and token endpoints are; on the wire, servers of the loopback interface take their place. */
const API = "https://api.example.com";
const TOKENS = "https://auth.example.com";

/**
 * The laws, to be run for each auth method. The examples' URLs are at https://api.example.com, and token endpoints there
 * or at https://auth.example.com; the token in an example's answer has a digit.
 *
 * @example
 * for (const law of authLaws) test(law.name, () => law.check(myAuth));
 */
export const authLaws: readonly AuthLaw[] = [
  {
    name: "has an example",
    async check(definition) {
      assert.ok(definition.examples.length > 0, `${definition.type} has no examples`);
    },
  },
  {
    name: "refuses unknown options",
    check: forEachExample(async (definition, { options }) => {
      const parsed = definition.options.safeParse({ ...(options as object), no_such_option: 1 });
      assert.ok(!parsed.success, "the option no_such_option is accepted; use z.strictObject");
    }),
  },
  {
    name: "describes every option",
    async check(definition) {
      const shape = (definition.options as { shape?: Record<string, ZodType> }).shape;
      assert.ok(shape !== undefined, "options must be a z.strictObject");
      for (const [name, option] of Object.entries(shape)) {
        assert.ok((option.description ?? "").length > 0, `the option ${name} has no description`);
      }
    },
  },
  {
    name: "does what its examples say, and changes nothing that it is given",
    check: forEachExample(async (definition, example) => {
      const bench = workbench(example);
      const auth = create(definition, example.options);
      assert.deepEqual(await auth.authorize(plainRequest(example), bench.io), authorized(example, 1));
      assert.equal(bench.asked.length, example.obtains === undefined ? 0 : 1, "requests of its own");
      for (const request of bench.asked) assertAsked(request, example.obtains);
    }),
  },
  {
    name: "sets its credentials and does not add them again",
    check: forEachExample(async (definition, example) => {
      const { io } = workbench(example);
      const auth = create(definition, example.options);
      const once = await auth.authorize(plainRequest(example), io);
      assert.deepEqual(await auth.authorize(once, io), once);
    }),
  },
  {
    name: "obtains one token for all who wait for it",
    check: forEachExample(async (definition, example) => {
      const { asked, io } = workbench(example);
      const auth = create(definition, example.options);
      await Promise.all(twenty(() => auth.authorize(plainRequest(example), io)));
      assert.equal(asked.length, example.obtains === undefined ? 0 : 1, "requests of its own");
    }),
  },
  {
    name: "obtains a new token before the old one ends",
    check: forEachExample(async (definition, example) => {
      const seconds = example.obtains?.seconds;
      if (seconds === undefined) return;
      const bench = workbench(example);
      const auth = create(definition, example.options);
      await auth.authorize(plainRequest(example), bench.io);
      bench.clock.ms += seconds * 500;
      assert.deepEqual(await auth.authorize(plainRequest(example), bench.io), authorized(example, 1));
      bench.clock.ms += seconds * 499;
      assert.deepEqual(await auth.authorize(plainRequest(example), bench.io), authorized(example, 2));
      assert.equal(bench.asked.length, 2, "tokens in one lifetime and a bit");
    }),
  },
  {
    name: "obtains one token for all requests that were refused with the old one",
    check: forEachExample(async (definition, example) => {
      if (example.obtains === undefined) return;
      const bench = workbench(example);
      const auth = create(definition, example.options);
      const sent = await auth.authorize(plainRequest(example), bench.io);
      assert.ok(auth.refresh !== undefined, "it obtains a token, but has no refresh");
      const answers = await Promise.all(twenty(async () => auth.refresh?.(sent, bench.io)));
      answers.push(await auth.refresh(sent, bench.io));
      assert.ok(
        answers.every((again) => again === true),
        "a refused request was not to be sent again",
      );
      assert.equal(bench.asked.length, 2, "tokens, the first one counted");
      assert.deepEqual(await auth.authorize(plainRequest(example), bench.io), authorized(example, 2));
    }),
  },
  {
    name: "never shows a credential, though a link echoes it",
    check: forEachExample(async (definition, example) => {
      await onTheWire(definition, example, async ({ api, output, read, secrets }) => {
        await read();
        assert.ok(
          api.requests.some(({ url }) => url.includes("page=2")),
          `the link was not followed: ${output()}`,
        );
        const inQuery = create(definition, example.options).queryNames.length > 0;
        const texts = [output(), inQuery ? "" : decodeURIComponent(api.requests[0]?.url ?? "")];
        const shown = secrets().filter((secret) => texts.some((text) => text.includes(secret)));
        assert.deepEqual(shown.map(mask), [], "credentials in an event, error, position or URL");
      });
    }),
  },
  {
    name: "sends nothing to another origin",
    check: forEachExample(async (definition, example) => {
      await onTheWire(definition, example, async ({ foreign, read }) => {
        assert.equal((await read())?.code, "http/origin", "the link to another origin");
        assert.equal(foreign.requests.length, 0, "requests at the other origin");
      });
    }),
  },
  {
    name: "is asked once more after a 401, and then gives up",
    check: forEachExample(async (definition, example) => {
      const tokens = example.obtains === undefined ? 0 : 1;
      await onTheWire(definition, example, async ({ api, obtained, output, read, secrets }) => {
        api.behave("/pages", always(status(401)));
        assert.equal((await read())?.code, "auth/rejected");
        const seen = api.requests.filter(({ url }) => url.startsWith("/pages"));
        const renews = create(definition, example.options).refresh !== undefined;
        assert.ok(renews ? seen.length <= 2 : seen.length === 1, `${seen.length} requests`);
        assert.equal(obtained(), tokens * 2, "tokens");
        assert.deepEqual(
          secrets().filter((secret) => output().includes(secret)),
          [],
          "credentials in an error",
        );
      });
    }),
  },
];

/** Names the example in whatever the check throws. */
function forEachExample(
  check: (definition: AuthDefinition, example: Example) => Promise<void>,
): AuthLaw["check"] {
  return async (definition) => {
    for (const example of definition.examples) {
      try {
        await check(definition, example);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new Error(`${definition.type}, example "${example.title}": ${message}`, { cause: error });
      }
    }
  };
}

function create(definition: AuthDefinition, options: unknown): Authenticator {
  return definition.create(definition.options.parse(options));
}

function twenty<T>(work: () => T | Promise<T>): Promise<T>[] {
  return Array.from({ length: 20 }, async () => work());
}

const HEADERS = Object.freeze({ accept: "application/json", "x-team": "7" });

function plainRequest({ url }: Example): HttpRequest {
  return Object.freeze({ method: "GET", url, headers: HEADERS });
}

/** The example's request as it is sent with the nth token. */
function authorized(example: Example, nth: number): HttpRequest {
  const { url = example.url, headers } = example.sent;
  return numbered(example, nth, { method: "GET", url, headers: { ...HEADERS, ...headers } });
}

/** The value with the nth token in place of the example's: each one that is obtained is another one. */
function numbered<T>(example: Example, nth: number, value: T): T {
  if (nth === 1) return value;
  return tokensOf(example).reduce<T>((text, token) => replaced(text, token, `${token}${nth}`), value);
}

/** The texts of an answer that are sent as credentials; one without a digit is a word such as `Bearer`. */
function tokensOf({ obtains, sent }: Example): string[] {
  return textsIn(obtains?.answer).filter((text) => /\d/.test(text) && JSON.stringify(sent).includes(text));
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function replaced<T>(value: T, from: string, to: string): T {
  if (typeof value === "string") return value.replaceAll(from, to) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => replaced(item, from, to)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, replaced(item as unknown, from, to)]),
  ) as T;
}

function assertAsked(request: HttpRequest, obtains: Obtains | undefined): void {
  assert.equal(request.method, obtains?.request.method);
  assert.equal(request.url, obtains?.request.url);
  assert.equal(bodyText(request.body), bodyText(obtains?.request.body));
  for (const [name, value] of Object.entries(obtains?.request.headers ?? {})) {
    assert.equal(request.headers[name], value, `the header ${name} of the request for a token`);
  }
}

/** What an auth method is given, without a network: its requests are answered as the example says. */
function workbench(example: Example): {
  readonly io: AuthIo;
  readonly asked: HttpRequest[];
  readonly clock: { ms: number };
} {
  const asked: HttpRequest[] = [];
  const clock = { ms: Date.UTC(2030, 0, 1) };
  const notes = memoryNotes();
  const io: AuthIo = {
    baseUrl: `${API}/`,
    // As on the wire, each request has a signal of its own.
    get signal() {
      return new AbortController().signal;
    },
    notes,
    now: () => clock.ms,
    conceal: () => {},
    warn: () => {},
    async send(request) {
      asked.push(request);
      const body = Buffer.from(
        JSON.stringify(numbered(example, asked.length, example.obtains?.answer ?? null)),
      );
      const head = { status: 200, url: request.url, headers: { "content-type": "application/json" } };
      return {
        head,
        read: async (decode) => ({ head, value: await decode(body, head), bytes: body.length }),
        discard: () => {},
      };
    },
  };
  return { io, asked, clock };
}

interface Wire {
  readonly api: FakeApi;
  readonly foreign: FakeApi;
  /** Reads all pages; gives the error at the end. */
  readonly read: () => Promise<SluiceError | undefined>;
  /** Everything that was told on the way, as text. */
  readonly output: () => string;
  /** How many tokens were given out. */
  readonly obtained: () => number;
  /** Every credential in use. */
  readonly secrets: () => string[];
}

/**
 * A configuration with the auth method, read from a server whose first page links to a second one with all that it was
 * sent in the link, and whose second page links to another origin.
 */
async function onTheWire(
  definition: AuthDefinition,
  example: Example,
  check: (wire: Wire) => Promise<void>,
): Promise<void> {
  const [api, tokens, foreign] = await Promise.all([startFakeApi(), startFakeApi(), startFakeApi()]);
  try {
    const moved = <T>(value: T): T => replaced(replaced(value, API, api.url), TOKENS, tokens.url);
    const { options, canaries } = withCanaries(definition, moved(example.options));
    let obtained = 0;
    if (example.obtains !== undefined) {
      const { origin, pathname } = new URL(example.obtains.request.url);
      (origin === API ? api : tokens).route(pathname, () => {
        obtained += 1;
        return answer(200, numbered(example, obtained, example.obtains?.answer ?? null));
      });
    }
    api.route("/pages", (request) => answer(200, pageFor(request, api.url, foreign.url)));

    const told: unknown[] = [];
    const resource = plan({ ...options, type: definition }, `${api.url}/`);
    const read = async (): Promise<SluiceError | undefined> => {
      try {
        for await (const page of resource((event) => told.push(event))) told.push(page.resume);
        return undefined;
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        told.push(error.toReport(), error.stack);
        return error;
      }
    };
    await check({
      api,
      foreign,
      read,
      output: () => JSON.stringify(told),
      obtained: () => obtained,
      secrets: () => [
        ...canaries,
        ...Array.from({ length: obtained }, (_, index) =>
          tokensOf(example).map((token) => numbered(example, index + 1, token)),
        ).flat(),
      ],
    });
  } finally {
    await Promise.all([api.close(), tokens.close(), foreign.close()]);
  }
}

/** A page whose link holds the request's whole query and every header that a client does not send anyway. */
function pageFor({ headers, url }: SeenRequest, api: string, foreign: string): Json {
  if (url.includes("page=2")) return { items: [{ id: 2 }], next: `${foreign}/pages?page=3` };
  const usual = /^(host|connection|accept|accept-encoding|user-agent|content-.*)$/;
  const echo = Object.entries(headers).filter(([name]) => !usual.test(name));
  const query = new URLSearchParams(new URL(url, api).search);
  for (const [name, value] of echo) query.set(`echo-${name}`, value);
  query.set("page", "2");
  return { items: [{ id: 1 }], next: `${api}/pages?${query.toString()}` };
}

/** The options with another value for each credential, told by what they are parsed to. */
function withCanaries(definition: AuthDefinition, options: unknown): { options: object; canaries: string[] } {
  const canaries: string[] = [];
  const planted = (value: unknown, parsed: unknown): unknown => {
    if (typeof value === "string" && value !== "" && parsed instanceof Secret) {
      const canary = `c4n4ry-${canaries.length}-s3cr3t`;
      canaries.push(canary);
      return canary;
    }
    if (Array.isArray(value) || !isRecord(value) || !isRecord(parsed)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, planted(item, parsed[key])]));
  };
  return { options: planted(options, definition.options.parse(options)) as object, canaries };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function plan(
  auth: object & { readonly type: AuthDefinition },
  baseUrl: string,
): (emit: (event: Event) => void) => AsyncIterable<Page> {
  const redactor = new Redactor();
  const { findings, resources } = planRestApi(
    {
      client: { base_url: baseUrl, auth, paginator: { type: "json_link", next_url_path: "next" } },
      resources: ["pages"],
    },
    {
      variables: {},
      variable: () => ({ tried: [] }),
      secret: () => ({ tried: [] }),
      conceal: (value) => redactor.add(value),
      redactor,
      userAgent: "sluice/laws",
    },
  );
  const resource = resources[0]?.resource;
  assert.ok(resource !== undefined, `the configuration is refused: ${JSON.stringify(findings)}`);
  const runtime = { now: () => Date.UTC(2030, 0, 1), random: () => 0, sleep: async () => {} };
  return (emit) =>
    resource.read(undefined, { notes: memoryNotes(), signal: new AbortController().signal, runtime, emit });
}

function mask(secret: string): string {
  return `${secret.slice(0, 9)}…`;
}
