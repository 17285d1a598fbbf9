import { z } from "zod";
import type { HttpRequest } from "../../http/message.js";
import { getParam, withParam } from "../../http/url.js";
import { SluiceError } from "../../model/error.js";
import { isObject, type Json, type JsonObject } from "../../model/json.js";

/** Where a paginator puts a value into the request: a query parameter, or a place in its JSON body. */
export interface Place {
  /** The request as it is, once it is clear that the place exists or can be made. */
  check(request: HttpRequest): HttpRequest;
  set(request: HttpRequest, value: string | number): HttpRequest;
  /** What `set` put there, as text. */
  get(request: HttpRequest): string | undefined;
}

/** Describes the option that names a place in the body, for the value that `says`. */
export function bodyPathOption(says: string) {
  return z
    .string()
    .min(1)
    .nullable()
    .optional()
    .describe(
      `Place in the JSON body that carries ${says}, instead of a query parameter: dotted keys, or a JSON pointer (/a/b.c) for keys with dots.`,
    );
}

/** Where the paginators that send a token back put it. */
export const cursorPlaceOptions = {
  cursor_param: z
    .string()
    .min(1)
    .nullable()
    .optional()
    .describe('Query parameter that carries the token. Default "cursor", or cursor_body_path.'),
  cursor_body_path: bodyPathOption("the token"),
};

/**
 * The place that a pair of options names, as in dlt: `page_param` and `page_body_path`, the former with a default.
 *
 * @param names the two options, for messages.
 * @throws SluiceError `config/invalid` when both are set, or the path is none.
 */
export function placeOf(
  names: readonly [param: string, bodyPath: string],
  param: string | null | undefined,
  bodyPath: string | null | undefined,
  fallback: string,
): Place {
  if (bodyPath === null || bodyPath === undefined) return paramPlace(param ?? fallback);
  if (param === null || param === undefined) return bodyPlace(bodyPath, names[1]);
  throw new SluiceError("config/invalid", `${names[0]} and ${names[1]} are both set`, {
    hint: `Keep ${names[0]} for a query parameter, or ${names[1]} for a place in the JSON body.`,
  });
}

/** A query parameter. */
export function paramPlace(name: string): Place {
  return {
    check: (request) => request,
    set: (request, value) => withParam(request, name, value),
    get: (request) => getParam(request.url, name),
  };
}

/**
 * A place in the JSON body. Objects on the way are created, on a copy; a request without a body gets one.
 *
 * @throws SluiceError `config/invalid` when the text is no path. `check` and `set` throw `paginator/value` for a form
 *   or raw body, and where the way leads through something that is no object: the value would not reach the API, and
 *   the same page would come again and again.
 */
function bodyPlace(path: string, option: string): Place {
  const keys = keysOf(path, option);
  const set = (request: HttpRequest, value: string | number): HttpRequest => ({
    ...request,
    body: { kind: "json", value: withValue(jsonBodyOf(request, option), keys, value, option) },
  });
  return {
    set,
    check(request) {
      set(request, "");
      return request;
    },
    get(request) {
      let value: Json | undefined = request.body?.kind === "json" ? request.body.value : undefined;
      for (const key of keys) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
      return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
    },
  };
}

/** Dotted keys, or a JSON pointer (RFC 6901). */
function keysOf(path: string, option: string): readonly string[] {
  const keys = path.startsWith("/")
    ? path
        .slice(1)
        .split("/")
        .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"))
    : path.split(".");
  if (!keys.includes("")) return keys;
  throw new SluiceError("config/invalid", `${option} "${path}" has an empty key`, {
    hint: "Write dotted keys such as query.page, or a JSON pointer such as /query/page.no.",
  });
}

function jsonBodyOf({ body }: HttpRequest, option: string): Json {
  if (body === undefined) return {};
  if (body.kind === "json") return body.value;
  throw new SluiceError(
    "paginator/value",
    `${option} needs a JSON body, but the request has a ${body.kind} one`,
    {
      hint: `Send the body as endpoint.json, or name a query parameter instead of ${option}.`,
    },
  );
}

function withValue(
  target: Json | undefined,
  [key = "", ...rest]: readonly string[],
  value: string | number,
  option: string,
): JsonObject {
  if (target !== undefined && target !== null && !isObject(target)) {
    throw new SluiceError(
      "paginator/value",
      `${option} leads through a value of the body that is no object`,
      {
        hint: `There is a list or a plain value where the key "${key}" is to be set; only objects can be gone through.`,
      },
    );
  }
  const here: JsonObject = target ?? {};
  if (rest.length === 0) return { ...here, [key]: value };
  const inner = Object.hasOwn(here, key) ? here[key] : undefined;
  return { ...here, [key]: withValue(inner, rest, value, option) };
}
