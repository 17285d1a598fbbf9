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
  /** The first of them in what is no value yet, such as a document. Dotted keys only: absent for JSONPath and `$`. */
  firstIn?<Node>(root: Node, steps: Steps<Node>): Node | undefined;
}

/** How a dotted path is followed in what is like JSON; both give undefined where there is nothing. */
export interface Steps<Node> {
  /** The own member of an object. */
  readonly member: (node: Node, key: string) => Node | undefined;
  /** The item of a list. */
  readonly item: (node: Node, index: number) => Node | undefined;
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
  const indexes = segments.map((segment) => (/^\d+$/.test(segment) ? Number(segment) : undefined));
  const firstIn = <Node>(root: Node, { member, item }: Steps<Node>): Node | undefined => {
    let node = root;
    for (let at = 0; at < segments.length; at++) {
      const whole = member(node, rests[at]!);
      if (whole !== undefined) return whole;
      const index = indexes[at];
      const next = at + 1 < segments.length ? member(node, segments[at]!) : undefined;
      const inner = next ?? (index === undefined ? undefined : item(node, index));
      if (inner === undefined) return undefined;
      node = inner;
    }
    return node;
  };
  const first = (root: Json): Json | undefined => firstIn<Json>(root, IN_VALUES);
  return {
    source: text,
    first,
    firstIn,
    find: (root) => {
      const value = first(root);
      return value === undefined ? [] : [value];
    },
  };
}

/** The steps in a value. */
export const IN_VALUES: Steps<Json> = {
  member: (value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined),
  item: (value, index) => (Array.isArray(value) ? (value[index] as Json | undefined) : undefined),
};

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
