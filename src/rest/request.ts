import { encodeSegment, expandPlaceholders, parsePlaceholders } from "../expression/placeholder.js";
import type { HttpRequest, RequestBody } from "../http/message.js";
import { isUrl, withParam } from "../http/url.js";
import type { Json, JsonObject } from "../model/json.js";
import { Secret } from "../model/secret.js";
import type { Authenticator } from "./authenticator.js";
import type { Authorizer } from "./client.js";
import type { PlanEnvironment } from "./environment.js";
import type { Finding, Findings } from "./finding.js";
import { checkHeader } from "./header-value.js";
import { isBoundLater } from "./reference.js";
import { type Found, resolveValue, scalarText } from "./values.js";

/** Values after templates: plain ones are part of the request, secret ones are added when it is sent. */
export interface ResolvedPairs {
  readonly plain: Readonly<Record<string, string>>;
  readonly secret: Readonly<Record<string, Secret>>;
}

/** Binds `{name}` in a path, all but `{resources.…}` and `{incremental.…}`; a param that is bound there is not sent in the query as well. */
export function bindPath(
  path: string,
  params: Readonly<Record<string, unknown>>,
  env: PlanEnvironment,
  at: Finding["path"],
  findings: Findings,
): { path: string | undefined; params: Record<string, unknown> } {
  const left = { ...params };
  const where = [...at, "path"];
  const resolved = resolveValue(path, env, where, findings);
  if (typeof resolved !== "string") {
    if (resolved instanceof Secret)
      findings.add(where, "a secret can't be part of a path: paths are stored and logged");
    return { path: undefined, params: left };
  }
  let complete = true;
  const bound = expandPlaceholders(parsePlaceholders(resolved), (name) => {
    if (isBoundLater(name)) return `{${name}}`;
    if (Object.hasOwn(params, name)) {
      delete left[name];
      const value = scalarText(resolveValue(params[name], env, [...at, "params", name], findings));
      if (value !== undefined) return encodeStatic(value);
    }
    const found = lookupVariable(name, env);
    if ("value" in found) return encodeSegment(found.value);
    complete = false;
    findings.add(where, `{${name}} in the path is bound to nothing; tried ${found.tried.join(", ")}`, {
      code: "config/unbound-variable",
      hint: `Give it a value with --set ${name}=…, or "${name}:" under variables, or ${name} in the endpoint's params.`,
    });
    return "";
  });
  return { path: complete ? bound : undefined, params: left };
}

/** A param's text as part of a path; a parent's field in it is bound later, for each record, as are incremental values. */
function encodeStatic(text: string): string {
  const encoded = parsePlaceholders(text).map((part) => {
    if (typeof part === "string") return encodeSegment(part);
    return isBoundLater(part.name) ? `{${part.name}}` : encodeSegment(`{${part.name}}`);
  });
  return encoded.join("");
}

function lookupVariable(name: string, env: PlanEnvironment): Found {
  const value = Object.hasOwn(env.variables, name) ? env.variables[name] : undefined;
  const text = scalarText(value);
  if (text !== undefined) return { value: text };
  const found = env.variable(name);
  if ("value" in found) return found;
  return {
    tried: ["endpoint.params", "variables", "--set", ...found.tried.map((place) => `environment ${place}`)],
  };
}

interface PlannedParams {
  readonly plain: readonly (readonly [string, string])[];
  readonly plainJson: JsonObject;
  readonly secret: Readonly<Record<string, Secret>>;
}

/**
 * Query parameters: lists become repeated keys, objects bracketed names (`filter[status]=open`), null is left out,
 * booleans are lower case.
 */
export function planParams(
  params: Readonly<Record<string, unknown>>,
  env: PlanEnvironment,
  path: Finding["path"],
  findings: Findings,
): PlannedParams {
  const plain: [string, string][] = [];
  const plainJson: Record<string, Json> = {};
  const secret: Record<string, Secret> = {};
  const add = (name: string, value: unknown, at: Finding["path"]): void => {
    if (value === undefined || value === null) return;
    const text = scalarText(value);
    if (value instanceof Secret) secret[name] = value;
    else if (text !== undefined) plain.push([name, text]);
    else if (isRecord(value)) {
      for (const [key, item] of Object.entries(value)) add(`${name}[${key}]`, item, [...at, key]);
    } else if (Array.isArray(value) && value.every(isItem)) {
      for (const item of value) add(name, item, at);
    } else {
      findings.add(
        at,
        "a query parameter is text, a number, a boolean, a list of these, or an object of all these",
        { hint: "Write a list of objects as JSON text if the API expects that." },
      );
    }
  };
  for (const [name, configured] of Object.entries(params)) {
    const at = [...path, name];
    const value = resolveValue(configured, env, at, findings);
    if (value !== undefined && value !== null && !holdsSecret(value)) plainJson[name] = value as Json;
    add(name, value, at);
  }
  return { plain, plainJson, secret };
}

function isItem(value: unknown): boolean {
  return value === null || scalarText(value) !== undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Headers after templates; one that HTTP can't carry is a finding. */
export function resolvePairs(
  pairs: Readonly<Record<string, string>>,
  env: PlanEnvironment,
  path: Finding["path"],
  findings: Findings,
): ResolvedPairs {
  const plain: Record<string, string> = {};
  const secret: Record<string, Secret> = {};
  for (const [name, configured] of Object.entries(pairs)) {
    const value = resolveValue(configured, env, [...path, name], findings);
    const text = value instanceof Secret ? value.reveal() : scalarText(value);
    checkHeader(name, text ?? "", [...path, name], findings);
    if (value instanceof Secret) secret[name.toLowerCase()] = value;
    else if (text !== undefined) plain[name.toLowerCase()] = text;
  }
  return { plain, secret };
}

/** The body of an endpoint: `json`, or `data` as in dlt (object or pairs: a form, text: as it is), but not both. */
export function planBody(
  { json, data }: { readonly json?: unknown; readonly data?: unknown },
  env: PlanEnvironment,
  at: Finding["path"],
  findings: Findings,
): RequestBody | undefined {
  const hasJson = json !== undefined && json !== null;
  const hasData = data !== undefined && data !== null;
  if (!hasJson && !hasData) return undefined;
  const path = [...at, hasData ? "data" : "json"];
  if (hasJson && hasData) {
    return findings.add(path, "json and data can't stand side by side: a request has one body", {
      hint: "If one of them comes from resource_defaults, set it to null here.",
    });
  }
  const value = resolveValue(hasData ? data : json, env, path, findings);
  if (holdsSecret(value)) {
    return findings.add(path, "a secret can't be part of a body: bodies are stored as positions", {
      hint: "Send it as a header, a query parameter or through client.auth.",
    });
  }
  if (!hasData) return { kind: "json", value: value as Json };
  if (typeof value === "string") return value === "" ? undefined : { kind: "raw", text: value };
  return formBody(value, path, findings);
}

/** A form (WHATWG URL §5): like query parameters, lists become repeated names and null is left out. */
function formBody(value: unknown, path: Finding["path"], findings: Findings): RequestBody | undefined {
  const fields: unknown[] = Array.isArray(value) ? value : Object.entries(value ?? {});
  const pairs = fields.flatMap((field, index): [string, string][] => {
    const [name, content] = field as [string, unknown];
    return (Array.isArray(content) ? (content as unknown[]) : [content]).flatMap((item) => {
      if (item === undefined || item === null) return [];
      const text = scalarText(item);
      if (text !== undefined) return [[name, text] as [string, string]];
      const place = [...path, Array.isArray(value) ? index : name];
      return (
        findings.add(place, "a form field is text, a number, a boolean, or a list of these", {
          hint: "Use json instead of data for a JSON body.",
        }) ?? []
      );
    });
  });
  return pairs.length === 0 ? undefined : { kind: "form", pairs };
}

/** Whether a resolved value is or holds a secret, at any depth. */
export function holdsSecret(value: unknown): boolean {
  if (value instanceof Secret) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsSecret);
}

export function firstRequest(
  method: string,
  url: string,
  params: readonly (readonly [string, string])[],
  headers: Readonly<Record<string, string>>,
  body: RequestBody | undefined,
  accept: string,
): HttpRequest {
  // What the path's own query says already, in the same words, is not said twice.
  const said = url.includes("?") && isUrl(url) ? new URL(url).searchParams : undefined;
  const query = new URLSearchParams(
    params.flatMap(([name, value]): [string, string][] =>
      said?.getAll(name).includes(value) === true ? [] : [[name, value]],
    ),
  ).toString();
  const separator = url.includes("?") ? "&" : "?";
  return {
    method,
    url: query === "" ? url : url + separator + query,
    headers: { accept, ...headers },
    ...(body === undefined ? {} : { body }),
  };
}

/** Puts auth, secret headers and secret parameters on a request; the client calls it for the own origin only. */
export function authorizerOf(
  auth: Authenticator | undefined,
  headers: Readonly<Record<string, Secret>>,
  params: Readonly<Record<string, Secret>>,
): Authorizer {
  return {
    refresh: auth?.refresh?.bind(auth),
    async authorize(request, io) {
      let authorized = auth === undefined ? request : await auth.authorize(request, io);
      for (const [name, secret] of Object.entries(params))
        authorized = withParam(authorized, name, secret.reveal());
      const revealed = Object.fromEntries(
        Object.entries(headers).map(([name, secret]) => [name, secret.reveal()]),
      );
      return { ...authorized, headers: { ...authorized.headers, ...revealed } };
    },
  };
}
