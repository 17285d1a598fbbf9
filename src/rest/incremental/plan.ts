import { type JsonPath, parsePath } from "../../expression/path.js";
import { parsePlaceholders } from "../../expression/placeholder.js";
import { isTemplate, parseTemplate } from "../../expression/template.js";
import { CHECKED_ONCE } from "../../model/checked-once.js";
import type { Json } from "../../model/json.js";
import { didYouMean } from "../../model/suggest.js";
import type { ExpandedResource } from "../defaults.js";
import type { PlanEnvironment } from "../environment.js";
import { attempt, type Finding, type Findings } from "../finding.js";
import { REFERRING_KEYS } from "../parents.js";
import { incrementalName, isIncrementalField } from "../reference.js";
import { resolveValue } from "../values.js";
import { type Incremental, PLACEHOLDERS, type Placeholder } from "./incremental.js";
import { type ConvertFunction, type IncrementalOptions, paramOptions } from "./options.js";
import { isWholeDays, parseStep, type Step, type Style, shifted, styleOf } from "./step.js";
import { type CursorValue, measure, orderOf } from "./value.js";

type Endpoint = ExpandedResource["endpoint"];
type Path = Finding["path"];

export interface PlannedIncremental {
  /** The endpoint with the parameters for start and end as placeholders, like those that are written by hand. */
  readonly endpoint: Endpoint;
  readonly incremental: Incremental | undefined;
  /** What gives a stored position its meaning. */
  readonly described: unknown;
}

/**
 * Plans `endpoint.incremental`, or dlt's other form, a parameter of type incremental. Both become placeholders, so that
 * there is one way in which values get into a request.
 */
export function planIncremental(
  resource: ExpandedResource,
  env: PlanEnvironment,
  at: Path,
  findings: Findings,
): PlannedIncremental {
  const found = findOptions(resource.endpoint, at, findings);
  if (found === undefined) return { endpoint: resource.endpoint, incremental: undefined, described: null };
  const { options, path } = found;
  const params: Record<string, unknown> = { ...found.params };
  if (options?.start_param != null) params[options.start_param] = "{incremental.start_value}";
  if (options?.end_param != null) params[options.end_param] = "{incremental.end_value}";
  const endpoint: Endpoint = { ...resource.endpoint, params };
  if (options === undefined) {
    checkPlaceholders(resource.endpoint, undefined, at, findings);
    return { endpoint, incremental: undefined, described: null };
  }
  const before = findings.all.length;
  const incremental = planOptions(options, resource, env, path, findings);
  if (incremental === undefined) return { endpoint, incremental, described: null };
  checkPlaceholders(endpoint, incremental, at, findings);
  if (incremental.step !== undefined) checkSteps(endpoint, incremental, path, findings);
  return {
    endpoint,
    incremental: findings.all.length > before ? undefined : incremental,
    described: describedOptions(options, incremental),
  };
}

/** A time of the run in a template is another one in each run, and must not make each run a new configuration. */
function describedOptions(options: IncrementalOptions, incremental: Incremental): unknown {
  const described = (configured: unknown, value: CursorValue | undefined): unknown =>
    typeof configured === "string" && /\b(?:now_\w+|today_\w+|day_delta)\b/.test(configured)
      ? configured
      : value;
  return {
    ...options,
    initial_value: described(options.initial_value, incremental.initial),
    end_value: described(options.end_value, incremental.end),
  };
}

function findOptions(
  endpoint: Endpoint,
  at: Path,
  findings: Findings,
):
  | {
      readonly options: IncrementalOptions | undefined;
      readonly path: Path;
      readonly params: Record<string, unknown>;
    }
  | undefined {
  const entries = Object.entries(endpoint.params ?? {});
  const inParams = entries.filter(([, value]) => isIncrementalParam(value));
  const params = Object.fromEntries(entries.filter(([, value]) => !isIncrementalParam(value)));
  const own = endpoint.incremental ?? undefined;
  const [param] = inParams;
  if (param === undefined) {
    if (own === undefined) {
      checkPlaceholders(endpoint, undefined, at, findings);
      return undefined;
    }
    return { options: own, path: [...at, "incremental"], params };
  }
  const [name, value] = param;
  const path = [...at, "params", name];
  if (inParams.length > 1 || own !== undefined) {
    const others =
      own === undefined ? inParams.map(([name]) => `params.${name}`) : ["incremental", `params.${name}`];
    findings.add(
      own === undefined ? [...at, "params"] : path,
      `an endpoint has one incremental, and this one has ${others.join(" and ")}`,
      {
        hint: "Keep one of them. If one comes from resource_defaults, set it to null here.",
      },
    );
  }
  const misplaced = ["start_param", "end_param", "end_value", "step"].filter(
    (key) => key in (value as object),
  );
  for (const key of misplaced) {
    findings.add(
      [...path, key],
      `${key} has no place in an incremental parameter, whose name is the start_param`,
      {
        hint: "Write endpoint.incremental instead, with start_param, end_param and end_value.",
      },
    );
  }
  if (misplaced.length > 0) return { options: undefined, path, params };
  const parsed = paramOptions.safeParse(value, CHECKED_ONCE);
  if (!parsed.success) {
    findings.addZod(path, parsed.error, paramOptions);
    return { options: undefined, path, params };
  }
  const { type: _, ...options } = parsed.data;
  return { options: { ...options, start_param: name }, path, params };
}

function isIncrementalParam(value: unknown): boolean {
  return typeof value === "object" && value !== null && "type" in value && value.type === "incremental";
}

function planOptions(
  options: IncrementalOptions,
  resource: ExpandedResource,
  env: PlanEnvironment,
  at: Path,
  findings: Findings,
): Incremental | undefined {
  const before = findings.all.length;
  const path = attempt(() => parsePath(options.cursor_path), [...at, "cursor_path"], findings);
  const initial = planBound(options.initial_value, env, [...at, "initial_value"], findings);
  const end = planBound(options.end_value, env, [...at, "end_value"], findings);
  const lag = planStep(options.lag, [...at, "lag"], findings);
  const step = planStep(options.step, [...at, "step"], findings);
  const convert = planConvert(options.convert, env, [...at, "convert"], findings);
  const key = planKey(options, resource, lag, at, findings);
  const func = options.last_value_func ?? "max";
  const order = orderOf(func, options.cursor_path);
  if (end !== undefined && initial === undefined) {
    findings.add([...at, "end_value"], "end_value needs initial_value: a range has a start and an end", {
      hint: "With both, the range is read once and nothing is remembered of it.",
    });
  }
  if (initial !== undefined && end !== undefined) {
    attempt(() => checkRange(initial, end), [...at, "end_value"], findings);
  }
  if (findings.all.length > before || path === undefined) return undefined;

  function checkRange(from: CursorValue, to: CursorValue): void {
    const [one, other] = [measure(from), measure(to)];
    if (one !== undefined && other !== undefined && order(one, other) > 0)
      findings.add([...at, "end_value"], "the range ends before it starts", {
        hint: "end_value must lie beyond initial_value, in the direction of last_value_func.",
      });
  }
  // Numbers may as well be ids: they are times only where a duration is to lead from one to the next.
  const isTime = typeof initial === "string" || (step !== undefined && !("amount" in step));
  const wantsNow = end === undefined && isTime && (step !== undefined || options.end_param != null);
  const incremental: Incremental = {
    path,
    func: typeof func === "function" ? "custom" : func,
    order,
    initial,
    end,
    now: wantsNow && initial !== undefined && func === "max" ? styleOf(initial) : undefined,
    step,
    lag: end === undefined ? lag : undefined,
    lagValue: options.lag ?? null,
    isStartOpen: options.range_start === "open",
    isEndClosed: options.range_end === "closed",
    missing: options.on_cursor_value_missing ?? "raise",
    key,
    runsTo: runsTo(options.row_order ?? undefined, func === "min"),
    scope: options.scope ?? "parent",
    convert,
  };
  return findings.all.length > before ? undefined : incremental;
}

/** Sorted upwards, records run away from the start, unless the smallest value is the furthest. */
function runsTo(order: "asc" | "desc" | undefined, isMin: boolean): Incremental["runsTo"] {
  if (order === undefined) return undefined;
  return (order === "asc") === isMin ? "start" : "end";
}

function planBound(
  configured: IncrementalOptions["initial_value"],
  env: PlanEnvironment,
  path: Path,
  findings: Findings,
): CursorValue | undefined {
  const value = resolveValue(configured, env, path, findings);
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return value;
  return findings.add(path, "a bound is a text or a number, and no secret: it is stored and sent in URLs");
}

function planStep(
  configured: string | number | null | undefined,
  path: Path,
  findings: Findings,
): Step | undefined {
  if (configured === undefined || configured === null) return undefined;
  const step = parseStep(configured);
  return (
    step ??
    findings.add(path, "this is neither a number nor a duration", {
      hint: "For example P30D, P1M, PT6H, 30d or 6h.",
    })
  );
}

function planConvert(
  configured: IncrementalOptions["convert"],
  env: PlanEnvironment,
  path: Path,
  findings: Findings,
): ConvertFunction | undefined {
  if (typeof configured !== "string") return configured ?? undefined;
  if (!isTemplate(configured)) {
    return findings.add(path, "convert is a template or a function", {
      hint: 'For example "{{ value[:10] }}".',
    });
  }
  const template = attempt(() => parseTemplate(configured, ["value", "config"]), path, findings);
  if (template === undefined) return undefined;
  return (value) => template.evaluate({ value, config: env.variables }) as Json;
}

/**
 * By the whole record where rows are merged: one that changed without a later value, within the same second perhaps, is
 * merged once more. dlt goes by the resource's primary key everywhere; here that is so for appended rows.
 */
function planKey(
  { primary_key, range_start }: IncrementalOptions,
  resource: ExpandedResource,
  lag: Step | undefined,
  at: Path,
  findings: Findings,
): readonly JsonPath[] | undefined {
  if (lag !== undefined || range_start === "open") return undefined;
  const isAppended = (resource.write_disposition ?? "append") === "append";
  const named = primary_key ?? (isAppended ? resource.primary_key : undefined) ?? undefined;
  if (named === undefined) return [];
  const names = typeof named === "string" ? [named] : named;
  if (primary_key != null && names.length === 0) return undefined;
  return names.flatMap((name) => attempt(() => parsePath(name), [...at, "primary_key"], findings) ?? []);
}

/** Steps are only worth their requests if each of them asks for something else, and all of them come to an end. */
function checkSteps(endpoint: Endpoint, incremental: Incremental, at: Path, findings: Findings): void {
  const { initial, end, step, func, now } = incremental;
  const path = [...at, "step"];
  if (func !== "max") {
    findings.add(path, "steps go from small to large values, so last_value_func must be max");
    return;
  }
  if (initial === undefined || step === undefined) {
    findings.add(path, "steps need initial_value, where the first one starts");
    return;
  }
  const names = new Set(placeholdersIn(endpoint, []).map(({ name }) => incrementalName(name)));
  if (!names.has("start_value") || !names.has("end_value")) {
    findings.add(path, "steps need a request that says where each one starts and ends", {
      hint: "Set start_param and end_param, or use {incremental.start_value} and {incremental.end_value}.",
    });
  }
  const isEpoch = typeof initial !== "string";
  if (isEpoch && end === undefined && ("amount" in step || now === undefined)) {
    findings.add(path, "it is not clear where steps over these numbers end", {
      hint: "Set end_value. For times since 1970, write step as a duration and an initial_value from after 1973, in the API's own unit.",
    });
  } else if (shifted(initial, step, 1) === undefined) {
    findings.add(path, "this step has no meaning for initial_value", {
      hint: "A duration needs dates, timestamps, or numbers that look like times since 1970.",
    });
  } else if (isDateStyle(styleOf(initial)) && !isWholeDays(step)) {
    findings.add(path, "steps from date to date are whole days");
  }
}

function isDateStyle(style: Style | undefined): boolean {
  return style?.kind === "date";
}

function checkPlaceholders(
  endpoint: Endpoint,
  incremental: Incremental | undefined,
  at: Path,
  findings: Findings,
): void {
  for (const { name, path } of placeholdersIn(endpoint, at)) {
    const value = incrementalName(name);
    if (incremental === undefined) {
      if (endpoint.incremental == null)
        findings.add(path, `{${name}} needs endpoint.incremental, and there is none`, {
          hint: "Set endpoint.incremental with a cursor_path.",
        });
    } else if (!isPlaceholder(value)) {
      findings.add(path, `{${name}} is nothing that an incremental has${didYouMean(value, PLACEHOLDERS)}`, {
        hint: `There are ${PLACEHOLDERS.join(", ")}.`,
      });
    } else if (path.at(-1) === "path" && isNullAtFirst(value, incremental)) {
      findings.add(path, `{${name}} has no value in the first run, and a path can't do without`, {
        hint:
          value === "end_value"
            ? "Set end_value, or step."
            : value === "lag"
              ? "Set lag."
              : "Set initial_value.",
      });
    }
  }
}

function isPlaceholder(name: string): name is Placeholder {
  return (PLACEHOLDERS as readonly string[]).includes(name);
}

function isNullAtFirst(name: Placeholder, { end, initial, lagValue, now }: Incremental): boolean {
  if (name === "lag") return lagValue === null;
  return name === "end_value" ? end === undefined && now === undefined : initial === undefined;
}

/** Every `{incremental.…}` in an endpoint, and where it stands. */
function placeholdersIn(endpoint: Endpoint, at: Path): { readonly name: string; readonly path: Path }[] {
  const keys: Readonly<Record<string, unknown>> = endpoint;
  return REFERRING_KEYS.flatMap((key) => placeholdersInValue(keys[key], [...at, key]));
}

function placeholdersInValue(value: unknown, path: Path): { readonly name: string; readonly path: Path }[] {
  if (typeof value === "string") {
    return parsePlaceholders(value).flatMap((part) =>
      typeof part !== "string" && isIncrementalField(part.name) ? [{ name: part.name, path }] : [],
    );
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    placeholdersInValue(item, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}
