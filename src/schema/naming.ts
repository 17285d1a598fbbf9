import { createHash } from "node:crypto";
import type { NamingConvention } from "../model/source.js";
import { cutBytes, cutBytesAtStart } from "./names.js";

/** The longest identifier DuckDB users can expect to work everywhere; other destinations pass their own. */
export const DEFAULT_MAX_IDENTIFIER = 255;

/** How keys become names in one place. */
export interface Naming {
  /**
   * - `snake_case` dlt's default: ASCII letters, digits and `_`, in lower case; the default
   * - `preserve`   as they are, in any script; what no database holds is replaced (NUL, halves of surrogate pairs)
   */
  readonly convention: NamingConvention;
  /** The longest name in bytes of UTF-8. */
  readonly maxBytes: number;
}

/** snake_case, and the longest names that DuckDB users can expect to work everywhere. */
export const DEFAULT_NAMING: Naming = { convention: "snake_case", maxBytes: DEFAULT_MAX_IDENTIFIER };

/**
 * The naming for a resource and a destination; what is not given is the default.
 *
 * @example
 * namingOf({ naming: "preserve" }, 63); // { convention: "preserve", maxBytes: 63 }
 */
export function namingOf(
  hints: { readonly naming?: NamingConvention },
  maxBytes: number = DEFAULT_MAX_IDENTIFIER,
): Naming {
  return { convention: hints.naming ?? DEFAULT_NAMING.convention, maxBytes };
}

/** Joins the keys of a path; a key that holds it already is taken for a path itself. */
export const PATH_SEPARATOR = "__";

/** What a blank key is called. */
const EMPTY = "_empty";

const LETTERS: Readonly<Record<string, string>> = { "+": "x", "*": "x", "-": "_", "@": "a", "|": "l" };

/**
 * The root table's name for a resource, shortened to what fits.
 *
 * @example
 * tableName("My Table!"); // "my_tablex"
 * tableName("My Table!", { convention: "preserve", maxBytes: 63 }); // "My Table!"
 */
export function tableName(resource: string, naming = DEFAULT_NAMING): string {
  return columnName([resource], naming);
}

/**
 * The column name for the keys that lead to a value. Each key is normalized for itself, then they are joined with
 * `__`, and the whole is shortened to what fits. The rules of `snake_case` are those of dlt's default naming convention,
 * so that queries written for dlt keep working. No path at all is the item of a list: `value`.
 *
 * @example
 * columnName(["address", "zipCode"]); // "address__zip_code"
 */
export function columnName(path: readonly string[], naming = DEFAULT_NAMING): string {
  if (path.length === 0) return "value";
  return joined(
    path.map((key) => normalizeKey(key, naming)),
    naming,
  );
}

/**
 * The name of the table for the list that `path` leads to, below the table `parent`. No path at all is a list that is
 * itself the item of a list: `parent__list`.
 *
 * @example
 * childTableName("users", ["contact", "phoneNumbers"]); // "users__contact__phone_numbers"
 */
export function childTableName(parent: string, path: readonly string[], naming = DEFAULT_NAMING): string {
  const keys = path.length === 0 ? ["list"] : path.map((key) => normalizeKey(key, naming));
  return joined([parent, ...keys], naming);
}

/** The name of the column beside `column` for values of another type, as in dlt: `price__v_text`. */
export function variantName(column: string, type: string, naming = DEFAULT_NAMING): string {
  return joined([column, `v_${type}`], naming);
}

/** One key. In snake_case it may be a path of its own. */
function normalizeKey(key: string, naming: Naming): string {
  if (naming.convention === "preserve") return preserved(key, naming);
  const parts = key
    .trim()
    .split(PATH_SEPARATOR)
    .filter((part) => part !== "");
  if (parts.length === 0) return EMPTY;
  return joined(
    parts.map((part) => normalizePart(part, naming)),
    naming,
  );
}

function preserved(key: string, { maxBytes }: Naming): string {
  if (key === "") return EMPTY;
  return shortened(key.toWellFormed().replaceAll("\0", "_"), key, maxBytes);
}

function normalizePart(part: string, { maxBytes }: Naming): string {
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
  return shortened(name, original, maxBytes);
}

function joined(parts: readonly string[], { maxBytes }: Naming): string {
  const name = parts.join(PATH_SEPARATOR);
  return shortened(name, name, maxBytes);
}

/**
 * A name that fits: its head, six characters of a hash of `original`, its tail (dlt's rule and hash, in bytes). Twenty-four
 * bits do collide one day; `Names` keeps such names apart.
 */
function shortened(name: string, original: string, maxBytes: number): string {
  if (Buffer.byteLength(name) <= maxBytes) return name;
  const tag = createHash("shake128", { outputLength: 4 })
    .update(original)
    .digest("base64")
    .replace(/=+$/, "")
    .replaceAll("/", "a")
    .replaceAll("+", "b")
    .toLowerCase();
  const rest = maxBytes - tag.length;
  const tail = Math.floor(rest / 2);
  return cutBytes(name, rest - tail) + tag + cutBytesAtStart(name, tail);
}
