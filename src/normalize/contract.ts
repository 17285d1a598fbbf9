import type { Reject } from "../model/destination.js";
import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import type { ContractMode, ResourceHints, SchemaContract } from "../model/source.js";
import { jsonText } from "../schema/json-text.js";

/** What of the schema a value would change. */
export type Entity = keyof SchemaContract;

/** A change that a value asks for. */
export interface Change {
  readonly entity: Entity;
  readonly table: string;
  /** Place of the value in the record, as a JSON path. */
  readonly path: string;
  /** What would happen: `column "age" would be new`. Never with the value. */
  readonly what: string;
}

/** Characters of a value or record that are kept. */
const MAX_TEXT = 1_048_576;

/** The keys of the configuration, which are dlt's. */
const NAMES: Readonly<Record<Entity, string>> = {
  tables: "tables",
  columns: "columns",
  dataType: "data_type",
};

/** Why the row that is being added must not be stored. */
type Broken = Pick<Reject, "table" | "path" | "reason" | "value" | "column">;

/** Applies a resource's schema contract, and keeps what was set aside. */
export class Guard {
  readonly contract: SchemaContract;
  /** False if no row can be set aside while it is added, so that nothing needs to be checked. */
  readonly isBound: boolean;
  rejects: Reject[] = [];
  /** How many of them the contract asked for. */
  discarded = 0;
  readonly #resource: string;
  readonly #primaryKey: readonly string[];
  #broken: Broken | undefined;
  /** It was no choice of the contract, but a mistake in the data. */
  #isMistake = false;

  constructor(resource: string, { contract, primaryKey, typeConflict }: ResourceHints) {
    this.contract = contract ?? { tables: "evolve", columns: "evolve", dataType: "evolve" };
    this.isBound =
      typeConflict === "reject" ||
      Object.values(this.contract).some((mode: ContractMode) => mode !== "evolve");
    this.#resource = resource;
    this.#primaryKey = primaryKey;
  }

  /** Whether the row that is being added must be taken out. */
  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /**
   * Does with a value what the contract says, which is anything but to store it. `record` is the root record.
   *
   * @throws SluiceError data/contract where the schema is frozen.
   */
  refuse(change: Change, value: Json, record: Json): void {
    const mode = this.contract[change.entity];
    const broken = this.#brokenBy(change, mode, value);
    // A table that would be new has no rows: there is nothing to discard but the values.
    if (mode === "discard_row" && change.entity !== "tables") {
      this.#broken ??= broken;
    } else {
      this.#discard({ ...broken, record: rejectText(this.#keyOf(record)) });
    }
  }

  /** Has the row that is being added taken out, because a value does not fit its column. */
  refuseConflict(place: Pick<Reject, "table" | "path" | "column">, what: string, value: Json): void {
    if (this.#broken !== undefined) return;
    this.#broken = {
      ...place,
      reason: `type-conflict: ${what}, and type_conflict is reject`,
      value: rejectText(value),
    };
    this.#isMistake = true;
  }

  /** As `refuse`, for a record whose table itself would be new. */
  refuseRecord(table: string, record: Json): void {
    const change: Change = { entity: "tables", table, path: "$", what: `table "${table}" would be new` };
    const { value: _value, ...broken } = this.#brokenBy(change, this.contract.tables, record);
    this.#discard({ ...broken, record: rejectText(record) });
  }

  /**
   * Sets a record aside that its resource's schema refuses, or throws where the contract freezes data types. Where the
   * contract discards, it was asked for; else it is a mistake in the data.
   */
  refuseInvalid(table: string, path: string, what: string, value: Json | undefined, record: Json): void {
    const mode = this.contract.dataType;
    const message = `the record does not fit the resource's schema (${what})`;
    if (mode === "freeze") {
      throw new SluiceError(
        "data/contract",
        `at ${path}: ${message}, and schema_contract.data_type is freeze`,
        {
          at: { resource: this.#resource, table },
          hint: "Nothing since the last commit is kept. Correct the schema, or set the contract to evolve or discard_row to have such records set aside.",
        },
      );
    }
    if (mode !== "evolve") this.discarded++;
    this.rejects.push({
      resource: this.#resource,
      table,
      path,
      reason: `schema-invalid: ${message}`,
      ...(value === undefined ? {} : { value: rejectText(value) }),
      record: rejectText(record),
    });
  }

  /** Sets the row aside that was broken and has been taken out. */
  discardRow(row: Json): void {
    if (this.#broken === undefined) return;
    this.#discard({ ...this.#broken, record: rejectText(row) });
    if (this.#isMistake) this.discarded--;
    this.#broken = undefined;
    this.#isMistake = false;
  }

  #brokenBy({ entity, table, path, what }: Change, mode: ContractMode, value: Json): Broken {
    const name = NAMES[entity];
    if (mode !== "freeze") {
      const reason = `contract-${name.replace("_", "-")}: ${what}, and schema_contract.${name} is ${mode}`;
      return { table, path, reason, value: rejectText(value) };
    }
    throw new SluiceError("data/contract", `at ${path}: ${what}, and schema_contract.${name} is freeze`, {
      at: { resource: this.#resource, table },
      hint: "Nothing since the last commit is kept. Declare it in the resource's columns, or set the contract to evolve, discard_row or discard_value.",
    });
  }

  #discard(reject: Omit<Reject, "resource">): void {
    this.discarded++;
    this.rejects.push({ resource: this.#resource, ...reject });
  }

  /** What finds the record of a discarded value: its primary key, or without one the whole of it. */
  #keyOf(record: Json): Json {
    if (this.#primaryKey.length === 0) return record;
    return Object.fromEntries(this.#primaryKey.map((key) => [key, valueAt(record, [key]) ?? null]));
  }
}

/** A value or record as it is kept in a reject. */
export function rejectText(value: Json): string {
  return jsonText(value).slice(0, MAX_TEXT);
}

/** The value at a place in a record; undefined if there is no such place. */
export function valueAt(record: Json, path: readonly string[]): Json | undefined {
  let value: Json | undefined = record;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as { readonly [key: string]: Json })[key];
  }
  return value;
}
