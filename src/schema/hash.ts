import { createHash } from "node:crypto";
import type { TableSchema } from "../model/table.js";

/**
 * A fingerprint of tables: SHA-256 in hexadecimal. It does not depend on the order of tables nor of an object's keys;
 * the order of columns counts, because it is the order in the destination.
 */
export function schemaHash(tables: readonly TableSchema[]): string {
  const sorted = [...tables].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return createHash("sha256").update(JSON.stringify(sorted, sortedKeys)).digest("hex");
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}
