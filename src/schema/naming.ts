import { createHash } from "node:crypto";

/** The longest identifier DuckDB users can expect to work everywhere; other destinations pass their own. */
export const DEFAULT_MAX_IDENTIFIER = 255;

/** Joins the keys of a path; a key that holds it already is taken for a path itself. */
export const PATH_SEPARATOR = "__";

/** What a blank key is called. */
const EMPTY = "_empty";

const LETTERS: Readonly<Record<string, string>> = { "+": "x", "*": "x", "-": "_", "@": "a", "|": "l" };

/**
 * The root table's name for a resource: dlt's `snake_case`, path-aware, shortened to `maxLength`.
 *
 * @example
 * tableName("My Table!"); // "my_tablex"
 */
export function tableName(resource: string, maxLength = DEFAULT_MAX_IDENTIFIER): string {
  return columnName([resource], maxLength);
}

/**
 * The column name for the keys that lead to a value. Each key is normalized for itself, then they are joined with
 * `__`, and the whole is shortened to `maxLength` characters. The rules are those of dlt's default naming convention
 * (`snake_case`), so that queries written for dlt keep working. No path at all is the item of a list: `value`.
 *
 * @example
 * columnName(["address", "zipCode"]); // "address__zip_code"
 */
export function columnName(path: readonly string[], maxLength = DEFAULT_MAX_IDENTIFIER): string {
  if (path.length === 0) return "value";
  return joined(
    path.map((key) => normalizeKey(key, maxLength)),
    maxLength,
  );
}

/**
 * The name of the table for the list that `path` leads to, below the table `parent`. No path at all is a list that is
 * itself the item of a list: `parent__list`.
 *
 * @example
 * childTableName("users", ["contact", "phoneNumbers"]); // "users__contact__phone_numbers"
 */
export function childTableName(
  parent: string,
  path: readonly string[],
  maxLength = DEFAULT_MAX_IDENTIFIER,
): string {
  const keys = path.length === 0 ? ["list"] : path.map((key) => normalizeKey(key, maxLength));
  return joined([parent, ...keys], maxLength);
}

/** The name of the column beside `column` for values of another type, as in dlt: `price__v_text`. */
export function variantName(column: string, type: string, maxLength = DEFAULT_MAX_IDENTIFIER): string {
  return joined([column, `v_${type}`], maxLength);
}

/** One key, which may be a path of its own. */
function normalizeKey(key: string, maxLength: number): string {
  const parts = key
    .trim()
    .split(PATH_SEPARATOR)
    .filter((part) => part !== "");
  if (parts.length === 0) return EMPTY;
  return joined(
    parts.map((part) => normalizePart(part, maxLength)),
    maxLength,
  );
}

function normalizePart(part: string, maxLength: number): string {
  const original = part.trim();
  if (original === "") return EMPTY;
  const name = original
    .replace(/[+*\-@|]/g, (char) => LETTERS[char] ?? "_")
    .replace(/[^A-Za-z0-9_]+/g, "_")
    .replace(/([^_])([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/^(?=[0-9])/, "_")
    .replace(/_+$/, (underscores) => "x".repeat(underscores.length))
    .replace(/_{2,}/g, "_");
  return shortened(name, original, maxLength);
}

function joined(parts: readonly string[], maxLength: number): string {
  const name = parts.join(PATH_SEPARATOR);
  return shortened(name, name, maxLength);
}

/**
 * A name that fits: its head, six characters of a hash of `original`, its tail (dlt's rule and hash). Twenty-four bits
 * do collide one day; `Names` keeps such names apart.
 */
function shortened(name: string, original: string, maxLength: number): string {
  if (name.length <= maxLength) return name;
  const tag = createHash("shake128", { outputLength: 4 })
    .update(original)
    .digest("base64")
    .replace(/=+$/, "")
    .replaceAll("/", "a")
    .replaceAll("+", "b")
    .toLowerCase();
  const rest = maxLength - tag.length;
  const tail = Math.floor(rest / 2);
  return name.slice(0, rest - tail) + tag + name.slice(name.length - tail);
}
