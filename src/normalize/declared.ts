import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import type { ColumnHint, MergeRules, ResourceHints } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { isSameType, typeText } from "../schema/drift.js";
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
  /** Part of the primary key, and null is a value of it: it is declared so. */
  readonly nullKey: boolean;
  /** Absent until the first value, if the hint has no type. */
  column: ColumnBuilder | undefined;
  /** Set when it is known which key of the records fills it. */
  source: readonly string[] | undefined;
}

/** Digits of a decimal that is declared without any, as in dlt. */
const DEFAULT_DECIMAL = { precision: MAX_PRECISION, scale: 9 };

/** All columns that the hints speak of: declared ones in their order, then the rest of the primary key. */
export function declaredColumns(
  hints: Pick<ResourceHints, "columns" | "primaryKey" | "merge">,
  naming: Naming,
): readonly Declared[] {
  const named = namesOf(hints.columns);
  const nameFor = (written: string) => named.get(identityOf(pathOf(written))) ?? nameOf(written, naming);
  const keys = new Set(hints.primaryKey.map(nameFor));
  const declare = (hint: ColumnHint) =>
    declaredBy(hint, hint.source === undefined ? nameFor(hint.name) : hint.name, keys);
  const byName = new Map<string, Declared>();
  for (const hint of hints.columns) {
    const declared = declare(hint);
    byName.set(declared.name, declared);
  }
  for (const key of hints.merge?.mergeKey ?? []) {
    const declared = declare({ name: key, nullable: false });
    const hinted = byName.get(declared.name);
    const isNullable = hints.columns.some(
      (hint) => hint.nullable === true && declare(hint).name === declared.name,
    );
    if (hinted === undefined) byName.set(declared.name, declared);
    else if (!isNullable) byName.set(declared.name, { ...hinted, required: true });
  }
  for (const key of hints.primaryKey) {
    const declared = declare({ name: key });
    if (!byName.has(declared.name)) byName.set(declared.name, declared);
  }
  return [...byName.values()];
}

/** The names of columns that are declared with the keys that fill them, by those. */
function namesOf(columns: readonly ColumnHint[]): ReadonlyMap<string, string> {
  return new Map(
    columns.flatMap(({ name, source }) => (source === undefined ? [] : [[identityOf(source), name]])),
  );
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
 * The rules with names of columns in the place of the record's keys: those of the known table, those that are declared,
 * or those that the naming gives.
 *
 * @example
 * mergeColumns({ mergeKey: ["Day"] }); // { mergeKey: ["day"] }
 */
export function mergeColumns(
  rules: MergeRules,
  naming = DEFAULT_NAMING,
  known?: TableSchema,
  columns: readonly ColumnHint[] = [],
): MergeRules {
  const { mergeKey, dedupSort, hardDelete } = rules;
  const name = columnNames(naming, known, columns);
  return {
    ...rules,
    ...(mergeKey === undefined ? {} : { mergeKey: mergeKey.map(name) }),
    ...(dedupSort === undefined ? {} : { dedupSort: { ...dedupSort, column: name(dedupSort.column) } }),
    ...(hardDelete === undefined ? {} : { hardDelete: name(hardDelete) }),
  };
}

/** The name of the column for a key as it is written. */
function columnNames(
  naming: Naming,
  known: TableSchema | undefined,
  columns: readonly ColumnHint[],
): (written: string) => string {
  const sources = new Map([
    ...namesOf(columns),
    ...namesOf((known?.columns ?? []).filter(({ variantOf }) => variantOf === undefined)),
  ]);
  return (written) => sources.get(identityOf(pathOf(written))) ?? nameOf(written, naming);
}

/**
 * The columns of the primary key in which null is a value like any other: those that are declared as nullable.
 *
 * @throws SluiceError config/invalid for one without a type: as long as it only ever is null it would have no column.
 */
export function nullKeys(
  hints: ResourceHints,
  naming = DEFAULT_NAMING,
  known?: TableSchema,
): readonly string[] {
  const nullable = declaredColumns(hints, naming).filter((declared) => declared.nullKey);
  const untyped = nullable.find(({ type }) => type === undefined);
  const name = columnNames(naming, known, hints.columns);
  if (untyped === undefined) return nullable.map(({ written }) => name(written));
  throw new SluiceError("config/invalid", "a part of the primary key that may be null needs a data_type", {
    at: { path: `columns.${untyped.written}` },
    hint: "Set its data_type, or remove nullable: records with null in it are then set aside.",
  });
}

/**
 * In words, the declared types that columns don't have, because they hold values of another one already and a column
 * only changes where nothing is lost.
 */
export function unmetTypes(
  hints: ResourceHints,
  naming: Naming,
  tables: readonly TableSchema[],
): readonly string[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const [root] = tables.filter(({ parent }) => parent === undefined);
  const below = hints.tables ?? [];
  return [
    ...(root === undefined ? [] : unmetIn(root, declaredColumns(hints, naming))),
    ...below.flatMap(({ name, columns }) => {
      const table = name === undefined ? undefined : byName.get(name);
      return table === undefined ? [] : unmetIn(table, declaredColumns({ columns, primaryKey: [] }, naming));
    }),
  ];
}

function unmetIn(table: TableSchema, declared: readonly Declared[]): readonly string[] {
  return declared.flatMap(({ name, path, type }) => {
    const column =
      table.columns.find(
        ({ source, variantOf }) =>
          variantOf === undefined && source !== undefined && identityOf(source) === identityOf(path),
      ) ?? table.columns.find((one) => one.name === name);
    if (type === undefined || column === undefined || isSameType(column, type)) return [];
    return [
      `column ${column.name} of table ${table.name} is declared as ${typeText(type)}, but it is ${typeText(column)} and can't become that without loss: it stays`,
    ];
  });
}

function declaredBy(hint: ColumnHint, name: string, keys: ReadonlySet<string>): Declared {
  const primaryKey = keys.has(name);
  const path = hint.source ?? pathOf(hint.name);
  return {
    written: hint.source?.join(".") ?? hint.name,
    path,
    name,
    type: typeOf(hint),
    primaryKey,
    required: hint.nullable === false || (primaryKey && hint.nullable !== true),
    nullKey: primaryKey && hint.nullable === true,
    column: undefined,
    source: hint.source,
  };
}

function typeOf(hint: ColumnHint): ColumnType | undefined {
  if (hint.dataType === undefined) return undefined;
  if (hint.dataType !== "decimal") return { type: hint.dataType };
  if (hint.precision === undefined && hint.scale === undefined)
    return { type: "decimal", ...DEFAULT_DECIMAL };
  return { type: "decimal", precision: hint.precision ?? MAX_PRECISION, scale: hint.scale ?? 0 };
}

/** The keys that a hint speaks of: `a.b` is a path. */
export function pathOf(written: string): readonly string[] {
  return /^[^.]+(?:\.[^.]+)+$/.test(written) ? written.split(".") : [written];
}

function nameOf(written: string, naming: Naming): string {
  return columnName(pathOf(written), naming);
}
