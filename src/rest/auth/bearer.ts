import { z } from "zod";
import { defineAuth } from "../authenticator.js";
import { credential } from "../credential.js";
import { headerValue } from "../header-value.js";

/**
 * `Authorization: Bearer <token>` (RFC 6750 §2.1).
 *
 * @example
 * bearerAuth.create({ token: new Secret("token", "abc") }).authorize(request); // authorization: Bearer abc
 */
export const bearerAuth = defineAuth({
  type: "bearer",
  summary: "Sends a token in the Authorization header, as `Bearer <token>`.",
  options: z.strictObject({
    token: credential().describe("The token, without `Bearer `. Usually {{ secrets.token }}."),
  }),
  create({ token }) {
    const value = headerValue(`Bearer ${token.reveal()}`, "token");
    return {
      authorize: (request) => ({ ...request, headers: { ...request.headers, authorization: value } }),
      queryNames: [],
    };
  },
  examples: [
    {
      title: "a token",
      options: { token: "abc123" },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Bearer abc123" } },
    },
  ],
});
