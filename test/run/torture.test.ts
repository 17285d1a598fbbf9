import { expect, it } from "vitest";
import { pageOf } from "../torture/result.js";
import { type CellResult, type TortureOptions, torture } from "../torture/torture.js";

// A small part of what `npm run torture` does, always the same part: a kill costs a process or two, so most of the matrix
// is left to the long form. Two at a time, as many as there are processors on a small machine.
const SEED = 20260;
const TIMEOUT_MS = 900_000;

async function killed(options: Omit<TortureOptions, "seed">): Promise<CellResult> {
  const lines: string[] = [];
  const [result] = await torture({ seed: SEED, parallel: 1, tell: (line) => lines.push(line), ...options });
  expect(result!.faults, lines.join("\n")).toEqual([]);
  return result!;
}

it(
  "killed at every step of a commit, the first of a table or not, loads end as if they had not been",
  async () => {
    const results = await Promise.all([
      killed({ kills: "every step", only: ["duckdb", "delete-insert", "header"], phase: 1, commits: 1 }),
      killed({ kills: "every step", only: ["postgres", "append-incremental", "page"], phase: 2, commits: 1 }),
    ]);
    for (const { byStep, kills } of results) {
      const steps = ["before INSERT INTO items", "before INSERT INTO _sluice_loads", "before COMMIT"];
      expect([...byStep.keys()]).toEqual(expect.arrayContaining(steps));
      expect(byStep.has("after COMMIT") || byStep.has("during COMMIT")).toBe(true);
      expect(kills).toBeGreaterThan(15);
    }
  },
  TIMEOUT_MS,
);

it(
  "killed anywhere, by chance, loads end as if they had not been",
  async () => {
    const first = async () => [
      await killed({ kills: 4, only: ["duckdb", "replace", "header"] }),
      await killed({ kills: 4, only: ["duckdb", "append", "offset"] }),
      await killed({ kills: 3, only: ["s3", "append", "header"] }),
    ];
    const second = async () => [
      await killed({ kills: 5, only: ["postgres", "delete-insert", "offset"] }),
      await killed({ kills: 4, only: ["file", "merge-incremental", "page"] }),
    ];
    const results = (await Promise.all([first(), second()])).flat();
    expect(results.reduce((sum, { kills }) => sum + kills, 0)).toBeGreaterThanOrEqual(20);
    const page = pageOf(results, { command: "npm test", date: "2026-01-01", minutes: 1 });
    expect(page).toContain("Mismatches: none");
    expect(page).toMatch(/\| duckdb \| append \| offset \| [45] \|/);
  },
  TIMEOUT_MS,
);
