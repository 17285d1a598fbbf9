/**
 * A value as JSON text. A `bigint` is written as the number it is, which JSON allows and `JSON.stringify` refuses; what
 * JSON has no word for (undefined, functions) is left out. Characters that could command a terminal are escaped.
 *
 * @param indent spaces per level; 0 (the default) gives one line
 */
export function jsonText(value: unknown, indent = 0): string {
  return write(value, indent, "").replaceAll(
    /[\u007f-\u009f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function write(value: unknown, indent: number, before: string): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (hasToJson(value)) return write(value.toJSON(), indent, before);
  const inside = before + " ".repeat(indent);
  const items = Array.isArray(value)
    ? value.map((item) => write(item, indent, inside))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined && typeof item !== "function")
        .map(
          ([key, item]) => `${JSON.stringify(key)}:${indent > 0 ? " " : ""}${write(item, indent, inside)}`,
        );
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (items.length === 0) return open + close;
  if (indent === 0) return open + items.join(",") + close;
  return `${open}\n${inside}${items.join(`,\n${inside}`)}\n${before}${close}`;
}

function hasToJson(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}
