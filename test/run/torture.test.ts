import { expect, it } from "vitest";
import { stepsOf, tableOf } from "../torture/result.js";
import { type TortureOptions, torture } from "../torture/torture.js";

// A small part of what `npm run torture` does, always the same part. A process takes half a second to start, so most of
// the matrix is left to the long form.
const SEED = 20260;

async function killed(options: Omit<TortureOptions, "seed">) {
  const lines: string[] = [];
  const results = await torture({ seed: SEED, tell: (line) => lines.push(line), ...options });
  expect(
    results.flatMap(({ faults }) => faults),
    lines.join("\n"),
  ).toEqual([]);
  return results;
}

it.each([
  ["duckdb", "delete-insert", "header", 1],
  ["postgres", "append-incremental", "page", 2],
] as const)(
  "%s, %s, %s, phase %i: killed at every step of every commit, it ends as if it had not been",
  async (place, disposition, walk, phase) => {
    const [result] = await killed({ kills: "every step", only: [place, disposition, walk], phase });
    const at = [...result!.byStep.keys()];
    for (const step of ["before INSERT INTO items", "before INSERT INTO _sluice_state", "before COMMIT"])
      expect(at).toContain(step);
    expect(at).toContain("after COMMIT");
    expect(result!.kills).toBeGreaterThan(30);
  },
  600_000,
);

it("killed anywhere, by chance, they end as if they had not been", async () => {
  const results = [
    ...(await killed({ kills: 4, only: ["duckdb", "append", "offset"] })),
    ...(await killed({ kills: 4, only: ["duckdb", "replace", "header"] })),
    ...(await killed({ kills: 12, only: ["postgres", "header"], parallel: 2 })),
  ];
  expect(results.reduce((sum, { kills }) => sum + kills, 0)).toBeGreaterThanOrEqual(20);
  expect(tableOf(results)).toContain("| **all** |");
  expect(stepsOf(results)).toContain("| postgres |");
}, 600_000);
