import type { Pipeline, Report, ResourceReport } from "../../api.js";
import { renderTable } from "./table.js";
import { bytes, clean, count, createStyle, duration } from "./text.js";

/** The end of a run for people: what was loaded, how each resource went, and how to look at the rows. */
export async function renderSummary(
  report: Report,
  pipeline: Pick<Pipeline, "dataset" | "destination">,
  { color }: { readonly color: boolean },
): Promise<string> {
  const style = createStyle(color);
  const parts: string[] = [];
  // By name, so that child tables follow their parent whatever was committed first.
  const tables = Object.entries(report.tables).sort(([a], [b]) => (a < b ? -1 : 1));
  if (tables.length > 0) {
    const rows = tables.map(([name, { inserted, updated, deleted, rejected }]) => [
      name,
      ...[inserted, updated, deleted, rejected].map(count),
    ]);
    parts.push(await renderTable(TABLE_COLUMNS, rows, style));
  }
  const resources = Object.entries(report.resources);
  if (resources.length > 0) {
    parts.push(
      await renderTable(
        RESOURCE_COLUMNS,
        resources.map(([name, resource]) => resourceRow(name, resource)),
        style,
      ),
    );
  }
  if (report.schema_changes.length > 0 && report.schema_changes.length <= MOST_CHANGES) {
    parts.push(`schema changes\n${report.schema_changes.map((change) => `  ${clean(change)}`).join("\n")}`);
  } else if (report.schema_changes.length > MOST_CHANGES) {
    parts.push(`${count(report.schema_changes.length)} schema changes`);
  }
  parts.push(closing(report, pipeline, style[STATUS_STYLE[report.status]]));
  return `${parts.join("\n\n")}\n`;
}

const MOST_CHANGES = 10;

const TABLE_COLUMNS = [
  { title: "table" },
  { title: "inserted", align: "right" },
  { title: "updated", align: "right" },
  { title: "deleted", align: "right" },
  { title: "rejected", align: "right" },
] as const;

const RESOURCE_COLUMNS = [
  { title: "resource" },
  { title: "status" },
  { title: "pages", align: "right" },
  { title: "rows", align: "right" },
  { title: "requests", align: "right" },
  { title: "retries", align: "right" },
  { title: "waited", align: "right" },
  { title: "received", align: "right" },
  { title: "complete" },
] as const;

const STATUS_STYLE = { ok: "green", partial: "yellow", failed: "red" } as const;

function resourceRow(name: string, resource: ResourceReport): string[] {
  return [
    name,
    resource.status,
    count(resource.pages),
    count(resource.rows),
    count(resource.requests),
    count(resource.retries),
    resource.wait_ms === 0 ? "0" : duration(resource.wait_ms),
    bytes(resource.bytes),
    resource.completeness,
  ];
}

function closing(
  report: Report,
  pipeline: Pick<Pipeline, "dataset" | "destination">,
  paint: (text: string) => string,
): string {
  const memory = bytes(report.peak_rss_bytes);
  const first = `${paint(report.status)}  ${clean(report.pipeline)}, ${duration(report.duration_ms)}, ${memory} memory`;
  const query = queryLine(report, pipeline);
  return query === undefined ? first : `${first}\n\nLook at it:  ${query}`;
}

function queryLine(report: Report, pipeline: Pick<Pipeline, "dataset" | "destination">): string | undefined {
  const names = Object.keys(report.tables).sort();
  const table = Object.keys(report.resources).find((name) => names.includes(name)) ?? names[0];
  if (table === undefined) return undefined;
  const line = pipeline.destination.queryHint?.(pipeline.dataset, table);
  return line === undefined ? undefined : clean(line);
}
