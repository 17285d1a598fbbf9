import {
  definePipeline,
  type ErrorCode,
  type Event,
  type Json,
  type JsonObject,
  type PipelineConfig,
  type Position,
  type Resource,
  type RestApiConfig,
  type Runtime,
  restApi,
  SluiceError,
} from "../../src/index.js";
import { memoryNotes } from "../../src/model/notes.js";
import type { Completeness, Page } from "../../src/model/source.js";

/** What a configuration gives, read to its end without a destination; a failed resource keeps what came before. */
export interface Outcome {
  /** By resource, in the order of arrival. */
  readonly rows: Readonly<Record<string, readonly Json[]>>;
  /** How many records each page had. */
  readonly sizes: Readonly<Record<string, readonly number[]>>;
  /** By resource: what the next run begins with. */
  readonly cursors: Readonly<Record<string, JsonObject>>;
  readonly ends: Readonly<Record<string, Completeness | undefined>>;
  readonly errors: Readonly<Record<string, SluiceError>>;
  /** Milliseconds that were slept before each retry. Nothing sleeps: the clock is set forward. */
  readonly waits: readonly number[];
  readonly events: readonly Event[];
}

export interface Given {
  readonly env?: Readonly<Record<string, string>>;
  readonly variables?: PipelineConfig["variables"];
  /** Resources of one's own, which come after those of the API. */
  readonly beside?: readonly Resource[];
  /** What a run before has left. */
  readonly cursors?: Outcome["cursors"];
}

/** A clock that stands still but for sleeping, and no chance. */
export function stillRuntime(waits: number[] = []): Runtime {
  let now = Date.UTC(2026, 0, 2);
  return {
    now: () => now,
    random: () => 0,
    async sleep(ms) {
      waits.push(ms);
      now += ms;
    },
  };
}

/** Checks a configuration and reads its resources one after the other. */
export async function read(config: RestApiConfig, given: Given = {}): Promise<Outcome> {
  const pipeline = define(config, given);
  const waits: number[] = [];
  const events: Event[] = [];
  const io = {
    notes: memoryNotes(),
    signal: new AbortController().signal,
    runtime: stillRuntime(waits),
    emit: (event: Event) => void events.push(event),
  };
  const rows: Record<string, Json[]> = {};
  const cursors: Record<string, JsonObject> = { ...given.cursors };
  const sizes: Record<string, number[]> = {};
  const ends: Record<string, Completeness | undefined> = {};
  const errors: Record<string, SluiceError> = {};
  for (const resource of pipeline.parts.plan.resources) {
    const { name } = resource;
    rows[name] = [];
    sizes[name] = [];
    try {
      const cursor = given.cursors?.[name];
      for await (const page of resource.read(undefined, cursor === undefined ? io : { ...io, cursor })) {
        if (page.cursor !== undefined) cursors[name] = page.cursor;
        rows[name].push(...page.records.values);
        sizes[name].push(page.records.values.length);
        ends[name] = page.completeness;
      }
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      errors[name] = error;
    }
  }
  return { rows, cursors, sizes, ends, errors, waits, events };
}

/** The rows of the one resource, which must have been read without an error. */
export async function rowsOf(config: RestApiConfig, given: Given = {}): Promise<readonly Json[]> {
  const { rows, errors } = await read(config, given);
  for (const error of Object.values(errors)) throw error;
  return Object.values(rows)[0] ?? [];
}

/** The error of the first resource that failed. */
export async function failureOf(config: RestApiConfig, given: Given = {}): Promise<SluiceError> {
  const [error] = Object.values((await read(config, given)).errors);
  if (error === undefined) throw new Error("expected an error");
  return error;
}

/** Pages of one resource from a position on. */
export async function pagesFrom(config: RestApiConfig, from: Position | undefined): Promise<Page[]> {
  const [resource] = define(config, {}).parts.plan.resources;
  const io = {
    notes: memoryNotes(),
    signal: new AbortController().signal,
    runtime: stillRuntime(),
    emit: () => {},
  };
  const pages: Page[] = [];
  for await (const page of resource?.read(from, io) ?? []) pages.push(page);
  return pages;
}

/** Why a configuration is refused before anything is sent: code, place and message of each problem. */
export function refusalOf(
  config: object,
  given: Given = {},
): { code: ErrorCode; problems: readonly string[]; text: string } {
  try {
    define(config as RestApiConfig, given);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const problems = error.problems.map(
      ({ at, code, message }) => `${code ?? "config/invalid"} ${at.path ?? ""}: ${message}`,
    );
    const all = error.problems.flatMap(({ at, hint, message }) => [message, hint, JSON.stringify(at)]);
    return { code: error.code, problems, text: [error.message, error.hint, ...all].join("\n") };
  }
  throw new Error("expected the configuration to be refused");
}

function define(config: RestApiConfig, { env = {}, variables = {}, beside = [] }: Given) {
  return definePipeline(
    {
      pipeline: "api",
      source: beside.length === 0 ? restApi(config) : [restApi(config), ...beside],
      variables,
    },
    { env, cwd: "/nowhere" },
  );
}
