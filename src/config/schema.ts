import type { Connection } from "../model/destination.js";
import { asSluiceError, type ErrorReport, SluiceError } from "../model/error.js";
import type { Resource } from "../model/source.js";
import type { PipelineState } from "../model/state.js";
import {
  type ColumnSchema,
  type FoundTable,
  type SchemaChange,
  SYSTEM_COLUMNS,
  type TableSchema,
} from "../model/table.js";
import { unmetTypes } from "../normalize/declared.js";
import { createNormalizer } from "../normalize/normalizer.js";
import { refuseLostState, refuseUnfit, standingTables } from "../pipeline/tables.js";
import { diffTables } from "../schema/diff.js";
import { findDrift } from "../schema/drift.js";
import { namingOf } from "../schema/naming.js";
import type { Pipeline } from "./load.js";
import { selectResources } from "./selection.js";
import { yaml } from "./yaml.js";

/** What a run would change in the destination before it has read anything. */
export interface SchemaDiff {
  readonly pipeline: string;
  readonly dataset: string;
  readonly destination: {
    readonly type: string;
    readonly location: string;
    /** False when the first run will create it. */
    readonly exists: boolean;
  };
  readonly changes: readonly PlannedChange[];
  /** What a run would warn of: tables that were changed by hand, declared types that a column can't take. */
  readonly warnings: readonly { readonly resource: string; readonly message: string }[];
  /** Why a run would fail, by resource; `*` is all of it. */
  readonly refused: Readonly<Record<string, ErrorReport>>;
}

export interface PlannedChange {
  readonly resource: string;
  readonly change: SchemaChange;
  /** The statement in the destination's language; null where it has none. */
  readonly sql: string | null;
}

/**
 * The tables of a pipeline as YAML: as its last load left them, with what the configuration and its schema file declare.
 * Columns with name, type and the keys that fill them; no rows and no secrets. The same tables give the same text.
 *
 * @example
 * await writeFile("schema.yaml", await exportSchema(await loadPipeline({ config: "crm.yaml" })));
 */
export async function exportSchema(pipeline: Pipeline): Promise<string> {
  const tables = await onDestination(pipeline, async (connection, state) => {
    const looked = pipeline.parts.plan.resources.map(
      async (resource) => (await look(pipeline, resource, connection, state)).wanted,
    );
    return (await Promise.all(looked)).flat();
  });
  const shown = pipeline.parts.redactor.redactDeep(tables).filter((table) => table.columns.length > 0);
  return schemaText(pipeline.name, shown);
}

/**
 * What a run would change in the destination, as far as it is known without reading the API: tables and columns that are
 * declared and not there yet, and what was changed by hand. Changes nothing.
 *
 * @throws SluiceError of kind destination when the destination is there and can't be opened; config/usage for a selected
 * name that no resource has.
 */
export async function diffSchema(
  pipeline: Pipeline,
  options: { readonly select?: readonly string[] } = {},
): Promise<SchemaDiff> {
  const { plan, redactor } = pipeline.parts;
  const resources = selectResources(plan.resources, options.select);
  const result = await onDestination(pipeline, async (connection, state): Promise<Partial<SchemaDiff>> => {
    const lost = errorOf(() => refuseLostState(state, plan.name, false));
    if (lost !== undefined) return { refused: { "*": lost } };
    const looks = await Promise.all(
      resources.map(async (resource) => ({
        resource: resource.name,
        ...(await look(pipeline, resource, connection, state)),
      })),
    );
    return {
      changes: looks.flatMap(({ resource, found, wanted }) =>
        diffTables(found, wanted).map((change) => planned(pipeline, resource, change)),
      ),
      warnings: looks.flatMap(({ resource, warnings }) => warnings.map((message) => ({ resource, message }))),
      refused: Object.fromEntries(
        looks.flatMap(({ resource, refused }) => (refused === undefined ? [] : [[resource, refused]])),
      ),
    };
  });
  const exists = (await plan.destination.exists?.()) !== false;
  return redactor.redactDeep({
    pipeline: pipeline.name,
    dataset: pipeline.dataset,
    destination: { type: plan.destination.type, location: plan.destination.location, exists },
    changes: [],
    warnings: [],
    refused: {},
    ...result,
  });
}

function planned(pipeline: Pipeline, resource: string, change: SchemaChange): PlannedChange {
  const { destination, dataset } = pipeline.parts.plan;
  return { resource, change, sql: destination.statements?.(dataset, [change])[0] ?? null };
}

/** Without a connection where connecting would create what is not there. */
async function onDestination<T>(
  { parts: { plan } }: Pipeline,
  work: (connection: Connection | undefined, state: PipelineState | undefined) => Promise<T>,
): Promise<T> {
  if ((await plan.destination.exists?.()) === false) return await work(undefined, undefined);
  await using connection = await plan.destination.connect(plan.dataset, new AbortController().signal);
  return await work(connection, await connection.state(plan.name));
}

interface Look {
  readonly found: readonly FoundTable[];
  /** The tables that a load would begin with. */
  readonly wanted: readonly TableSchema[];
  readonly warnings: readonly string[];
  readonly refused?: ErrorReport;
}

/** The tables of a resource as they are and as a load would begin with them. */
async function look(
  pipeline: Pipeline,
  resource: Resource,
  connection: Connection | undefined,
  state: PipelineState | undefined,
): Promise<Look> {
  const { hints, name, table } = resource;
  const maxIdentifier = pipeline.parts.plan.destination.maxIdentifierBytes;
  const warnings: string[] = [];
  const begin = (known: readonly TableSchema[]): readonly TableSchema[] =>
    createNormalizer({
      resource: name,
      table,
      hints,
      known,
      loadId: "",
      now: 0,
      settled: state?.resources[name]?.settled === true,
      ...(maxIdentifier === undefined ? {} : { maxIdentifier }),
    }).tables();
  if (connection === undefined) return { found: [], wanted: declaredOnly(begin([])), warnings };
  try {
    const { known } = await standingTables(resource, {
      connection,
      maxIdentifier,
      state,
      fullRefresh: false,
      emit: (event) => void (event.type === "warning" && warnings.push(event.message)),
    });
    const wanted = begin(known);
    const found = await connection.describe(wanted.map((one) => one.name));
    refuseUnfit(findDrift(wanted, found), name);
    warnings.push(...unmetTypes(hints, namingOf(hints, maxIdentifier), wanted));
    return { found, wanted: known.length === 0 ? declaredOnly(wanted) : wanted, warnings };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== "destination/changed") throw error;
    const stored = (state?.tables ?? []).filter((one) => one.resource === name);
    return { found: stored, wanted: begin(stored), warnings, refused: error.toReport() };
  }
}

/** Of tables that are not there yet those of which anything is known: the columns of the others come with their values. */
function declaredOnly(tables: readonly TableSchema[]): readonly TableSchema[] {
  return tables.some(({ columns }) => dataColumns(columns).length > 0) ? tables : [];
}

function errorOf(work: () => void): ErrorReport | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return asSluiceError(error).toReport();
  }
}

// --- The text -----------------------------------------------------------------------------------------------------

const SYSTEM_NAMES: ReadonlySet<string> = new Set(Object.values(SYSTEM_COLUMNS));

function dataColumns(columns: readonly ColumnSchema[]): readonly ColumnSchema[] {
  return columns.filter(({ name }) => !SYSTEM_NAMES.has(name));
}

function schemaText(pipeline: string, tables: readonly TableSchema[]): string {
  const entries = tables.map((table) => [table.name, tableEntry(table)]);
  const { Document, isMap, isSeq } = yaml();
  const document = new Document({ tables: Object.fromEntries(entries) }, { aliasDuplicateObjects: false });
  document.commentBefore = ` Tables of ${pipeline}. With \`schema: FILE\` in the configuration these columns are declared.`;
  for (const { name, columns } of tables) {
    for (const column of dataColumns(columns)) {
      const node = document.getIn(["tables", name, "columns", column.name], true);
      if (isMap(node)) node.flow = true;
    }
    for (const list of ["primary_key", "source"]) {
      const node = document.getIn(["tables", name, list], true);
      if (isSeq(node)) node.flow = true;
    }
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

function tableEntry(table: TableSchema): Record<string, unknown> {
  const { parent, resource, source, primaryKey, columns } = table;
  const shown = dataColumns(columns).map((column) => [column.name, columnEntry(column)]);
  return {
    ...(parent === undefined ? { resource } : { parent, source }),
    ...(primaryKey.length === 0 ? {} : { primary_key: primaryKey }),
    columns: Object.fromEntries(shown),
  };
}

function columnEntry(column: ColumnSchema): Record<string, unknown> {
  const { name, type, nullable, precision, scale, source, variantOf } = column;
  const isPlain = source === undefined || (source.length === 1 && source[0] === name && !name.includes("."));
  return {
    data_type: type,
    ...(nullable ? {} : { nullable }),
    ...(precision === undefined ? {} : { precision }),
    ...(scale === undefined ? {} : { scale }),
    ...(isPlain ? {} : { source }),
    ...(variantOf === undefined ? {} : { variant_of: variantOf }),
  };
}
