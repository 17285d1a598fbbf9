import { expect, test } from "vitest";
import type { HttpRequest } from "../../http/message.js";
import { memoryNotes } from "../../model/notes.js";
import { Secret } from "../../model/secret.js";
import type { AuthIo } from "../authenticator.js";
import { apiKeyAuth } from "./api-key.js";
import { bearerAuth } from "./bearer.js";
import { httpBasicAuth } from "./http-basic.js";

const request = (url: string, headers: Record<string, string> = {}): HttpRequest =>
  Object.freeze({ method: "GET", url, headers: Object.freeze({ accept: "application/json", ...headers }) });
const create = (options: Parameters<typeof apiKeyAuth.options.parse>[0]) =>
  apiKeyAuth.create(apiKeyAuth.options.parse(options));

const io: AuthIo = {
  baseUrl: "https://h/",
  signal: new AbortController().signal,
  notes: memoryNotes(),
  now: () => 0,
  conceal: () => {},
  warn: () => {},
  send: () => Promise.reject(new Error("nothing is to be sent")),
};

test("a secret is revealed only in the request", async () => {
  const key = new Secret("api_key", "s3cr3t-value");
  const auth = create({ api_key: key });
  expect((await auth.authorize(request("https://h/"), io)).headers["authorization"]).toBe("s3cr3t-value");
  expect(JSON.stringify(apiKeyAuth.options.parse({ api_key: key }))).not.toContain("s3cr3t-value");
});

test("the names that carry the key in the query are known", () => {
  expect(create({ api_key: "k", name: "key", location: "param" }).queryNames).toEqual(["key"]);
  expect(create({ api_key: "k" }).queryNames).toEqual([]);
});

test("a cookie joins the others and replaces its own", async () => {
  const auth = create({ api_key: "new", name: "session", location: "cookie" });
  const sent = await auth.authorize(
    request("https://h/", { cookie: "theme=dark; session=old; sessions=2" }),
    io,
  );
  expect(sent.headers["cookie"]).toBe("theme=dark; sessions=2; session=new");
});

test.each([
  () => create({ api_key: "abc\n" }),
  () => create({ api_key: "k€y" }),
  () => create({ api_key: "a;b", name: "s", location: "cookie" }),
  () => create({ api_key: "abc-hidden", name: "X: y" }),
  () => httpBasicAuth.create(httpBasicAuth.options.parse({ username: "ada:hidden", password: "x" })),
  () => httpBasicAuth.create(httpBasicAuth.options.parse({ username: "ada", password: "hidden\n" })),
  () => bearerAuth.create(bearerAuth.options.parse({ token: "abc-hidden\r\nx: 1" })),
])("what can't be sent is refused, without its value (%#)", (run) => {
  let message = "";
  expect(() => {
    try {
      run();
    } catch (error) {
      message = (error as Error).message;
      throw error;
    }
  }).toThrow(expect.objectContaining({ code: "config/invalid" }));
  expect(message).not.toMatch(/hidden|k€y|a;b/);
});

test("an empty credential is refused", () => {
  expect(bearerAuth.options.safeParse({ token: "" }).success).toBe(false);
});
