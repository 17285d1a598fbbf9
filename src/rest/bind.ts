import { createHash } from "node:crypto";
import { parsePath } from "../expression/path.js";
import { encodeSegment, parsePlaceholders } from "../expression/placeholder.js";
import type { RequestBody } from "../http/message.js";
import { SluiceError } from "../model/error.js";
import { isObject, type Json, type JsonObject } from "../model/json.js";
import { incrementalName, isIncrementalField, parseReference } from "./reference.js";
import { scalarText } from "./values.js";

/** The parts of a request, with `{resources.…}` and `{incremental.…}` still in them. */
export interface RequestParts {
  /** Path of the endpoint, everything else in it encoded. */
  readonly path: string;
  readonly params: readonly (readonly [string, string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
}

/** Where the values come from. */
export interface Bindings {
  /** One record of the parent. */
  readonly record?: Json;
  /** Left out: these placeholders stay as they are. */
  readonly incremental?: JsonObject;
}

/** A placeholder: what it is called in messages, its value (undefined: there is none), and the error for a bad one. */
interface Field {
  readonly name: string;
  value(bindings: Bindings): Json | undefined;
  readonly code: "parent/value" | "incremental/value";
}

/** A text cut into literal pieces and placeholders. */
type Pieces = readonly (string | Field)[];

/** A value made from the bindings. */
type Bind<T> = (bindings: Bindings) => T;

/**
 * Compiles the parts of a request; what comes out puts one parent record's values in, and the bounds of an incremental
 * read.
 *
 * - path: percent-encoded as one segment; null and the empty text have no place there
 * - params: null leaves the parameter out, a list is sent as repeated keys if it is the whole value
 * - headers: null leaves the header out
 * - JSON body: a text that is nothing but one placeholder becomes the value itself, of whatever type
 * - other bodies: text
 *
 * What a value holds is never expanded again. A field that the record does not have is an error everywhere: a
 * parameter left out by mistake would ask for the records of all parents.
 *
 * @throws SluiceError config/invalid when a placeholder names no field; the result throws parent/value for a record
 *   that has no usable value, and incremental/value for such a bound.
 */
export function compileParts(parts: RequestParts): Bind<RequestParts> {
  const path = compileText(parts.path);
  const params = parts.params.map(([name, text]) => ({ name, pieces: compileText(text) }));
  const headers = Object.entries(parts.headers).map(([name, text]) => ({ name, pieces: compileText(text) }));
  const body = parts.body === undefined ? undefined : compileBody(parts.body);
  return (bindings) => ({
    path: join(path, (field) => encodeSegment(pathValue(field, bindings))) ?? "",
    params: params.flatMap(({ name, pieces }) =>
      paramTexts(pieces, bindings).map((text) => [name, text] as const),
    ),
    headers: Object.fromEntries(
      headers.flatMap(({ name, pieces }) => {
        const text = join(pieces, (field) => headerText(field, bindings));
        return text === undefined ? [] : [[name, text]];
      }),
    ),
    ...(body === undefined ? {} : { body: body(bindings) }),
  });
}

/** The fields of the parent's record that a request refers to, each once, as dotted paths. */
export function fieldsIn({ path, params, headers, body }: RequestParts): readonly string[] {
  const texts = [path, ...params.map(([, text]) => text), ...Object.values(headers), ...textsIn(body)];
  const fields = texts.flatMap((text) =>
    parsePlaceholders(text).flatMap((part) =>
      typeof part === "string" ? [] : (parseReference(part.name)?.field ?? []),
    ),
  );
  return [...new Set(fields)];
}

/** Every text in a value, keys excepted. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function compileText(text: string): Pieces {
  return parsePlaceholders(text).map((part) => {
    if (typeof part === "string") return part;
    const text = `{${part.name}}`;
    if (isIncrementalField(part.name)) return incrementalField(text, incrementalName(part.name));
    const reference = parseReference(part.name);
    return reference === undefined ? text : parentField(reference.field);
  });
}

function parentField(source: string): Field {
  const path = parsePath(source);
  return {
    name: `field ${source}`,
    value: ({ record }) => (record === undefined ? undefined : path.first(record)),
    code: "parent/value",
  };
}

function incrementalField(text: string, name: string): Field {
  return {
    name: text,
    value: ({ incremental }) => (incremental === undefined ? text : incremental[name]),
    code: "incremental/value",
  };
}

/**
 * The values that a request takes from a record of the parent: what tells one parent from another, whatever else is
 * in their records. As text, or as a hash where that would be long.
 */
export function compileParentKey(parts: RequestParts): (record: Json) => string {
  const fields = [...new Set(fieldNames(parts))].sort().map((name) => parsePath(name));
  return (record) => {
    const text = JSON.stringify(
      fields.map((field) => field.first(record) ?? null),
      (_, value: Json) => (typeof value === "bigint" ? `${value}n` : value),
    );
    return text.length <= MAX_KEY_LENGTH
      ? text
      : createHash("sha256").update(text).digest("base64url").slice(0, 22);
  };
}

const MAX_KEY_LENGTH = 60;

/** Fields of the parent in all texts of a value. */
function fieldNames(value: unknown): string[] {
  if (typeof value === "string") {
    return parsePlaceholders(value).flatMap((part) => {
      const reference = typeof part === "string" ? undefined : parseReference(part.name);
      return reference === undefined ? [] : [reference.field];
    });
  }
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(fieldNames) : [];
}

/** The whole text, or undefined when one of its fields is to be left out. */
function join(pieces: Pieces, textOf: (field: Field) => string | undefined): string | undefined {
  let text = "";
  for (const piece of pieces) {
    const part = typeof piece === "string" ? piece : textOf(piece);
    if (part === undefined) return undefined;
    text += part;
  }
  return text;
}

function paramTexts(pieces: Pieces, bindings: Bindings): readonly string[] {
  const field = onlyField(pieces);
  const value = field === undefined ? undefined : valueOf(field, bindings);
  if (field !== undefined && isList(value)) {
    return value.flatMap((item) => (item === null ? [] : [textOf(field, item, "a query parameter")]));
  }
  const text = join(pieces, (field) => optionalText(field, bindings));
  return text === undefined ? [] : [text];
}

function onlyField(pieces: Pieces): Field | undefined {
  const [field] = pieces;
  return pieces.length === 1 && typeof field === "object" ? field : undefined;
}

function optionalText(field: Field, bindings: Bindings): string | undefined {
  const value = valueOf(field, bindings);
  return value === null ? undefined : textOf(field, value, "a query parameter or header");
}

/** A line break would start another header (RFC 9110 §5.5). */
function headerText(field: Field, bindings: Bindings): string | undefined {
  const text = optionalText(field, bindings);
  if (text === undefined || /^[\t -~\u0080-\u00ff]*$/.test(text)) return text;
  throw unusable(field, "holds a character that a header can't hold");
}

function pathValue(field: Field, bindings: Bindings): string {
  const text = textOf(field, valueOf(field, bindings), "a path");
  if (text === "") throw unusable(field, "is empty text, which can't stand in a path");
  return text;
}

function valueOf(field: Field, bindings: Bindings): Json {
  const value = field.value(bindings);
  if (value !== undefined) return value;
  const { record } = bindings;
  throw unusable(
    field,
    "is missing",
    isObject(record) ? `It has ${Object.keys(record).slice(0, 20).join(", ")}.` : "It is not an object.",
  );
}

function textOf(field: Field, value: Json, place: string): string {
  const text = scalarText(value);
  if (text !== undefined) return text;
  const kind = value === null ? "null" : isObject(value) ? "an object" : "a list";
  throw unusable(field, `is ${kind}, which can't stand in ${place}`);
}

function unusable(field: Field, problem: string, hint?: string): SluiceError {
  return new SluiceError(field.code, `${field.name} ${problem}`, hint === undefined ? {} : { hint });
}

function compileBody(body: RequestBody): Bind<RequestBody> {
  if (body.kind === "json") {
    const value = compileJson(body.value);
    return (bindings) => ({ kind: "json", value: value(bindings) });
  }
  if (body.kind === "raw") {
    const text = compileBodyText(body.text);
    return (bindings) => ({ kind: "raw", text: text(bindings) });
  }
  const pairs = body.pairs.map(([name, text]) => ({ name, text: compileBodyText(text) }));
  return (bindings) => ({
    kind: "form",
    pairs: pairs.map(({ name, text }) => [name, text(bindings)] as const),
  });
}

function compileJson(value: Json): Bind<Json> {
  if (typeof value === "string") {
    const pieces = compileText(value);
    const field = onlyField(pieces);
    if (field !== undefined) return (bindings) => valueOf(field, bindings);
    return bodyText(pieces);
  }
  if (isList(value)) {
    const items = value.map(compileJson);
    return (bindings) => items.map((item) => item(bindings));
  }
  if (!isObject(value)) return () => value;
  const entries = Object.entries(value).map(([key, item]) => ({ key, item: compileJson(item) }));
  return (bindings) => Object.fromEntries(entries.map(({ key, item }) => [key, item(bindings)]));
}

function compileBodyText(text: string): Bind<string> {
  return bodyText(compileText(text));
}

function bodyText(pieces: Pieces): Bind<string> {
  return (bindings) => join(pieces, (field) => textOf(field, valueOf(field, bindings), "text")) ?? "";
}

/** `Array.isArray` does not narrow read-only arrays. */
function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
