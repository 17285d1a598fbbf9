import { createHash, createHmac, randomUUID } from "node:crypto";
import { formatInstant, formatIso, parseInstant } from "./datetime.js";

/** Called from a template. Throws an `Error` whose message holds no value; the caller adds the template. */
export type TemplateFunction = (args: readonly unknown[], now: () => number) => unknown;

/** Filters and tests that the engine brings along (minijinja 2.11). A test checks each name against the engine. */
export const ENGINE_FILTERS =
  "abs attr batch bool capitalize chain count d default dictsort e escape filesizeformat first float groupby indent int items join last length lines list lower map max min pluralize pprint reject rejectattr replace reverse round safe select selectattr slice sort split string striptags sum title tojson trim truncate unique upper".split(
    " ",
  );
export const ENGINE_TESTS =
  "boolean defined divisibleby endingwith eq equalto escaped even false filter float ge greaterthan gt in int integer iterable le lessthan lower lt mapping ne none number odd safe sameas sequence startingwith string test true undefined upper".split(
    " ",
  );
/**
 * Arguments that may be given by name, of filters, functions and methods; what is not here takes none. The engine itself
 * takes an unknown name for an error only when the template is evaluated, and some filters take it for a value.
 */
export const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  d: ["boolean"],
  day_delta: ["num_days", "format"],
  default: ["boolean"],
  dictsort: ["by", "case_sensitive", "reverse"],
  filesizeformat: ["binary"],
  float: ["default"],
  format_datetime: ["format", "input_format"],
  groupby: ["attribute", "case_sensitive", "default"],
  hash: ["hash_type", "salt"],
  hmac: ["key", "hash_type"],
  int: ["default"],
  map: ["attribute", "default"],
  round: ["precision", "method"],
  sort: ["attribute", "case_sensitive", "reverse"],
  strftime: ["format", "input_format"],
  tojson: ["indent"],
  truncate: ["length", "killwords", "end", "leeway"],
  unique: ["attribute", "case_sensitive"],
};

/** Globals of the engine that are taken away: one prints the whole context, the others only help to write pages. */
export const ENGINE_GLOBALS_REMOVED = ["debug", "range", "namespace", "cycler", "joiner", "dict"];

const text = (value: unknown): string => {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean")
    return String(value);
  if (value === undefined || value === null) return "";
  throw new Error("expected a text");
};

const optional = (value: unknown): string | undefined => {
  return value === undefined || value === null ? undefined : text(value);
};

/** Arguments by name arrive as one object after the positional ones. */
const argument = (args: readonly unknown[], index: number, name: string): unknown => {
  const named = args.at(-1);
  if (typeof named === "object" && named !== null && Object.hasOwn(named, name))
    return Reflect.get(named, name);
  return args[index] === named && typeof named === "object" ? undefined : args[index];
};

const ALGORITHMS = new Set(["md5", "sha1", "sha224", "sha256", "sha384", "sha512"]);
const algorithm = (name: string): string => {
  if (!ALGORITHMS.has(name))
    throw new Error(`unknown hash "${name}"; known are ${[...ALGORITHMS].join(", ")}`);
  return name;
};

const urlencode = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return encodeURIComponent(text(value));
  return Object.entries(value)
    .map(([key, item]) => `${encodeURIComponent(key)}=${encodeURIComponent(text(item))}`)
    .join("&");
};

const number = (value: unknown): number | bigint | undefined => {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "boolean") return Number(value);
  const digits = text(value).trim();
  if (/^[+-]?\d+$/.test(digits)) {
    const exact = BigInt(digits.replace("+", ""));
    return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
  }
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(digits) ? Number(digits) : undefined;
};

/** As Jinja, where `common` is Python's rounding: a half goes to the even neighbour. */
const roundNumber = (value: unknown, digits: number, method: string): number | bigint => {
  if (typeof value === "bigint") return value;
  if (typeof value !== "number") throw new Error("expected a number");
  const scaled = value * 10 ** digits;
  if (method === "ceil") return Math.ceil(scaled) / 10 ** digits;
  if (method === "floor") return Math.floor(scaled) / 10 ** digits;
  if (method !== "common") throw new Error('method is "common", "ceil" or "floor"');
  const isHalf = Math.abs(scaled % 1) === 0.5;
  if (isHalf) return (2 * Math.round(scaled / 2)) / 10 ** digits;
  return digits < 0 ? Math.round(scaled) / 10 ** digits : Number(value.toFixed(digits));
};

const formatDatetime: TemplateFunction = (args) => {
  const instant = parseInstant(args[0], optional(argument(args, 2, "input_format")));
  return formatInstant(instant, text(argument(args, 1, "format")));
};

/** Filters beside the engine's own, by the names Jinja and Airbyte give them. */
export const FILTERS: Readonly<Record<string, TemplateFunction>> = {
  urlencode: ([value]) => urlencode(value),
  base64encode: ([value]) => Buffer.from(text(value)).toString("base64"),
  base64decode: ([value]) => Buffer.from(text(value), "base64").toString("utf8"),
  hash: (args) => {
    const salt = optional(argument(args, 2, "salt")) ?? "";
    const type = optional(argument(args, 1, "hash_type")) ?? "md5";
    return createHash(algorithm(type))
      .update(text(args[0]) + salt)
      .digest("hex");
  },
  hmac: (args) => {
    const type = optional(argument(args, 2, "hash_type")) ?? "sha256";
    return createHmac(algorithm(type), text(argument(args, 1, "key")))
      .update(text(args[0]))
      .digest("hex");
  },
  regex_search: ([value, pattern]) => {
    const match = new RegExp(text(pattern)).exec(text(value));
    return match === null ? "" : (match[1] ?? match[0]);
  },
  regex_replace: ([value, pattern, replacement]) => {
    // Python writes groups as \1, JavaScript as $1.
    const groups = text(replacement)
      .replaceAll("$", "$$$$")
      .replaceAll(/\\(\d)/g, "$$$1");
    return text(value).replaceAll(new RegExp(text(pattern), "g"), groups);
  },
  int: (args) => {
    const value = number(args[0]) ?? number(argument(args, 1, "default")) ?? 0;
    return typeof value === "bigint" ? value : Math.trunc(value);
  },
  float: (args) => Number(number(args[0]) ?? number(argument(args, 1, "default")) ?? 0),
  round: (args) => {
    const digits = Number(number(argument(args, 1, "precision")) ?? 0);
    return roundNumber(args[0], digits, optional(argument(args, 2, "method")) ?? "common");
  },
  strftime: formatDatetime,
};

const choose = (args: readonly unknown[], better: (a: never, b: never) => boolean): unknown => {
  const values = args.length === 1 && Array.isArray(args[0]) ? args[0] : args;
  return values.reduce((best, value) => (better(value as never, best as never) ? value : best));
};

/** Functions, by Airbyte's names. Dates and times are ISO 8601 texts in UTC. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  now_utc: (_, now) => formatIso(now() * 1000),
  today_utc: (_, now) => formatInstant(now() * 1000, "%Y-%m-%d"),
  today_with_timezone: ([zone], now) =>
    // Canadian English writes dates as ISO 8601 does.
    new Intl.DateTimeFormat("en-CA", { timeZone: text(zone) }).format(now()),
  timestamp: ([value]) => Math.floor(parseInstant(value) / 1e6),
  str_to_datetime: ([value]) => formatIso(parseInstant(value)),
  format_datetime: formatDatetime,
  day_delta: (args, now) => {
    const format = optional(argument(args, 1, "format")) ?? "%Y-%m-%dT%H:%M:%S.%f%z";
    return formatInstant((now() + Number(argument(args, 0, "num_days")) * 86_400_000) * 1000, format);
  },
  max: (args) => choose(args, (a, b) => a > b),
  min: (args) => choose(args, (a, b) => a < b),
  sanitize_url: ([value]) => encodeURIComponent(text(value)).replaceAll("%20", "+"),
  camel_case_to_snake_case: ([value]) =>
    text(value)
      .replaceAll(/([a-z\d])([A-Z])/g, "$1_$2")
      .toLowerCase(),
  generate_uuid: () => randomUUID(),
};
