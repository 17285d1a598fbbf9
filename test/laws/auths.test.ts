import { describe, expect, test } from "vitest";
import { z } from "zod";
import { auths } from "../../src/rest/auth/index.js";
import { type AuthDefinition, type Authenticator, defineAuth } from "../../src/rest/authenticator.js";
import { credential } from "../../src/rest/credential.js";
import { tokenAuthenticator } from "../../src/rest/token-authenticator.js";
import { authLaws } from "./auth.js";

describe.each(auths as readonly unknown[] as AuthDefinition[])("$type", (definition) => {
  test.each(authLaws)("$name", (law) => law.check(definition));
});

test("all built-in methods are found", () => {
  expect(auths.map(({ type }) => type).sort()).toEqual([
    "api_key",
    "bearer",
    "http_basic",
    "oauth2_client_credentials",
    "oauth2_refresh_token",
    "session_token",
  ]);
});

const asked = { method: "POST", url: "https://api.example.com/token" };
const options = z.strictObject({ key: credential().describe("The key.") });

/** Obtains a token, rightly; each law below gets a version of it that breaks it. */
const sound = defineAuth({
  type: "sound",
  summary: "Exchanges a key for a token.",
  options,
  create: ({ key }) =>
    tokenAuthenticator({
      async obtain(io) {
        const url = new URL("token", io.baseUrl).href;
        const exchange = await io.send({ ...asked, url, headers: { "x-key": key.reveal() } }, io.signal);
        const { value } = await exchange.read(
          (body) => JSON.parse(Buffer.from(body).toString()) as { t: string },
        );
        return { value: value.t, lifetimeS: 600 };
      },
    }),
  examples: [
    {
      title: "a token",
      options: { key: "k3y-k3y" },
      url: "https://api.example.com/calls",
      sent: { headers: { authorization: "Bearer t0k3n" } },
      obtains: {
        request: { ...asked, headers: { "x-key": "k3y-k3y" } },
        answer: { t: "t0k3n" },
        seconds: 600,
      },
    },
  ],
}) as unknown as AuthDefinition;

/** The sound method, and around it what breaks a law. */
function around(change: (whole: Authenticator) => Authenticator): Partial<AuthDefinition> {
  return { create: (options) => change(sound.create(options)) };
}

/** Obtains a token for whoever asks: what is missing is the holding. */
function forgetful(whole: () => Authenticator): Authenticator {
  return {
    queryNames: [],
    authorize: (request, io) => whole().authorize(request, io),
    refresh: async () => true,
  };
}

const broken: Record<string, Partial<AuthDefinition>> = {
  "has an example": { examples: [] },
  "refuses unknown options": { options: z.object({ key: credential().describe("The key.") }) },
  "describes every option": { options: z.strictObject({ key: credential() }) },
  "does what its examples say, and changes nothing that it is given": around((whole) => ({
    ...whole,
    authorize(request, io) {
      Object.assign(request.headers, { "x-team": "8" });
      return whole.authorize(request, io);
    },
  })),
  "sets its credentials and does not add them again": around((whole) => ({
    ...whole,
    authorize: async (request, io) => {
      const { authorization = "" } = request.headers;
      const sent = await whole.authorize(request, io);
      return {
        ...sent,
        headers: { ...sent.headers, authorization: authorization + sent.headers["authorization"] },
      };
    },
  })),
  "obtains one token for all who wait for it": {
    create: (options) => forgetful(() => sound.create(options)),
  },
  "obtains a new token before the old one ends": around((whole) => ({
    ...whole,
    authorize: (request, io) => whole.authorize(request, { ...io, now: () => 0 }),
  })),
  "obtains one token for all requests that were refused with the old one": around((whole) => ({
    ...whole,
    refresh: async (sent, io) => {
      const renewed = await whole.authorize({ ...sent, headers: {} }, io);
      return (await whole.refresh?.(renewed, io)) ?? false;
    },
  })),
  "never shows a credential, though a link echoes it": around((whole) => ({
    ...whole,
    authorize: (request, io) => whole.authorize(request, { ...io, conceal: () => {} }),
  })),
  // Without its own word for the request, the law can only be broken by the client.
  "sends nothing to another origin": around((whole) => ({
    ...whole,
    authorize: async (request, io) => {
      const sent = await whole.authorize(request, io);
      return new URL(request.url).searchParams.has("page") ? Promise.reject(new TypeError("stuck")) : sent;
    },
  })),
  "is asked once more after a 401, and then gives up": around((whole) => ({
    ...whole,
    refresh: () => Promise.resolve(false),
  })),
};

describe("each law can fail", () => {
  test.each(authLaws)("$name", async (law) => {
    await law.check(sound);
    expect(broken).toHaveProperty([law.name]);
    await expect(law.check({ ...sound, ...broken[law.name] })).rejects.toThrow();
  });
});
