import { z } from "zod";
import { parsePath } from "../../expression/path.js";
import { parseTemplate } from "../../expression/template.js";
import type { HttpRequest } from "../../http/message.js";
import { joinUrl } from "../../http/url.js";
import { SluiceError } from "../../model/error.js";
import { isObject, type Json } from "../../model/json.js";
import { Secret } from "../../model/secret.js";
import { defineAuth } from "../authenticator.js";
import { tokenAuthenticator } from "../token-authenticator.js";
import { scalarText } from "../values.js";
import { tokenUrl } from "./oauth2.js";
import { askForToken, tokenIn } from "./token-request.js";

const login = z
  .strictObject({
    path: z.string().min(1).optional().describe("Path of the login, joined to base_url. This or url."),
    url: tokenUrl.optional().describe("Whole URL of the login; any origin."),
    method: z
      .string()
      .regex(/^[A-Za-z]+$/, "must be an HTTP method such as POST")
      .transform((method) => method.toUpperCase())
      .default("POST")
      .describe("Method of the login request; default POST."),
    json: z
      .unknown()
      .optional()
      .describe("JSON body. It may hold {{ secrets.name }}: a login is never stored."),
    headers: z
      .record(z.string(), z.union([z.string(), z.instanceof(Secret)]))
      .default({})
      .describe("Headers of the login; client.headers are not sent with it."),
  })
  .refine(({ path, url }) => (path === undefined) !== (url === undefined), "needs either path or url");

/**
 * Logs in, takes a token from the answer, and sends it in a header. Without `expires_after` there is one login for a
 * run, and another one when the API answers 401.
 *
 * @example
 * const auth = { type: "session_token", token_path: "data.token",
 *   login: { path: "login", json: { user: "ada", password: secret("password") } } };
 */
export const sessionTokenAuth = defineAuth({
  type: "session_token",
  summary: "Logs in with a request of its own, and sends the token of its answer in a header.",
  options: z.strictObject({
    login: login.describe("The login request."),
    token_path: z.string().min(1).describe("Where the answer holds the token: a dotted path or JSONPath."),
    header: z.string().min(1).default("Authorization").describe("Header that carries the token."),
    value: z
      .string()
      .min(1)
      .default("Bearer {{ token }}")
      .describe("Template of the header's value. Default `Bearer {{ token }}`."),
    expires_after: z
      .number()
      .positive()
      .nullable()
      .optional()
      .describe("Seconds that a token serves. Default: until the API answers 401."),
  }),
  expressions: ["value"],
  create({ expires_after, header, login, token_path, value }) {
    const path = parsePath(token_path);
    const template = parseTemplate(value, ["token"]);
    checkHeader(header);
    return tokenAuthenticator({
      header,
      format: (token) => scalarText(template.evaluate({ token })) ?? "",
      async obtain(io) {
        const request: HttpRequest = {
          method: login.method,
          url: login.url ?? joinUrl(io.baseUrl, login.path ?? ""),
          headers: { accept: "application/json", ...revealedHeaders(login.headers) },
          ...(login.json === undefined || login.json === null
            ? {}
            : { body: { kind: "json", value: revealed(login.json) } }),
        };
        const answer = await askForToken(request, HINT, io);
        const found = path.first(answer);
        // A number is a token as well.
        const text = found === null || typeof found === "boolean" ? undefined : scalarText(found);
        const token = tokenIn(text ?? found, `token at ${token_path}`, answer, request, io);
        return typeof expires_after === "number"
          ? { value: token, lifetimeS: expires_after }
          : { value: token };
      },
    });
  },
  examples: [
    {
      title: "a login at the API, a Bearer token",
      options: {
        login: { path: "login", json: { user: "ada", password: "s3cr3t" } },
        token_path: "data.token",
      },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Bearer abc123" } },
      obtains: {
        request: {
          method: "POST",
          url: "https://api.example.com/login",
          body: { kind: "json", value: { user: "ada", password: "s3cr3t" } },
        },
        answer: { data: { token: "abc123" } },
      },
    },
    {
      title: "a login elsewhere, a header of its own, half an hour",
      options: {
        login: { url: "https://auth.example.com/session", method: "get", headers: { "X-Api-Key": "s3cr3t" } },
        token_path: "$.session.id",
        header: "X-Session",
        value: "session={{ token }}",
        expires_after: 1800,
      },
      url: "https://api.example.com/calls",
      sent: { headers: { "x-session": "session=abc123" } },
      obtains: {
        request: {
          method: "GET",
          url: "https://auth.example.com/session",
          headers: { "x-api-key": "s3cr3t" },
        },
        answer: { session: { id: "abc123" } },
        seconds: 1800,
      },
    },
  ],
});

const HINT = "Check the username and password of the login, and the form this API wants them in.";

function checkHeader(name: string): void {
  if (/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) return;
  throw new SluiceError("config/invalid", `"${name}" can't be the name of a header`, {
    hint: "Names are made of letters, digits and - _ .; blanks, colons and the like are not allowed.",
  });
}

function revealedHeaders(headers: Readonly<Record<string, string | Secret>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      value instanceof Secret ? value.reveal() : value,
    ]),
  );
}

/** The body as it is sent: every secret in it with its value. */
function revealed(value: unknown): Json {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(revealed);
  if (!isObject(value as Json)) return value as Json;
  return Object.fromEntries(
    Object.entries(value as object)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, revealed(item)]),
  );
}
