import { readFileSync } from "node:fs";
import { z } from "zod";
import { CHECKED_ONCE } from "../model/checked-once.js";
import { type Problem, SluiceError } from "../model/error.js";
import { type ColumnHint, NAMING_CONVENTIONS, type Resource, type TableHint } from "../model/source.js";
import { didYouMean } from "../model/suggest.js";
import { DATA_TYPES } from "../model/table.js";
import { pathOf } from "../normalize/declared.js";
import { rootName } from "../normalize/root-name.js";
import { identityOf } from "../schema/names.js";
import { columnName, type Naming, namingOf } from "../schema/naming.js";
import type { ConfigDocument } from "./document.js";
import { configError, problemAt, toProblems } from "./problems.js";
import { parseYaml } from "./read-yaml.js";
import { withHints } from "./schema-options.js";

const keys = z.array(z.string());

const column = z.strictObject({
  data_type: z.enum(DATA_TYPES),
  nullable: z.boolean().optional(),
  precision: z.int().min(1).max(38).optional(),
  scale: z.int().min(0).max(38).optional(),
  source: keys.optional(),
  variant_of: z.string().min(1).optional(),
});

const table = z.strictObject({
  resource: z.string().min(1).optional(),
  parent: z.string().min(1).optional(),
  source: keys.optional(),
  primary_key: z.array(z.string().min(1)).optional(),
  columns: z.record(z.string(), column).default({}),
});

const schemaFile = z.strictObject({ tables: z.record(z.string(), table) });

type FileColumn = z.output<typeof column>;
type FileTable = z.output<typeof table>;

/** A schema file whose form is right. */
export interface SchemaFile {
  readonly document: ConfigDocument;
  readonly tables: Readonly<Record<string, FileTable>>;
}

/**
 * Reads a schema file.
 *
 * @param shown its name in messages
 * @throws SluiceError `config/not-found`, `config/unreadable`, `config/invalid`, with the lines of all mistakes.
 */
export function readSchemaFile(path: string, shown: string): SchemaFile {
  const document = parseYaml(readText(path, shown), shown);
  const parsed = schemaFile.safeParse(document.value, CHECKED_ONCE);
  if (parsed.success) return { document, tables: parsed.data.tables };
  throw configError(toProblems(parsed.error.issues, { document, value: document.value, schema: schemaFile }));
}

function readText(path: string, shown: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new SluiceError(
      code === "ENOENT" ? "config/not-found" : "config/unreadable",
      `the schema file ${shown} can't be read (${code})`,
      {
        at: { file: shown, path: "schema" },
        hint: "`sluice schema export --out FILE` writes one.",
        cause,
      },
    );
  }
}

/**
 * The resources with what a schema file declares: its columns come to those of the configuration, which must not
 * contradict it. `others` are names of resources that are not loaded.
 */
export function withSchemaFile(
  resources: readonly Resource[],
  file: SchemaFile,
  maxBytes: number | undefined,
  others: readonly string[],
): { readonly resources: readonly Resource[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const tell = (path: readonly string[], message: string, hint?: string): void =>
    void problems.push(problemAt(file.document, ["tables", ...path], message, hint));
  const roots = rootsOf(file, [...resources.map(({ name }) => name), ...others], tell);
  const declared = resources.map((resource) => {
    const name = roots.get(resource.name);
    return name === undefined ? resource : withTables(resource, name, file, maxBytes, tell);
  });
  return { resources: declared, problems };
}

type Tell = (path: readonly string[], message: string, hint?: string) => void;

/** The root table of each resource; tells of tables that hang nowhere. */
function rootsOf({ tables }: SchemaFile, known: readonly string[], tell: Tell): ReadonlyMap<string, string> {
  const roots = new Map<string, string>();
  for (const [name, { resource, parent, source, columns, primary_key: key }] of Object.entries(tables)) {
    if ((resource === undefined) === (parent === undefined)) {
      tell([name], "a table has either resource, or parent and source");
    } else if (parent !== undefined) {
      if (source === undefined) tell([name], "a table below another one needs source: the keys of its list");
      if (key !== undefined) tell([name, "primary_key"], "only the table of a resource has a primary key");
      if (!reachesRoot(name, tables)) tell([name, "parent"], `no table of a resource is above "${name}"`);
      for (const [column, { nullable }] of Object.entries(columns))
        if (nullable === false)
          tell([name, "columns", column], "nullable: false is for tables of resources alone");
    } else if (resource !== undefined) {
      if (!known.includes(resource))
        tell([name, "resource"], `no resource is named "${resource}"${didYouMean(resource, known)}`);
      if (roots.has(resource)) tell([name, "resource"], `the resource "${resource}" has two tables`);
      roots.set(resource, name);
    }
  }
  return roots;
}

function reachesRoot(name: string, tables: SchemaFile["tables"]): boolean {
  const seen = new Set<string>();
  for (let at: string | undefined = name; at !== undefined && !seen.has(at); ) {
    seen.add(at);
    const table: FileTable | undefined = Object.hasOwn(tables, at) ? tables[at] : undefined;
    if (table?.resource !== undefined) return true;
    at = table?.parent;
  }
  return false;
}

function withTables(
  resource: Resource,
  root: string,
  { tables }: SchemaFile,
  maxBytes: number | undefined,
  tell: Tell,
): Resource {
  const naming = namingOf(resource.hints, maxBytes);
  const possible = NAMING_CONVENTIONS.map((convention) =>
    rootName(resource.table, { ...naming, convention }, []),
  );
  if (!possible.includes(root))
    tell(
      [root],
      `the table of the resource "${resource.name}" is ${possible.at(-1) ?? ""}`,
      "Its name is table_name of the resource.",
    );
  const table = tables[root]!;
  const below = childrenOf(root, [], tables);
  const { hints } = resource;
  return withHints(resource, {
    ...hints,
    columns: mergedColumns(hints.columns, root, table, naming, tell),
    primaryKey: mergedKey(hints.primaryKey, root, table, naming, tell),
    ...(below.length === 0 ? {} : { tables: below }),
  });
}

function childrenOf(
  parent: string,
  path: TableHint["path"],
  tables: SchemaFile["tables"],
): readonly TableHint[] {
  return Object.entries(tables).flatMap(([name, table]) => {
    // A chain of parents that goes in a circle has no root, so it is never met here.
    if (table.parent !== parent || table.source === undefined) return [];
    const own = [...path, table.source];
    const columns = hintsOf(table.columns);
    return [{ name, path: own, columns }, ...childrenOf(name, own, tables)];
  });
}

/** Variants are left out: they come with the values that need them. */
function hintsOf(columns: Readonly<Record<string, FileColumn>>): ColumnHint[] {
  return Object.entries(columns).flatMap(([name, column]) =>
    column.variant_of === undefined ? [hintOf(name, column)] : [],
  );
}

function hintOf(name: string, column: FileColumn): ColumnHint {
  const { data_type: dataType, nullable, precision, scale, source } = column;
  return {
    name,
    dataType,
    ...(nullable === undefined ? {} : { nullable }),
    ...(precision === undefined ? {} : { precision }),
    ...(scale === undefined ? {} : { scale }),
    ...(source === undefined ? {} : { source }),
  };
}

function mergedColumns(
  configured: readonly ColumnHint[],
  root: string,
  table: FileTable,
  naming: Naming,
  tell: Tell,
): readonly ColumnHint[] {
  const merged = hintsOf(table.columns).map((hint): ColumnHint => {
    const own = configured.find((other) => isSameColumn(other, hint, naming));
    if (own === undefined) return hint;
    if (own.dataType !== undefined && own.dataType !== hint.dataType) {
      tell(
        [root, "columns", hint.name, "data_type"],
        `the configuration declares the column "${own.name}" as ${own.dataType}, and this file as ${String(hint.dataType)}`,
        "Keep one of the two.",
      );
    }
    const nullable = own.nullable ?? hint.nullable;
    return { ...own, ...hint, ...(nullable === undefined ? {} : { nullable }) };
  });
  const others = configured.filter((own) => !merged.some((hint) => isSameColumn(own, hint, naming)));
  return [...merged, ...others];
}

function isSameColumn(configured: ColumnHint, hint: ColumnHint, naming: Naming): boolean {
  const path = configured.source ?? pathOf(configured.name);
  if (hint.source !== undefined) return identityOf(hint.source) === identityOf(path);
  return columnName(path, naming) === hint.name;
}

function mergedKey(
  configured: readonly string[],
  root: string,
  table: FileTable,
  naming: Naming,
  tell: Tell,
): readonly string[] {
  const { primary_key: key, columns } = table;
  if (key === undefined || key.length === 0) return configured;
  for (const name of key.filter((name) => !Object.hasOwn(columns, name)))
    tell([root, "primary_key"], `the primary key has a column "${name}" that the table does not have`);
  const written = key.map((name) => columns[name]?.source?.join(".") ?? name);
  if (configured.length === 0) return written;
  const names = (list: readonly string[]) =>
    JSON.stringify(list.map((one) => columnName(pathOf(one), naming)).toSorted());
  if (names(configured) !== names(written))
    tell(
      [root, "primary_key"],
      `the configuration has the primary key ${configured.join(", ")}, and this file ${key.join(", ")}`,
      "Keep one of the two.",
    );
  return configured;
}
