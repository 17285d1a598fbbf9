import { z } from "zod";
import { SluiceError } from "../../model/error.js";
import { Secret } from "../../model/secret.js";
import { defineAuth } from "../authenticator.js";
import { identifier } from "../credential.js";

/**
 * `Authorization: Basic base64(username:password)`, in UTF-8 (RFC 7617).
 *
 * @example
 * const auth = { type: "http_basic", username: "ada", password: secret("password") };
 */
export const httpBasicAuth = defineAuth({
  type: "http_basic",
  summary: "Sends a username and a password in the Authorization header, as `Basic <base64>`.",
  options: z.strictObject({
    username: identifier().describe("The username, or a key where the API takes one in its place."),
    password: z
      .union([z.string(), z.instanceof(Secret)])
      .transform((value) => (value instanceof Secret ? value : new Secret("password", value)))
      .describe("The password. Usually {{ secrets.password }}; empty where the username is a key."),
  }),
  create({ username, password }) {
    checkBasic(username, password.reveal());
    const pair = Buffer.from(`${username}:${password.reveal()}`, "utf8").toString("base64");
    return {
      queryNames: [],
      authorize(request, io) {
        io.conceal(pair);
        // Without a password it is the username that opens the door.
        if (password.reveal() === "") io.conceal(username);
        return { ...request, headers: { ...request.headers, authorization: `Basic ${pair}` } };
      },
    };
  },
  examples: [
    {
      title: "a username and a password",
      options: { username: "Aladdin", password: "open sesame" },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" } },
    },
    {
      title: "beyond ASCII: the example of RFC 7617",
      options: { username: "test", password: "123£" },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Basic dGVzdDoxMjPCow==" } },
    },
    {
      title: "a key as username",
      options: { username: "sk_test_abc123", password: "" },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Basic c2tfdGVzdF9hYmMxMjM6" } },
    },
  ],
});

/** RFC 7617 §2: the first colon ends the username, and control characters are not allowed. */
function checkBasic(username: string, password: string): void {
  const wrong = username.includes(":")
    ? "The value of username holds a colon"
    : ["username", "password"]
        .filter((_, index) => /\p{Cc}/u.test(index === 0 ? username : password))
        .map((option) => `The value of ${option} holds a control character`)[0];
  if (wrong === undefined) return;
  throw new SluiceError("config/invalid", `${wrong}, which HTTP Basic can't carry`, {
    hint: "Often a line break at the end of a secret file.",
  });
}
