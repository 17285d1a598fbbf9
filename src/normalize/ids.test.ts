import { describe, expect, it } from "vitest";
import { Ids } from "./ids.js";

const NOW = Date.parse("2024-05-06T07:08:09Z");

function texts(ids: Ids, count: number): string[] {
  const words = new Uint32Array(3 * count);
  for (let at = 0; at < count; at++) ids.next(words, 3 * at);
  const all = Buffer.from(words.buffer).toString("latin1");
  return Array.from({ length: count }, (_, at) => all.slice(12 * at, 12 * at + 12));
}

/** The 72 bits of an id, read back independently of how they are written. */
function bits(id: string): bigint {
  const alphabet = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
  return Array.from(id).reduce((sum, char) => sum * 64n + BigInt(alphabet.indexOf(char)), 0n);
}

describe("Ids", () => {
  it("holds the seconds since 2020, the random bits and a counter", () => {
    const random = 0xabcde;
    const ids = texts(new Ids(NOW, () => random / 2 ** 20), 3);
    const seconds = BigInt((NOW - Date.parse("2020-01-01T00:00:00Z")) / 1000);
    expect(ids.map(bits)).toEqual([0n, 1n, 2n].map((n) => (seconds << 40n) | (BigInt(random) << 20n) | n));
    expect(ids[0]).toMatch(/^[-0-9A-Z_a-z]{12}$/);
  });

  it("grows in byte order through two ends of the counter, without a repeat", () => {
    const chances = [0.9, 0.5, 0.1];
    const ids = new Ids(NOW, () => chances.shift() ?? 0);
    const words = new Uint32Array(3);
    const bytes = Buffer.from(words.buffer);
    let last = "";
    let disorder = 0;
    for (let n = 0; n < 2 ** 21 + 10; n++) {
      ids.next(words, 0);
      const id = bytes.toString("latin1");
      if (id <= last) disorder++;
      last = id;
    }
    expect(disorder).toBe(0);
    expect(chances).toEqual([]);
  });

  it("differs between loads of the same second, and grows with the clock", () => {
    const [a] = texts(new Ids(NOW, () => 0.25), 1);
    const [b] = texts(new Ids(NOW, () => 0.75), 1);
    const [c] = texts(new Ids(NOW + 1000, () => 0), 1);
    expect(a! < b! && b! < c!).toBe(true);
  });
});
