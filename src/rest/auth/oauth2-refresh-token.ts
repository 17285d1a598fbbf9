import { z } from "zod";
import { defineAuth } from "../authenticator.js";
import { credential, identifier } from "../credential.js";
import { tokenAuthenticator } from "../token-authenticator.js";
import { defaultExpiration, obtainGrant, requestData, tokenRequest, tokenUrl } from "./oauth2.js";

/**
 * The refresh token grant of OAuth 2 (RFC 6749 §6). A refresh token that the server rotates is used from then on, but
 * only in memory: it is lost when the process ends, which a warning tells once.
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
    refresh_token: credential().describe("The refresh token. Usually {{ secrets.refresh_token }}."),
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
    let refreshToken = options.refresh_token.reveal();
    let warned = false;
    return tokenAuthenticator({
      async obtain(io) {
        const fields = {
          grant_type: "refresh_token",
          client_id,
          client_secret: client_secret?.reveal(),
          refresh_token: refreshToken,
          scope: typeof scopes === "string" ? scopes : scopes?.join(" "),
        };
        const request = tokenRequest(token_url, fields, options.access_token_request_data);
        const grant = await obtainGrant(request, default_token_expiration, HINT, io);
        if (grant.refreshToken === undefined || grant.refreshToken === refreshToken) return grant;
        refreshToken = grant.refreshToken;
        if (!warned) io.warn("auth/rotated", ROTATED);
        warned = true;
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

const ROTATED =
  "the server replaced the refresh token; the new one is used in this run but can't be kept yet, so the configured one may be refused the next time";
