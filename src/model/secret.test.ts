import { inspect } from "node:util";
import { assert, constantFrom, property, string } from "fast-check";
import { expect, it } from "vitest";
import { Redactor, Secret } from "./secret.js";

it("a secret prints as its name, however it is printed", () => {
  const secret = new Secret("api_key", "s3cr3t-value");
  const printed = [
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: [secret] }),
    "".concat(String(secret)),
  ];
  for (const text of printed) {
    expect(text).toContain("[secret api_key]");
    expect(text).not.toContain("s3cr3t");
  }
  expect(secret.reveal()).toBe("s3cr3t-value");
});

it("hides a secret in every form it takes, wherever it stands", () => {
  const forms: ((secret: string) => string)[] = [
    (secret) => secret,
    encodeURIComponent,
    (secret) => new URLSearchParams({ key: secret }).toString(),
    (secret) => JSON.stringify({ key: secret }),
    (secret) => Buffer.from(secret).toString("base64"),
    (secret) => Buffer.from(`user:${secret}`).toString("base64"),
    (secret) => Buffer.from(`us:${secret}`).toString("base64"),
    (secret) => Buffer.from(`${secret}:`).toString("base64url"),
  ];
  assert(
    property(
      string({ minLength: 8, maxLength: 40, unit: "grapheme" }).filter((text) => !text.includes("*")),
      string(),
      constantFrom(...forms),
      (secret, around, form) => {
        const redactor = new Redactor();
        redactor.add(secret);
        const text = redactor.redact(`${around} ${form(secret)} ${around}`);
        expect(text).not.toContain(secret);
        expect(text).toContain("***");
      },
    ),
  );
});

it("redacts deep values and leaves other types alone", () => {
  const redactor = new Redactor();
  redactor.add("canary-123");
  expect(redactor.redactDeep({ a: ["x canary-123", 1, null, true], "k-canary-123": { n: 1n } })).toEqual({
    a: ["x ***", 1, null, true],
    "k-***": { n: 1n },
  });
});

it("does not hide very short values", () => {
  const redactor = new Redactor();
  redactor.add("abc");
  expect(redactor.redact("abcdef")).toBe("abcdef");
});
