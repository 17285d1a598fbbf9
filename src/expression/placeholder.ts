import { SluiceError } from "../model/error.js";

/** A text cut into literal pieces and placeholders. */
export type Placeholders = readonly (string | { readonly name: string })[];

/** Whole `{{ … }}` expressions first: what is inside them belongs to the template engine. */
const PARTS = /\{\{[\s\S]*?\}\}|\{\{|\{([A-Za-z_][\w.-]*)\}/g;

/**
 * Finds `{name}` in a text. Names start with a letter or underscore and may be dotted (`{resources.users.id}`). All
 * other braces are literal text: doubled ones belong to `{{ … }}` templates, the rest to JSON and the like.
 *
 * @example
 * parsePlaceholders("/{account_id}/calls.json"); // ["/", { name: "account_id" }, "/calls.json"]
 */
export function parsePlaceholders(text: string): Placeholders {
  const parts: (string | { name: string })[] = [];
  let end = 0;
  for (const match of text.matchAll(PARTS)) {
    const name = match[1];
    if (name === undefined) continue;
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push({ name });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

/**
 * Puts values in. `lookup` gives the value of a name, or throws; `encode` makes it fit its surroundings. Both are
 * called once for each placeholder, in order; what a value holds is never expanded again.
 *
 * @example
 * expandPlaceholders(parsePlaceholders("/{id}"), () => "a/b", encodeSegment); // "/a%2Fb"
 */
export function expandPlaceholders(
  parts: Placeholders,
  lookup: (name: string) => string,
  encode: (value: string) => string = (value) => value,
): string {
  return parts.map((part) => (typeof part === "string" ? part : encode(lookup(part.name)))).join("");
}

/**
 * Percent-encodes a value as one segment of a URL's path (RFC 3986 §3.3): a slash, `?` or `#` in it stays data.
 *
 * @throws SluiceError `expression/failed` for `.` and `..`: they have no encoded form that leads no other way, since
 *   URL parsers treat `%2E%2E` as `..` too (WHATWG URL). Also for half a surrogate pair, which has no UTF-8 form.
 */
export function encodeSegment(value: string): string {
  if (value === "." || value === "..") {
    throw new SluiceError(
      "expression/failed",
      'A value for a path is "." or "..", which would change the path',
      {
        hint: "Check where the value comes from: an id of an API is never a dot.",
      },
    );
  }
  try {
    return encodeURIComponent(value);
  } catch (cause) {
    throw new SluiceError(
      "expression/failed",
      "A value for a path holds a character that can't be encoded as UTF-8",
      {
        hint: "The value holds half of a surrogate pair. Check where it comes from.",
        cause,
      },
    );
  }
}
