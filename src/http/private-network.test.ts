import type { LookupAddress, LookupOptions } from "node:dns";
import { describe, expect, test } from "vitest";
import { startFakeApi } from "../../test/fake-api/fake-api.js";
import type { Event } from "../model/event.js";
import { systemRuntime } from "../model/runtime.js";
import { Redactor } from "../model/secret.js";
import { createClient } from "./client.js";
import { createPool } from "./fetch.js";
import { isPrivateAddress, publicLookup, requirePublic } from "./private-network.js";

test.each([
  "0.0.0.0",
  "0.1.2.3",
  "10.1.2.3",
  "100.64.0.1",
  "127.0.0.1",
  "127.255.255.254",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "198.18.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::ffff:169.254.169.254",
  "64:ff9b::10.0.0.1",
  "2002:7f00:1::",
  "2002:a9fe:a9fe::1",
  "2001:0:1::",
  "fc00::1",
  "fd12:3456::1",
  "fe80::1%eth0",
  "fec0::1",
  "ff02::1",
  "not an address",
  "",
])("%j is private", (address) => {
  expect(isPrivateAddress(address)).toBe(true);
});

test.each([
  "8.8.8.8",
  "100.63.255.255",
  "100.128.0.1",
  "172.15.0.1",
  "172.32.0.1",
  "192.167.1.1",
  "223.255.255.255",
  "2606:4700::1111",
  "::ffff:8.8.8.8",
  "64:ff9b::8.8.8.8",
  "2002:808:808::1",
])("%s is public", (address) => {
  expect(isPrivateAddress(address)).toBe(false);
});

describe("looking up a name", () => {
  /** What is connected to when names have these addresses, one answer a lookup. */
  async function addressOf(...answers: readonly string[][]): Promise<unknown> {
    let asked = 0;
    const resolve = ((
      _name: string,
      _options: LookupOptions,
      done: (e: null, a: LookupAddress[]) => void,
    ) => {
      const addresses = answers[Math.min(asked++, answers.length - 1)] ?? [];
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
    }) as never;
    const lookup = publicLookup(resolve);
    return new Promise((done) => {
      lookup("api.test", {}, (error, address) => done(error ?? address));
    });
  }
  const refused = expect.objectContaining({
    failure: expect.objectContaining({ code: "http/private-network", retry: "never" }) as unknown,
  }) as unknown;

  test("gives the address that it looked at, though the name changes right after", async () => {
    expect(await addressOf(["8.8.8.8"], ["127.0.0.1"])).toBe("8.8.8.8");
  });

  test("refuses a name with a private address, even among public ones", async () => {
    expect(await addressOf(["127.0.0.1"])).toEqual(refused);
    expect(await addressOf(["8.8.8.8", "fd00::1"])).toEqual(refused);
  });

  test("a name without an address is not found", async () => {
    expect(await addressOf([])).toMatchObject({ code: "ENOTFOUND" });
  });

  test.each(["127.0.0.1", "::1", "::ffff:10.0.0.1"])("%s is no name, and refused by itself", (host) => {
    expect(() => requirePublic(host)).toThrow(refused as Error);
  });

  test.each(["8.8.8.8", "api.test"])("%s is left to the lookup, if it is a name", (host) => {
    expect(() => requirePublic(host)).not.toThrow();
  });
});

describe("a client whose pool blocks private networks", () => {
  test.each(["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0"])(
    "sends nothing to %s, and does not try again",
    async (host) => {
      const api = await startFakeApi();
      const events: Event[] = [];
      const url = `http://${host}:${new URL(api.url).port}/rows`;
      const pool = createPool(undefined, { blockPrivateNetwork: true });
      const client = createClient({
        resource: "rows",
        baseUrl: url,
        pool,
        userAgent: "test",
        runtime: systemRuntime,
        emit: (event) => events.push(event),
        redactor: new Redactor(),
      });
      const request = { method: "GET", url, headers: {} };
      await expect(client.send(request, new AbortController().signal)).rejects.toMatchObject({
        code: "http/private-network",
      });
      expect(api.requests).toEqual([]);
      expect(events.filter(({ type }) => type === "retry")).toEqual([]);
      pool.close();
      await api.close();
    },
  );
});
