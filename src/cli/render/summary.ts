import type { Pipeline, Report, ResourceReport } from "../../index.js";
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

/** Command lines that ask the destination for rows; for the others its location is enough. */
const SHELLS: Readonly<Record<string, (location: string, sql: string) => string>> = {
  duckdb: (location, sql) => `duckdb ${shellWord(location.replace(/^duckdb:(\/\/)?/, ""))} ${shellText(sql)}`,
};

/**
 * By default file and dataset have one name, and DuckDB then can't tell `name.table` of the one from the other: the
 * database's name, which is the file's, has to stand before it.
 */
function qualified(
  { dataset, destination }: Pick<Pipeline, "dataset" | "destination">,
  table: string,
): string {
  const parts = [dataset, table];
  const database = /([^/\\]*?)(\.[^./\\]*)?$/.exec(destination.location)?.[1] ?? "";
  if (destination.type === "duckdb" && database.toLowerCase() === dataset.toLowerCase())
    parts.unshift(database);
  return parts.map(identifier).join(".");
}

function queryLine(report: Report, pipeline: Pick<Pipeline, "dataset" | "destination">): string | undefined {
  const names = Object.keys(report.tables).sort();
  const table = Object.keys(report.resources).find((name) => names.includes(name)) ?? names[0];
  const shell = SHELLS[pipeline.destination.type];
  if (table === undefined || shell === undefined) return undefined;
  const sql = `select * from ${qualified(pipeline, table)} limit 5`;
  return clean(shell(pipeline.destination.location, sql));
}

function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : shellText(text);
}

/** In double quotes for sh, with what is special there escaped. */
function shellText(text: string): string {
  return `"${text.replaceAll(/["$`\\]/g, String.raw`\$&`)}"`;
}
