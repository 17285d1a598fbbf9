import type { StandardSchemaV1 } from "@standard-schema/spec";
import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import type { Records } from "../model/source.js";
import type { Normalizer } from "./normalizer.js";

/** A record that its resource's schema refuses. */
export interface Invalid {
  readonly record: Json;
  /** Keys and indexes that lead to the first value that is wrong. */
  readonly path: readonly PropertyKey[];
  /** What is wrong, without the value: `invalid_type, expected string`. */
  readonly what: string;
}

/**
 * Takes in a page. With a schema each record is validated first, one after the other: what the schema makes of it is
 * loaded, and a record that it refuses is given to `Normalizer.refuse`.
 *
 * @throws SluiceError schema/failed if the schema throws; data/contract where the contract freezes data types.
 */
export async function addPage(
  normalizer: Normalizer,
  records: Records,
  schema: StandardSchemaV1 | undefined,
): Promise<void> {
  if (schema === undefined) {
    normalizer.add(records);
    return;
  }
  const valid: Json[] = [];
  for (const [index, record] of records.values.entries()) {
    const result = await validated(schema, record, index);
    if ("invalid" in result) normalizer.refuse(result.invalid);
    else valid.push(result.value);
  }
  normalizer.add({ kind: "objects", values: valid });
}

async function validated(
  schema: StandardSchemaV1,
  record: Json,
  index: number,
): Promise<{ readonly value: Json } | { readonly invalid: Invalid }> {
  const result = await attempt(schema, record, index);
  if (result.issues !== undefined) return { invalid: invalidBy(result.issues, record) };
  const value = result.value as Json | undefined;
  if (value === undefined || value === null) {
    return { invalid: { record, path: [], what: "the schema makes nothing of it" } };
  }
  return { value };
}

async function attempt(schema: StandardSchemaV1, record: Json, index: number) {
  try {
    return await schema["~standard"].validate(record);
  } catch (error) {
    const kind = error instanceof Error ? error.name : typeof error;
    throw new SluiceError("schema/failed", `the schema threw ${kind} on record ${index + 1} of a page`, {
      hint: "A schema tells of wrong values by issues. What was thrown is not shown, for it may quote the record.",
      cause: error,
    });
  }
}

function invalidBy(issues: readonly StandardSchemaV1.Issue[], record: Json): Invalid {
  const [first] = issues;
  const path = (first?.path ?? []).map((step) => (typeof step === "object" ? step.key : step));
  const more = issues.length > 1 ? `, and ${issues.length - 1} more` : "";
  return { record, path, what: `${first === undefined ? "refused" : told(first)}${more}` };
}

/**
 * The kind of an issue. Its message may quote the value, so only what comes from the schema is told: zod's `code` or
 * valibot's `type`, and what was expected.
 */
function told(
  issue: StandardSchemaV1.Issue & Partial<Record<"code" | "type" | "expected", unknown>>,
): string {
  const kind = [issue.code, issue.type].find(isShort) ?? "refused";
  return isShort(issue.expected) ? `${kind}, expected ${issue.expected}` : kind;
}

function isShort(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 100;
}
