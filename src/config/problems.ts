import type { ZodType, z } from "zod";
import { type Problem, SluiceError } from "../model/error.js";
import type { ErrorCode } from "../model/error-codes.js";
import { didYouMean } from "../model/suggest.js";
import { type ConfigDocument, type ConfigPath, formatPath, valueAt } from "./document.js";

/** An issue as zod 4 reports it. */
type Issue = z.core.$ZodIssue;

/** What is needed to tell an issue's place and to suggest remedies. */
export interface ProblemContext {
  readonly document: Pick<ConfigDocument, "locate">;
  /** The whole configuration that was checked: the types in it (never its values) appear in messages. */
  readonly value: unknown;
  /** Where in the configuration the issues' paths start; default: at its top. */
  readonly path?: ConfigPath;
  /** The schema that raised the issues: its keys are suggested for unknown ones. */
  readonly schema?: ZodType;
}

/**
 * Zod's issues as problems that say what was expected, what was found (its type, never its value) and where. A failed
 * union is told by the one alternative that fits best: by its `type`, by the value's JavaScript type, then by the
 * fewest issues.
 *
 * @example
 * const checked = schema.safeParse(document.value);
 * if (!checked.success) throw configError(toProblems(checked.error.issues, { document, value: document.value, schema }));
 */
export function toProblems(issues: readonly Issue[], context: ProblemContext): Problem[] {
  return issues.flatMap((issue) => flatten(issue, [])).flatMap((issue) => describe(issue, context));
}

/**
 * A copy of the value without the keys and items that the issues are about, to be looked at further. Where something
 * is missing nothing can be taken away, so the copy may have the same issue again.
 */
export function withoutMistakes(value: unknown, issues: readonly Issue[]): unknown {
  const leaves = issues.flatMap((issue) => flatten(issue, []));
  const wrong = leaves.flatMap((issue) =>
    issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path],
  );
  return wrong.reduce<unknown>(without, value);
}

function without(value: unknown, path: readonly PropertyKey[]): unknown {
  const [step, ...rest] = path;
  if (typeof value !== "object" || value === null || step === undefined || !Object.hasOwn(value, step))
    return value;
  if (Array.isArray(value)) {
    // The other items keep their places, and with them the paths of their own issues.
    return value.map((item: unknown, index) => (index === step ? without(item, rest) : item));
  }
  const { [step as string]: inner, ...others } = value as Record<string, unknown>;
  return rest.length === 0 ? others : { ...others, [step]: without(inner, rest) };
}

/** A problem at a place of the configuration, for checks that no schema makes. */
export function problemAt(
  document: Pick<ConfigDocument, "locate">,
  path: ConfigPath,
  message: string,
  hint?: string,
): Problem {
  return { message, at: placeOf(path, document), ...(hint === undefined ? {} : { hint }) };
}

/**
 * One line for a problem: `file.yaml:12  resources[0].endpoint.paginator: unknown key "cursor_vale" – did you mean
 * "cursor_value"?`
 */
export function formatProblem(problem: Problem): string {
  const { file, path } = problem.at;
  const where = [file, path].filter((part) => part !== undefined).join("  ");
  return where === "" ? problem.message : `${where}: ${problem.message}`;
}

/**
 * All problems as one error. One problem is its message; of several, every one is listed with its place on a line of
 * its own. The code is `config/invalid`, or that of the problems if they share another one.
 */
export function configError(problems: readonly Problem[]): SluiceError {
  const [only] = problems;
  const code = commonCode(problems);
  if (only !== undefined && problems.length === 1) {
    return new SluiceError(code, formatProblem(only), {
      at: only.at,
      problems,
      ...(only.hint === undefined ? {} : { hint: only.hint }),
    });
  }
  const file = only?.at.file?.replace(/:\d+$/, "");
  const lines = problems.map(
    (problem) => `  ${formatProblem(problem)}${problem.hint === undefined ? "" : `\n    ${problem.hint}`}`,
  );
  const title = `${problems.length} problems${file === undefined ? "" : ` in ${file}`}`;
  return new SluiceError(code, [title, ...lines].join("\n"), {
    ...(file === undefined ? {} : { at: { file } }),
    problems,
  });
}

function commonCode(problems: readonly Problem[]): ErrorCode {
  const codes = new Set(problems.map((problem) => problem.code ?? "config/invalid"));
  const [code] = codes;
  return codes.size === 1 && code !== undefined ? code : "config/invalid";
}

/** The issues that matter: unions are replaced by their best alternative, paths are made absolute. */
function flatten(issue: Issue, before: readonly PropertyKey[]): Issue[] {
  const path = [...before, ...issue.path];
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const best = bestAlternative(issue.errors);
    return best === undefined ? [{ ...issue, path }] : best.flatMap((inner) => flatten(inner, path));
  }
  if (issue.code === "invalid_element" || issue.code === "invalid_key") {
    const inside = issue.code === "invalid_element" ? [...path, issue.key as PropertyKey] : path;
    return issue.issues.flatMap((inner) => flatten(inner as Issue, inside));
  }
  return [{ ...issue, path }];
}

/** The alternative to talk about; undefined when the value's type fits none. */
function bestAlternative(alternatives: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const possible = alternatives.filter((issues) => !issues.some(isWrongTypeOfWhole));
  if (possible.length === 0) return undefined;
  return possible.reduce((best, issues) => (misfit(issues) < misfit(best) ? issues : best));
}

function isWrongTypeOfWhole(issue: Issue): boolean {
  return issue.path.length === 0 && issue.code === "invalid_type";
}

/**
 * How badly an alternative fits. One that looked inside of the value comes before one that compared it as a whole, one
 * of the same `type` before another.
 */
function misfit(issues: readonly Issue[]): number {
  const asWhole = issues.some((issue) => issue.code === "invalid_value" && issue.path.length === 0);
  const wrongKind = issues.some((issue) => issue.code === "invalid_value" && issue.path.at(-1) === "type");
  const details = issues.reduce((sum, issue) => sum + weight(issue), 0);
  return (asWhole ? 10_000 : 0) + (wrongKind ? 1000 : 0) + details;
}

function weight(issue: Issue): number {
  return issue.code === "unrecognized_keys" ? issue.keys.length : 1;
}

function describe(issue: Issue, context: ProblemContext): Problem[] {
  const path = [...(context.path ?? []), ...asConfigPath(issue.path)];
  if (issue.code === "unrecognized_keys") {
    const known = context.schema === undefined ? [] : keysAt(context.schema, issue.path);
    return issue.keys.map((key) => unknownKey(key, known, path, context.document));
  }
  return [problemAt(context.document, path, messageOf(issue, foundAt(context.value, path, issue)))];
}

function unknownKey(
  key: string,
  known: readonly string[],
  path: ConfigPath,
  document: ProblemContext["document"],
): Problem {
  const suggestion = didYouMean(key, known);
  return {
    message: `unknown key "${key}"${suggestion}`,
    at: { ...placeOf(path, document), ...document.locate([...path, key]) },
    ...(suggestion === "" && known.length > 0 ? { hint: `Known keys: ${known.join(", ")}.` } : {}),
  };
}

/** The place in the file, and the path as text. */
function placeOf(path: ConfigPath, document: ProblemContext["document"]): Problem["at"] {
  return { ...document.locate(path), ...(path.length === 0 ? {} : { path: formatPath(path) }) };
}

/** What stands where the issue is: its type in words, and the text itself for spelling suggestions. */
interface Found {
  readonly type: string;
  readonly text?: string;
}

function foundAt(value: unknown, path: ConfigPath, issue: Issue): Found {
  const found = valueAt(value, path);
  // Zod saw the value itself; the configuration may have wrapped or replaced it on the way.
  const received = /received (\w+)$/.exec(issue.message)?.[1];
  const type = received === undefined || received === "undefined" ? typeOf(found) : typeName(received);
  return { type, ...(typeof found === "string" ? { text: found } : {}) };
}

function messageOf(issue: Issue, found: Found): string {
  if (!isDefaultMessage(issue.message)) return lowerFirst(issue.message);
  if (issue.code === "invalid_type") return expected(issue.expected, found);
  if (issue.code === "invalid_value") return expectedOneOf(issue.values, found);
  if (issue.code === "invalid_union") {
    const options = "options" in issue ? (issue.options as readonly unknown[] | undefined) : undefined;
    return options === undefined ? expected(unionTypes(issue.errors), found) : expectedOneOf(options, found);
  }
  return lowerFirst(issue.message);
}

/** Messages that a schema's author wrote stay; zod's own are replaced. */
function isDefaultMessage(message: string): boolean {
  return /^(Invalid input|Invalid option|Invalid discriminator)/.test(message);
}

function unionTypes(alternatives: readonly (readonly Issue[])[]): string {
  const types = alternatives
    .flat()
    .flatMap((issue) => (issue.code === "invalid_type" ? [issue.expected] : []));
  return types.length === 0 ? "another form" : [...new Set(types)].map(typeName).join(" or ");
}

function expected(type: string, found: Found): string {
  return against(typeName(type), found, found.type);
}

function expectedOneOf(allowed: readonly unknown[], found: Found): string {
  const shown = allowed.filter((item) => item !== undefined).map((item) => JSON.stringify(item));
  const wanted = shown.length === 1 ? String(shown[0]) : `one of ${shown.join(", ")}`;
  const words = allowed.filter((item) => typeof item === "string");
  // The suggestion repeats an allowed value; what was typed is not shown, it might be a misplaced secret.
  const suggestion = found.text === undefined ? "" : didYouMean(found.text, words);
  return `${against(wanted, found, found.text === undefined ? found.type : "another text")}${suggestion}`;
}

function against(wanted: string, found: Found, got: string): string {
  return found.type === MISSING ? `is missing; expected ${wanted}` : `expected ${wanted}, got ${got}`;
}

const MISSING = "nothing";

/** Zod's type names in the words of a configuration. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: "a list",
  object: "an object",
  record: "an object",
  string: "text",
  int: "a whole number",
  number: "a number",
  bigint: "a whole number",
  boolean: "true or false",
  null: "null",
};

function typeName(type: string): string {
  return TYPE_NAMES[type] ?? type;
}

function typeOf(value: unknown): string {
  if (value === undefined) return MISSING;
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return typeName(typeof value);
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

function asConfigPath(path: readonly PropertyKey[]): ConfigPath {
  return path.map((step) => (typeof step === "symbol" ? String(step) : step));
}

/** The parts of a schema's definition that lead to the schemas inside of it. */
interface SchemaParts {
  readonly shape?: Readonly<Record<string, ZodType>>;
  readonly innerType?: ZodType;
  readonly options?: readonly ZodType[];
  readonly element?: ZodType;
  readonly valueType?: ZodType;
  readonly in?: ZodType;
  readonly out?: ZodType;
  readonly left?: ZodType;
  readonly right?: ZodType;
  readonly getter?: () => ZodType;
}

/** The keys that an object at this path may have, of all alternatives. */
function keysAt(schema: ZodType, path: readonly PropertyKey[]): string[] {
  const [step, ...rest] = path;
  const parts = schema._zod.def as SchemaParts;
  const around = [
    parts.innerType,
    parts.in,
    parts.out,
    parts.left,
    parts.right,
    parts.getter?.(),
    ...(parts.options ?? []),
  ];
  const keys = around.flatMap((inner) => (inner === undefined ? [] : keysAt(inner, path)));
  if (step === undefined) keys.push(...Object.keys(parts.shape ?? {}));
  const below = step === undefined ? undefined : childOf(parts, step);
  if (below !== undefined) keys.push(...keysAt(below, rest));
  return [...new Set(keys)];
}

function childOf(parts: SchemaParts, step: PropertyKey): ZodType | undefined {
  if (typeof step === "number") return parts.element;
  if (parts.shape !== undefined)
    return Object.hasOwn(parts.shape, step) ? parts.shape[String(step)] : undefined;
  return parts.valueType;
}
