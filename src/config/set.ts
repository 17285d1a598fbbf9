import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import { didYouMean } from "../model/suggest.js";

/** One `--set`: a variable of the pipeline, or a value at a place of the configuration. */
export type Setting =
  | { readonly kind: "variable"; readonly name: string; readonly value: string }
  | { readonly kind: "path"; readonly path: readonly string[]; readonly value: Json };

/**
 * Parses `key=value`. A key without a dot is a variable, its value text. A key with dots is a place in the
 * configuration; its value is read as JSON if it is a number, true, false or null, or begins with `{`, `[` or `"`,
 * and is text otherwise.
 *
 * @throws SluiceError `config/usage`; the value is never in the message
 *
 * @example
 * parseSetting("account_id=007");                       // { kind: "variable", name: "account_id", value: "007" }
 * parseSetting("client.base_url=http://127.0.0.1:80");  // { kind: "path", path: ["client", "base_url"], value: "…" }
 * parseSetting("resources.calls.endpoint.params={}");   // { kind: "path", path: [...], value: {} }
 */
export function parseSetting(text: string): Setting {
  const equals = text.indexOf("=");
  const key = text.slice(0, equals).trim();
  const value = text.slice(equals + 1);
  if (equals < 0) throw usage("--set needs key=value, but got no =");
  if (key === "" || key.split(".").includes("")) {
    throw usage(`--set needs a key before the =, without empty parts; got "${key}"`);
  }
  if (!key.includes(".")) return { kind: "variable", name: key, value };
  return { kind: "path", path: key.split("."), value: parseValue(key, value) };
}

/** The variables among the settings; of several with one name the last one counts. */
export function settingVariables(settings: readonly Setting[]): Record<string, string> {
  return Object.fromEntries(
    settings.flatMap((setting) => (setting.kind === "variable" ? [[setting.name, setting.value]] : [])),
  );
}

/**
 * A copy of the configuration with the `path` settings applied in their order. Objects that are missing on the way are
 * made. In a list a step is an index, or the `name` of an object in it (`resources.calls.selected`).
 *
 * @throws SluiceError `config/usage` when a step leads nowhere
 */
export function applySettings(value: unknown, settings: readonly Setting[]): unknown {
  return settings.reduce<unknown>(
    (config, setting) =>
      setting.kind === "path" ? setAt(config, setting.path, setting.value, setting.path.join(".")) : config,
    value,
  );
}

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;

function parseValue(key: string, text: string): Json {
  if (JSON_NUMBER.test(text)) return parseNumber(text);
  if (["true", "false", "null"].includes(text)) return JSON.parse(text) as Json;
  if (!/^\s*[{["]/.test(text) || text.trimStart().startsWith("{{")) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw usage(`--set ${key}: the value begins like JSON, but is not valid JSON`);
  }
}

function parseNumber(text: string): Json {
  const number = Number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number;
}

function setAt(container: unknown, path: readonly string[], value: Json, key: string): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(container)) {
    const index = indexOf(container, step, key);
    return container.map((item: unknown, at) => (at === index ? setAt(item, rest, value, key) : item));
  }
  if (container !== undefined && container !== null && !isPlainObject(container)) {
    throw usage(
      `--set ${key}: "${step}" can't be set, because what holds it is neither an object nor a list`,
    );
  }
  const entries = Object.entries(container ?? {});
  const inside = entries.find(([name]) => name === step)?.[1];
  const changed = setAt(inside, rest, value, key);
  // fromEntries defines own properties, so a step named __proto__ is a key like any other.
  if (inside === undefined) return Object.fromEntries([...entries, [step, changed]]);
  return Object.fromEntries(entries.map(([name, old]) => [name, name === step ? changed : old]));
}

function indexOf(list: readonly unknown[], step: string, key: string): number {
  const names = list.map((item) => (isPlainObject(item) ? item["name"] : item));
  const named = names.indexOf(step);
  if (named >= 0) return named;
  if (/^\d+$/.test(step) && Number(step) < list.length) return Number(step);
  const known = names.filter((name) => typeof name === "string");
  throw usage(
    `--set ${key}: the list has no "${step}"${didYouMean(step, known)}`,
    `Use an index from 0 to ${list.length - 1}${known.length === 0 ? "" : `, or one of the names ${known.join(", ")}`}.`,
  );
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function usage(
  message: string,
  hint = "Example: --set account_id=42 or --set client.base_url=http://127.0.0.1:8080",
): SluiceError {
  return new SluiceError("config/usage", message, { hint });
}
