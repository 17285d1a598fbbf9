import { describe, expect, test } from "vitest";
import type { HttpRequest } from "../../http/message.js";
import { Secret } from "../../model/secret.js";
import type { AuthDefinition } from "../authenticator.js";
import { apiKeyAuth } from "./api-key.js";
import { bearerAuth } from "./bearer.js";

const definitions: AuthDefinition[] = [apiKeyAuth as AuthDefinition, bearerAuth as AuthDefinition];
const request = (url: string, headers: Record<string, string> = {}): HttpRequest =>
  Object.freeze({ method: "GET", url, headers: Object.freeze({ accept: "application/json", ...headers }) });
const create = (options: Parameters<typeof apiKeyAuth.options.parse>[0]) =>
  apiKeyAuth.create(apiKeyAuth.options.parse(options));

for (const definition of definitions) {
  describe(definition.type, () => {
    test.each(definition.examples)("$title", async ({ options, url, sent }) => {
      const before = request(url);
      const after = await definition.create(definition.options.parse(options)).authorize(before);
      expect(after).toEqual({
        ...before,
        url: sent.url ?? url,
        headers: { ...before.headers, ...sent.headers },
      });
    });

    test.each(definition.examples)(
      "$title: authorizing twice changes nothing more",
      async ({ options, url }) => {
        const auth = definition.create(definition.options.parse(options));
        const once = await auth.authorize(request(url));
        expect(await auth.authorize(once)).toEqual(once);
      },
    );

    test("unknown options are refused", () => {
      const options = { ...(definition.examples[0]?.options as object), toekn: 1 };
      expect(definition.options.safeParse(options).success).toBe(false);
    });
  });
}

test("a secret is revealed only in the request", async () => {
  const key = new Secret("api_key", "s3cr3t-value");
  const auth = create({ api_key: key });
  expect((await auth.authorize(request("https://h/"))).headers["authorization"]).toBe("s3cr3t-value");
  expect(JSON.stringify(apiKeyAuth.options.parse({ api_key: key }))).not.toContain("s3cr3t-value");
});

test("the names that carry the key in the query are known", () => {
  expect(create({ api_key: "k", name: "key", location: "param" }).queryNames).toEqual(["key"]);
  expect(create({ api_key: "k" }).queryNames).toEqual([]);
});

test("a cookie joins the others and replaces its own", async () => {
  const auth = create({ api_key: "new", name: "session", location: "cookie" });
  const sent = await auth.authorize(request("https://h/", { cookie: "theme=dark; session=old; sessions=2" }));
  expect(sent.headers["cookie"]).toBe("theme=dark; sessions=2; session=new");
});

test.each([
  () => create({ api_key: "abc\n" }),
  () => create({ api_key: "k€y" }),
  () => create({ api_key: "a;b", name: "s", location: "cookie" }),
  () => create({ api_key: "abc-hidden", name: "X: y" }),
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
