import { createRequire } from "node:module";
import type { JSONPathEnvironment } from "json-p3";
import { SluiceError } from "../model/error.js";
import { isObject, type Json } from "../model/json.js";

/** A place in a JSON value, parsed once. */
export interface JsonPath {
  /** As written in the configuration. */
  readonly source: string;
  /** Everything at that place, in document order; empty when there is nothing. A null that is there is found. */
  find(value: Json): readonly Json[];
  /** The first of them. */
  first(value: Json): Json | undefined;
}

/**
 * Parses the path of a selector, cursor, link or total.
 *
 * - Dotted keys, `data.calls`: own keys only, a number picks from a list (`data.0.id`). Keys that hold dots themselves
 *   work where the rest of the path is one key: `@odata.nextLink`, `meta.@odata.count`.
 * - JSONPath (RFC 9535), `$.data[*].calls` or with the `$.` left out: `data[*].calls`, `[0].id`, `calls[?@.ok]`. Also
 *   `a[].b`, which other tools write for `a[*].b`. `match()` and `search()` are not available.
 *
 * @throws SluiceError `config/invalid` when the text is no path.
 *
 * @example
 * parsePath("meta.next").first({ meta: { next: "c9" } }); // "c9"
 * parsePath("calls[*].id").find({ calls: [{ id: 1 }, { id: 2 }] }); // [1, 2]
 */
export function parsePath(text: string): JsonPath {
  if (text.trim() === "") throw notAPath(text, "it is empty");
  if (text === "$") return { source: text, find: (value) => [value], first: (value) => value };
  return isDotted(text) ? dottedPath(text) : jsonPath(text);
}

function isDotted(text: string): boolean {
  return !text.startsWith("$") && text !== "*" && !/[[\]()?]|\.\.|\.\*|\*\./.test(text);
}

function dottedPath(text: string): JsonPath {
  const segments = text.split(".");
  if (segments.includes("")) throw notAPath(text, "it starts or ends with a dot");
  // What is left of the path after each segment: tried as one key before it is split.
  const rests = segments.map((_, index) => segments.slice(index).join("."));
  const first = (root: Json): Json | undefined => {
    let value: Json | undefined = root;
    for (const [index, segment] of segments.entries()) {
      const rest = rests[index] ?? segment;
      if (isObject(value) && Object.hasOwn(value, rest)) return value[rest];
      value = step(value, segment);
      if (value === undefined) return undefined;
    }
    return value;
  };
  return {
    source: text,
    first,
    find: (root) => {
      const value = first(root);
      return value === undefined ? [] : [value];
    },
  };
}

function step(value: Json, segment: string): Json | undefined {
  if (Array.isArray(value)) return /^\d+$/.test(segment) ? value[Number(segment)] : undefined;
  return isObject(value) && Object.hasOwn(value, segment) ? value[segment] : undefined;
}

function jsonPath(text: string): JsonPath {
  const query = compile(text);
  const run = <T>(evaluate: () => T): T => {
    try {
      return evaluate();
    } catch (cause) {
      throw new SluiceError("expression/failed", `The path ${text} can't be followed in this response`, {
        hint: "The response is nested too deeply for `..`; write the whole path instead.",
        cause,
      });
    }
  };
  // The library's type of JSON has no bigint; it hands values through untouched.
  type Value = Parameters<typeof query.query>[0];
  return {
    source: text,
    find: (value) => run(() => query.query(value as Value).values() as Json[]),
    first: (value) => run(() => query.match(value as Value)?.value as Json | undefined),
  };
}

function compile(text: string) {
  const full = (text.startsWith("$") ? text : text.startsWith("[") ? `$${text}` : `$.${text}`).replaceAll(
    "[]",
    "[*]",
  );
  try {
    return jsonPathEnvironment().compile(full);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replace(/\s*\([^()]*\)$/, "") : "";
    throw notAPath(text, reason, cause);
  }
}

let environment: JSONPathEnvironment | undefined;

/** The library is loaded when the first JSONPath is parsed: most configurations have none. */
function jsonPathEnvironment(): JSONPathEnvironment {
  if (environment !== undefined) return environment;
  const library = createRequire(import.meta.url)("json-p3") as typeof import("json-p3");
  environment = new library.JSONPathEnvironment();
  // Their regular expressions can take minutes on a hostile response.
  environment.functionRegister.delete("match");
  environment.functionRegister.delete("search");
  return environment;
}

function notAPath(text: string, reason: string, cause?: unknown): SluiceError {
  return new SluiceError("config/invalid", `"${text}" is not a path: ${reason}`, {
    hint: "Write dotted keys such as data.items, or JSONPath such as $.data.items[*].",
    cause,
  });
}
