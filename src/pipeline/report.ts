import type { TableCounts } from "../model/destination.js";
import type { ErrorReport } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Report, ResourceReport } from "../model/report.js";
import type { SchemaChange } from "../model/table.js";

/** Builds the report from nothing but the events of a run: what was not said did not happen. */
export interface Reporter {
  observe(event: Event): void;
  finish(end: { durationMs: number; peakRssBytes: number; error?: ErrorReport }): Report;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function createReporter(pipeline: string): Reporter {
  let loadId = "";
  let order: readonly string[] = [];
  const resources: Record<string, Mutable<ResourceReport>> = {};
  const tables: Record<string, Mutable<TableCounts>> = {};
  const changes: string[] = [];

  const resource = (name: string): Mutable<ResourceReport> =>
    (resources[name] ??= {
      status: "interrupted",
      pages: 0,
      rows: 0,
      requests: 0,
      retries: 0,
      bytes: 0,
      wait_ms: 0,
      completeness: "unknown",
    });

  return {
    observe(event) {
      switch (event.type) {
        case "run-started":
          order = event.resources;
          break;
        case "load-started":
          loadId = event.loadId;
          for (const { resource: name, completeness } of event.continued) {
            Object.assign(resource(name), { status: "ok", completeness });
          }
          break;
        case "resource-started":
          resource(event.resource);
          break;
        case "request":
          resource(event.resource).requests += 1;
          break;
        case "retry":
          resource(event.resource).retries += 1;
          resource(event.resource).wait_ms += Math.round(event.waitMs);
          break;
        case "wait":
          resource(event.resource).wait_ms += Math.round(event.waitMs);
          break;
        case "page":
          resource(event.resource).pages += 1;
          resource(event.resource).bytes += event.bytes;
          break;
        case "schema-change":
          changes.push(describeChange(event.change));
          break;
        case "commit":
          resource(event.resource).rows += event.rows;
          for (const [name, counts] of Object.entries(event.tables)) {
            const sum = (tables[name] ??= { inserted: 0, updated: 0, deleted: 0, rejected: 0 });
            sum.inserted += counts.inserted;
            sum.updated += counts.updated;
            sum.deleted += counts.deleted;
            sum.rejected += counts.rejected;
          }
          break;
        case "resource-finished": {
          const report = resource(event.resource);
          report.status = event.status;
          report.completeness = event.completeness;
          if (event.why !== undefined) report.completeness_reason = event.why;
          if (event.error !== undefined) report.error = event.error;
          break;
        }
        default:
          break;
      }
    },
    finish({ durationMs, peakRssBytes, error }) {
      const all = Object.values(resources);
      const good = all.filter((report) => report.status === "ok" && report.error === undefined);
      const status =
        error !== undefined || good.length < all.length
          ? good.length > 0 || all.some((report) => report.status === "ok")
            ? "partial"
            : "failed"
          : "ok";
      return {
        pipeline,
        load_id: loadId,
        status,
        duration_ms: Math.round(durationMs),
        peak_rss_bytes: peakRssBytes,
        resources: inOrder(resources, order),
        tables,
        schema_changes: changes,
        ...(error === undefined ? {} : { error }),
      };
    },
  };
}

/** In the order of the configuration: which one starts first is chance. */
function inOrder<T>(named: Readonly<Record<string, T>>, order: readonly string[]): Record<string, T> {
  const place = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.fromEntries(Object.entries(named).sort(([one], [other]) => place(one) - place(other)));
}

/** A schema change as one line. */
export function describeChange(change: SchemaChange): string {
  switch (change.op) {
    case "create-table":
      return `${change.table.name}: create table with ${change.table.columns.length} columns`;
    case "add-column":
      return `${change.table}: add column ${change.column.name} ${change.column.type}`;
    case "widen-column":
      return `${change.table}: widen column ${change.column.name} from ${change.from} to ${change.column.type}`;
  }
}
