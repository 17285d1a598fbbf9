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
  /** A text expression that compares by its bytes, whatever the database's language. Absent: every text does. */
  bytewise?(expression: string): string;
}

/**
 * Quotes an identifier as standard SQL does: in double quotes, quotes inside doubled. Every identifier is quoted, so
 * reserved words and odd characters need no list.
 *
 * @throws SluiceError `data/names` for an empty name and for one with a NUL character, which no SQL database holds, and
 * for one of more than `maxBytes` bytes of UTF-8, which the database would cut off without an error.
 * @example
 * quoteIdentifier('say "hi"'); // "\"say \"\"hi\"\"\""
 */
export function quoteIdentifier(identifier: string, maxBytes = Number.POSITIVE_INFINITY): string {
  if (identifier === "" || identifier.includes("\0")) {
    throw new SluiceError(
      "data/names",
      `${JSON.stringify(identifier)} can't be the name of a table, column or dataset: ` +
        "a name has at least one character and no NUL",
      { hint: "Rename it in the configuration (table name, dataset), or leave the field out." },
    );
  }
  if (Buffer.byteLength(identifier) > maxBytes) {
    throw new SluiceError(
      "data/names",
      `${JSON.stringify(identifier)} is too long for the name of a table, column or dataset: ` +
        `the database holds ${maxBytes} bytes of it`,
      { hint: "Set a shorter name in the configuration (dataset, table_name)." },
    );
  }
  return `"${identifier.replaceAll('"', '""')}"`;
}
