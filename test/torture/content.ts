import type { Row } from "./place.js";

/** What is compared between two homes. */
export interface Content {
  /** The rows of every table, sorted, as text without what differs between equal loads. */
  readonly rows: Readonly<Record<string, readonly string[]>>;
  /** The state of every resource, likewise. */
  readonly states: Readonly<Record<string, unknown>>;
  /** The load that each resource was committed by last, and whether it is complete in it. */
  readonly loads: readonly { readonly loadId: string; readonly isDone: boolean }[];
  /** How many rows the packages brought to root tables, by their own account. */
  readonly brought: number;
  /** Tables of rows that are kept out of sight until all are there. */
  readonly parts: readonly string[];
  /** What contradicts itself: a package that was committed twice, a gap in the packages of a load. */
  readonly faults: readonly string[];
}

type Tables = ReadonlyMap<string, readonly Row[]>;

interface StoredState {
  readonly loadId: string;
  readonly status: string;
  readonly [key: string]: unknown;
}

export function contentOf(tables: Tables): Content {
  const states = (tables.get("_sluice_state") ?? []).map(
    (row) => [String(row["resource"]), JSON.parse(String(row["state"])) as StoredState] as const,
  );
  const resources = states.filter(([name]) => isResource(name));
  return {
    rows: { ...dataRows(tables), _sluice_rejects: rejectRows(tables), _sluice_schema: schemaRows(tables) },
    states: Object.fromEntries(states.map(([name, state]) => [name, comparable(state)])),
    loads: resources.map(([, { loadId, status }]) => ({ loadId, isDone: status === "done" })),
    brought: (tables.get("_sluice_loads") ?? []).reduce((sum, row) => sum + Number(row["rows"]), 0),
    parts: [...tables.keys()].filter((name) => name.startsWith("_sluice_part_")),
    faults: [...packageFaults(tables), ...idFaults(tables), ...stateFaults(tables)],
  };
}

/** Notes and lists of parts stand in the same table, under names of their own. */
const isResource = (name: string): boolean => !name.startsWith("@");

/** Of a state all but ids, times and the number of packages, which a source that fails adds to. */
function comparable(state: StoredState): Record<string, unknown> {
  const { loadId: _id, loadStartedAt: _start, committedAt: _at, packages: _packages, ...rest } = state;
  return rest;
}

/** A child row carries its parent's content in place of its id. */
function dataRows(tables: Tables): Record<string, readonly string[]> {
  const texts = new Map<unknown, string>();
  const rows: Record<string, readonly string[]> = {};
  // Parents come before children: their names are shorter.
  for (const [name, content] of tables) {
    if (name.startsWith("_sluice_")) continue;
    rows[name] = content
      .map((row) => {
        // A column that is not there yet holds nothing either.
        const own = Object.entries(row)
          .filter(([key, value]) => !SYSTEM.has(key) && value !== null)
          .map(([key, value]) => [key, plainValue(key, value)] as const);
        // The order of columns is that of their arrival.
        own.sort(([left], [right]) => (left < right ? -1 : 1));
        const text = JSON.stringify([
          own,
          texts.get(row["_sluice_parent_id"]),
          texts.get(row["_sluice_root_id"]),
        ]);
        texts.set(row["_sluice_id"], text);
        return text;
      })
      .sort();
  }
  return rows;
}

/** 5 stays 5 when its column widens; of the end of a version (scd2) only that there is one. */
function plainValue(key: string, value: unknown): unknown {
  if (key === "_sluice_valid_to") return "ended";
  return typeof value === "number" ? String(value) : value;
}

const SYSTEM: ReadonlySet<string> = new Set([
  "_sluice_id",
  "_sluice_load_id",
  "_sluice_parent_id",
  "_sluice_root_id",
  "_sluice_valid_from",
]);

function rejectRows(tables: Tables): string[] {
  return (tables.get("_sluice_rejects") ?? [])
    .map(({ load_id: _load, ...row }) => JSON.stringify(Object.entries(row)))
    .sort();
}

/** The newest version of each; a load that failed before its first row has one without tables before it. */
function schemaRows(tables: Tables): string[] {
  const newest = new Map<unknown, readonly [version: number, hash: unknown]>();
  for (const { resource, version, schema_hash: hash } of tables.get("_sluice_schema") ?? []) {
    if (Number(version) > (newest.get(resource)?.[0] ?? 0)) newest.set(resource, [Number(version), hash]);
  }
  return [...newest].map(([resource, [, hash]]) => JSON.stringify([resource, hash])).sort();
}

/** Packages of a load and resource are numbered from 1; each is there once. */
function packageFaults(tables: Tables): string[] {
  const numbers = new Map<string, number[]>();
  for (const row of tables.get("_sluice_loads") ?? []) {
    const [, lane = "", number = ""] = /^(.*)\/(\d+)$/.exec(String(row["package"])) ?? [];
    numbers.set(lane, [...(numbers.get(lane) ?? []), Number(number)]);
  }
  return [...numbers].flatMap(([lane, found]) => {
    found.sort((left, right) => left - right);
    const isWhole = found.every((number, index) => number === index + 1);
    return isWhole ? [] : [`the packages of ${lane} are ${found.join(", ")}`];
  });
}

/** Every row has an id of its own, and every child a parent that is there. */
function idFaults(tables: Tables): string[] {
  const faults: string[] = [];
  const ids = new Set<unknown>();
  for (const [name, rows] of tables) {
    if (name.startsWith("_sluice_")) continue;
    for (const row of rows) {
      if (ids.has(row["_sluice_id"])) faults.push(`a row of ${name} is there twice, with one id`);
      ids.add(row["_sluice_id"]);
      if ("_sluice_parent_id" in row && !ids.has(row["_sluice_parent_id"]))
        faults.push(`a row of ${name} has no parent`);
    }
  }
  return faults;
}

/** The state says how many packages there are; a state without its package, or the other way round, is half a commit. */
function stateFaults(tables: Tables): string[] {
  const packages = (tables.get("_sluice_loads") ?? []).map((row) => String(row["package"]));
  return (tables.get("_sluice_state") ?? []).flatMap((row) => {
    const resource = String(row["resource"]);
    if (!isResource(resource)) return [];
    const state = JSON.parse(String(row["state"])) as { loadId: string; packages: number };
    const found = packages.filter((id) => id.startsWith(`${state.loadId}/${resource}/`)).length;
    return found === state.packages
      ? []
      : [`the state of ${resource} counts ${state.packages} packages, and ${found} are there`];
  });
}

/** How two contents differ, in a few words; nothing if they don't. */
export function differences(expected: Content, actual: Content): string[] {
  const found: string[] = [...actual.faults, ...actual.parts.map((name) => `${name} was left behind`)];
  for (const table of new Set([...Object.keys(expected.rows), ...Object.keys(actual.rows)])) {
    const { lost, doubled } = compared(expected.rows[table] ?? [], actual.rows[table] ?? []);
    if (lost.length > 0) found.push(`${table}: ${lost.length} rows are lost, such as ${lost[0]}`);
    if (doubled.length > 0) found.push(`${table}: ${doubled.length} rows too many, such as ${doubled[0]}`);
  }
  const [wanted, is] = [JSON.stringify(expected.states), JSON.stringify(actual.states)];
  if (wanted !== is) found.push(`the state is ${is}, not ${wanted}`);
  return found;
}

/** The rows that only one of two multisets has. */
export function compared(
  expected: readonly string[],
  actual: readonly string[],
): { readonly lost: readonly string[]; readonly doubled: readonly string[] } {
  const left = new Map<string, number>();
  for (const row of expected) left.set(row, (left.get(row) ?? 0) + 1);
  const doubled: string[] = [];
  for (const row of actual) {
    const count = left.get(row) ?? 0;
    if (count === 0) doubled.push(row);
    else left.set(row, count - 1);
  }
  return { lost: [...left].flatMap(([row, count]) => Array.from({ length: count }, () => row)), doubled };
}
