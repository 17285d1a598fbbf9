import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CliResult, sluice } from "../run/cli.js";
import { type Cell, configurationOf, DATASET, type Disposition, ROOT } from "./cells.js";
import { type Content, compared, contentOf, differences } from "./content.js";
import type { Home, Place } from "./place.js";
import type { Source } from "./source.js";

const FAILPOINTS = new URL("failpoints.mjs", import.meta.url).href;

/** Where a run is killed: at a step (numbered from 1), or a time after its start. */
export type Point =
  | { readonly at: number; readonly side: Side; readonly delayUs: number }
  | { readonly afterMs: number };

/** `after`: it is done, and whoever asked for it has not been told. `later`: `delayUs` after it began, by another thread. */
export type Side = "before" | "during" | "after" | "later";

/** A cell with what it is tried with; nobody else uses the folder and the source meanwhile. */
export interface Bench {
  readonly cell: Cell;
  readonly place: Place;
  readonly source: Source;
  readonly folder: string;
  /** Told what happens, one line each. */
  readonly tell: (line: string) => void;
}

/** What a load that nobody disturbs does. */
export interface Reference {
  readonly phase: 1 | 2;
  /** How it was before; absent: empty. */
  readonly start: Home | undefined;
  readonly before: Content;
  readonly after: Content;
  /** The name of each step, in their order. */
  readonly steps: readonly string[];
  readonly durationMs: number;
}

const NOTHING: Content = contentOf(new Map());

/** Loads both phases undisturbed, one after the other. */
export async function undisturbed(bench: Bench): Promise<{ references: Reference[]; homes: Home[] }> {
  const { cell, place, source, folder } = bench;
  await writeFile(join(folder, "torture.yaml"), configurationOf(cell, source.url));
  const references: Reference[] = [];
  const homes: Home[] = [];
  for (const phase of [1, 2] as const) {
    const start = homes.at(-1);
    const home = start === undefined ? await place.create() : await start.copy();
    homes.push(home);
    source.phase = phase;
    const startedAt = performance.now();
    const { result, steps } = await load(bench, home, undefined);
    const durationMs = performance.now() - startedAt;
    if (result.code !== 0) throw new Error(`${cell.name}: the undisturbed run failed:\n${result.stderr}`);
    const after = contentOf(await home.tables(DATASET));
    const faults = [...after.faults, ...(await home.leftovers())];
    if (faults.length > 0) throw new Error(`${cell.name}: an undisturbed run left ${faults.join("; ")}`);
    references.push({ phase, start, before: references.at(-1)?.after ?? NOTHING, after, steps, durationMs });
  }
  return { references, homes };
}

/** How one trial went. */
export interface Outcome {
  /** The kills that took place: what the process was doing. */
  readonly kills: readonly string[];
  readonly runs: number;
  /** What was found to be wrong; nothing is what is hoped for. */
  readonly faults: readonly string[];
}

/** A run that was killed. */
export interface Killed {
  /** The step it died at; at a random moment: the last one that had begun. */
  readonly step: string;
  /** How many packages are committed now. */
  readonly packages: number;
  /** Nothing is left to do: it died after its last commit. */
  readonly complete: boolean;
}

/** Where the next run is to be killed, knowing how the one before it was; undefined: it is left alone. */
export type Plan = (before: Killed | undefined) => Point | undefined;

/** A load that does not come to its end is a fault. */
const MAX_RUNS = 500;

/**
 * Loads one phase, run after run, each killed as planned, until one ends by itself. After each kill it looks at what
 * readers see, and at the end compares everything with the undisturbed load.
 */
export async function trial(bench: Bench, reference: Reference, plan: Plan): Promise<Outcome> {
  const { cell, place, source, tell } = bench;
  source.phase = reference.phase;
  const home = await (reference.start?.copy() ?? place.create());
  const known = new Set(reference.before.loads.map(({ loadId }) => loadId));
  const kills: string[] = [];
  const faults: string[] = [];
  let runs = 0;
  let killed: Killed | undefined;
  try {
    for (let finished = false; !finished; ) {
      runs += 1;
      if (runs > MAX_RUNS) return { kills, runs, faults: [...faults, `not complete after ${MAX_RUNS} runs`] };
      const point = plan(killed);
      const { result, steps } = await load(bench, home, point);
      if (result.signal === "SIGKILL") {
        const tables = await home.tables(DATASET);
        const seen = contentOf(tables);
        killed = {
          step: steps.at(-1) ?? "the first step",
          packages: tables.get("_sluice_loads")?.length ?? 0,
          complete: isComplete(seen, known),
        };
        kills.push(nameOf(point, killed.step));
        const wrong = [...seen.faults, ...unexpected(cell.disposition, seen, reference)];
        if (wrong.length > 0) {
          return { kills, runs, faults: wrong.map((fault) => `killed ${kills.at(-1)}: ${fault}`) };
        }
        tell(`${cell.name}, phase ${reference.phase}: killed ${kills.at(-1)}; ${killed.packages} packages`);
        // Where another run would be a new load, a complete one is left as it is.
        finished = cell.disposition.again === "more" && killed.complete;
        continue;
      }
      // The source was too bad for the retries: the next run goes on.
      const isSourceBad = result.code === 4 && source.trouble !== undefined;
      if (result.code !== 0 && !isSourceBad) {
        return { kills, runs, faults: [...faults, `exit ${result.code}: ${result.stderr.slice(-2000)}`] };
      }
      finished = result.code === 0;
      faults.push(...(await home.leftovers()).map((what) => `left behind: ${what}`));
    }
    faults.push(...differences(reference.after, contentOf(await home.tables(DATASET))));
  } finally {
    source.trouble = undefined;
    source.storm = 0;
    await home.drop();
  }
  return { kills, runs, faults };
}

/** One run, and the steps that it began. */
async function load(
  { folder, place }: Bench,
  home: Home,
  point: Point | undefined,
): Promise<{ readonly result: CliResult; readonly steps: readonly string[] }> {
  const list = join(folder, "steps.txt");
  const step =
    point !== undefined && "at" in point
      ? { TORTURE_AT: String(point.at), TORTURE_SIDE: point.side, TORTURE_DELAY: String(point.delayUs) }
      : {};
  const env = {
    ...home.env,
    NODE_OPTIONS: `--import ${FAILPOINTS}`,
    TORTURE_DRIVERS: place.drivers,
    TORTURE_LIST: list,
    ...step,
  };
  await writeFile(list, "");
  const args = ["run", "torture.yaml", "--destination", home.uri, "--dataset", DATASET, "--json"];
  let timer: NodeJS.Timeout | undefined;
  const result = await sluice(args, {
    cwd: folder,
    env,
    onStart(child) {
      if (point === undefined || "at" in point) return;
      timer = setTimeout(() => child.kill("SIGKILL"), point.afterMs);
    },
  });
  clearTimeout(timer);
  const steps = (await readFile(list, "utf8")).split("\n").slice(0, -1);
  return { result, steps };
}

function nameOf(point: Point | undefined, step: string): string {
  if (point === undefined) return `by another, at ${step}`;
  const isByChance = "afterMs" in point || point.side === "later";
  return isByChance ? `at a random moment, after the begin of ${step}` : `${point.side} ${step}`;
}

/** Every resource has come to its end in a load that began after the phase did. */
function isComplete({ loads }: Content, before: ReadonlySet<string>): boolean {
  return loads.length > 0 && loads.every(({ loadId, isDone }) => isDone && !before.has(loadId));
}

/** What readers may not see in the middle of a load. */
function unexpected({ adds, between }: Disposition, seen: Content, { before, after }: Reference): string[] {
  const there = seen.rows[ROOT]?.length ?? 0;
  if (adds === true && there !== seen.brought)
    return [`${ROOT} has ${there} rows, and its packages brought ${seen.brought}`];
  const names = Object.keys(seen.rows).filter((name) => !name.startsWith("_sluice_"));
  if (between === "whole") {
    const isOneOf = [before, after].some((whole) =>
      names.every((name) => {
        const { lost, doubled } = compared(whole.rows[name] ?? [], seen.rows[name] ?? []);
        return lost.length === 0 && doubled.length === 0;
      }),
    );
    return isOneOf ? [] : ["readers see tables that are neither those before nor those after"];
  }
  return names.flatMap((name) => {
    const allowed = between === "some" ? [] : (before.rows[name] ?? []);
    const { doubled } = compared([...allowed, ...(after.rows[name] ?? [])], seen.rows[name] ?? []);
    return doubled.length === 0 ? [] : [`${name}: in between there are ${doubled.length} rows too many`];
  });
}
