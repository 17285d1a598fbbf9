import type { Json } from "../model/json.js";
import type { RequestBody } from "./message.js";

/** The text of a request's body as it is sent, or undefined without a body. Big integers keep all their digits. */
export function bodyText(body: RequestBody | undefined): string | undefined {
  if (body === undefined) return undefined;
  if (body.kind === "raw") return body.text;
  if (body.kind === "json") return jsonText(body.value);
  return new URLSearchParams(body.pairs.map(([name, value]): [string, string] => [name, value])).toString();
}

/** The content type that goes with a body, unless the request names one itself. */
export function bodyContentType(body: RequestBody): string | undefined {
  if (body.kind === "json") return "application/json";
  return body.kind === "form" ? "application/x-www-form-urlencoded" : undefined;
}

function jsonText(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(jsonText).join(",")}]`;
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${jsonText(item)}`);
  return `{${entries.join(",")}}`;
}

/** `Array.isArray` does not narrow read-only arrays. */
function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}
