import { createHash } from "node:crypto";

/** 22 characters that are the same for the same value; functions count by their text. */
export function fingerprintOf(value: unknown): string {
  const text = JSON.stringify(value, (_, item: unknown) =>
    typeof item === "function" || typeof item === "bigint" ? String(item) : item,
  );
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}
