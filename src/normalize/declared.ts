import type { Json } from "../model/json.js";
import type { ColumnHint, MergeRules, ResourceHints } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { type ColumnType, MAX_PRECISION } from "../schema/infer.js";
import { identityOf } from "../schema/names.js";
import { columnName, DEFAULT_NAMING, type Naming } from "../schema/naming.js";
import type { ColumnBuilder } from "./column-builder.js";

/** A column that the configuration speaks of: a hint, a part of the primary key, or both. */
export interface Declared {
  /** The key or path as the user wrote it. */
  readonly written: string;
  /** What it is taken for: `a.b` is a path. */
  readonly path: readonly string[];
  readonly name: string;
  readonly type: ColumnType | undefined;
  readonly primaryKey: boolean;
  /** A record without a value here is rejected. */
  readonly required: boolean;
  /** Absent until the first value, if the hint has no type. */
  column: ColumnBuilder | undefined;
  /** Set when it is known which key of the records fills it. */
  source: readonly string[] | undefined;
}

/** Digits of a decimal that is declared without any, as in dlt. */
const DEFAULT_DECIMAL = { precision: MAX_PRECISION, scale: 9 };

/** All columns that the hints speak of: declared ones in their order, then the rest of the primary key. */
export function declaredColumns(hints: ResourceHints, naming: Naming): readonly Declared[] {
  const keys = new Set(hints.primaryKey.map((key) => nameOf(key, naming)));
  const byName = new Map<string, Declared>();
  for (const hint of hints.columns) {
    const declared = declare(hint, keys, naming);
    byName.set(declared.name, declared);
  }
  for (const key of hints.merge?.mergeKey ?? []) {
    const declared = declare({ name: key, nullable: false }, keys, naming);
    const hinted = byName.get(declared.name);
    const isNullable = hints.columns.some(
      (hint) => hint.nullable === true && nameOf(hint.name, naming) === declared.name,
    );
    if (hinted === undefined) byName.set(declared.name, declared);
    else if (!isNullable) byName.set(declared.name, { ...hinted, required: true });
  }
  for (const key of hints.primaryKey) {
    const declared = declare({ name: key }, keys, naming);
    if (!byName.has(declared.name)) byName.set(declared.name, declared);
  }
  return [...byName.values()];
}

/**
 * Whether the value at `path` is the one that the declaration means: same normalized name, or the same path in dotted
 * form. `owner` is the object that holds the value; if it has the very key that was declared, another spelling of that
 * key is not meant (`ID` beside `id`).
 */
export function isMeant(
  declared: Declared,
  path: readonly string[],
  owner: { readonly [key: string]: Json },
  naming: Naming,
): boolean {
  if (path.join(".") === declared.written) return true;
  if (columnName(path, naming) !== declared.name) return false;
  return path.length > 1 || !Object.hasOwn(owner, declared.written);
}

/**
 * The rules with names of columns in the place of the record's keys: those of the known table, or those that the naming
 * gives.
 *
 * @example
 * mergeColumns({ mergeKey: ["Day"] }); // { mergeKey: ["day"] }
 */
export function mergeColumns(rules: MergeRules, naming = DEFAULT_NAMING, known?: TableSchema): MergeRules {
  const { mergeKey, dedupSort, hardDelete } = rules;
  const sources = new Map(
    (known?.columns ?? []).flatMap(({ name, source, variantOf }) =>
      source === undefined || variantOf !== undefined ? [] : [[identityOf(source), name]],
    ),
  );
  const name = (written: string) => sources.get(identityOf(pathOf(written))) ?? nameOf(written, naming);
  return {
    ...rules,
    ...(mergeKey === undefined ? {} : { mergeKey: mergeKey.map(name) }),
    ...(dedupSort === undefined ? {} : { dedupSort: { ...dedupSort, column: name(dedupSort.column) } }),
    ...(hardDelete === undefined ? {} : { hardDelete: name(hardDelete) }),
  };
}

function declare(hint: ColumnHint, keys: ReadonlySet<string>, naming: Naming): Declared {
  const name = nameOf(hint.name, naming);
  const primaryKey = keys.has(name);
  return {
    written: hint.name,
    path: pathOf(hint.name),
    name,
    type: typeOf(hint),
    primaryKey,
    required: primaryKey || hint.nullable === false,
    column: undefined,
    source: undefined,
  };
}

function typeOf(hint: ColumnHint): ColumnType | undefined {
  if (hint.dataType === undefined) return undefined;
  if (hint.dataType !== "decimal") return { type: hint.dataType };
  if (hint.precision === undefined && hint.scale === undefined)
    return { type: "decimal", ...DEFAULT_DECIMAL };
  return { type: "decimal", precision: hint.precision ?? MAX_PRECISION, scale: hint.scale ?? 0 };
}

function pathOf(written: string): readonly string[] {
  return /^[^.]+(?:\.[^.]+)+$/.test(written) ? written.split(".") : [written];
}

function nameOf(written: string, naming: Naming): string {
  return columnName(pathOf(written), naming);
}
