import { type ColumnSchema, SYSTEM_COLUMNS, type TableSchema } from "../model/table.js";
import type { ColumnType } from "../schema/infer.js";
import { widens, withType } from "../schema/join.js";
import { type Collision, identityOf, Names } from "../schema/names.js";
import { columnName, type Naming, variantName } from "../schema/naming.js";
import { ColumnBuilder } from "./column-builder.js";
import type { Declared } from "./declared.js";
import type { Field } from "./fields.js";

/** What a table starts from. */
export interface ColumnsPlan {
  /** The table as it was last committed, or begun. */
  readonly known: TableSchema | undefined;
  /** Whether the table was there before this load. */
  readonly isThere: boolean;
  readonly declared: readonly Declared[];
  readonly naming: Naming;
}

const SYSTEM_NAMES: ReadonlySet<string> = new Set(Object.values(SYSTEM_COLUMNS));

/**
 * The data columns of one table: which source fills which column, under which name and type. Columns are only added,
 * in this order: those that are known, those that are declared with a type, those that get a first value.
 */
export class TableColumns {
  readonly builders: ColumnBuilder[] = [];
  /** Counts changes of any column, so that a schema made before is known to be old. */
  version = 0;
  readonly #plan: ColumnsPlan;
  readonly #names: Names;
  readonly #byIdentity = new Map<string, ColumnBuilder>();
  /** Known columns that were declared once and never got a value: which key fills them is still open. */
  readonly #open = new Map<string, ColumnBuilder>();

  constructor(plan: ColumnsPlan) {
    this.#plan = plan;
    this.#names = new Names(plan.naming.maxBytes);
    for (const name of SYSTEM_NAMES) this.#names.reserve(name);
    for (const column of plan.known?.columns ?? []) {
      if (!SYSTEM_NAMES.has(column.name)) this.#restore(column);
    }
    for (const declared of plan.declared) this.#declare(declared);
  }

  /** Keys that could not have the column name they wanted, in this run. */
  get collisions(): Collision[] {
    return this.#names.collisions;
  }

  /** Whether a field's values have a column already, or one that was declared for them. */
  has(field: Field): boolean {
    return (
      field.declared !== undefined ||
      this.#byIdentity.has(identityOf(field.path)) ||
      this.#open.has(columnName(field.path, this.#plan.naming))
    );
  }

  /** The column for a field's values; a new one starts with the type of its first value. */
  columnOf(field: Field, type: ColumnType): ColumnBuilder {
    const identity = identityOf(field.path);
    const existing = this.#byIdentity.get(identity);
    if (existing !== undefined) return existing;
    const { declared } = field;
    if (declared !== undefined && declared.source === undefined)
      return this.#bind(declared, field.path, type);
    const wanted = columnName(field.path, this.#plan.naming);
    const open = this.#open.get(wanted);
    if (open !== undefined) {
      this.#open.delete(wanted);
      return this.#fill(open, identity, field.path);
    }
    const name = this.#names.claim(identity, wanted);
    return this.#add(identity, { name, ...type, nullable: true, source: field.path });
  }

  /** The column for those values of `column` that are of another type. */
  variantOf(column: ColumnBuilder, type: ColumnType): ColumnBuilder {
    const existing = column.variants.find((variant) => variant.schema.type === type.type);
    if (existing !== undefined) return existing;
    const { name, source } = column.schema;
    const identity = variantIdentity(name, type.type);
    const variant = this.#add(identity, {
      name: this.#names.claim(identity, variantName(name, type.type, this.#plan.naming)),
      ...type,
      nullable: true,
      ...(source === undefined ? {} : { source }),
      variantOf: name,
    });
    column.variants.push(variant);
    return variant;
  }

  /** Gives a column a wider type, or a mark. `rows` are buffered. */
  change(column: ColumnBuilder, schema: ColumnSchema, rows: number): void {
    if (sameType(schema, column.schema)) {
      column.schema = schema;
    } else {
      column.widen(schema, rows);
    }
    this.version++;
  }

  #restore(column: ColumnSchema): void {
    const { declared: _declared, ...schema } = column;
    if (schema.variantOf !== undefined) {
      const identity = variantIdentity(schema.variantOf, schema.type);
      this.#names.seed(identity, schema.name);
      const variant = this.#add(identity, schema);
      this.builders.find((builder) => builder.schema.name === schema.variantOf)?.variants.push(variant);
    } else if (schema.source === undefined) {
      this.#names.reserve(schema.name);
      this.#open.set(schema.name, this.#add(schema.name, schema));
    } else {
      const identity = identityOf(schema.source);
      this.#names.seed(identity, schema.name);
      this.#add(identity, schema);
    }
  }

  #declare(declared: Declared): void {
    const identity = identityOf(declared.path);
    const named = this.#named(declared.name);
    const isOther = declared.source !== undefined && named?.schema.source !== undefined;
    const known = this.#byIdentity.get(identity) ?? (isOther ? undefined : named);
    if (known !== undefined) {
      this.#open.delete(known.schema.name);
      if (known.schema.source === undefined && declared.source !== undefined)
        this.#fill(known, identity, declared.source);
      const { schema } = known;
      declared.column = known;
      declared.source = schema.source;
      if (declared.type === undefined) return;
      const typed = widens(schema, declared.type) ? withType(schema, declared.type) : schema;
      this.change(known, { ...typed, declared: true }, 0);
      return;
    }
    const { source, type } = declared;
    if (source === undefined) this.#names.reserve(declared.name);
    if (type === undefined) return;
    const name = source === undefined ? declared.name : this.#names.grant(identity, declared.name);
    declared.column = this.#add(source === undefined ? name : identity, {
      name,
      ...type,
      nullable: this.#nullable(declared),
      ...(source === undefined ? {} : { source }),
      declared: true,
    });
  }

  /** The first value of a declared column says which key is meant. */
  #bind(declared: Declared, source: readonly string[], type: ColumnType): ColumnBuilder {
    const identity = identityOf(source);
    const { name, column } = declared;
    const nullable = this.#nullable(declared);
    const builder = column ?? this.#add(identity, { name, ...type, nullable });
    declared.column = builder;
    declared.source = source;
    return this.#fill(builder, identity, source);
  }

  /** Settles which key fills a column that has been without one. */
  #fill(column: ColumnBuilder, identity: string, source: readonly string[]): ColumnBuilder {
    this.change(column, { ...column.schema, source }, 0);
    this.#byIdentity.set(identity, column);
    this.#names.seed(identity, column.schema.name);
    return column;
  }

  /** A table that exists may have rows without the column, so there it can't refuse nulls; records are checked anyway. */
  #nullable(declared: Declared): boolean {
    return !declared.required || this.#plan.isThere;
  }

  #named(name: string): ColumnBuilder | undefined {
    return this.builders.find((builder) => builder.schema.name.toLowerCase() === name.toLowerCase());
  }

  #add(identity: string, schema: ColumnSchema): ColumnBuilder {
    const builder = new ColumnBuilder(schema);
    this.builders.push(builder);
    this.#byIdentity.set(identity, builder);
    this.version++;
    return builder;
  }
}

/** Never equal to the identity of a path, which begins with a bracket. */
function variantIdentity(column: string, type: string): string {
  return `${column}/${type}`;
}

function sameType(a: ColumnSchema, b: ColumnSchema): boolean {
  return a.type === b.type && a.precision === b.precision && a.scale === b.scale;
}
