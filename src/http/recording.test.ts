import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Redactor } from "../model/secret.js";
import { bodyBytes, confidentialBody, exchangeKey, recordedBody, recordedRequest } from "./recording.js";
import { replayRuntime } from "./replay.js";

const redactor = new Redactor();
redactor.add("c4n/ary");

const bytes = (text: string) => Buffer.from(text);
const back = (body: Uint8Array) =>
  Buffer.from(bodyBytes(JSON.parse(JSON.stringify(recordedBody(body, redactor)))));

describe("bodies", () => {
  it("come back byte for byte, whatever they are", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.string({ unit: "binary" }).map(bytes),
          fc.json().map(bytes),
          fc.json().map((text) => bytes(` ${text}\n`)),
        ),
        (body) => {
          expect(back(body).equals(Buffer.from(body))).toBe(true);
        },
      ),
    );
  });

  it.each([
    ['{"a":[1,{"b":null}]}', { json: { a: [1, { b: null }] } }],
    ['{"id":9007199254740993}', { text: '{"id":9007199254740993}' }],
    ['{"a":1.0}', { text: '{"a":1.0}' }],
    ['{"a": 1}', { text: '{"a": 1}' }],
    ['{"b":1,"1":2}', { text: '{"b":1,"1":2}' }],
    ["id;name\n1;x", { text: "id;name\n1;x" }],
  ])("%s is kept as JSON only where nothing is lost", (text, kept) => {
    expect(recordedBody(bytes(text), redactor)).toEqual(kept);
  });

  it.each([
    "c4n/ary",
    "c4n%2Fary",
    "c4n%2fary",
    String.raw`c4n\/ary`,
    String.raw`c4n/ary`,
    Buffer.from("user:c4n/ary").toString("base64"),
  ])("hold no secret written as %s", (written) => {
    const kept = JSON.stringify(recordedBody(bytes(`{"x":"a${written}b","y":"\\" \\\\"}`), redactor));
    expect(kept).toContain("***");
    expect(kept).not.toContain(written);
    expect(redactor.redact(kept)).toBe(kept);
  });

  it("hold no secret in an encoding that is not UTF-8", () => {
    const kept = recordedBody(Buffer.from("name;key\nJos\u00e9;c4n/ary", "latin1"), redactor);
    expect(Buffer.from(bodyBytes(kept)).toString("latin1")).toBe("name;key\nJos\u00e9;***");
  });

  it("of answers to token requests keep their keys and what is no credential", () => {
    const answer = { data: { token: "t0k3n", id: 7 }, token_type: "Bearer", expires_in: 60, list: ["x", ""] };
    expect(confidentialBody(bytes(JSON.stringify(answer)))).toEqual({
      json: { data: { token: "***", id: 0 }, token_type: "Bearer", expires_in: 60, list: ["***", ""] },
    });
    expect(confidentialBody(bytes("token=abc"))).toEqual({ text: "***" });
  });
});

describe("requests", () => {
  const request = {
    method: "GET",
    url: "https://u:p@h/x?page=1&access_token=plain&q=c4n%2Fary",
    headers: { "x-api-key": "plain", accept: "a", "x-team": "blue" },
  };
  const kept = recordedRequest({ request, confidential: false }, redactor);

  it("are kept without credentials", () => {
    expect(kept).toEqual({
      method: "GET",
      url: "https://h/x?page=1&access_token=***&q=***",
      headers: { "x-api-key": "***", accept: "a", "x-team": "blue" },
    });
    expect(recordedRequest({ request, confidential: true }, redactor)).toEqual({
      method: "GET",
      url: kept.url,
    });
  });

  it("are told apart by all that is kept but accept", () => {
    const key = exchangeKey("calls", kept);
    expect(exchangeKey("calls", { ...kept, headers: { ...kept.headers, accept: "b" } })).toBe(key);
    expect(exchangeKey("users", kept)).not.toBe(key);
    expect(exchangeKey("calls", { ...kept, headers: { ...kept.headers, "x-team": "red" } })).not.toBe(key);
    expect(exchangeKey("calls", { ...kept, body: { text: "" } })).not.toBe(key);
  });
});

it("a replay's clock starts when it was recorded, and waits move it on", async () => {
  let passed = 5;
  const clock = replayRuntime(1000, () => passed);
  expect(clock.now()).toBe(1000);
  await clock.sleep(60_000, new AbortController().signal);
  passed += 2;
  expect(clock.now()).toBe(61_002);
  await expect(clock.sleep(1, AbortSignal.abort())).rejects.toThrow("abort");
});
