import { z } from "zod";
import type { HttpRequest } from "../../http/message.js";
import { isObject, type Json } from "../../model/json.js";
import { Secret } from "../../model/secret.js";
import type { AuthIo } from "../authenticator.js";
import type { Token } from "../token-authenticator.js";
import { askForToken, tokenIn } from "./token-request.js";

/** Options that all OAuth 2 grants share. */
export const tokenUrl = z.url({ protocol: /^https?$/, error: "must be an absolute http or https URL" });

export const requestData = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.instanceof(Secret)]))
  .default({})
  .describe("Further fields of the token request, such as scope or audience. They win over the others.");

export const defaultExpiration = z
  .number()
  .positive()
  .default(3600)
  .describe("Seconds that a token serves when the answer has no expires_in.");

export const clientIdentity = z
  .enum(["body", "basic"])
  .default("body")
  .describe(
    "How the client identifies itself at the token endpoint: `body`, with client_id and client_secret among the fields, or `basic`, with HTTP Basic. Default `body`.",
  );

/** The client that asks for a token, and how it identifies itself. */
export interface Client {
  readonly id: string;
  /** Public clients have none. */
  readonly secret: string | undefined;
  readonly auth: z.output<typeof clientIdentity>;
}

export type RequestData = z.output<typeof requestData>;

/** Fields of a token request; undefined ones are not sent. */
type Fields = Readonly<Record<string, string | undefined>>;

/**
 * A token request (RFC 6749 §4.4.2, §6): a form. The client's id and secret are among its fields, as dlt has it, or in
 * an HTTP Basic header (both §2.3.1; there each of them is form-encoded first).
 */
export function tokenRequest(
  url: string,
  { grant_type, ...fields }: Fields,
  client: Client,
  data: RequestData,
  io: Pick<AuthIo, "conceal">,
): HttpRequest {
  const further = Object.entries(data).map(([name, value]): [string, string] => [
    name,
    value instanceof Secret ? value.reveal() : String(value),
  ]);
  const inHeader = client.auth === "basic" && client.secret !== undefined;
  const identity: Fields = inHeader ? {} : { client_id: client.id, client_secret: client.secret };
  const all: Fields = { grant_type, ...identity, ...fields, ...Object.fromEntries(further) };
  const pairs = Object.entries(all).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  );
  const headers = { accept: "application/json", ...(inHeader ? { authorization: basic(client, io) } : {}) };
  return { method: "POST", url, headers, body: { kind: "form", pairs } };
}

function basic({ id, secret = "" }: Client, io: Pick<AuthIo, "conceal">): string {
  const [user, password] = [id, secret].map((text) => new URLSearchParams([["", text]]).toString().slice(1));
  const encoded = Buffer.from(`${user}:${password}`).toString("base64");
  io.conceal(encoded);
  return `Basic ${encoded}`;
}

/** What a token endpoint answers (RFC 6749 §5.1). */
export interface Grant extends Token {
  readonly refreshToken?: string;
}

/** Sends a token request. `hint` says what to check when it is refused. */
export async function obtainGrant(
  request: HttpRequest,
  defaultLifetimeS: number,
  hint: string,
  io: AuthIo,
): Promise<Grant> {
  const answer = await askForToken(request, hint, io);
  const fields: Readonly<Record<string, Json>> = isObject(answer) ? answer : {};
  const refreshToken = fields["refresh_token"];
  if (typeof refreshToken === "string") io.conceal(refreshToken);
  return {
    value: tokenIn(fields["access_token"], "access_token", answer, request, io),
    lifetimeS: lifetimeOf(fields["expires_in"]) ?? defaultLifetimeS,
    ...(typeof refreshToken === "string" && refreshToken !== "" ? { refreshToken } : {}),
  };
}

/** Some servers write the number as text; null, zero and the like say nothing. */
function lifetimeOf(expiresIn: Json | undefined): number | undefined {
  const seconds = typeof expiresIn === "string" ? Number(expiresIn.trim() || "x") : expiresIn;
  return typeof seconds === "number" && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}
