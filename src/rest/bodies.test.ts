import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  always,
  answer,
  malformed,
  redirect,
  status,
  tooManyRequests,
} from "../../test/fake-api/behaviours.js";
import { type FakeApi, type Handler, startFakeApi } from "../../test/fake-api/fake-api.js";
import type { Event } from "../model/event.js";
import type { Json } from "../model/json.js";
import { memoryNotes } from "../model/notes.js";
import { Redactor } from "../model/secret.js";
import type { Completeness } from "../model/source.js";
import type { EndpointConfig } from "./config.js";
import { type RestApiOptions, restApiOptions } from "./options.js";
import { planRestApi } from "./plan.js";

let api: FakeApi;
let events: Event[];
let waits: number[];

beforeEach(async () => {
  api = await startFakeApi();
  events = [];
  waits = [];
});
afterEach(() => api.close());

function plan(endpoint: EndpointConfig, defaults?: EndpointConfig) {
  const config = {
    client: { base_url: api.url },
    resources: [{ name: "rows", endpoint: { paginator: "single_page", ...endpoint } }],
    ...(defaults === undefined ? {} : { resource_defaults: { endpoint: defaults } }),
  };
  const options: RestApiOptions = restApiOptions.parse(config);
  return planRestApi(options, {
    variables: { body: { a: 1 } },
    variable: () => ({ tried: [] }),
    secret: () => ({ value: "canary-77" }),
    conceal: () => {},
    redactor: new Redactor(),
    userAgent: "sluice/test",
  });
}

/** What is wrong with an endpoint, as text. */
function mistakes(endpoint: EndpointConfig, defaults?: EndpointConfig): string {
  return plan(endpoint, defaults)
    .findings.map((finding) =>
      "message" in finding ? `${finding.path.slice(3).join(".")}: ${finding.message}` : finding.error.message,
    )
    .join("\n");
}

async function read(
  endpoint: EndpointConfig,
): Promise<{ pages: (readonly Json[])[]; completeness: Completeness | undefined; resumable: number }> {
  const { findings, resources } = plan(endpoint);
  expect(findings).toEqual([]);
  const pages: (readonly Json[])[] = [];
  let completeness: Completeness | undefined;
  let resumable = 0;
  const io = {
    signal: new AbortController().signal,
    notes: memoryNotes(),
    emit: (event: Event) => void events.push(event),
    runtime: {
      now: () => 0,
      random: () => 0,
      sleep: async (ms: number) => void waits.push(ms),
    },
  };
  for await (const page of resources[0]!.resource.read(undefined, io)) {
    pages.push(page.records.values);
    completeness = page.completeness;
    if (page.resume !== undefined) resumable += 1;
  }
  return { pages, completeness, resumable };
}

const warnings = () => events.filter((event) => event.type === "warning");
const sent = () => {
  const { method, body, headers } = api.requests.at(-1)!;
  return { method, body, type: headers["content-type"] };
};

describe("a request's body", () => {
  beforeEach(() => api.route("/rows", { records: [{ id: 1 }] }));

  it.each<[string, EndpointConfig, object]>([
    ["json, on GET too", { json: {} }, { method: "GET", body: "{}", type: "application/json" }],
    [
      "json with every digit",
      { method: "POST", json: { id: 9007199254740993n } },
      { method: "POST", body: '{"id":9007199254740993}', type: "application/json" },
    ],
    ["nothing", {}, { method: "GET", body: "", type: undefined }],
    [
      "an object as a form",
      { method: "post", data: { a: "x y", b: [1, true], c: null, d: "" } },
      { method: "POST", body: "a=x+y&b=1&b=true&d=", type: "application/x-www-form-urlencoded" },
    ],
    [
      "pairs as a form, in order and with duplicates",
      {
        method: "PUT",
        data: [
          ["b", "2"],
          ["a", 1],
          ["b", "ä&"],
        ],
      },
      { method: "PUT", body: "b=2&a=1&b=%C3%A4%26", type: "application/x-www-form-urlencoded" },
    ],
    [
      "text as it is, without a content type",
      { method: "POST", data: 'a {b}\n"c"' },
      { method: "POST", body: 'a {b}\n"c"', type: undefined },
    ],
    [
      "text with the content type of the headers",
      { method: "SEARCH", data: "<q/>", headers: { "Content-Type": "text/xml" } },
      { method: "SEARCH", body: "<q/>", type: "text/xml" },
    ],
    [
      "json with the content type of the headers",
      { method: "PATCH", json: [1], headers: { "content-type": "application/vnd.api+json" } },
      { method: "PATCH", body: "[1]", type: "application/vnd.api+json" },
    ],
    ["an empty form as no body", { method: "POST", data: {} }, { method: "POST", body: "", type: undefined }],
    [
      "a GraphQL query, whose braces are text",
      { method: "POST", json: { query: "{calls(first:2){nodes{id}}}", variables: { n: 1, f: null } } },
      {
        method: "POST",
        body: '{"query":"{calls(first:2){nodes{id}}}","variables":{"n":1,"f":null}}',
        type: "application/json",
      },
    ],
    [
      "a template's object as a form",
      { method: "POST", data: "{{ config.body }}" },
      { method: "POST", body: "a=1", type: "application/x-www-form-urlencoded" },
    ],
  ])("is %s", async (_, endpoint, expected) => {
    await read(endpoint);
    expect(sent()).toEqual(expected);
  });

  it("with a big integer is sent for every page, and never stored with fewer digits", async () => {
    api.route("/rows", { records: [{ id: 1 }, { id: 2 }], paging: "link-header", pageSize: 1 });
    const { pages, resumable } = await read({
      method: "POST",
      json: [9007199254740993n],
      paginator: "header_link",
    });
    expect(pages).toEqual([[{ id: 1 }], [{ id: 2 }]]);
    expect(api.requests.map(({ body }) => body)).toEqual(["[9007199254740993]", "[9007199254740993]"]);
    expect(resumable).toBe(0);
    expect((await read({ method: "POST", json: [9], paginator: "header_link" })).resumable).toBe(1);
  });

  it("is one: json and data together are a mistake, wherever they come from", () => {
    expect(mistakes({ json: {}, data: {} })).toContain("data: json and data can't stand side by side");
    expect(mistakes({ data: "x" }, { json: { a: 1 } })).toContain("side by side");
    expect(mistakes({ data: "x", json: null }, { json: { a: 1 } })).toBe("");
  });

  it("holds no secret and no object in a form", () => {
    expect(mistakes({ data: { k: "{{ secrets.k }}" } })).toContain("data: a secret can't be part of a body");
    expect(mistakes({ json: { k: ["{{ secrets.k }}"] } })).toContain("json: a secret can't");
    expect(mistakes({ data: { a: { b: 1 } } })).toContain("data.a: a form field is text");
    expect(
      mistakes({
        data: [
          ["x", "1"],
          ["a", { b: 1 }],
        ],
      }),
    ).toContain("data.1: a form field is text");
  });
});

describe("a response's body", () => {
  const serve = (type: string, ...bodies: string[]): Handler => {
    let turn = 0;
    return () => ({
      ...answer(200, null, { "content-type": type }),
      body: Buffer.from(bodies[Math.min(turn++, bodies.length - 1)]!),
    });
  };

  it("goes by its content type", async () => {
    api.route("/rows", serve("application/x-ndjson", '{"id":9007199254740993}\n\n{"id":2}\n'));
    expect((await read({})).pages).toEqual([[{ id: 9007199254740993n }, { id: 2 }]]);
    expect(api.requests[0]?.headers["accept"]).toBe("application/json");
    api.route("/rows", serve("text/csv", 'id,note\r\n1,"a\r\nb"\r\n2,\r\n'));
    expect((await read({})).pages).toEqual([
      [
        { id: "1", note: "a\r\nb" },
        { id: "2", note: null },
      ],
    ]);
  });

  it("goes by the format, which is asked for", async () => {
    api.route("/rows", serve("text/plain", "1;x\n"));
    expect((await read({ format: { type: "csv", delimiter: ";", columns: ["id", "v"] } })).pages).toEqual([
      [{ id: "1", v: "x" }],
    ]);
    expect(api.requests[0]?.headers["accept"]).toBe("text/csv");
  });

  it("that is malformed is fetched again, and then the error names the line", async () => {
    api.route("/rows", serve("application/jsonl", '{"id":1}\n{"id":', '{"id":1}\n{"id":2}'));
    expect((await read({})).pages).toEqual([[{ id: 1 }, { id: 2 }]]);
    expect(waits).toEqual([2000]);
    api.route("/rows", serve("text/csv", "a,b\n1,2\n3"));
    await expect(read({})).rejects.toMatchObject({
      code: "response/malformed",
      message: expect.stringContaining("line 3 has 1 fields") as unknown,
      at: { resource: "rows" },
    });
  });

  it.each<[string, EndpointConfig]>([
    ["json", {}],
    ["json with a selector", { data_selector: "data" }],
    ["csv", { format: "csv" }],
    ["jsonl", { format: "jsonl" }],
    ["page numbers", { paginator: { type: "page_number", total_path: null } }],
    ["a total of pages", { paginator: { type: "page_number" } }],
    ["offsets", { paginator: { type: "offset", limit: 5 } }],
    ["a cursor", { paginator: { type: "cursor", cursor_path: "next" } }],
    ["a link in the body", { paginator: { type: "json_link", next_url_path: "next" } }],
    ["a link in the header", { paginator: "header_link" }],
  ])("of status 204, or an empty one, is zero records: %s", async (_, endpoint) => {
    api.route("/rows", () => answer(204, null));
    expect((await read(endpoint)).pages).toEqual([[]]);
    api.route("/rows", () => answer(200, null));
    expect((await read(endpoint)).pages).toEqual([[]]);
  });
});

describe("response_actions", () => {
  const ignore404 = { status_code: 404, action: "ignore" } as const;

  it("ignore: an empty page ends the walk with a warning", async () => {
    expect(await read({ response_actions: [ignore404] })).toMatchObject({
      pages: [[]],
      completeness: "unknown",
    });
    expect(warnings()).toEqual([
      {
        type: "warning",
        resource: "rows",
        code: "response/ignored",
        message: `404 Not Found was ignored, as response_actions say: GET ${api.url}/rows`,
      },
    ]);
  });

  it("ignore: what was read before stays, with either kind of paginator", async () => {
    const records = Array.from({ length: 5 }, (_, id) => ({ id }));
    for (const [paging, paginator] of [
      ["link-header", "header_link"],
      ["page", { type: "page_number", base_page: 1, total_path: "total_pages" }],
    ] as const) {
      const path = `/${paging}`;
      api.route(path, { records, paging, pageSize: 2, envelope: "data" });
      api.behave(path, {}, {}, always(status(404)));
      const { pages, completeness } = await read({ path, paginator, response_actions: [ignore404] });
      expect(pages).toEqual([records.slice(0, 2), records.slice(2, 4), []]);
      expect(completeness).toBe("unknown");
    }
  });

  it("ignore: pre-empts the retries of a status", async () => {
    api.behave("/rows", always(status(503)));
    await read({ response_actions: [{ status_code: "5xx", action: "ignore" }] });
    expect(api.requests).toHaveLength(1);
  });

  it("ignore: also when the attempt before it broke off in its body", async () => {
    api.route("/rows", { records: [{ id: 1 }] });
    api.behave("/rows", malformed, status(404));
    expect((await read({ response_actions: [ignore404] })).pages).toEqual([[]]);
    expect(api.requests).toHaveLength(2);
  });

  it("other statuses stay what they are", async () => {
    api.behave("/rows", status(422), status(500), status(404));
    await expect(read({ response_actions: [ignore404] })).rejects.toMatchObject({ code: "http/status" });
    expect((await read({ response_actions: [ignore404] })).pages).toEqual([[]]);
    expect(waits).toEqual([2000]);
  });

  it.each([404, 422])("either of two, in whatever order: %d", async (code) => {
    api.behave("/rows", always(status(code)));
    const unprocessable = { status_code: 422, action: "ignore" } as const;
    expect((await read({ response_actions: [ignore404, unprocessable] })).pages).toEqual([[]]);
    expect((await read({ response_actions: [unprocessable, ignore404] })).pages).toEqual([[]]);
  });

  it("status and content must both fit, and the first item that fits decides", async () => {
    api.route("/rows", () => answer(403, { error: "no such plan" }));
    const actions: EndpointConfig["response_actions"] = [
      { status_code: 404, content: "plan", action: "retry" },
      { status_code: 403, content: "quota", action: "retry" },
      { status_code: "4XX", content: "such plan", action: "ignore" },
      { content: "plan", action: "raise" },
    ];
    expect((await read({ response_actions: actions })).pages).toEqual([[]]);
    expect(api.requests).toHaveLength(1);
  });

  it("raise: an error inside of a 200, with our words and without the body", async () => {
    api.route("/rows", () => answer(200, { error: "limit for +14155550100" }));
    const actions: EndpointConfig["response_actions"] = [
      { status_code: 200, content: '"error":', action: "raise", message: "the API is out of quota" },
    ];
    const error = (await read({ response_actions: actions }).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: "http/status", at: { resource: "rows" } });
    expect(error.message).toBe(`the API is out of quota (200 OK): GET ${api.url}/rows`);
    expect(api.requests).toHaveLength(1);
  });

  it("raise: pre-empts the retries of a status, and shows what the API says", async () => {
    api.behave("/rows", always(status(503)));
    await expect(read({ response_actions: [{ status_code: 503, action: "raise" }] })).rejects.toThrow(
      /^503 Service Unavailable: GET .*status 503/,
    );
    expect(api.requests).toHaveLength(1);
  });

  it("retry: a 200 that says it is not ready, for POST too, and then it is read", async () => {
    api.route("/rows", { records: [{ id: 7 }] });
    const busy = { answer: () => answer(200, { state: "busy" }, { "retry-after": "5" }) };
    api.behave("/rows", busy, busy);
    const actions: EndpointConfig["response_actions"] = [{ content: '"busy"', action: "retry" }];
    expect((await read({ method: "POST", response_actions: actions })).pages).toEqual([[{ id: 7 }]]);
    expect(waits).toEqual([5000, 5000]);
  });

  it("retry: a status that is not retried otherwise, until the policy's end", async () => {
    api.behave("/rows", always(status(409)));
    const endpoint: EndpointConfig = {
      response_actions: [{ status_code: 409, action: "retry", message: "the report is locked" }],
      retry: { max_retries: 2, backoff_factor: 1 },
    };
    await expect(read(endpoint)).rejects.toThrow("the report is locked (409 Conflict) after 3 attempts");
    expect(waits).toEqual([1000, 2000]);
  });

  it("functions see every response but followed redirects, and may leave it to the next", async () => {
    const seen: string[] = [];
    api.route("/there", { records: [{ id: 1 }] });
    api.behave("/rows", always(redirect("/there")));
    api.behave("/there", tooManyRequests(1));
    const { pages } = await read({
      response_actions: [
        ({ headers, status, text, url }) => {
          seen.push(`${status} ${new URL(url).pathname} ${headers["content-type"]} ${text}`);
          return undefined;
        },
        { status_code: 429, action: () => undefined },
      ],
    });
    expect(pages).toEqual([[{ id: 1 }]]);
    expect(seen).toEqual([
      '429 /there application/json {"error":"status 429"}',
      '200 /there application/json [{"id":1}]',
    ]);
  });

  it("functions decide by a word or with a message; what they throw is told as theirs", async () => {
    api.route("/rows", { records: [] });
    expect((await read({ response_actions: [() => "ignore"] })).completeness).toBe("unknown");
    await expect(
      read({ response_actions: [() => ({ action: "raise", message: "not today" })] }),
    ).rejects.toThrow("not today (200 OK)");
    const throwing = () => {
      throw new Error("oh dear");
    };
    await expect(read({ response_actions: [throwing] })).rejects.toMatchObject({
      code: "expression/failed",
      message: "a function of response_actions threw: oh dear",
    });
    await expect(read({ response_actions: [() => "stop" as "ignore"] })).rejects.toMatchObject({
      code: "config/invalid",
    });
  });

  it("only 64 KiB of a body are looked at, and the whole of it is read", async () => {
    const far = [{ text: "x".repeat(70_000) }, { text: "needle" }];
    api.route("/rows", { records: far });
    expect((await read({ response_actions: [{ content: "needle", action: "raise" }] })).pages).toEqual([far]);
  });

  it("items for other statuses do not hold the next request back", async () => {
    let endFirstBody = (): void => {};
    const { createServer } = await import("node:http");
    const server = createServer((request, response) => {
      if (request.url === "/rows?page=2") {
        response.end("[3]");
        endFirstBody();
      } else {
        response.writeHead(200, { link: '</rows?page=2>; rel="next"' }).write("[1,");
        // Never, if this body were wanted before the next request leaves.
        endFirstBody = () => response.end("2]");
      }
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const path = `http://127.0.0.1:${port}/rows`;
    const own = api;
    api = { ...own, url: `http://127.0.0.1:${port}` };
    const { pages } = await read({
      path,
      paginator: "header_link",
      response_actions: [
        { status_code: "4xx", content: "x", action: "ignore" },
        { status_code: 503, action: () => "ignore" },
      ],
    });
    api = own;
    server.closeAllConnections();
    server.close();
    expect(pages).toEqual([[1, 2], [3]]);
  });

  it.each<[string, unknown, string]>([
    [
      "an unknown action",
      { status_code: 404, action: "ignor" },
      'response_actions.0.action: unknown action "ignor" – did you mean "ignore"',
    ],
    [
      "a status that is none",
      { status_code: 42, action: "ignore" },
      "response_actions.0.status_code: a status is",
    ],
    [
      "a class that is none",
      { status_code: "6xx", action: "ignore" },
      "response_actions.0.status_code: a status is",
    ],
    [
      "an action for everything",
      { action: "ignore" },
      'response_actions.0: "ignore" without status_code and content',
    ],
  ])("%s is a mistake", (_, item, message) => {
    expect(mistakes({ response_actions: [item as typeof ignore404] })).toContain(message);
  });

  it("null resets those of the defaults", async () => {
    expect(plan({ response_actions: null }, { response_actions: [ignore404] }).findings).toEqual([]);
  });
});
