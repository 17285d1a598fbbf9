import { randomInt } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * An id for one run: sortable by start, readable, with 40 bits of real chance. Packages are recognised by it, so a
 * repeated id would make a new package look like one that was committed before.
 *
 * @example newLoadId(Date.now()) // "20261123T182354-k3f9q2xw"
 */
export function newLoadId(now: number): string {
  const second = new Date(now).toISOString().replace(/[-:]|\.\d+Z$/g, "");
  let tail = "";
  for (let i = 0; i < 8; i++) tail += ALPHABET[randomInt(ALPHABET.length)];
  return `${second}-${tail}`;
}
