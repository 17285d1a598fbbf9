import { NAMING_CONVENTIONS } from "../model/source.js";
import { SYSTEM_TABLES, type TableSchema } from "../model/table.js";
import { Names } from "../schema/names.js";
import { type Naming, tableName } from "../schema/naming.js";

/** The names of a resource's tables, with those that no resource may have. */
export function newTableNames(naming: Naming): Names {
  const names = new Names(naming.maxBytes);
  for (const name of Object.values(SYSTEM_TABLES)) names.reserve(name);
  return names;
}

/**
 * The name of a resource's root table. One that is known keeps its name when the naming convention changes, so that its
 * rows stay together.
 *
 * @example
 * rootName("UserEvents", { convention: "preserve", maxBytes: 255 }, []);           // "UserEvents"
 * rootName("UserEvents", { convention: "preserve", maxBytes: 255 }, [userEvents]); // "user_events"
 */
export function rootName(table: string, naming: Naming, known: readonly TableSchema[]): string {
  const wanted = newTableNames(naming).claim("", tableName(table, naming));
  const others = NAMING_CONVENTIONS.map((convention) => {
    const other = { ...naming, convention };
    return newTableNames(other).claim("", tableName(table, other));
  });
  const roots = known.flatMap(({ name, parent }) => (parent === undefined ? [name] : []));
  return [wanted, ...others].find((name) => roots.includes(name)) ?? wanted;
}
