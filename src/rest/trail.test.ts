import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Records } from "../model/source.js";
import { PageTrail, RequestTrail } from "./trail.js";

it("notices a request that comes again, also in a circle that is longer than it remembers one by one", () => {
  const trail = new RequestTrail();
  let sent = 0;
  for (let next = 0; !trail.has(String(next)); next = (next + 1) % 250_000) {
    trail.add(String(next));
    sent += 1;
    if (sent > 1_000_000) break;
  }
  expect(sent).toBeGreaterThanOrEqual(250_000);
  expect(sent).toBeLessThanOrEqual(750_000);
});

const page = (n: number): Records => ({ kind: "objects", values: [n, "x"] });

it("never takes different pages for repeated ones, and notices any circle of pages", () =>
  fc.assert(
    fc.property(fc.nat(20), fc.integer({ min: 1, max: 20 }), (tail, circle) => {
      const trail = new PageTrail();
      for (let n = 0; n < tail + circle; n++) {
        expect(trail.repeated(page(n))).toBeUndefined();
        trail.add(page(n));
      }
      let more = 0;
      for (let n = tail; trail.repeated(page(n)) === undefined; n = n + 1 < tail + circle ? n + 1 : tail) {
        trail.add(page(n));
        expect(++more).toBeLessThan(4 * (tail + circle) + 4);
      }
    }),
  ));
