import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { askedWait, quotasIn } from "./rate-headers.js";

const NOW = Date.UTC(2030, 0, 1);

describe("quotas", () => {
  it.each<[string, Record<string, string>, object[]]>([
    [
      "draft 8 and later",
      {
        ratelimit: '"burst";r=5;t=1, "day";r=0;t=3600',
        "ratelimit-policy": '"burst";q=10;w=1,"day";q=900;w=86400',
      },
      [
        { name: "ratelimit burst", remaining: 5, resetAt: NOW + 1000, limit: 10 },
        { name: "ratelimit day", remaining: 0, resetAt: NOW + 3_600_000, limit: 900 },
      ],
    ],
    [
      "draft 7",
      { ratelimit: "limit=100, remaining=50, reset=5" },
      [{ name: "ratelimit", remaining: 50, resetAt: NOW + 5000, limit: 100 }],
    ],
    [
      "the first drafts",
      { "ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "1", "ratelimit-reset": "30" },
      [{ name: "ratelimit", remaining: 1, resetAt: NOW + 30_000, limit: 100 }],
    ],
    [
      "GitHub: seconds since 1970",
      {
        "x-ratelimit-limit": "60",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": String(NOW / 1000 + 90),
      },
      [{ name: "x-ratelimit", remaining: 0, resetAt: NOW + 90_000, limit: 60 }],
    ],
    [
      "Twitter, by a clock that is a minute ahead",
      {
        date: new Date(NOW + 60_000).toUTCString(),
        "x-rate-limit-remaining": "3",
        "x-rate-limit-reset": String(NOW / 1000 + 90),
      },
      [{ name: "x-rate-limit", remaining: 3, resetAt: NOW + 30_000 }],
    ],
    [
      "milliseconds since 1970",
      { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(NOW + 1500) },
      [{ name: "x-ratelimit", remaining: 0, resetAt: NOW + 1500 }],
    ],
    [
      "a date",
      { "x-ratelimit-remaining": "0", "x-ratelimit-reset": new Date(NOW + 4000).toISOString() },
      [{ name: "x-ratelimit", remaining: 0, resetAt: NOW + 4000 }],
    ],
    [
      "Discord",
      {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1893456000.5",
        "x-ratelimit-reset-after": "0.25",
      },
      [{ name: "x-ratelimit", remaining: 0, resetAt: NOW + 250 }],
    ],
    [
      "Shopify",
      { "x-shopify-shop-api-call-limit": "39/40" },
      [{ name: "shopify", remaining: 1, resetAt: NOW + 1000 }],
    ],
    ["less than nothing", { "ratelimit-remaining": "-3" }, [{ name: "ratelimit", remaining: 0 }]],
    ["no limit", { "x-ratelimit-limit": "0", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "60" }, []],
    ["a limit of minus one", { "x-ratelimit-limit": "-1", "x-ratelimit-remaining": "-1" }, []],
    [
      "words",
      { "x-ratelimit-remaining": "many", ratelimit: "soon", "x-shopify-shop-api-call-limit": "x/y" },
      [],
    ],
    ["nothing", {}, []],
  ])("%s", (_name, headers, quotas) => {
    expect(quotasIn(headers, NOW)).toEqual(quotas);
  });

  it("never throw, and never are negative", () => {
    const name = fc.constantFrom(
      "ratelimit",
      "ratelimit-policy",
      "x-ratelimit-remaining",
      "x-ratelimit-reset",
      "date",
    );
    const value = fc.oneof(fc.string(), fc.stringMatching(/^[\d;,=rtq"\- .]{0,20}$/));
    fc.assert(
      fc.property(fc.dictionary(name, value), (headers) => {
        for (const quota of quotasIn(headers, NOW)) expect(quota.remaining).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

it("waits for Retry-After on 429 and 503 alone, and not for one that is over", () => {
  expect(askedWait(429, { "retry-after": "2" }, NOW)).toBe(2000);
  expect(askedWait(503, { "retry-after": new Date(NOW + 9000).toUTCString() }, NOW)).toBe(9000);
  expect(askedWait(301, { "retry-after": "2" }, NOW)).toBeUndefined();
  expect(askedWait(429, { "retry-after": "0" }, NOW)).toBeUndefined();
  expect(askedWait(429, {}, NOW)).toBeUndefined();
});
