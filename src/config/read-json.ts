import type { ConfigDocument } from "./document.js";
import { parseYaml } from "./read-yaml.js";

const STRING = /"(?:\\.|[^"\\])*"/g;
/** A number that a double may not hold as written. */
const LONG_NUMBER = /\d[\d.]{15}|\d[eE]/;
/** Deeper texts are refused, by `parseYaml`. */
const MAX_DEPTH = 100;

/**
 * JSON, as `parseYaml` reads it but without the YAML library, which is left what is not so plain: the line of
 * something, what is wrong with a text, duplicate keys, nesting, long numbers.
 *
 * @param file name for messages
 * @throws SluiceError `config/unreadable` listing all syntax errors with their lines
 */
export function parseJson(text: string, file: string): ConfigDocument {
  const plain = parsePlain(text);
  if (plain === undefined) return parseYaml(text, file);
  let document: ConfigDocument | undefined;
  return {
    file,
    value: plain.value,
    locate: (path) => (document ??= parseYaml(text, file)).locate(path),
  };
}

function parsePlain(text: string): { readonly value: unknown } | undefined {
  const bare = text.replace(STRING, "");
  if (LONG_NUMBER.test(bare)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    // Of duplicate keys one is left, and the colons are more than the keys.
    return keysIn(value, MAX_DEPTH) === bare.split(":").length - 1 ? { value } : undefined;
  } catch {
    return undefined;
  }
}

/** How many keys there are in a value; NaN in one that is nested deeper than that. */
function keysIn(value: unknown, depth: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (depth === 0) return Number.NaN;
  const members: readonly unknown[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : members.length;
  return members.reduce<number>((sum, member) => sum + keysIn(member, depth - 1), own);
}
