import type { ColumnHint, TableHint } from "../model/source.js";
import type { DataType } from "../model/table.js";

/** A JSON Schema, as far as it is looked at: what is not understood says nothing. */
type Schema = Readonly<Record<string, unknown>>;

/** Columns of the root table, and of the tables below it. */
export interface SchemaColumns {
  readonly columns: readonly ColumnHint[];
  readonly tables: readonly TableHint[];
}

/** What a schema says about one place in a record; `unknown` where alternatives differ, or where it says nothing. */
interface Shape {
  readonly type: DataType | "object" | "list" | "unknown";
  readonly nullable: boolean;
  /** Of an object. */
  readonly properties: ReadonlyMap<string, Property>;
  /** Of a list. */
  readonly items?: Shape;
}
interface Property {
  readonly shape: Shape;
  readonly required: boolean;
}

const NO_PROPERTIES: Shape["properties"] = new Map();
const UNKNOWN: Shape = { type: "unknown", nullable: true, properties: NO_PROPERTIES };
const NULL = { ...UNKNOWN, type: "null" } as const;

const FORMATS: Readonly<Record<string, DataType>> = { "date-time": "timestamp", date: "date", time: "time" };
const TYPES: Readonly<Record<string, Shape["type"]>> = {
  integer: "bigint",
  number: "double",
  boolean: "bool",
  object: "object",
  array: "list",
};

/**
 * The columns that a JSON Schema (draft 2020-12 or 7) of records declares. `date-time` is timestamp, `date` and `time`
 * are themselves, other strings text, integer bigint, number double, boolean bool. Properties of objects become columns
 * of their own (`a.b`), items of lists columns of child tables. A column is not nullable where the property is required
 * all the way down and never null; in child tables every column is nullable. What has alternatives of several types, or
 * none at all, is left to inference.
 *
 * @param maxNesting levels that are unpacked (`max_table_nesting`); what is kept whole below is one column of type json.
 * @example
 * columnsOfJsonSchema({ type: "object", properties: { at: { type: "string", format: "date-time" } }, required: ["at"] })
 *   .columns; // [{ name: "at", dataType: "timestamp", nullable: false }]
 */
export function columnsOfJsonSchema(schema: Schema, maxNesting = Number.POSITIVE_INFINITY): SchemaColumns {
  const found: { columns: ColumnHint[]; tables: TableHint[] } = { columns: [], tables: [] };
  const record = shapeOf(schema, schema, []);
  if (record.type === "object") {
    collect(record, { path: [], lists: [], level: 0, required: true, columns: found.columns });
  }
  return found;

  interface Place {
    readonly path: readonly string[];
    readonly lists: TableHint["path"];
    readonly level: number;
    readonly required: boolean;
    readonly columns: ColumnHint[];
  }

  function collect(object: Shape, place: Place): void {
    for (const [key, { shape, required }] of object.properties) {
      // A dot in a key would read as a path, and a blank key as nothing.
      if (key.includes(".") || key.trim() === "") continue;
      const isRequired = place.required && required && !shape.nullable;
      visit(shape, { ...place, path: [...place.path, key], required: isRequired });
    }
  }

  function visit(shape: Shape, place: Place): void {
    const { path, columns, level, required } = place;
    const isNested = shape.type === "object" || shape.type === "list";
    const isWhole = isNested && level >= maxNesting;
    if (shape.type === "object" && !isWhole) {
      collect(shape, { ...place, level: level + 1 });
    } else if (shape.type === "list" && !isWhole) {
      visitItems(shape.items ?? UNKNOWN, place);
    } else if (shape.type !== "unknown") {
      const dataType = isNested ? "json" : (shape.type as DataType);
      columns.push({ name: path.join("."), dataType, ...(required ? { nullable: false } : {}) });
    }
  }

  function visitItems(items: Shape, { path, lists, level }: Place): void {
    if (items.type === "list" || items.type === "unknown") return;
    const columns: ColumnHint[] = [];
    const inside = { path: [], lists: [...lists, path], level: level + 1, required: false, columns };
    // The table of a list has the level of the list's own keys.
    if (items.type === "object") collect(items, inside);
    else columns.push({ name: "value", dataType: items.type });
    if (columns.length > 0) found.tables.push({ path: inside.lists, columns });
  }
}

/** @param open references that are being followed: a schema that holds itself ends there. */
function shapeOf(schema: unknown, root: Schema, open: readonly string[]): Shape | typeof NULL {
  if (!isSchema(schema)) return UNKNOWN;
  const { $ref: reference } = schema;
  if (typeof reference === "string") {
    if (reference === "#" || open.includes(reference)) return UNKNOWN;
    return shapeOf(resolved(reference, root), root, [...open, reference]);
  }
  const alternatives = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(alternatives)) return oneOf(alternatives.map((one) => shapeOf(one, root, open)));
  if (Array.isArray(schema["allOf"])) return allOf(schema["allOf"].map((one) => shapeOf(one, root, open)));
  const { type } = schema;
  if (Array.isArray(type)) return oneOf(type.map((one) => typed({ ...schema, type: one }, root, open)));
  return typed(schema, root, open);
}

function typed(schema: Schema, root: Schema, open: readonly string[]): Shape | typeof NULL {
  const { type, format } = schema;
  const values = "const" in schema ? [schema["const"]] : schema["enum"];
  if (type === undefined && Array.isArray(values)) {
    return oneOf(values.map((value) => typed({ type: typeOf(value) }, root, open)));
  }
  if (type === "null") return NULL;
  if (type === "string") {
    const dataType = (typeof format === "string" ? FORMATS[format] : undefined) ?? "text";
    return { ...UNKNOWN, type: dataType, nullable: false };
  }
  const known = typeof type === "string" ? TYPES[type] : undefined;
  if (known === undefined) return UNKNOWN;
  if (known === "list") {
    const items = shapeOf(schema["items"], root, open);
    return { ...UNKNOWN, type: known, nullable: false, ...(items.type === "null" ? {} : { items }) };
  }
  const properties = known === "object" ? propertiesOf(schema, root, open) : NO_PROPERTIES;
  return { type: known, nullable: false, properties };
}

function propertiesOf(schema: Schema, root: Schema, open: readonly string[]): Shape["properties"] {
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const required: readonly unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  return new Map(
    Object.entries(properties).map(([key, property]) => {
      const shape = shapeOf(property, root, open);
      return [key, { shape: shape.type === "null" ? UNKNOWN : shape, required: required.includes(key) }];
    }),
  );
}

/** What all alternatives have in common. A property that one of them lacks may be missing. */
function oneOf(alternatives: readonly (Shape | typeof NULL)[]): Shape | typeof NULL {
  const shapes = alternatives.filter((one): one is Shape => one.type !== "null");
  if (shapes.length === 0) return alternatives.length === 0 ? UNKNOWN : NULL;
  const nullable = shapes.length < alternatives.length || shapes.some((shape) => shape.nullable);
  const merged = shapes.reduce(either);
  return { ...merged, nullable };
}

function either(a: Shape, b: Shape): Shape {
  const type = commonType(a.type, b.type);
  const nullable = a.nullable || b.nullable;
  if (type === "list" && a.items !== undefined && b.items !== undefined) {
    return { ...UNKNOWN, type, nullable, items: either(a.items, b.items) };
  }
  if (type !== "object") return { ...UNKNOWN, type, nullable };
  const properties = [...new Set([...a.properties.keys(), ...b.properties.keys()])].map(
    (key): [string, Property] => {
      const [one, other] = [a.properties.get(key), b.properties.get(key)];
      if (one === undefined || other === undefined) {
        return [key, { shape: (one ?? other)?.shape ?? UNKNOWN, required: false }];
      }
      return [key, { shape: either(one.shape, other.shape), required: one.required && other.required }];
    },
  );
  return { type, nullable, properties: new Map(properties) };
}

function commonType(a: Shape["type"], b: Shape["type"]): Shape["type"] {
  if (a === b) return a;
  const isNumber = (type: Shape["type"]) => type === "bigint" || type === "double";
  return isNumber(a) && isNumber(b) ? "double" : "unknown";
}

/** Objects that hold at the same time; of anything else the first part that says something. */
function allOf(parts: readonly (Shape | typeof NULL)[]): Shape | typeof NULL {
  const known = parts.filter((part): part is Shape => part.type !== "unknown" && part.type !== "null");
  const [first = UNKNOWN] = known;
  if (first.type !== "object") return first;
  const objects = known.filter((part) => part.type === "object");
  return { ...first, properties: new Map(objects.flatMap((part) => [...part.properties])) };
}

function resolved(reference: string, root: Schema): unknown {
  if (!reference.startsWith("#/")) return undefined;
  return reference
    .slice(2)
    .split("/")
    .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>(
      (value, key) => (isSchema(value) && Object.hasOwn(value, key) ? value[key] : undefined),
      root,
    );
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
