import { SluiceError } from "../model/error.js";
import { isObject, type Json, type JsonObject } from "../model/json.js";
import { plainName } from "./paginators/envelope.js";

/** What may stand beside an error without making the body a record: what kind of error it is, and where it happened. */
const COMPANIONS =
  /^(?:errors?\w*|message|messages|msg|code|status\w*|success|ok|title|details?|type|reason|request\w*|timestamp|time|path|trace\w*|documentation\w*|docs?|help\w*|extensions|warnings?|meta|data|result|version|jsonrpc|id)$/;

/** Whether a body tells of an error: `error` or `errors` with something in it, `success` or `ok` that is false. */
export function tellsError(body: Json | undefined): body is JsonObject {
  if (!isObject(body)) return false;
  const isRefused = body["success"] === false || body["ok"] === false;
  return isRefused || [body["error"], body["errors"]].some((value) => isTold(value));
}

/** Whether it tells of an error and of nothing else, so that it can't be a record that has an `error` field. */
export function isErrorEnvelope(body: Json | undefined): body is JsonObject {
  if (!tellsError(body)) return false;
  return Object.entries(body).every(([key, value]) => {
    const name = plainName(key);
    if (name === "error" || name === "errors" || value === null) return true;
    // JSON-RPC answers with the request's id; elsewhere an id is that of a record.
    if (name === "id") return "jsonrpc" in body;
    return COMPANIONS.test(name) && (!isObject(value) || Object.keys(value).length === 0 || name === "meta");
  });
}

/** The failure that such a body is, in the API's own words where they are easy to find. */
export function unsuccessful(
  body: JsonObject,
  resource: string,
  redact: (text: string) => string,
): SluiceError {
  const words = wordsOf(body["errors"]) ?? wordsOf(body["error"]) ?? wordsOf(body["message"]);
  const said = words === undefined ? "" : `: ${redact(words.replaceAll(/[\p{Cc}\s]+/gu, " ")).slice(0, 200)}`;
  return new SluiceError(
    "response/unsuccessful",
    `the response has a successful status, but tells of an error${said}`,
    {
      at: { resource },
      hint: 'If this is no error, set data_selector to where the records are ("$" for the body itself). If it passes, use success_when with otherwise: retry.',
    },
  );
}

function isTold(value: Json | undefined): boolean {
  if (typeof value === "string") return value !== "";
  if (Array.isArray(value)) return value.length > 0;
  return value === true || (isObject(value) && Object.keys(value).length > 0);
}

function wordsOf(value: Json | undefined): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  if (Array.isArray(value)) return wordsOf(value[0] as Json | undefined);
  if (!isObject(value)) return undefined;
  return ["message", "detail", "title", "description", "reason", "code"]
    .map((key) => value[key])
    .find((text) => typeof text === "string");
}
