/**
 * A name as it stands in a statement for people: in quotes only where it needs them.
 *
 * @example
 * quotedName("Call $ome"); // "\"Call $ome\""
 */
export function quotedName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/**
 * A word of a command line for sh: as it is where nothing in it is special, else in double quotes.
 *
 * @example
 * commandWord("my data/x.duckdb"); // "\"my data/x.duckdb\""
 */
export function commandWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replaceAll(/["$`\\]/g, String.raw`\$&`)}"`;
}
