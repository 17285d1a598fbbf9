import { extname } from "node:path";
import type { Command } from "commander";
import type { PreviewResult } from "../../index.js";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { renderTable } from "../render/table.js";
import { bytes, clean, counted, createStyle, cut } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import { addPipelineOptions, loadOptions, type PipelineFlags, positiveInteger } from "./options.js";
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
  addPipelineOptions(command)
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
  const { loadPipeline, preview } = await import("../../index.js");
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

/** Requests, tables and first rows for people. */
export async function renderPreview(
  result: PreviewResult,
  { color, columns }: { readonly color: boolean; readonly columns: number },
): Promise<string> {
  const style = createStyle(color);
  const pages = result.pages.map((page, index) => {
    const request = result.requests[index];
    const asked = request === undefined ? `page ${index + 1}` : `${request.method} ${request.url}`;
    return `${clean(asked)}\n${clean(pageLine(page))}`;
  });
  const parts = [pages.join("\n")];
  for (const table of result.tables) {
    const rows = table.columns.map((column) => columnRow(column, table));
    parts.push(`${style.bold(clean(table.name))}\n${await renderTable(COLUMN_TITLES, rows, style)}`);
    const shown = (result.rows[table.name] ?? []).map((row) => cut(clean(jsonText(row)), columns));
    if (shown.length > 0)
      parts.push(`${style.dim(`first rows of ${clean(table.name)}`)}\n${shown.join("\n")}`);
  }
  return `${parts.join("\n\n")}\n`;
}

function pageLine(page: PreviewResult["pages"][number]): string {
  const then =
    page.next !== undefined
      ? `next: ${page.next}`
      : page.end !== undefined
        ? `end, completeness ${page.end}`
        : "can't be resumed after this page";
  return `  ${counted(page.records, "record")}, ${bytes(page.bytes)}; ${then}`;
}
