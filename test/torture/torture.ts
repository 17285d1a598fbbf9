import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cellsOf } from "./cells.js";
import type { Place } from "./place.js";
import { PLACES } from "./places.js";
import { type Random, randomFrom, seedOf } from "./random.js";
import { startSource } from "./source.js";
import {
  type Bench,
  type Outcome,
  type Plan,
  type Point,
  type Reference,
  type Side,
  trial,
  undisturbed,
} from "./trial.js";

export interface TortureOptions {
  readonly seed: number;
  /** So many kills, spread evenly over the cells; or at each step of every cell. */
  readonly kills: number | "every step";
  /** Words of the names of cells: a cell is tried if it has all of them. Default: all cells. */
  readonly only?: readonly string[];
  /** With "every step": of the first so many commits; what is left is not killed. Default: of all. */
  readonly commits?: number;
  /** The first load into an empty dataset, or the second one, of data that has changed. Default: both. */
  readonly phase?: 1 | 2;
  /** Default 2. */
  readonly parallel?: number;
  /** Ends it with the results so far. */
  readonly signal?: AbortSignal;
  /** Told what happens, one line each. */
  readonly tell?: (line: string) => void;
}

export interface CellResult {
  readonly cell: string;
  readonly kills: number;
  readonly runs: number;
  /** Trials in which the source misbehaved. */
  readonly troubled: number;
  /** How many steps the undisturbed loads of both phases have. */
  readonly steps: number;
  /** Kills by what the process was doing. */
  readonly byStep: ReadonlyMap<string, number>;
  readonly faults: readonly string[];
}

/** Kills loads of every cell and compares them with undisturbed ones. Same seed, same points. */
export async function torture(options: TortureOptions): Promise<readonly CellResult[]> {
  const { kills, only = [], parallel = 2, tell = () => undefined } = options;
  const cells = cellsOf(Object.keys(PLACES)).filter(({ name }) =>
    only.every((word) => name.split(" ").includes(word)),
  );
  if (cells.length === 0) throw new Error(`no cell is named ${only.join(" ")}`);
  const folder = await mkdtemp(join(tmpdir(), "sluice-torture-"));
  const places = new Map<string, Promise<Place>>();
  const placeOf = (name: string): Promise<Place> => {
    const place = places.get(name) ?? PLACES[name]!();
    places.set(name, place);
    return place;
  };
  const queue = cells.entries();
  const results: CellResult[] = [];
  const work = async (worker: number): Promise<void> => {
    const own = join(folder, String(worker));
    await mkdir(own);
    const source = await startSource();
    try {
      for (const [index, cell] of queue) {
        if (options.signal?.aborted) break;
        const share = kills === "every step" ? kills : shareOf(kills, cells.length, index);
        const bench = { cell, place: await placeOf(cell.place), source, folder: own, tell };
        // One cell that can't be tried spares the others.
        const failed = (error: unknown): CellResult => ({
          ...UNTRIED,
          cell: cell.name,
          faults: [String(error)],
        });
        results.push(await tortureCell(bench, share, options).catch(failed));
      }
    } finally {
      await source.close();
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(parallel, cells.length) }, (_, worker) => work(worker)));
  } finally {
    for (const place of places.values()) await (await place).stop();
    await rm(folder, { recursive: true, force: true });
  }
  const order = new Map(cells.map(({ name }, index) => [name, index]));
  return results.sort((left, right) => order.get(left.cell)! - order.get(right.cell)!);
}

const UNTRIED = { kills: 0, runs: 0, troubled: 0, steps: 0, byStep: new Map<string, number>() };

/** The cells share the kills; the first ones take what is left over. */
function shareOf(kills: number, cells: number, index: number): number {
  return Math.floor(kills / cells) + (index < kills % cells ? 1 : 0);
}

async function tortureCell(
  bench: Bench,
  share: number | "every step",
  { seed, phase: wanted, signal, commits }: TortureOptions,
): Promise<CellResult> {
  const { cell, source, tell } = bench;
  const random = randomFrom(seedOf(seed, cell.name));
  const { references: both, homes } = await undisturbed(bench);
  const references = both.filter(({ phase }) => wanted === undefined || phase === wanted);
  const outcomes: Outcome[] = [];
  const faults: string[] = [];
  let troubled = 0;
  let kills = 0;
  const attempts = share === "every step" ? everyStep(references, commits) : atRandom(references, random);
  for (const { reference, plan, trouble } of attempts) {
    if (signal?.aborted || (share !== "every step" && kills >= share)) break;
    if (trouble !== "none") troubled += 1;
    source.trouble = trouble === "none" ? undefined : { rate: 0.15, random };
    source.storm = trouble === "storm" ? 5 + Math.floor(8 * random()) : 0;
    const outcome = await trial(bench, reference, plan).catch(
      (error: unknown): Outcome => ({ kills: [], runs: 0, faults: [String(error)] }),
    );
    // Ctrl-C reaches the children, too.
    if (signal?.aborted) break;
    outcomes.push(outcome);
    kills += outcome.kills.length;
    const what = `${cell.name}, phase ${reference.phase}${trouble === "none" ? "" : `, ${trouble}`}`;
    const how = howOf(outcome.kills);
    tell(`${what}: ${how}; ${outcome.faults.length === 0 ? "equal" : "DIFFERENT"}`);
    for (const fault of outcome.faults) {
      faults.push(`${what}, ${how}: ${fault}`);
      tell(`  ${fault}`);
    }
  }
  for (const home of homes) await home.drop();
  const byStep = new Map<string, number>();
  for (const name of outcomes.flatMap((outcome) => outcome.kills))
    byStep.set(name, (byStep.get(name) ?? 0) + 1);
  return {
    cell: cell.name,
    kills,
    runs: outcomes.reduce((sum, outcome) => sum + outcome.runs, 0),
    troubled,
    steps: references.reduce((sum, { steps }) => sum + steps.length, 0),
    byStep,
    faults,
  };
}

function howOf(kills: readonly string[]): string {
  if (kills.length === 0) return "not killed";
  return kills.length > 3 ? `killed ${kills.length} times` : `killed ${kills.join(", then ")}`;
}

interface Attempt {
  readonly reference: Reference;
  readonly plan: Plan;
  /** `storm`: beside single bad responses there is a time when there are no good ones. */
  readonly trouble: "none" | "some" | "storm";
}

/**
 * One trial a phase, in which each run dies one step further than the one before, and at the first step again when
 * something was committed: so from every state that a load leaves behind, every step up to the next commit.
 */
function everyStep(references: readonly Reference[], commits = Number.POSITIVE_INFINITY): Attempt[] {
  return references.map((reference) => ({ reference, plan: march(commits), trouble: "none" }));
}

function march(commits: number): Plan {
  let committed = 0;
  let at = 0;
  let sides: readonly Side[] = [];
  let packages: number | undefined;
  return (before) => {
    // What comes after is another load.
    if (before?.complete === true) return undefined;
    // Of a step that makes nothing last the end is the beginning of the next one.
    sides = before !== undefined && isLasting(before.step) ? sides.slice(1) : [];
    if (packages !== undefined && before!.packages > packages) {
      at = 0;
      sides = [];
      committed += 1;
      if (committed >= commits) return undefined;
    }
    packages = before?.packages;
    if (sides.length === 0) {
      at += 1;
      // A kill during a step may find it done; then there is no more dying after it.
      sides = (packages ?? 0) % 2 === 0 ? ["before", "after"] : ["before", "during"];
    }
    return { at, side: sides[0]!, delayUs: 0 };
  };
}

const SIDES: readonly Side[] = ["before", "during", "after"];

/** Steps after which something is there that outlives the process. */
function isLasting(step: string): boolean {
  return /^(COMMIT|close the file|rename|link|put|delete|unlink)/i.test(step);
}

/** Without end: one in three at any moment, the others at a step, of these many around a commit; one in five twice. */
function* atRandom(references: readonly Reference[], random: Random): Generator<Attempt> {
  const below = (limit: number) => Math.floor(limit * random());
  for (;;) {
    const reference = references[below(references.length)]!;
    const { durationMs, steps } = reference;
    const lasting = [...steps.keys()].filter((index) => isLasting(steps[index]!));
    const point = (): Point => {
      const dice = random();
      if (dice < 0.05) return { afterMs: durationMs * (0.5 + 0.5 * random()) };
      if (dice < 0.35) return { at: 1 + below(steps.length), side: "later", delayUs: below(20_000) };
      const index = dice < 0.55 ? lasting[below(lasting.length)]! : below(steps.length);
      return { at: index + 1, side: SIDES[below(SIDES.length)]!, delayUs: below(3000) };
    };
    const points = random() < 0.2 ? [point(), point()] : [point()];
    const dice = random();
    const trouble = dice < 0.75 ? "none" : dice < 0.95 ? "some" : "storm";
    yield { reference, plan: () => points.shift(), trouble };
  }
}
