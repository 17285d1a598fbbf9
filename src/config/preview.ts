import type { Batch, Column } from "../model/batch.js";
import { SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Json } from "../model/json.js";
import { memoryNotes } from "../model/notes.js";
import { systemRuntime } from "../model/runtime.js";
import type { Completeness } from "../model/source.js";
import type { TableSchema } from "../model/table.js";
import { createNormalizer } from "../normalize/normalizer.js";
import { cellAt } from "../normalize/rows.js";
import type { Pipeline } from "./load.js";

export interface PreviewOptions {
  /** How many pages to read; default 1. */
  readonly pages?: number;
  readonly signal?: AbortSignal;
}

export interface PreviewResult {
  readonly resource: string;
  /** What was sent, in order, redacted. */
  readonly requests: readonly { readonly method: string; readonly url: string }[];
  readonly pages: readonly {
    readonly records: number;
    readonly bytes: number;
    /** The request that the next page would take, or how sure it is that there is none. */
    readonly next?: string;
    readonly end?: Completeness;
  }[];
  readonly tables: readonly TableSchema[];
  /** The first rows of each table. */
  readonly rows: Readonly<Record<string, readonly Readonly<Record<string, Json>>[]>>;
}

/** How many rows of each table a preview shows. */
const SHOWN_ROWS = 3;

/**
 * Reads the first pages of one resource and shows what a run would make of them. Writes nothing and opens no database.
 *
 * @throws SluiceError config/usage for an unknown resource; source and auth errors as a run would report them.
 */
export async function preview(
  pipeline: Pipeline,
  name: string,
  options: PreviewOptions = {},
): Promise<PreviewResult> {
  const { plan, redactor } = pipeline.parts;
  const resource = plan.resources.find((candidate) => candidate.name === name);
  if (resource === undefined) {
    throw new SluiceError("config/usage", `no resource is named ${name}`, {
      hint: `The resources are ${pipeline.resources.join(", ")}.`,
    });
  }
  const requests: { method: string; url: string }[] = [];
  const pages: PreviewResult["pages"][number][] = [];
  const abort = new AbortController();
  const signal =
    options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal]);
  const maxIdentifier = pipeline.parts.plan.destination.maxIdentifierBytes;
  const normalizer = createNormalizer({
    resource: resource.name,
    table: resource.table,
    hints: resource.hints,
    known: [],
    loadId: "preview",
    now: systemRuntime.now(),
    ...(maxIdentifier === undefined ? {} : { maxIdentifier }),
  });
  const onEvent = (event: Event): void => {
    if (event.type === "request" && event.attempt === 1)
      requests.push({ method: event.method, url: event.url });
  };
  for await (const page of resource.read(undefined, {
    notes: memoryNotes(),
    signal,
    runtime: systemRuntime,
    emit: onEvent,
  })) {
    normalizer.add(page.records);
    pages.push({
      records: page.records.values.length,
      bytes: page.bytes,
      ...(page.resume === undefined ? {} : { next: nextUrl(page.resume) }),
      ...(page.completeness === undefined ? {} : { end: page.completeness }),
    });
    if (pages.length >= (options.pages ?? 1)) break;
  }
  abort.abort();
  const rows = Object.fromEntries(normalizer.take().map((batch) => [batch.table.name, firstRows(batch)]));
  return redactor.redactDeep({
    resource: name,
    requests: requests.slice(0, pages.length),
    pages,
    tables: normalizer.tables(),
    rows,
  });
}

function nextUrl(position: unknown): string {
  const { request, walk } = position as { request?: { method?: string; url?: string }; walk?: unknown };
  if (request === undefined && typeof walk === "object" && walk !== null) return nextUrl(walk);
  return request?.url === undefined ? "resumable" : `${request.method} ${request.url}`;
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
