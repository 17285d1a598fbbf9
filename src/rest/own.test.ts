import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { answer } from "../../test/fake-api/behaviours.js";
import { type FakeApi, startFakeApi } from "../../test/fake-api/fake-api.js";
import { mistakesIn, planRest, readRest } from "../../test/read-rest.js";
import { RetryableError } from "../http/message.js";
import { SluiceError } from "../model/error.js";
import { memoryNotes } from "../model/notes.js";
import type { Io } from "../model/source.js";
import { type Authenticator, defineAuth } from "./authenticator.js";
import type { EndpointConfig, RestApiConfig } from "./config.js";
import { type Decode, defineDecoder } from "./decoder.js";
import { definePaginator, type Next, type Paginator } from "./paginator.js";

// Paginators, auth methods and formats of one's own, as they stand in a configuration.

let api: FakeApi;
beforeEach(async () => {
  api = await startFakeApi();
  api.route("/words", ({ headers }) => {
    const ticket = headers["x-ticket"];
    const body = ticket === undefined ? "a|b" : "c";
    const page = answer(200, null, ticket === undefined ? { "x-ticket": "t2" } : {});
    return { ...page, body: Buffer.from(body) };
  });
});
afterEach(() => api.close());

const ticketParts = {
  type: "ticket" as const,
  summary: "Sends the ticket of each page back in a header.",
  options: z.strictObject({ header: z.string().default("x-ticket").describe("The header.") }),
  create: ({ header }: { header: string }): Paginator => ({
    needs: "head",
    first: (request) => request,
    next({ request, head }) {
      const value = head.headers[header];
      if (value === undefined) return { end: "proved", why: "no ticket" };
      return { request: { ...request, headers: { ...request.headers, [header]: value } } };
    },
  }),
  examples: [],
};
const ticket = definePaginator(ticketParts);

const splitParts = {
  type: "split" as const,
  summary: "Words between bars.",
  mediaTypes: ["text/x-words"] as const,
  options: z.strictObject({ key: z.string().default("word").describe("Key of a word.") }),
  create:
    ({ key }: { key: string }): Decode =>
    (body) =>
      new TextDecoder()
        .decode(body)
        .split("|")
        .map((word) => ({ [key]: word })),
  examples: [],
};
const split = defineDecoder(splitParts);

const teamParts = {
  type: "team" as const,
  summary: "Sends the team's name.",
  options: z.strictObject({ team: z.string().default("blue").describe("The team.") }),
  create: ({ team }: { team: string }): Authenticator => ({
    queryNames: [],
    authorize: (request) => ({ ...request, headers: { ...request.headers, "x-team": team } }),
  }),
  examples: [],
};
const team = defineAuth(teamParts);

const config = (endpoint: EndpointConfig, client: Partial<RestApiConfig["client"]> = {}): RestApiConfig => ({
  client: { base_url: api.url, retry: { max_retries: 0 }, ...client },
  resources: [{ name: "words", endpoint }],
});

const words = [{ word: "a" }, { word: "b" }, { word: "c" }];

describe("components of one's own", () => {
  it.each([
    ["called with options", { paginator: ticket({ header: "x-ticket" }), format: split({ key: "word" }) }],
    ["as they are", { paginator: ticket, format: split, auth: team }],
    [
      "as a type",
      { paginator: { type: ticket }, format: { type: split, key: "word" }, auth: { type: team } },
    ],
  ])("%s", async (_, endpoint) => {
    const { records, completeness } = await readRest(config(endpoint), "words");
    expect(records).toEqual(words);
    expect(completeness).toBe("proved");
    expect(api.requests.map(({ headers }) => headers["accept"])).toEqual(["text/x-words", "text/x-words"]);
    if ("auth" in endpoint) expect(api.requests[0]?.headers["x-team"]).toBe("blue");
  });

  it("stand in client and resource_defaults, and one's own wins", async () => {
    const all: RestApiConfig = {
      client: { base_url: api.url, paginator: ticket, auth: team({ team: "red" }) },
      resource_defaults: { endpoint: { path: "words", format: split } },
      resources: [
        "words",
        { name: "one", endpoint: { path: "words", paginator: "single_page", auth: team } },
      ],
    };
    expect((await readRest(all, "words")).records).toEqual(words);
    expect((await readRest(all, "one")).records).toEqual(words.slice(0, 2));
    expect(api.requests.map(({ headers }) => headers["x-team"])).toEqual(["red", "red", "blue"]);
  });

  it("a plain definition, of a class even, will do", async () => {
    class Once implements Paginator {
      readonly needs = "body";
      first(request: Parameters<Paginator["first"]>[0]) {
        return request;
      }
      next(): Next {
        return this.needs === "body" ? { end: "proved", why: "once" } : { end: "unknown", why: "" };
      }
    }
    const once = { ...ticketParts, type: "once", create: () => new Once() };
    const { records, completeness } = await readRest(
      config({ paginator: { type: once }, format: split }),
      "words",
    );
    expect([records, completeness]).toEqual([words.slice(0, 2), "proved"]);
  });

  it("wrong options, and components of another kind, are mistakes in the configuration", () => {
    const wrong = mistakesIn({
      client: { base_url: "https://h/", auth: { type: team, tem: "x" } },
      resources: [
        { name: "a", endpoint: { paginator: { type: ticket, header: 1 } } },
        { name: "b", endpoint: { format: { type: split, kay: "x" } } },
        // @ts-expect-error an auth method is no paginator
        { name: "c", endpoint: { paginator: team } },
        // @ts-expect-error nor is a paginator a format
        { name: "d", endpoint: { format: ticket({ header: "h" }) } },
      ],
    });
    expect(wrong).toEqual([
      expect.stringMatching(/^client\.auth: .*tem/s),
      expect.stringMatching(/^resources\.0\.endpoint\.paginator: .*header/s),
      expect.stringMatching(/^resources\.1\.endpoint\.format: .*kay/s),
      'resources.2.endpoint.paginator: "team" is of another kind (auth); a paginator is made by definePaginator',
      'resources.3.endpoint.format: "ticket" is of another kind (paginator); a format is made by defineDecoder',
    ]);
  });

  it("what create throws is found when the pipeline is loaded, and never quoted unless meant", () => {
    const create = (thrown: Error) => () => {
      throw thrown;
    };
    const meant = new SluiceError("config/invalid", "the header must not be empty");
    const wrong = mistakesIn({
      client: { base_url: "https://h/" },
      resources: [
        { name: "a", endpoint: { paginator: { ...ticketParts, create: create(meant) } } },
        { name: "b", endpoint: { format: { ...splitParts, create: create(new TypeError("k3y")) } } },
        { name: "c", endpoint: { auth: { ...teamParts, create: create(new TypeError("k3y")) } } },
      ],
    });
    expect(wrong).toEqual([
      "resources.0.endpoint.paginator: the header must not be empty",
      expect.stringMatching(/format: create of format "split" threw a TypeError at own\.test\.ts:\d+:\d+$/),
      expect.stringMatching(/auth: create of auth "team" threw a TypeError/),
    ]);
  });

  it("their code is part of the fingerprint: a walk of other code starts again", () => {
    const other = definePaginator({ ...ticketParts, create: (given) => ticketParts.create(given) });
    const otherSplit = defineDecoder({ ...splitParts, create: () => () => [] });
    const endpoints: EndpointConfig[] = [
      { paginator: ticket, format: split },
      { paginator: other, format: split },
      { paginator: ticket, format: otherSplit },
      { paginator: ticket({ header: "y" }), format: split },
      { paginator: ticket, format: split({ key: "y" }) },
    ];
    const fingerprints = endpoints.map((each) => planRest(config(each)).resources[0]?.resource.fingerprint);
    expect(new Set(fingerprints).size).toBe(endpoints.length);
    expect(planRest(config(endpoints[0]!)).resources[0]?.resource.fingerprint).toBe(fingerprints[0]);
  });

  it("two of the same text are two: a child's parent is not read with the other one's decoder", async () => {
    const keyed = (key: string) => defineDecoder({ ...splitParts, create: () => () => [{ id: key }] });
    api.route("/x", () => answer(200, []));
    api.route("/y", () => answer(200, []));
    const child = (parent: string) => ({
      name: `of_${parent}`,
      endpoint: { path: `{resources.${parent}.id}`, data_selector: "$", paginator: "single_page" as const },
    });
    const parent = (name: string) => ({
      name,
      endpoint: { path: "words", format: keyed(name), paginator: "single_page" as const },
    });
    const both: RestApiConfig = {
      client: { base_url: api.url },
      resources: [parent("x"), parent("y"), child("x"), child("y")],
    };
    const run: Io = {
      notes: memoryNotes(),
      signal: new AbortController().signal,
      emit: () => {},
      runtime: { now: () => 0, random: () => 0, sleep: async () => {} },
    };
    for (const { resource } of planRest(both).resources.slice(2))
      for await (const _ of resource.read(undefined, run)) continue;
    expect(api.requests.map(({ url }) => url)).toEqual(["/words", "/x", "/words", "/y"]);
  });
});

describe("mistakes of their code", () => {
  const paginator = (part: Partial<Paginator>) =>
    definePaginator({
      ...ticketParts,
      create: (given) => ({ ...ticketParts.create(given), ...part }),
    });
  const format = (decode: Decode) => defineDecoder({ ...splitParts, create: () => decode });
  const auth = (part: Partial<Authenticator>) =>
    defineAuth({ ...teamParts, create: (given) => ({ ...teamParts.create(given), ...part }) });
  const fail = (): never => {
    throw new TypeError("the record s3cret");
  };
  const never = (value: unknown) => () => value as never;

  it.each<[string, EndpointConfig]>([
    [
      'next of paginator "ticket" threw a TypeError at own.test.ts:',
      { paginator: paginator({ next: fail }) },
    ],
    [
      'next of paginator "ticket" gave no request and no end',
      { paginator: paginator({ next: never(undefined) }) },
    ],
    [
      'next of paginator "ticket" gave no request and no end, but a promise: it must not be async',
      { paginator: paginator({ next: never(Promise.resolve({})) }) },
    ],
    [
      'next of paginator "ticket" gave no request',
      { paginator: paginator({ next: never({ request: { url: "/next" } }) }) },
    ],
    ['format "split" threw a TypeError at own.test.ts:', { format: format(fail) }],
    ['format "split" threw a TypeError at own.test.ts:', { format: format(async () => fail()) }],
    ['format "split" gave no JSON value', { format: format(never(Promise.resolve(() => 1))) }],
    ['authorize of auth "team" threw a TypeError at own.test.ts:', { auth: auth({ authorize: fail }) }],
    ['authorize of auth "team" gave no request', { auth: auth({ authorize: never(undefined) }) }],
  ])("%s", async (message, endpoint) => {
    const error = await readRest(config({ format: split, paginator: ticket, ...endpoint }), "words").then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(SluiceError);
    expect(error).toMatchObject({ code: "component/failed" });
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).not.toContain("s3cret");
  });

  it("first of a paginator is told when the pipeline is loaded", () => {
    expect(mistakesIn(config({ paginator: paginator({ first: fail }) }))).toEqual([
      expect.stringContaining('first of paginator "ticket" threw a TypeError'),
    ]);
  });

  it("a SluiceError and a RetryableError are theirs to throw", async () => {
    const short = format(() => {
      throw new RetryableError("the body ends in the middle of a word");
    });
    await expect(readRest(config({ format: short }), "words")).rejects.toThrow("in the middle of a word");
    const refused = paginator({
      next: () => {
        throw new SluiceError("paginator/value", "no ticket office");
      },
    });
    await expect(readRest(config({ paginator: refused }), "words")).rejects.toMatchObject({
      code: "paginator/value",
      message: "no ticket office",
    });
  });
});
