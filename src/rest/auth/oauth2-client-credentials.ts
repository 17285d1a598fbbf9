import { z } from "zod";
import { defineAuth } from "../authenticator.js";
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

/**
 * The client credentials grant of OAuth 2 (RFC 6749 §4.4). Options are dlt's. Unlike dlt: one token for all resources,
 * renewed before it ends and when the API refuses it.
 *
 * @example
 * const auth = { type: "oauth2_client_credentials", access_token_url: "https://auth.example.com/token",
 *   client_id: "sluice", client_secret: secret("client_secret"), access_token_request_data: { scope: "read" } };
 */
export const oauth2ClientCredentialsAuth = defineAuth({
  type: "oauth2_client_credentials",
  summary: "Obtains a token with a client's id and secret (OAuth 2), and sends it as `Bearer <token>`.",
  options: z.strictObject({
    access_token_url: tokenUrl.describe("URL of the token endpoint; any origin."),
    client_id: identifier().describe("The client's id."),
    client_secret: credential().describe("The client's secret. Usually {{ secrets.client_secret }}."),
    client_auth: clientIdentity,
    access_token_request_data: requestData,
    default_token_expiration: defaultExpiration,
    access_token: credential()
      .nullable()
      .optional()
      .describe("A token that is there already. It serves until the API answers 401."),
  }),
  create(options) {
    const { access_token_url, access_token, client_id, client_secret, default_token_expiration } = options;
    return tokenAuthenticator({
      ...(access_token === undefined || access_token === null ? {} : { initial: access_token.reveal() }),
      obtain: (io) => {
        const client = { id: client_id, secret: client_secret.reveal(), auth: options.client_auth };
        const fields = { grant_type: "client_credentials" };
        const request = tokenRequest(access_token_url, fields, client, options.access_token_request_data, io);
        return obtainGrant(request, default_token_expiration, HINT, io);
      },
    });
  },
  examples: [
    {
      title: "a token with a scope, for ten minutes",
      options: {
        access_token_url: "https://auth.example.com/token",
        client_id: "sluice",
        client_secret: "s3cr3t",
        access_token_request_data: { scope: "calls:read" },
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
              ["grant_type", "client_credentials"],
              ["client_id", "sluice"],
              ["client_secret", "s3cr3t"],
              ["scope", "calls:read"],
            ],
          },
        },
        answer: { access_token: "abc123", token_type: "Bearer", expires_in: 600 },
        seconds: 600,
      },
    },
    {
      title: "the client in an HTTP Basic header",
      options: {
        access_token_url: "https://auth.example.com/token",
        client_id: "sluice",
        client_secret: "s3cr3t +",
        client_auth: "basic",
      },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Bearer abc123" } },
      obtains: {
        request: {
          method: "POST",
          url: "https://auth.example.com/token",
          headers: { authorization: "Basic c2x1aWNlOnMzY3IzdCslMkI=" },
          body: { kind: "form", pairs: [["grant_type", "client_credentials"]] },
        },
        answer: { access_token: "abc123", expires_in: 600 },
        seconds: 600,
      },
    },
    {
      title: "without expires_in the default holds",
      options: {
        access_token_url: "https://api.example.com/oauth/token",
        client_id: "sluice",
        client_secret: "s3cr3t",
        default_token_expiration: 120,
      },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Bearer abc123" } },
      obtains: {
        request: {
          method: "POST",
          url: "https://api.example.com/oauth/token",
          body: {
            kind: "form",
            pairs: [
              ["grant_type", "client_credentials"],
              ["client_id", "sluice"],
              ["client_secret", "s3cr3t"],
            ],
          },
        },
        answer: { access_token: "abc123", expires_in: null },
        seconds: 120,
      },
    },
  ],
});

const HINT =
  "Check client_id, client_secret and access_token_request_data, and that this client may use the client credentials grant.";
