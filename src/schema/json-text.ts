import type { Json } from "../model/json.js";

/**
 * The JSON text of a value. Unlike `JSON.stringify` it writes every digit of a bigint and does not overflow the stack
 * on deep nesting.
 *
 * @example
 * jsonText({ id: 9007199254740993n }); // '{"id":9007199254740993}'
 */
export function jsonText(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  try {
    return JSON.stringify(value) ?? "null";
  } catch {
    // A bigint somewhere inside, or more levels than the stack has: both are rare, so the fast way is tried first.
    return write(value);
  }
}

interface Open {
  readonly list: boolean;
  readonly keys: readonly string[];
  readonly value: { readonly [key: string]: Json };
  next: number;
  written: number;
}

function write(root: Json): string {
  const out: string[] = [];
  const stack: Open[] = [];
  emit(root);
  for (let open = stack.at(-1); open !== undefined; open = stack.at(-1)) {
    const key = open.keys[open.next++];
    if (key === undefined) {
      out.push(open.list ? "]" : "}");
      stack.pop();
      continue;
    }
    const value = open.value[key];
    if (!open.list && value === undefined) continue;
    if (open.written++ > 0) out.push(",");
    if (!open.list) out.push(JSON.stringify(key), ":");
    emit(value ?? null);
  }
  return out.join("");

  function emit(value: Json): void {
    if (typeof value === "bigint") {
      out.push(value.toString());
    } else if (typeof value !== "object" || value === null || (value as object) instanceof Date) {
      out.push(JSON.stringify(value) ?? "null");
    } else {
      const list = Array.isArray(value);
      out.push(list ? "[" : "{");
      stack.push({
        list,
        keys: Object.keys(value),
        value: value as { readonly [key: string]: Json },
        next: 0,
        written: 0,
      });
    }
  }
}
