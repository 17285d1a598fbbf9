import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";
import type { ColumnHint, ResourceHints } from "../model/source.js";
import { columnsOfJsonSchema } from "./json-schema.js";
import { columnName } from "./naming.js";

/** True for what zod, valibot, arktype and others make: a validator with the Standard Schema interface. */
export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  // Some libraries make their schemas callable.
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard: unknown = (value as { readonly "~standard"?: unknown })["~standard"];
  return (
    typeof standard === "object" &&
    standard !== null &&
    "version" in standard &&
    standard.version === 1 &&
    "validate" in standard &&
    typeof standard.validate === "function"
  );
}

/**
 * A resource's hints with the columns that its schema declares, if the schema can tell its JSON Schema (the Standard
 * JSON Schema interface: zod 4 has it, valibot by `toStandardJsonSchema` of `@valibot/to-json-schema`). What the hints
 * themselves say of a column wins, key by key; below a column that they declare as json nothing is declared.
 */
export function withSchema(hints: ResourceHints, schema: StandardSchemaV1 | undefined): ResourceHints {
  const jsonSchema = schema === undefined ? undefined : jsonSchemaOf(schema);
  if (jsonSchema === undefined) return hints;
  const { columns, tables } = columnsOfJsonSchema(jsonSchema, hints.maxTableNesting);
  const whole = hints.columns.filter(({ dataType }) => dataType === "json").map(({ name }) => name);
  const isInside = (name: string) => whole.some((outer) => name === outer || name.startsWith(`${outer}.`));
  const known = columns.filter(({ name }) => !isInside(name));
  const children = tables.filter(({ path: [first = []] }) => !isInside(first.join(".")));
  return {
    ...hints,
    columns: merged(known, hints.columns),
    ...(children.length === 0 ? {} : { tables: [...(hints.tables ?? []), ...children] }),
  };
}

function merged(derived: readonly ColumnHint[], written: readonly ColumnHint[]): readonly ColumnHint[] {
  const others = new Map(written.map((hint) => [nameOf(hint), hint]));
  const taken = derived.map((hint): ColumnHint => {
    const own = others.get(nameOf(hint));
    others.delete(nameOf(hint));
    return { ...hint, ...own };
  });
  return [...taken, ...others.values()];
}

function nameOf({ name }: ColumnHint): string {
  return columnName(name.split("."));
}

/** What zod is asked for beyond the standard: types that JSON does not have, where their loaded form is known. */
const ZOD_OPTIONS = {
  unrepresentable: "any",
  override: ({ zodSchema, jsonSchema }: { zodSchema: ZodLike; jsonSchema: Record<string, unknown> }) => {
    const { type, format } = zodSchema._zod?.def ?? {};
    if (type === "date") Object.assign(jsonSchema, { type: "string", format: "date-time" });
    // zod leaves the format out, because JSON Schema's `time` has an offset; a column's time has none.
    if (type === "string" && format === "time") Object.assign(jsonSchema, { format: "time" });
  },
};
interface ZodLike {
  readonly _zod?: { readonly def?: { readonly type?: unknown; readonly format?: unknown } };
}

function jsonSchemaOf(schema: StandardSchemaV1): Readonly<Record<string, unknown>> | undefined {
  const { vendor, jsonSchema } = schema["~standard"] as StandardSchemaV1["~standard"] &
    Partial<StandardJSONSchemaV1["~standard"]>;
  if (jsonSchema === undefined) return undefined;
  const options = vendor === "zod" ? { libraryOptions: ZOD_OPTIONS } : {};
  for (const target of ["draft-2020-12", "draft-07"] as const) {
    try {
      return jsonSchema.output({ target, ...options });
    } catch {
      // It can't be expressed, or not in this draft: types are inferred then.
    }
  }
  return undefined;
}
