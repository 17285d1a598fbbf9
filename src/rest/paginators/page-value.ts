import type { JsonPath } from "../../expression/path.js";
import type { HttpRequest } from "../../http/message.js";
import { resolveLink } from "../../http/url.js";
import { SluiceError } from "../../model/error.js";
import type { Json } from "../../model/json.js";
import type { PageView } from "../paginator.js";

/** What a body holds at a path; undefined where there is nothing, or no body. */
export function valueAt(page: PageView, path: JsonPath | undefined): Json | undefined {
  return path === undefined || page.body === undefined ? undefined : path.first(page.body);
}

/** True for the values by which APIs say that there is no cursor or link. The number 0 is a cursor like any other. */
export function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/**
 * A cursor as the text that is sent back.
 *
 * @param option name of the option it comes from, for the message.
 * @throws SluiceError `paginator/value` unless it is a text or a number.
 */
export function cursorText(value: unknown, option: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  throw new SluiceError(
    "paginator/value",
    `${option} gives ${kindOf(value)}; a cursor is a text or a number`,
    {
      hint: `Make ${option} point to the cursor itself.`,
    },
  );
}

/** The request for a link of the response. Method, headers and body stay; the link brings all of its parameters. */
export function followLink(page: PageView, link: string): { request: HttpRequest } {
  return { request: { ...page.request, url: resolveLink(page.head.url, link) } };
}

/**
 * Reads a flag such as `has_more`: true or false, also as a text or number (yes, true, t, y, 1 and their opposites, as
 * in dlt). Undefined when it is missing or null.
 *
 * @throws SluiceError `paginator/value` for anything else.
 */
export function flagAt(page: PageView, path: JsonPath | undefined): boolean | undefined {
  const value = valueAt(page, path);
  if (value === undefined || value === null) return undefined;
  const word = typeof value === "object" ? "" : String(value).toLowerCase();
  if (["true", "yes", "t", "y", "1"].includes(word)) return true;
  if (["false", "no", "f", "n", "0"].includes(word)) return false;
  throw new SluiceError(
    "paginator/value",
    `has_more_path gives ${kindOf(value)} that is neither true nor false`,
    {
      hint: `Make has_more_path (${path?.source}) point to a flag.`,
    },
  );
}

/**
 * Reads a total: a whole number, also as a text of digits. Undefined when it is missing or null.
 *
 * @throws SluiceError `paginator/value` for anything else.
 */
export function totalAt(page: PageView, path: JsonPath | undefined): number | undefined {
  const value = valueAt(page, path);
  if (value === undefined || value === null) return undefined;
  const isText = typeof value === "string" && /^\d+$/.test(value.trim());
  const total = isText || typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN;
  if (Number.isInteger(total)) return total;
  throw new SluiceError("paginator/value", `total_path gives ${kindOf(value)} that is not a whole number`, {
    hint: `Make total_path (${path?.source}) point to the total, or set it to null.`,
  });
}

/** A value's kind with its article, for messages: the value itself may be a record's. */
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value === "string" ? "text" : typeof value}`;
}
