import type { Batch, Column } from "../model/batch.js";
import { SluiceError } from "../model/error.js";
import type { Json } from "../model/json.js";
import { systemRuntime } from "../model/runtime.js";
import type { Completeness, Notes, Page, Resource } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import type { PageTrace } from "../model/trace.js";
import { createNormalizer } from "../normalize/normalizer.js";
import { cellAt } from "../normalize/rows.js";
import { addPage } from "../normalize/validate.js";
import { borrowedNotes } from "./borrowed-notes.js";
import type { Pipeline } from "./load.js";

export interface PreviewOptions {
  /** How many pages to read; default 1. */
  readonly pages?: number;
  readonly signal?: AbortSignal;
}

export interface PreviewResult {
  readonly resource: string;
  /** What was sent for the pages, in order, redacted. */
  readonly requests: readonly { readonly method: string; readonly url: string }[];
  readonly pages: readonly PreviewPage[];
  readonly tables: readonly TableSchema[];
  /** The first rows of each table. */
  readonly rows: Readonly<Record<string, readonly Readonly<Record<string, Json>>[]>>;
}

export interface PreviewPage {
  readonly records: number;
  readonly bytes: number;
  /** The request that the next page would take, or how sure it is that there is none. */
  readonly next?: string;
  readonly end?: Completeness;
  /** How the page came about: request, response, where the records are, the paginator. Absent for a resource of one's own. */
  readonly trace?: PageTrace;
  /** The pages of its parent that were read for it. */
  readonly parents?: readonly PageTrace[];
}

/** How many rows of each table a preview shows. */
const SHOWN_ROWS = 3;

/** Pages after which a preview of children no longer looks for a parent's record that has some. */
const PAGES_WITHOUT_RECORDS = 10;

/**
 * Reads the first pages of one resource and shows what a run would make of them, and why. Nothing but these pages is
 * asked for, and of a child's parents as many as it takes to find one that has children. Writes nothing and opens no
 * database.
 *
 * @throws SluiceError config/usage for an unknown resource; source and auth errors as a run would report them.
 * @example
 * const { pages } = await preview(await loadPipeline(), "calls");
 * pages[0]?.trace?.selection; // "calls: the only list of objects"
 */
export async function preview(
  pipeline: Pipeline,
  name: string,
  options: PreviewOptions = {},
): Promise<PreviewResult> {
  const { plan, planned, redactor } = pipeline.parts;
  const resource = plan.resources.find((candidate) => candidate.name === name) ?? planned[name]?.resource;
  if (resource === undefined) {
    throw new SluiceError("config/usage", `no resource is named ${name}`, {
      hint: `The resources are ${[...new Set([...pipeline.resources, ...Object.keys(planned)])].join(", ")}.`,
    });
  }
  const maxIdentifier = pipeline.parts.plan.destination.maxIdentifierBytes;
  const normalizer = createNormalizer({
    resource: resource.name,
    table: resource.table,
    hints: resource.hints,
    known: [],
    loadId: "preview",
    now: (pipeline.parts.runtime ?? systemRuntime).now(),
    ...(maxIdentifier === undefined ? {} : { maxIdentifier }),
  });
  const pages: PreviewPage[] = [];
  const wanted = options.pages ?? 1;
  const isChild = planned[name]?.parent !== undefined;
  const notes = await borrowedNotes(pipeline);
  for await (const { page, traces } of tracedPages(pipeline, resource, notes, options.signal)) {
    await addPage(normalizer, page.records, resource.schema);
    pages.push(shownPage(page, name, traces));
    const isEmpty = isChild && normalizer.rows === 0 && pages.length < PAGES_WITHOUT_RECORDS;
    if (pages.length >= wanted && !isEmpty) break;
  }
  const rows = Object.fromEntries(normalizer.take().map((batch) => [batch.table.name, firstRows(batch)]));
  return redactor.redactDeep({
    resource: name,
    requests: pages.flatMap(({ trace }) =>
      trace === undefined ? [] : [{ method: trace.request.method, url: trace.request.url }],
    ),
    pages,
    tables: normalizer.tables(),
    rows,
  });
}

/** Records on the first page of a resource, and how it goes on; of a child, those of its parent's first record. */
export async function firstPage(
  pipeline: Pipeline,
  resource: Resource,
  notes: Notes,
  signal: AbortSignal | undefined,
): Promise<PreviewPage | undefined> {
  for await (const { page, traces } of tracedPages(pipeline, resource, notes, signal))
    return shownPage(page, resource.name, traces);
  return undefined;
}

/** The pages of a resource, each with what was traced for it. Whoever stops early stops all requests. */
async function* tracedPages(
  pipeline: Pipeline,
  resource: Resource,
  notes: Notes,
  outer: AbortSignal | undefined,
): AsyncGenerator<{ readonly page: Page; readonly traces: readonly PageTrace[] }, void, undefined> {
  const abort = new AbortController();
  const signal = outer === undefined ? abort.signal : AbortSignal.any([outer, abort.signal]);
  let traces: PageTrace[] = [];
  const io = {
    notes,
    signal,
    runtime: pipeline.parts.runtime ?? systemRuntime,
    emit: () => {},
    trace: (page: PageTrace) => traces.push(page),
  };
  try {
    for await (const page of resource.read(undefined, io)) {
      const told = traces;
      traces = [];
      yield { page, traces: told };
    }
  } finally {
    abort.abort();
  }
}

function shownPage(page: Page, name: string, traces: readonly PageTrace[]): PreviewPage {
  const trace = traces.findLast(({ resource }) => resource === name);
  const parents = traces.filter(({ resource }) => resource !== name);
  const next =
    trace !== undefined && "request" in trace.next
      ? `${trace.next.request.method} ${trace.next.request.url}`
      : page.resume === undefined
        ? undefined
        : "resumable";
  return {
    records: page.records.values.length,
    bytes: page.bytes,
    ...(next === undefined ? {} : { next }),
    ...(page.completeness === undefined ? {} : { end: page.completeness }),
    ...(trace === undefined ? {} : { trace }),
    ...(parents.length === 0 ? {} : { parents }),
  };
}

function firstRows(batch: Batch): Record<string, Json>[] {
  return Array.from({ length: Math.min(SHOWN_ROWS, batch.rows) }, (_, row) =>
    Object.fromEntries(batch.columns.map((column) => [column.schema.name, shown(column, row)])),
  );
}

/** A value as people and JSON read it: instants, dates and times in ISO form, binary in base64. */
function shown(column: Column, row: number): Json {
  const value = cellAt(column, row);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (column.schema.type === "date" && typeof value === "number") {
    return new Date(value * 86_400_000).toISOString().slice(0, 10);
  }
  if (typeof value !== "bigint") return value;
  if (column.schema.type === "timestamp") return isoInstant(value);
  if (column.schema.type === "time") return isoInstant(value).slice(11, -1);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function isoInstant(micros: bigint): string {
  const millis = (micros - (((micros % 1000n) + 1000n) % 1000n)) / 1000n;
  const rest = micros - millis * 1000n;
  const iso = new Date(Number(millis)).toISOString();
  return rest === 0n ? iso : iso.replace("Z", `${String(rest).padStart(3, "0")}Z`);
}
