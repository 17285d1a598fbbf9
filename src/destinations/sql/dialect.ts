import { SluiceError } from "../../model/error.js";
import type { ColumnSchema } from "../../model/table.js";

/** What a type name depends on. */
export type TypedColumn = Pick<ColumnSchema, "type" | "precision" | "scale">;

/** What differs between SQL databases in the statements of `statements.ts`: a plain object, one per database. */
export interface Dialect {
  readonly name: string;
  /** Longest identifier in bytes of UTF-8; absent: no limit that matters. Longer names are the naming rules' affair. */
  readonly maxIdentifierBytes?: number;
  /** An identifier as it stands in a statement. Throws `data/names` for one that the database can't hold. */
  quote(identifier: string): string;
  /** The database's type for a column. */
  typeName(column: TypedColumn): string;
}

/**
 * Quotes an identifier as standard SQL does: in double quotes, quotes inside doubled. Every identifier is quoted, so
 * reserved words and odd characters need no list.
 *
 * @throws SluiceError `data/names` for an empty name and for one with a NUL character: no SQL database holds these.
 * @example
 * quoteIdentifier('say "hi"'); // "\"say \"\"hi\"\"\""
 */
export function quoteIdentifier(identifier: string): string {
  if (identifier === "" || identifier.includes("\0")) {
    throw new SluiceError(
      "data/names",
      `${JSON.stringify(identifier)} can't be the name of a table, column or dataset: ` +
        "a name has at least one character and no NUL",
      { hint: "Rename it in the configuration (table name, dataset), or leave the field out." },
    );
  }
  return `"${identifier.replaceAll('"', '""')}"`;
}
