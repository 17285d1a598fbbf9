import { createRequire } from "node:module";
import type { Environment } from "minijinja-js";
import { SluiceError } from "../model/error.js";
import { Secret } from "../model/secret.js";
import { closest } from "../model/suggest.js";
import { guardOrder, UNORDERED } from "./order.js";
import {
  ENGINE_FILTERS,
  ENGINE_GLOBALS_REMOVED,
  ENGINE_TESTS,
  FILTERS,
  FUNCTIONS,
  KEYWORDS,
  type TemplateFunction,
} from "./template-functions.js";
import { cutTemplate, findMentions, type Mentions, type Piece, toDialect } from "./template-source.js";

/** A text with `{{ … }}`, parsed once. */
export interface Template {
  /** As written in the configuration. */
  readonly source: string;
  /** The names of the context that it mentions, sorted. */
  readonly roots: readonly string[];
  /** For each root the keys it is asked for, or `all`; only those are handed to the engine. */
  readonly keys: Mentions["keys"];
  /**
   * The value for a context. `now` is the clock behind `now_utc()` and its like, in milliseconds since 1970; default:
   * the system's.
   *
   * @throws SluiceError `expression/failed` when an operation has no meaning for the values it meets. The message holds
   *   the template, never a value.
   */
  evaluate(context: Readonly<Record<string, unknown>>, now?: () => number): unknown;
}

/** True if the text holds an expression, statement or comment; any other text is taken as it is. */
export function isTemplate(text: string): boolean {
  return /\{[{%#]/.test(text);
}

/**
 * Parses a template: Jinja expressions, `{% if %}`, `{% for %}` and `{% set %}`, the engine's filters, and the
 * functions that Airbyte's declarative sources know (dates, hashes, regular expressions).
 *
 * One expression that fills the whole text (blanks around it don't count) gives its own value: a number stays a number,
 * an integer beyond 2^53 becomes a bigint, objects and lists are plain. Null and what does not exist, at any depth,
 * give undefined. Anything else gives a text, in which booleans are `true` and `false` and null is empty. A result is
 * never evaluated again. An object's own keys win over methods, so `response.items` is the data.
 *
 * Expressions are sandboxed: they see the context's plain data and nothing of JavaScript. A `Secret` in the context is
 * its name; reveal it on purpose where its value is wanted.
 *
 * @param allowedRoots the names that will be in the context; a template that mentions another one is refused.
 * @throws SluiceError `config/invalid` for bad syntax, unknown names, filters, tests and functions.
 *
 * @example
 * parseTemplate("{{ response.page + 1 }}").evaluate({ response: { page: 2 } }); // 3
 * parseTemplate("Token {{ config.key }}").evaluate({ config: { key: "abc" } }); // "Token abc"
 */
export function parseTemplate(text: string, allowedRoots?: readonly string[]): Template {
  checkSyntax(text);
  const pieces = cutTemplate(text);
  const mentions = findMentions(pieces);
  checkNames(text, mentions, allowedRoots);
  const expression = onlyExpression(pieces);
  const compiled =
    expression === undefined ? compile(pieces.map(printed).join("")) : compileNative(expression);
  return {
    source: text,
    roots: mentions.roots,
    keys: mentions.keys,
    evaluate: (context, now = Date.now) => evaluate(text, compiled, () => pick(context, mentions), now),
  };
}

/** A template that the engine knows. After a failure there is a new engine, which must be told again. */
interface Compiled {
  readonly name: string;
  readonly source: string;
  environment: Environment | undefined;
  /** For a single expression: the same one printed, for integers that a JavaScript number can't hold. */
  readonly printed?: Compiled;
}

let counter = 0;

function compile(source: string): Compiled {
  counter += 1;
  return { name: `t${counter}`, source, environment: undefined };
}

function compileNative(piece: Piece & { kind: "expression" }): Compiled {
  const code = guardOrder(toDialect(piece));
  return { ...compile(`{{ ${CAPTURE}(${code}) }}`), printed: compile(`{{ ${code} }}`) };
}

function onlyExpression(pieces: readonly Piece[]): (Piece & { kind: "expression" }) | undefined {
  const [piece, another] = pieces.filter((piece) => piece.kind !== "verbatim" || piece.text.trim() !== "");
  return another === undefined && piece?.kind === "expression"
    ? (piece as Piece & { kind: "expression" })
    : undefined;
}

/** The names the rewritten templates use; the check of names keeps them out of the user's hands. */
const CAPTURE = "__capture";
const VALUE = "__value";

/** A piece of a mixed text. Null is printed as nothing, and objects as JSON; all within the engine, so exactly. */
function printed(piece: Piece): string {
  if (piece.kind === "verbatim") return piece.text;
  const code = guardOrder(toDialect(piece));
  if (piece.kind === "statement") return `{%${piece.open}${code}${piece.close}%}`;
  return (
    `{%${piece.open} set ${VALUE} = (${code}) %}` +
    `{{ '' if ${VALUE} is none else (${VALUE}|tojson if ${VALUE} is mapping or ${VALUE} is sequence and ${VALUE} is not string else ${VALUE}) ${piece.close}}}`
  );
}

/** What the callbacks of one evaluation leave behind. */
let captured: unknown;
let failure: string | undefined;
let clock: () => number = Date.now;

function evaluate(text: string, compiled: Compiled, gather: () => object, now: () => number): unknown {
  captured = undefined;
  failure = undefined;
  clock = now;
  try {
    const output = render(compiled, gather());
    if (failure !== undefined) throw failed(text, failure);
    if (typeof captured === "number" && !Number.isFinite(captured)) throw failed(text, "it gives no number");
    return compiled.printed === undefined ? output : toPlain(captured);
  } catch (thrown) {
    if (thrown instanceof SluiceError) throw thrown;
    if (failure !== undefined) throw failed(text, failure, thrown);
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const exact = message.includes("can't be represented as a JavaScript number");
    if (exact && compiled.printed !== undefined) return bigInteger(text, render(compiled.printed, gather()));
    throw failed(text, reasonOf(message, thrown), thrown);
  }
}

function render(compiled: Compiled, context: object): string {
  environment ??= createEnvironment();
  if (compiled.environment !== environment) {
    environment.addTemplate(compiled.name, compiled.source);
    compiled.environment = environment;
  }
  try {
    return environment.renderTemplate(compiled.name, context);
  } catch (error) {
    // An engine that has failed may be unusable afterwards; a new one costs less than a tenth of a millisecond.
    environment = undefined;
    throw error;
  }
}

function bigInteger(text: string, output: string): bigint {
  if (/^-?\d+$/.test(output)) return BigInt(output);
  throw failed(text, "it gives a list or object with integers beyond 2^53");
}

let environment: Environment | undefined;

/** The library (a megabyte of WebAssembly) is loaded when the first template is parsed. */
function createEnvironment(): Environment {
  const library = createRequire(import.meta.url)("minijinja-js") as typeof import("minijinja-js");
  const created = new library.Environment();
  created.undefinedBehavior = "chainable";
  created.keepTrailingNewline = true;
  created.enablePyCompat();
  // Stops endless loops; an expression in a configuration takes some dozens.
  created.fuel = 100_000;
  for (const name of ENGINE_GLOBALS_REMOVED) created.removeGlobal(name);
  created.addGlobal(CAPTURE, (value: unknown) => {
    captured = value;
    return "";
  });
  created.addGlobal(
    UNORDERED,
    guarded("a comparison", () => {
      throw new Error("a value is missing or null, or a text stands against something else");
    }),
  );
  for (const [name, filter] of Object.entries(FILTERS)) created.addFilter(name, guarded(name, filter));
  for (const [name, run] of Object.entries(FUNCTIONS)) created.addGlobal(name, guarded(name, run));
  return created;
}

/** An exception thrown through the engine would break it for good, so it is put aside and raised afterwards. */
function guarded(name: string, run: TemplateFunction): (...args: unknown[]) => unknown {
  return (...args) => {
    try {
      return run(args.map(toPlain), clock);
    } catch (error) {
      failure ??= `${name}: ${error instanceof Error ? error.message : "it failed"}`;
      return undefined;
    }
  };
}

function checkSyntax(text: string): void {
  environment ??= createEnvironment();
  try {
    environment.addTemplate("syntax", text);
  } catch (thrown) {
    environment = undefined;
    throw new SluiceError("config/invalid", `The template is not well-formed: ${syntaxMessage(thrown)}`, {
      hint: 'Expressions look like {{ response.next }} and use Jinja\'s syntax; texts inside them are quoted, as in {{ "next" in response }}.',
      cause: thrown,
    });
  }
}

/** The engine's first sentence, and the line with a caret below the mistake. */
function syntaxMessage(thrown: unknown): string {
  const [first = "", ...rest] = (thrown instanceof Error ? thrown.message : String(thrown)).split("\n");
  const shown = rest
    .filter((line) => /^\s*(?:\d+ >|i\s)/.test(line))
    .map((line) => line.replace(/ i /, "   "));
  return [first.replace(/^syntax error: /, "").replace(/ \(in [^()]*\)$/, ""), ...shown].join("\n");
}

function checkNames(text: string, mentions: Mentions, allowedRoots: readonly string[] | undefined): void {
  const check = (what: string, used: Iterable<string>, known: readonly string[]) => {
    for (const name of used) {
      if (known.includes(name)) continue;
      const close = closest(name, known);
      throw new SluiceError(
        "config/invalid",
        `The template ${text} uses the ${what} "${name}", which does not exist here`,
        {
          hint: `${close === undefined ? "" : `Did you mean ${close}? `}Available are ${known.join(", ")}.`,
        },
      );
    }
  };
  check("filter", mentions.filters, [...ENGINE_FILTERS, ...Object.keys(FILTERS)]);
  for (const [name, keyword] of mentions.keywords) {
    const known = KEYWORDS[name] ?? [];
    if (known.includes(keyword)) continue;
    throw new SluiceError(
      "config/invalid",
      `The template ${text} gives ${name} an argument "${keyword}", which it does not have`,
      {
        hint:
          known.length === 0
            ? `${name} takes no arguments by name.`
            : `By name ${name} takes ${known.join(", ")}.`,
      },
    );
  }
  check("test", mentions.tests, ENGINE_TESTS);
  check("function", mentions.functions, Object.keys(FUNCTIONS));
  const open = allowedRoots ?? mentions.roots.filter((name) => !name.startsWith("__"));
  check("name", mentions.roots, open);
}

function failed(text: string, reason: string, cause?: unknown): SluiceError {
  return new SluiceError("expression/failed", `The expression ${text} failed: ${reason}`, {
    hint: "Guard values that may be missing or of another type, for example with | default(0) or | int.",
    cause,
  });
}

/** The engine's messages may quote values; only sentences known to hold none are repeated. */
const SAFE_REASONS =
  /tried to use \S+ operator on unsupported types \w+ and \w+|(?:value of type )?\w+ is not callable|cannot calculate length of value of type \w+|[\w ]+ has no method named \w+|unknown method|engine ran out of fuel|too many arguments|missing argument|value of type \w+ is not iterable|cannot get \w+ item from value/;

function reasonOf(message: string, thrown: unknown): string {
  if (thrown instanceof RangeError) return "the data is nested too deeply";
  const safe = SAFE_REASONS.exec(message)?.[0];
  if (safe !== undefined) return safe;
  return /^[a-z ]+(?=:)/.exec(message)?.[0] ?? "the operation is not possible";
}

/** The part of the context that a template looks at: the engine copies all it is given. */
function pick(context: Readonly<Record<string, unknown>>, mentions: Mentions): object {
  const picked = Object.create(null) as Record<string, unknown>;
  for (const [root, keys] of mentions.keys) {
    if (!Object.hasOwn(context, root)) continue;
    const value = context[root];
    if (keys === "all" || !isPlainObject(value)) {
      picked[root] = toEngine(value);
      continue;
    }
    const part = Object.create(null) as Record<string, unknown>;
    for (const key of keys) if (Object.hasOwn(value, key)) part[key] = toEngine(value[key]);
    picked[root] = part;
  }
  return picked;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isScalarObject(value);
}

function isScalarObject(value: object): boolean {
  return value instanceof Secret || value instanceof Date;
}

/**
 * Plain data for the engine: it takes integers from -2^63 to 2^64 - 1; larger ones become texts. What needs no change
 * is handed over as it is, for whole pages pass here.
 */
function toEngine(value: unknown): unknown {
  if (typeof value === "bigint") {
    return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value ? value : String(value);
  }
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Secret) return value.toString();
  if (Array.isArray(value)) {
    const items = value.map(toEngine);
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  let isSame = true;
  // Without a prototype a key named __proto__ is a key like any other.
  const plain = Object.create(null) as Record<string, unknown>;
  for (const key of Object.keys(value)) {
    const item: unknown = Reflect.get(value, key);
    const converted = toEngine(item);
    if (converted === undefined || converted !== item) isSame = false;
    if (converted !== undefined) plain[key] = converted;
  }
  return isSame ? value : plain;
}

/** Plain data from the engine: maps become objects, null within them stays null. */
function toPlain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map((item) => toPlain(item) ?? null);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [String(key), toPlain(item) ?? null]));
}
