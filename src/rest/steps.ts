import { z } from "zod";
import { isTemplate, parseTemplate } from "../expression/template.js";
import { isTruthy } from "../expression/truth.js";
import { SluiceError } from "../model/error.js";
import { isObject, type Json, type JsonObject } from "../model/json.js";
import type { Io, Page } from "../model/source.js";
import type { PlanEnvironment } from "./environment.js";
import { attempt, type Finding, type Findings } from "./finding.js";
import { functionOption } from "./function-option.js";
import { kindOf } from "./thrown.js";

/** Keeps a record for which it gives something true. A record that is a plain value comes as `{ value }`. */
export type FilterFunction = (record: JsonObject) => unknown;
/** Gives the record that takes this one's place. */
export type MapFunction = (record: JsonObject) => Json | Promise<Json>;
/** Gives the records, any number of them, that take this one's place. */
export type YieldMapFunction = (
  record: JsonObject,
) => Iterable<Json> | AsyncIterable<Json> | Promise<Iterable<Json>>;

const text = z.string().min(1);

const processingStep = z.strictObject({
  filter: z
    .union([text, functionOption<FilterFunction>()])
    .optional()
    .describe(
      "Keeps the records for which it is true: \"{{ record.status == 'open' }}\", or a function in TypeScript.",
    ),
  map: z
    .union([text, z.record(z.string(), z.unknown()), functionOption<MapFunction>()])
    .optional()
    .describe(
      'Changes each record. An object sets fields, all from the record as it was: { name: "{{ record.first ~ \' \' ~ record.last }}" }; null removes a field. A text, such as "{{ record.attributes }}", or a function gives a record that takes its place.',
    ),
  yield_map: z
    .union([text, functionOption<YieldMapFunction>()])
    .optional()
    .describe('Makes a list of records of each one: "{{ record.lines }}", or a function.'),
});

/** What is done to the records, one step after the other. */
export const processingSteps = z.array(processingStep);
type ProcessingSteps = z.output<typeof processingSteps>;

/** What is done to the pages of a resource on their way out. */
export type Stage = (pages: AsyncIterable<Page>, io: Io) => AsyncIterable<Page>;

/** What takes a record's place: nothing, itself, another record, or several. */
type Work = (record: JsonObject, now: () => number) => Outcome | Promise<Outcome>;
type Outcome = Iterable<Json> | AsyncIterable<Json>;

/** One filter, map or yield_map; its name is its place in the configuration. */
interface Step {
  readonly name: string;
  readonly run: Work;
}

/** The only name of an expression's context beside `config`. */
const ROOTS = ["record", "config"];

/**
 * Compiles `processing_steps` as dlt 1.26 has them: in order, and within one step filter, map, yield_map. Beyond dlt
 * they can be written as expressions, functions may be async, a `map` that returns nothing is an error instead of a
 * lost record, and an empty step is a mistake.
 *
 * The pages stay: one whose records all go is handed on empty, so paginators, positions and the end of the walk are
 * those of the API. The result throws `step/failed` or `expression/failed`, never with a record's value.
 */
export function planSteps(
  steps: ProcessingSteps,
  resource: string,
  path: Finding["path"],
  env: PlanEnvironment,
  findings: Findings,
): Stage {
  const planned = steps.flatMap((step, index): Step[] => {
    const at = [...path, index];
    const { filter, map, yield_map: yieldMap } = step;
    if (filter === undefined && map === undefined && yieldMap === undefined) {
      findings.add(at, "a step has a filter, a map or a yield_map");
    }
    const named = (name: string, work: Work | undefined): Step[] =>
      work === undefined ? [] : [{ name: `processing_steps[${index}].${name}`, run: work }];
    const expression = (name: string, text: string) =>
      attempt(() => compileExpression(text, env), [...at, name], findings);
    return [
      ...named("filter", filter === undefined ? undefined : filterWork(filter, expression)),
      ...named("map", map === undefined ? undefined : mapWork(map, expression)),
      ...named("yield_map", yieldMap === undefined ? undefined : yieldMapWork(yieldMap, expression)),
    ];
  });
  if (planned.length === 0) return (pages) => pages;
  return async function* (pages, io) {
    const now = () => io.runtime.now();
    for await (const page of pages) {
      let values = page.records.values;
      for (const step of planned) values = await applied(step, values, resource, now);
      yield { ...page, records: { kind: "objects", values } };
    }
  };
}

async function applied(
  { name, run }: Step,
  records: readonly Json[],
  resource: string,
  now: () => number,
): Promise<readonly Json[]> {
  const results: Json[] = [];
  for (const [index, record] of records.entries()) {
    try {
      const outcome = run(isObject(record) ? record : { value: record }, now);
      const given = outcome instanceof Promise ? await outcome : outcome;
      if (Symbol.asyncIterator in given) for await (const item of given) results.push(item);
      else for (const item of given) results.push(item);
    } catch (error) {
      throw failed(error, `${name} failed on record ${index + 1} of a page`, resource);
    }
  }
  return results;
}

type Expression = (record: JsonObject, now: () => number) => Json | undefined;
type CompileText = (name: string, text: string) => Expression | undefined;

function compileExpression(text: string, env: PlanEnvironment): Expression {
  if (!isTemplate(text)) {
    throw new SluiceError("config/invalid", "a step that is text is an expression in {{ … }}", {
      hint: `Write "{{ ${/^[\w.\s=<>!]+$/.test(text) ? text : "record.id"} }}".`,
    });
  }
  const template = parseTemplate(text, ROOTS);
  return (record, now) => template.evaluate({ record, config: env.variables }, now) as ReturnType<Expression>;
}

function filterWork(filter: string | FilterFunction, compile: CompileText): Work | undefined {
  if (typeof filter === "string") {
    const condition = compile("filter", filter);
    return condition && ((record, now) => (isTruthy(condition(record, now)) ? [record] : []));
  }
  return (record) => {
    const verdict = filter(record);
    if (!(verdict instanceof Promise)) return verdict ? [record] : [];
    return verdict.then((kept: unknown) => (kept ? [record] : []));
  };
}

function mapWork(
  map: string | Readonly<Record<string, unknown>> | MapFunction,
  compile: CompileText,
): Work | undefined {
  if (typeof map === "string") {
    const expression = compile("map", map);
    return expression && ((record, now) => [present(expression(record, now))]);
  }
  if (typeof map === "function") {
    return (record) => {
      const mapped = map(record);
      return mapped instanceof Promise ? mapped.then((item) => [present(item)]) : [present(mapped)];
    };
  }
  const fields = Object.entries(map).map(([name, value]) => ({
    name,
    give: value === null ? undefined : compileValue(value, (text) => compile("map", text)),
  }));
  const removed = new Set(fields.flatMap(({ name, give }) => (give === undefined ? [name] : [])));
  return (record, now) => {
    const kept = Object.entries(record).filter(([name]) => !removed.has(name));
    const set = fields.flatMap(({ name, give }) => (give === undefined ? [] : [[name, give(record, now)]]));
    return [Object.fromEntries([...kept, ...set]) as JsonObject];
  };
}

/** A configured value with expressions at any depth; what gives nothing is null. */
function compileValue(
  value: unknown,
  compile: (text: string) => Expression | undefined,
): (record: JsonObject, now: () => number) => Json {
  if (typeof value === "string" && isTemplate(value)) {
    const expression = compile(value);
    return (record, now) => expression?.(record, now) ?? null;
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => compileValue(item, compile));
    return (record, now) => items.map((item) => item(record, now));
  }
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const entries = Object.entries(value).map(([key, item]) => ({ key, give: compileValue(item, compile) }));
    return (record, now) => Object.fromEntries(entries.map(({ key, give }) => [key, give(record, now)]));
  }
  return () => value as Json;
}

function yieldMapWork(yieldMap: string | YieldMapFunction, compile: CompileText): Work | undefined {
  if (typeof yieldMap === "string") {
    const expression = compile("yield_map", yieldMap);
    return expression && ((record, now) => listed(expression(record, now)));
  }
  return (record) => {
    const given = yieldMap(record);
    return given instanceof Promise ? given.then(listed) : listed(given);
  };
}

/** Told as a failure of its step. */
class StepMistake extends Error {}

function present(record: Json | undefined): Json {
  if (record !== undefined && record !== null) return record;
  throw new StepMistake("it gave nothing; to leave a record out, use filter");
}

function listed(given: unknown): Outcome {
  if (given === undefined || given === null) return [];
  if (typeof given === "object" && (Symbol.iterator in given || Symbol.asyncIterator in given))
    return given as Outcome;
  throw new StepMistake("it gave something that is no list");
}

/** What a function throws may quote the record, so only its kind and place are told. */
function failed(error: unknown, what: string, resource: string): SluiceError {
  if (error instanceof SluiceError) {
    return new SluiceError(error.code, `${what}: ${error.message}`, {
      at: { resource, ...error.at },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
  const reason = error instanceof StepMistake ? error.message : `it threw ${kindOf(error)}`;
  return new SluiceError("step/failed", `${what}: ${reason}`, {
    at: { resource },
    hint: "A field may be missing or null in some records. What was thrown is not shown, for it may quote the record.",
    cause: error,
  });
}
