import { SluiceError } from "../model/error.js";
import { isObject, type Json } from "../model/json.js";

const ERROR_KEYS = new Set(["error", "errors"]);
const SUCCESS_KEYS = ["success", "ok"];

/** Whether a key is the usual one for what went wrong, so that a list under it holds no records. */
export function isErrorKey(key: string): boolean {
  return ERROR_KEYS.has(key);
}

/**
 * Refuses a body without records that says that something went wrong: `error` or `errors` with something in it, or
 * `success` or `ok` that is false. With a status of 200 it would pass for an empty page, and the rest of the records
 * would be lost without a word. Give it only bodies in which no record was found; one with an `id` is a record itself.
 *
 * @throws SluiceError `response/error-body`; the message names the key, never what it holds.
 *
 * @example
 * refuseErrorBody({ data: null, errors: [{ message: "…" }] }, "users"); // throws
 * refuseErrorBody({ data: [], errors: [] }, "users");                   // does nothing
 */
export function refuseErrorBody(body: Json | undefined, resource: string): void {
  if (!isObject(body) || Object.hasOwn(body, "id")) return;
  const failure = Object.keys(body).find((key) => ERROR_KEYS.has(key) && saysSomething(body[key]));
  const refusal = SUCCESS_KEYS.find((key) => body[key] === false);
  const told = failure ?? refusal;
  if (told === undefined) return;
  throw new SluiceError(
    "response/error-body",
    `a response holds no records, and its ${told} says that the request failed`,
    {
      at: { resource },
      hint: 'If the API answers so for a while only, add response_actions with content and action: retry. If the body is a record all the same, set endpoint.data_selector to "$".',
    },
  );
}

function saysSomething(value: Json | undefined): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}
