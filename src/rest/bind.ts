import { type JsonPath, parsePath } from "../expression/path.js";
import { encodeSegment, parsePlaceholders } from "../expression/placeholder.js";
import type { RequestBody } from "../http/message.js";
import { SluiceError } from "../model/error.js";
import { isObject, type Json } from "../model/json.js";
import { parseReference } from "./reference.js";
import { scalarText } from "./values.js";

/** The parts of a request, with `{resources.…}` still in them. */
export interface RequestParts {
  /** Path of the endpoint, everything else in it encoded. */
  readonly path: string;
  readonly params: readonly (readonly [string, string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
}

/** A text cut into literal pieces and fields of a record. */
type Pieces = readonly (string | JsonPath)[];

/** A value made from one record of the parent. */
type Bind<T> = (record: Json) => T;

/**
 * Compiles the parts of a child's request; what comes out puts one parent record's values in.
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
 *   that has no usable value.
 */
export function compileParts(parts: RequestParts): Bind<RequestParts> {
  const path = compileText(parts.path);
  const params = parts.params.map(([name, text]) => ({ name, pieces: compileText(text) }));
  const headers = Object.entries(parts.headers).map(([name, text]) => ({ name, pieces: compileText(text) }));
  const body = parts.body === undefined ? undefined : compileBody(parts.body);
  return (record) => ({
    path: join(path, (field) => encodeSegment(pathValue(field, record))) ?? "",
    params: params.flatMap(({ name, pieces }) =>
      paramTexts(pieces, record).map((text) => [name, text] as const),
    ),
    headers: Object.fromEntries(
      headers.flatMap(({ name, pieces }) => {
        const text = join(pieces, (field) => headerText(field, record));
        return text === undefined ? [] : [[name, text]];
      }),
    ),
    ...(body === undefined ? {} : { body: body(record) }),
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
    const reference = parseReference(part.name);
    return reference === undefined ? `{${part.name}}` : parsePath(reference.field);
  });
}

/** The whole text, or undefined when one of its fields is to be left out. */
function join(pieces: Pieces, textOf: (field: JsonPath) => string | undefined): string | undefined {
  let text = "";
  for (const piece of pieces) {
    const part = typeof piece === "string" ? piece : textOf(piece);
    if (part === undefined) return undefined;
    text += part;
  }
  return text;
}

function paramTexts(pieces: Pieces, record: Json): readonly string[] {
  const field = onlyField(pieces);
  const value = field === undefined ? undefined : valueOf(field, record);
  if (field !== undefined && isList(value)) {
    return value.flatMap((item) => (item === null ? [] : [textOf(field, item, "a query parameter")]));
  }
  const text = join(pieces, (field) => optionalText(field, record));
  return text === undefined ? [] : [text];
}

function onlyField(pieces: Pieces): JsonPath | undefined {
  const [field] = pieces;
  return pieces.length === 1 && typeof field === "object" ? field : undefined;
}

function optionalText(field: JsonPath, record: Json): string | undefined {
  const value = valueOf(field, record);
  return value === null ? undefined : textOf(field, value, "a query parameter or header");
}

/** A line break would start another header (RFC 9110 §5.5). */
function headerText(field: JsonPath, record: Json): string | undefined {
  const text = optionalText(field, record);
  if (text === undefined || /^[\t -~\u0080-\u00ff]*$/.test(text)) return text;
  throw unusable(field, "holds a character that a header can't hold");
}

function pathValue(field: JsonPath, record: Json): string {
  const text = textOf(field, valueOf(field, record), "a path");
  if (text === "") throw unusable(field, "is empty text, which can't stand in a path");
  return text;
}

function valueOf(field: JsonPath, record: Json): Json {
  const value = field.first(record);
  if (value !== undefined) return value;
  throw unusable(
    field,
    "is missing",
    isObject(record) ? `It has ${Object.keys(record).slice(0, 20).join(", ")}.` : "It is not an object.",
  );
}

function textOf(field: JsonPath, value: Json, place: string): string {
  const text = scalarText(value);
  if (text !== undefined) return text;
  const kind = value === null ? "null" : isObject(value) ? "an object" : "a list";
  throw unusable(field, `is ${kind}, which can't stand in ${place}`);
}

function unusable(field: JsonPath, problem: string, hint?: string): SluiceError {
  return new SluiceError(
    "parent/value",
    `field ${field.source} ${problem}`,
    hint === undefined ? {} : { hint },
  );
}

function compileBody(body: RequestBody): Bind<RequestBody> {
  if (body.kind === "json") {
    const value = compileJson(body.value);
    return (record) => ({ kind: "json", value: value(record) });
  }
  if (body.kind === "raw") {
    const text = compileBodyText(body.text);
    return (record) => ({ kind: "raw", text: text(record) });
  }
  const pairs = body.pairs.map(([name, text]) => ({ name, text: compileBodyText(text) }));
  return (record) => ({ kind: "form", pairs: pairs.map(({ name, text }) => [name, text(record)] as const) });
}

function compileJson(value: Json): Bind<Json> {
  if (typeof value === "string") {
    const pieces = compileText(value);
    const field = onlyField(pieces);
    if (field !== undefined) return (record) => valueOf(field, record);
    return bodyText(pieces);
  }
  if (isList(value)) {
    const items = value.map(compileJson);
    return (record) => items.map((item) => item(record));
  }
  if (!isObject(value)) return () => value;
  const entries = Object.entries(value).map(([key, item]) => ({ key, item: compileJson(item) }));
  return (record) => Object.fromEntries(entries.map(({ key, item }) => [key, item(record)]));
}

function compileBodyText(text: string): Bind<string> {
  return bodyText(compileText(text));
}

function bodyText(pieces: Pieces): Bind<string> {
  return (record) => join(pieces, (field) => textOf(field, valueOf(field, record), "text")) ?? "";
}

/** `Array.isArray` does not narrow read-only arrays. */
function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
