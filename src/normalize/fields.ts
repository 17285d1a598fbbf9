import type { ColumnBuilder } from "./column-builder.js";
import type { Declared } from "./declared.js";
import type { TableBuilder } from "./table-builder.js";

/**
 * One key of the objects at one place, or the item of a list: whatever arrives there. Scalars go into its column,
 * objects on to their own keys, lists into their own table. One key may see all three.
 */
export class Field {
  readonly key: string;
  /** Keys from the table's record to here; none for the item of a list. */
  readonly path: readonly string[];
  /** Objects and lists around it, the record itself not counted. */
  readonly level: number;
  /** Objects and lists are not unpacked but kept as json. */
  readonly whole: boolean;
  readonly declared: Declared | undefined;
  /** Position among the keys of its object. */
  index = 0;
  /** The last object of a document in which it was met. */
  met = 0;
  column: ColumnBuilder | undefined = undefined;
  object: Shape | undefined = undefined;
  items: TableBuilder | undefined = undefined;

  constructor(
    key: string,
    path: readonly string[],
    level: number,
    whole: boolean,
    declared: Declared | undefined,
  ) {
    this.key = key;
    this.path = path;
    this.level = level;
    this.whole = whole;
    this.declared = declared;
  }
}

/**
 * The keys seen in the objects at one place, in the order in which they usually come. Comparing each key with the
 * expected one costs a fraction of a look-up, and finds new keys at the same time.
 */
export class Shape {
  readonly path: readonly string[];
  readonly level: number;
  readonly fields: Field[] = [];
  readonly #byKey = new Map<string, Field>();
  /** By the numbers that keys have in documents with this list of keys. */
  #byNumber: (Field | undefined)[] = [];
  #keys: readonly string[] = [];

  constructor(path: readonly string[], level: number) {
    this.path = path;
    this.level = level;
  }

  find(key: string): Field | undefined {
    return this.#byKey.get(key);
  }

  /** The field of the key with this number in a document's list of keys. */
  at(keys: readonly string[], number: number): Field | undefined {
    if (keys !== this.#keys) {
      this.#keys = keys;
      this.#byNumber = [];
    }
    return this.#byNumber[number] ?? this.#learn(number);
  }

  /** The fields that are known by number in documents with this list of keys, with gaps. */
  numbered(keys: readonly string[]): readonly (Field | undefined)[] {
    return keys === this.#keys ? this.#byNumber : [];
  }

  #learn(number: number): Field | undefined {
    const field = this.#byKey.get(this.#keys[number]!);
    while (this.#byNumber.length <= number) this.#byNumber.push(undefined);
    this.#byNumber[number] = field;
    return field;
  }

  /** Takes in a new key where it was met, so that the next record has it in order. */
  insert(field: Field, at: number): void {
    this.fields.splice(at, 0, field);
    for (let index = at; index < this.fields.length; index++) this.fields[index]!.index = index;
    this.#byKey.set(field.key, field);
  }
}
