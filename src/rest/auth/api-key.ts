import { z } from "zod";
import type { HttpRequest } from "../../http/message.js";
import { withParam } from "../../http/url.js";
import { SluiceError } from "../../model/error.js";
import { defineAuth } from "../authenticator.js";
import { credential } from "../credential.js";
import { headerValue } from "../header-value.js";

/** How a key is put into each place. It is set, not added: a link that echoes it does not get it twice. */
const PLACES = {
  header: (request: HttpRequest, name: string, key: string): HttpRequest => {
    return { ...request, headers: { ...request.headers, [name.toLowerCase()]: key } };
  },
  query: withParam,
  param: withParam,
  cookie: (request: HttpRequest, name: string, key: string): HttpRequest => {
    const others = (request.headers["cookie"] ?? "").split(/;\s*/).filter((pair) => {
      return pair !== "" && pair.split("=", 1)[0] !== name;
    });
    return { ...request, headers: { ...request.headers, cookie: [...others, `${name}=${key}`].join("; ") } };
  },
};

/**
 * A key in a header, a query parameter or a cookie. Options as in dlt, where `cookie` is named but fails.
 *
 * @example
 * apiKeyAuth.create({ api_key: "k", name: "X-Api-Key", location: "header" }).authorize(request); // x-api-key: k
 */
export const apiKeyAuth = defineAuth({
  type: "api_key",
  summary: "Sends a key in a header, a query parameter or a cookie.",
  options: z.strictObject({
    api_key: credential().describe(
      "The value as it is sent, with the prefix if the API wants one: 'Token token=\"{{ secrets.api_key }}\"'.",
    ),
    name: z
      .string()
      .min(1)
      .default("Authorization")
      .describe("Name of the header, query parameter or cookie."),
    location: z
      .enum(["header", "query", "param", "cookie"])
      .default("header")
      .describe("Where the key is sent. `param` is another word for `query`."),
  }),
  create({ api_key, name, location }) {
    const inQuery = location === "query" || location === "param";
    if (!inQuery) checkName(name);
    const key = inQuery ? api_key.reveal() : headerValue(api_key.reveal(), "api_key");
    if (location === "cookie") checkCookie(key);
    return {
      authorize: (request) => PLACES[location](request, name, key),
      queryNames: inQuery ? [name] : [],
    };
  },
  examples: [
    {
      title: "the Authorization header, unless told otherwise",
      options: { api_key: 'Token token="abc123"' },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: 'Token token="abc123"' } },
    },
    {
      title: "a header of its own",
      options: { api_key: "abc123", name: "X-Api-Key" },
      url: "https://api.example.com/calls",
      sent: { headers: { "x-api-key": "abc123" } },
    },
    {
      title: "a query parameter; one that is there already is replaced",
      options: { api_key: "a&b", name: "key", location: "query" },
      url: "https://api.example.com/calls?key=old&page=2",
      sent: { url: "https://api.example.com/calls?key=a%26b&page=2" },
    },
    {
      title: "a cookie",
      options: { api_key: "abc123", name: "session", location: "cookie" },
      url: "https://api.example.com/calls",
      sent: { headers: { cookie: "session=abc123" } },
    },
  ],
});

/** Header and cookie names are tokens (RFC 9110 §5.6.2). */
function checkName(name: string): void {
  if (/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) return;
  throw new SluiceError("config/invalid", `"${name}" can't be the name of a header or cookie`, {
    hint: "Names are made of letters, digits and - _ .; blanks, colons and the like are not allowed.",
  });
}

/** RFC 6265 §4.1.1: these would end the value. */
function checkCookie(key: string): void {
  if (!/[\s";,\\]/.test(key)) return;
  throw new SluiceError("config/invalid", "The value of api_key holds a character that a cookie can't hold", {
    hint: "Blanks, quotes, commas, semicolons and backslashes must be encoded as the API expects it.",
  });
}
