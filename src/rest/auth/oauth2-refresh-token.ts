import { z } from "zod";
import type { Notes } from "../../model/source.js";
import { type AuthIo, defineAuth } from "../authenticator.js";
import { credential, identifier } from "../credential.js";
import { tokenAuthenticator } from "../token-authenticator.js";
import {
  clientIdentity,
  defaultExpiration,
  obtainGrant,
  requestData,
  tokenRequest,
  tokenUrl,
} from "./oauth2.js";
import { tokenNote } from "./token-note.js";

/**
 * The refresh token grant of OAuth 2 (RFC 6749 §6). A refresh token that the server hands out anew (§6: the old one may
 * be void from then on) is stored, encrypted, before the access token that came with it is used, and serves from then
 * on, in later runs too. It is kept with the pipeline's state, so one refresh token should serve one pipeline; a refresh
 * token that is newly configured wins over a kept one.
 *
 * @example
 * const auth = { type: "oauth2_refresh_token", token_url: "https://auth.example.com/token", client_id: "sluice",
 *   client_secret: secret("client_secret"), refresh_token: secret("refresh_token"), scopes: ["calls:read"] };
 */
export const oauth2RefreshTokenAuth = defineAuth({
  type: "oauth2_refresh_token",
  summary: "Obtains tokens with a refresh token (OAuth 2), and sends them as `Bearer <token>`.",
  options: z.strictObject({
    token_url: tokenUrl.describe("URL of the token endpoint; any origin."),
    client_id: identifier().describe("The client's id."),
    client_secret: credential()
      .nullable()
      .optional()
      .describe("The client's secret; public clients have none. Usually {{ secrets.client_secret }}."),
    refresh_token: credential().describe(
      "The refresh token. Usually {{ secrets.refresh_token }}. One that the server replaces it with is kept, encrypted, with the pipeline's state.",
    ),
    client_auth: clientIdentity,
    scopes: z
      .union([z.string().min(1), z.array(z.string().min(1))])
      .nullable()
      .optional()
      .describe(
        "Scopes to ask for: a list, or a text with blanks between them. Default: those first granted.",
      ),
    access_token_request_data: requestData,
    default_token_expiration: defaultExpiration,
  }),
  create(options) {
    const { client_id, client_secret, default_token_expiration, scopes, token_url } = options;
    const client = { id: client_id, secret: client_secret?.reveal(), auth: options.client_auth };
    const configured = options.refresh_token.reveal();
    const note = tokenNote({
      tokenUrl: token_url,
      clientId: client_id,
      clientSecret: client.secret,
      configured,
    });
    let present = configured;
    let isStored = true;
    let seen: Notes | undefined;
    const store = async (io: AuthIo): Promise<void> => {
      isStored = false;
      await note.write(present, io);
      isStored = true;
    };
    /** At the beginning of a run the one that was kept counts, unless there is one that could not be stored. */
    const begin = async (io: AuthIo): Promise<void> => {
      const kept = isStored ? note.read(io) : undefined;
      if (kept === undefined && present !== configured) await store(io);
      present = kept ?? present;
      io.conceal(present);
      seen = io.notes;
    };
    return tokenAuthenticator({
      async obtain(io) {
        if (seen !== io.notes || !isStored) await begin(io);
        const fields = {
          grant_type: "refresh_token",
          refresh_token: present,
          scope: typeof scopes === "string" ? scopes : scopes?.join(" "),
        };
        const request = tokenRequest(token_url, fields, client, options.access_token_request_data, io);
        const grant = await obtainGrant(request, default_token_expiration, HINT, io);
        if (grant.refreshToken === undefined || grant.refreshToken === present) return grant;
        present = grant.refreshToken;
        // Before the access token is used: who is stopped from here on finds the new one.
        await store(io);
        return grant;
      },
    });
  },
  examples: [
    {
      title: "a confidential client",
      options: {
        token_url: "https://auth.example.com/token",
        client_id: "sluice",
        client_secret: "s3cr3t",
        refresh_token: "r3fr3sh",
        scopes: ["calls:read", "users:read"],
      },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Bearer abc123" } },
      obtains: {
        request: {
          method: "POST",
          url: "https://auth.example.com/token",
          body: {
            kind: "form",
            pairs: [
              ["grant_type", "refresh_token"],
              ["client_id", "sluice"],
              ["client_secret", "s3cr3t"],
              ["refresh_token", "r3fr3sh"],
              ["scope", "calls:read users:read"],
            ],
          },
        },
        answer: { access_token: "abc123", expires_in: 900 },
        seconds: 900,
      },
    },
  ],
});

const HINT =
  "The refresh token may have expired, been revoked or been used before. Authorize the client anew and store the new refresh token.";
