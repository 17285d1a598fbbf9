import type { Json } from "../model/json.js";
import type { ChildColumns, ColumnHint, MergeRules, ResourceHints } from "../model/source.js";
import { type ColumnType, MAX_PRECISION } from "../schema/infer.js";
import { columnName } from "../schema/naming.js";
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
export function declaredColumns(hints: ResourceHints, maxIdentifier: number): readonly Declared[] {
  const keys = new Set(hints.primaryKey.map((key) => nameOf(key, maxIdentifier)));
  const byName = new Map<string, Declared>();
  for (const hint of hints.columns) {
    const declared = declare(hint, keys, maxIdentifier);
    byName.set(declared.name, declared);
  }
  for (const key of hints.merge?.mergeKey ?? []) {
    const declared = declare({ name: key, nullable: false }, keys, maxIdentifier);
    const hinted = byName.get(declared.name);
    const isNullable = hints.columns.some(
      (hint) => hint.nullable === true && nameOf(hint.name, maxIdentifier) === declared.name,
    );
    if (hinted === undefined) byName.set(declared.name, declared);
    else if (!isNullable) byName.set(declared.name, { ...hinted, required: true });
  }
  for (const key of hints.primaryKey) {
    const declared = declare({ name: key }, keys, maxIdentifier);
    if (!byName.has(declared.name)) byName.set(declared.name, declared);
  }
  return [...byName.values()];
}

/** The declared columns of the table that holds the items of nested lists. None is required: that is for root tables. */
export function declaredInLists(
  hints: ResourceHints,
  lists: ChildColumns["lists"],
  maxIdentifier: number,
): readonly Declared[] {
  const identity = JSON.stringify(lists);
  const columns =
    hints.childColumns?.find((child) => JSON.stringify(child.lists) === identity)?.columns ?? [];
  return columns.map((hint) => declare({ ...hint, nullable: true }, new Set(), maxIdentifier));
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
  maxIdentifier: number,
): boolean {
  if (path.join(".") === declared.written) return true;
  if (columnName(path, maxIdentifier) !== declared.name) return false;
  return path.length > 1 || !Object.hasOwn(owner, declared.written);
}

/**
 * The rules with names of columns in the place of the record's keys.
 *
 * @example
 * mergeColumns({ mergeKey: ["Day"] }, 255); // { mergeKey: ["day"] }
 */
export function mergeColumns(rules: MergeRules, maxIdentifier = 255): MergeRules {
  const { mergeKey, dedupSort, hardDelete } = rules;
  const name = (written: string) => nameOf(written, maxIdentifier);
  return {
    ...rules,
    ...(mergeKey === undefined ? {} : { mergeKey: mergeKey.map(name) }),
    ...(dedupSort === undefined ? {} : { dedupSort: { ...dedupSort, column: name(dedupSort.column) } }),
    ...(hardDelete === undefined ? {} : { hardDelete: name(hardDelete) }),
  };
}

function declare(hint: ColumnHint, keys: ReadonlySet<string>, maxIdentifier: number): Declared {
  const name = nameOf(hint.name, maxIdentifier);
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

function nameOf(written: string, maxIdentifier: number): string {
  return columnName(pathOf(written), maxIdentifier);
}
