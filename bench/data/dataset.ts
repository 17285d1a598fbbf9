/**
 * Datasets that are computed from an index: the same everywhere, on every machine, without a seed. One description of
 * the fields serves the generator, the tables of the baselines and the sums that every load is checked against.
 */
export type ColumnType = "text" | "bigint" | "double" | "boolean" | "timestamp";
export type Scalar = string | number | boolean | null;

export interface Field {
  readonly name: string;
  readonly type: ColumnType;
  /** The value in the record with this index; the id apart it depends on the index modulo `period` only. */
  value(index: number): Scalar;
}

/** A list in a record, which becomes a child table: of objects, or of one unnamed scalar. */
export interface List {
  readonly name: string;
  readonly scalar: boolean;
  readonly fields: readonly Field[];
  length(index: number): number;
  /** The field's value at a position of the list. */
  value(index: number, position: number, field: Field): Scalar;
}

export interface Dataset {
  readonly name: string;
  /** Records this far apart are equal but for their id, so that a server can reuse its pages for any number of rows. */
  readonly period: number;
  /** What stands in a record before the ten digits of its id, which is always its first field. */
  readonly beforeId: string;
  readonly fields: readonly Field[];
  readonly object?: { readonly name: string; readonly fields: readonly Field[] };
  readonly lists: readonly List[];
}

/** Which records of a dataset: `rows` of them from `from`, `step` apart. An edition other than 0 changes their duration. */
export interface Range {
  readonly from: number;
  readonly rows: number;
  readonly step: number;
  readonly edition: number;
}

/** Ids have ten digits up to eight thousand million records. */
export const FIRST_ID = 1_000_000_000;

export function recordAt(dataset: Dataset, index: number, edition: number): Record<string, unknown> {
  const at = index % dataset.period;
  const record: Record<string, unknown> = {};
  for (const field of dataset.fields) {
    const value = field.name === "id" ? field.value(index) : field.value(at);
    record[field.name] = field.name === "duration" ? Number(value) + edition : value;
  }
  if (dataset.object !== undefined) {
    const { name, fields } = dataset.object;
    record[name] = Object.fromEntries(fields.map((field) => [field.name, field.value(at)]));
  }
  for (const list of dataset.lists) record[list.name] = itemsAt(list, at);
  return record;
}

/** The fields of the record's own row: those of the nested object have its name before theirs, as in a table. */
export function flatFields({ fields, object }: Dataset): readonly Field[] {
  if (object === undefined) return fields;
  return [...fields, ...object.fields.map((field) => ({ ...field, name: `${object.name}__${field.name}` }))];
}

export function itemsAt(list: List, index: number): unknown[] {
  return Array.from({ length: list.length(index) }, (_, position) =>
    list.scalar
      ? list.value(index, position, list.fields[0]!)
      : Object.fromEntries(list.fields.map((field) => [field.name, list.value(index, position, field)])),
  );
}
