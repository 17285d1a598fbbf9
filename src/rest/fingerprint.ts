import { createHash } from "node:crypto";
import { isDefinition } from "./own.js";

/**
 * 22 characters that are the same for the same value; functions, and components of the user's own, count by their text.
 *
 * @param tell what a function counts by instead of its text
 */
export function fingerprintOf(value: unknown, tell: (code: object) => unknown = textOf): string {
  const text = JSON.stringify(value, (_, item: unknown) => {
    if (isDefinition(item) || typeof item === "function") return tell(item);
    return typeof item === "bigint" ? String(item) : item;
  });
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

/** As `fingerprintOf`, within one process: functions are the same if they are one, whatever their text says. */
export function identityOf(value: unknown): string {
  return fingerprintOf(value, (code) => {
    const known = identities.get(code) ?? ++identified;
    identities.set(code, known);
    return `function ${known}`;
  });
}

const identities = new WeakMap<object, number>();
let identified = 0;

function textOf(code: object): unknown {
  return isDefinition(code) ? `${code.type}: ${String(code.create)}` : Function.prototype.toString.call(code);
}
