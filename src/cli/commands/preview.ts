import { extname } from "node:path";
import type { Command } from "commander";
import type { PageTrace, PreviewPage, PreviewResult } from "../../api.js";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { renderTable } from "../render/table.js";
import { bytes, clean, counted, createStyle, cut, type Style, width } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import {
  addPipelineOptions,
  addReplayOption,
  loadOptions,
  type PipelineFlags,
  positiveInteger,
} from "./options.js";
import { COLUMN_TITLES, columnRow } from "./schema.js";

interface PreviewFlags extends PipelineFlags {
  readonly pages: number;
}

export function register(program: Command, session: Session): void {
  const command = program
    .command("preview")
    .description(
      "Read the first pages of one resource and show what a run would make of them. Writes nothing.",
    )
    .argument("<resource>", "name of the resource")
    .argument("[config]", "configuration file; default: sluice.config.* in the current folder");
  addReplayOption(addPipelineOptions(command))
    .option("--pages <number>", "how many pages to read", positiveInteger, 1)
    .action((first: string, second: string | undefined, flags: PreviewFlags) =>
      attempt(session, { json: flags.json }, () => previewResource(inOrder(first, second), flags, session)),
    );
}

async function previewResource(
  { resource, config }: { resource: string; config: string | undefined },
  flags: PreviewFlags,
  session: Session,
): Promise<number> {
  const { loadPipeline, preview } = await import("../../api.js");
  const pipeline = await loadPipeline(loadOptions(session, config, flags));
  const result = await preview(pipeline, resource, { pages: flags.pages, signal: session.signal });
  const { stdout, env } = session;
  if (flags.json === true) stdout.write(`${jsonText(result, 2)}\n`);
  else {
    stdout.write(
      await renderPreview(result, { color: hasColor(stdout, env), columns: stdout.columns || 160 }),
    );
  }
  return 0;
}

/** `preview calls crm.yaml` and `preview crm.yaml calls` mean the same. */
export function inOrder(
  first: string,
  second: string | undefined,
): { resource: string; config: string | undefined } {
  const swapped = second !== undefined && isFile(first) && !isFile(second);
  return swapped ? { resource: second, config: first } : { resource: first, config: second };
}

function isFile(argument: string): boolean {
  return (
    argument.includes("/") ||
    [".ts", ".mts", ".js", ".mjs", ".yaml", ".yml", ".json"].includes(extname(argument))
  );
}

interface Look {
  readonly style: Style;
  /** Width of the terminal. */
  readonly columns: number;
}

/** Requests, responses, tables and first rows for people. */
export async function renderPreview(
  result: PreviewResult,
  { color, columns }: { readonly color: boolean; readonly columns: number },
): Promise<string> {
  const look = { style: createStyle(color), columns };
  const parts = result.pages.map((page, index) => renderPage(page, index + 1, look));
  for (const table of result.tables) {
    const rows = table.columns.map((column) => columnRow(column, table));
    const types = await renderTable(COLUMN_TITLES, rows, look.style);
    parts.push(`${look.style.bold(clean(table.name))}\n${types}`);
    const shown = result.rows[table.name] ?? [];
    if (shown.length > 0) parts.push(await renderRows(table.name, shown, look));
  }
  return `${parts.join("\n\n")}\n`;
}

function renderPage(page: PreviewPage, number: number, look: Look): string {
  const { bold } = look.style;
  const size = `${counted(page.records, "record")}, ${bytes(page.bytes)}`;
  if (page.trace === undefined) {
    return `${bold(`page ${number}`)}\n${labelled(
      [
        ["records", size],
        ["next", goesOn(page)],
      ],
      look,
    )}`;
  }
  const parents = (page.parents ?? []).map(
    (trace) => `${bold(`page of ${clean(trace.resource)}`)}\n${labelled(exchangeLines(trace), look)}`,
  );
  const own = labelled(exchangeLines(page.trace, size), look);
  return [...parents, `${bold(`page ${number}`)}\n${own}`].join("\n\n");
}

type Line = readonly [label: string, text: string];

/** How a page came about, line by line. */
function exchangeLines({ request, response, selection, paginator, next }: PageTrace, size?: string): Line[] {
  const why = next.why === undefined ? "" : `: ${next.why}`;
  const then =
    "request" in next
      ? `${next.request.method} ${next.request.url}${next.request.body === undefined ? "" : ` with ${next.request.body}`}`
      : `none; the walk ends here, ${next.end}`;
  return [
    ["request", `${request.method} ${request.url}`],
    ...headerLines(request.headers),
    ...(request.body === undefined ? [] : [["body", request.body] as const]),
    ["response", String(response.status)],
    ...headerLines(response.headers),
    ["records", size === undefined ? selection : `${size}; ${selection}`],
    ["paginator", paginator],
    ["next", `${then}${why}`],
  ];
}

function headerLines(headers: Readonly<Record<string, string>>): Line[] {
  return Object.entries(headers).map(([name, value]) => ["", `${name}: ${value}`]);
}

function goesOn({ next, end }: PreviewPage): string {
  if (end !== undefined) return `none; completeness ${end}`;
  return next ?? "can't be resumed after this page";
}

function labelled(lines: readonly Line[], { style, columns }: Look): string {
  return lines
    .map(
      ([label, text]) => `  ${style.dim(label.padEnd(9))}  ${cut(clean(text), Math.max(40, columns - 13))}`,
    )
    .join("\n");
}

const CELL_COLUMNS = 32;

/** The first rows, without system columns, as many columns as fit. */
async function renderRows(
  table: string,
  rows: readonly Readonly<Record<string, unknown>>[],
  { style, columns }: Look,
): Promise<string> {
  const names = Object.keys(rows[0] ?? {}).filter((name) => !name.startsWith("_sluice_"));
  const cells = names.map((name) => rows.map((row) => cut(clean(cellText(row[name])), CELL_COLUMNS)));
  const widths = names.map((name, index) => 2 + Math.max(width(name), ...(cells[index] ?? []).map(width)));
  let used = 0;
  const fitting = names.filter((_, index) => (used += widths[index] ?? 0) <= columns);
  const printed = await renderTable(
    fitting.map((title) => ({ title })),
    rows.map((_, row) => fitting.map((_, column) => cells[column]?.[row] ?? "")),
    style,
  );
  const more = names.length - fitting.length;
  const rest = more === 0 ? "" : `, ${counted(more, "more column")} with --json`;
  return `${style.dim(`first rows of ${clean(table)}${rest}`)}\n${printed}`;
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : jsonText(value);
}
