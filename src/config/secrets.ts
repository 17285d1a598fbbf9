import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { TomlError } from "smol-toml";
import { SluiceError } from "../model/error.js";

/** A value and the place it came from, or every place that was tried, in order. */
export type Lookup =
  | { readonly value: string; readonly from: string }
  | { readonly tried: readonly string[] };

export interface Lookups {
  /** A secret: environment, then `.sluice/secrets.toml`, then `.dlt/secrets.toml`. */
  readonly secret: (name: string) => Lookup;
  /** A variable: environment only. */
  readonly variable: (name: string) => Lookup;
}

export interface LookupOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that has `.sluice` and `.dlt`. */
  readonly cwd: string;
  /** Name of the pipeline: the most specific section. */
  readonly pipeline: string;
}

const SECRET_FILES = [".sluice/secrets.toml", ".dlt/secrets.toml"];

/**
 * Names that a login shell sets: `{user}` in a path must not silently become who is logged in. They count only with
 * their section (`SOURCES__CRM__USER`).
 */
const SHELL_NAMES: ReadonlySet<string> = new Set(
  "PATH HOME USER USERNAME LOGNAME HOSTNAME SHELL PWD OLDPWD LANG TERM EDITOR TMPDIR TMP TEMP".split(" "),
);

/**
 * Looks secrets and variables up where dlt does (its providers `environ` and `secrets.toml`;
 * https://dlthub.com/docs/general-usage/credentials/setup), from the most to the least specific section.
 *
 * For `api_key` of the pipeline `call_analytics`: `SOURCES__CALL_ANALYTICS__API_KEY`, `API_KEY`, then in each file
 * `sources.call_analytics.api_key`, `sources.api_key`, `api_key`. Dots in a name are sections (`__` in the environment).
 * An empty environment variable counts as not set. Numbers and booleans of a file become text.
 *
 * @throws SluiceError `config/unreadable` from `secret` if a file has a syntax error (file and line; never its text)
 *
 * @example
 * const lookup = createLookup({ env: process.env, cwd: "/project", pipeline: "call_analytics" });
 * lookup.secret("api_key"); // { value: "…", from: "API_KEY" } or { tried: ["SOURCES__CALL_ANALYTICS__API_KEY", …] }
 */
export function createLookup({ env, cwd, pipeline }: LookupOptions): Lookups {
  const files = new Map<string, Record<string, unknown> | undefined>();
  const contentOf = (file: string): Record<string, unknown> | undefined => {
    if (!files.has(file)) files.set(file, readToml(cwd, file));
    return files.get(file);
  };

  const inEnvironment = (name: string, tried: string[]): Lookup => {
    const bare = environmentName(name.split("."));
    for (const key of [environmentName(["sources", pipeline, ...name.split(".")]), bare]) {
      const value = env[key];
      if (key === bare && SHELL_NAMES.has(key)) tried.push(`${key} (not read: the shell sets it)`);
      else if (value === "") tried.push(`${key} (set, but empty)`);
      else if (value !== undefined) return { value, from: key };
      else tried.push(key);
    }
    return { tried };
  };

  const inFile = (file: string, name: string, tried: string[]): Lookup => {
    const content = contentOf(file);
    if (content === undefined) {
      tried.push(`${file} (no such file)`);
      return { tried };
    }
    const keys = name.split(".");
    for (const path of [...sections(pipeline).map((section) => [...section, ...keys]), [name]]) {
      const value = scalarAt(content, path);
      const place = `${file}: ${path.join(".")}`;
      if (value !== undefined) return { value, from: place };
      if (!tried.includes(place)) tried.push(place);
    }
    return { tried };
  };

  return {
    secret(name) {
      const tried: string[] = [];
      let found = inEnvironment(name, tried);
      for (const file of SECRET_FILES) {
        if ("value" in found) return found;
        found = inFile(file, name, tried);
      }
      return found;
    },
    variable: (name) => inEnvironment(name, []),
  };
}

/** Most specific first. A pipeline `call-analytics` is also found under `call_analytics`. */
function sections(pipeline: string): string[][] {
  const names = [...new Set([pipeline, pipeline.replaceAll(/[^A-Za-z0-9_]/g, "_")])];
  return [...names.map((name) => ["sources", name]), ["sources"], []];
}

function environmentName(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll(/[^A-Za-z0-9_]/g, "_").toUpperCase()).join("__");
}

function scalarAt(content: Record<string, unknown>, path: readonly string[]): string | undefined {
  let found: unknown = content;
  for (const key of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  if (typeof found === "string") return found;
  if (found instanceof Date) return found.toJSON();
  return ["number", "bigint", "boolean"].includes(typeof found) ? String(found) : undefined;
}

function readToml(cwd: string, file: string): Record<string, unknown> | undefined {
  let text: string;
  try {
    text = readFileSync(join(cwd, file), "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new SluiceError(
      "config/unreadable",
      `${file}: the file can't be read (${code ?? "unknown error"})`,
      {
        at: { file },
        cause,
      },
    );
  }
  // Loaded where there is such a file.
  const { parse, TomlError } = createRequire(import.meta.url)("smol-toml") as typeof import("smol-toml");
  try {
    return parse(text, { integersAsBigInt: "asNeeded" });
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    throw tomlError(cause, file);
  }
}

/** Without `cause`: the parser's message quotes the lines around the error, and this is a file of secrets. */
function tomlError(error: TomlError, file: string): SluiceError {
  const place = `${file}:${error.line}`;
  return new SluiceError("config/unreadable", `${place}: not valid TOML (column ${error.column})`, {
    at: { file: place },
    hint: 'A secret is written as name = "value", with the value in quotes.',
  });
}
