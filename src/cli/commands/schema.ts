import type { Command } from "commander";
import type { ColumnSchema, TableSchema } from "../../api.js";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { renderTable } from "../render/table.js";
import { clean, createStyle } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import { addPipelineOptions, loadOptions, type PipelineFlags } from "./options.js";
import { register as registerDiff } from "./schema-diff.js";
import { register as registerExport } from "./schema-export.js";

export function register(program: Command, session: Session): void {
  const command = program
    .command("schema")
    .description("Show the tables of a pipeline as its last commit left them in the destination.")
    .argument("[config]", "configuration file; default: sluice.config.* in the current folder")
    // So that `sluice schema diff --json` is an option of diff.
    .enablePositionalOptions();
  registerExport(command, session);
  registerDiff(command, session);
  addPipelineOptions(command).action((config: string | undefined, flags: PipelineFlags) =>
    attempt(session, { json: flags.json }, () => showSchema(config, flags, session)),
  );
}

async function showSchema(
  config: string | undefined,
  flags: PipelineFlags,
  session: Session,
): Promise<number> {
  const { loadPipeline, readState } = await import("../../api.js");
  const pipeline = await loadPipeline(loadOptions(session, config, flags));
  const tables = (await readState(pipeline))?.tables ?? [];
  const { stdout, env } = session;
  if (flags.json === true) {
    stdout.write(`${jsonText({ pipeline: pipeline.name, dataset: pipeline.dataset, tables }, 2)}\n`);
  } else if (tables.length === 0) {
    stdout.write(`${clean(pipeline.destination.location)} has no tables of ${clean(pipeline.name)} yet\n`);
  } else {
    stdout.write(await renderSchema(tables, { color: hasColor(stdout, env) }));
  }
  return 0;
}

/** Each table with its columns, for people. */
export async function renderSchema(
  tables: readonly TableSchema[],
  { color }: { readonly color: boolean },
): Promise<string> {
  const style = createStyle(color);
  const parts: string[] = [];
  for (const table of tables) {
    const from = table.parent === undefined ? `resource ${table.resource}` : `lists of ${table.parent}`;
    const rows = table.columns.map((column) => columnRow(column, table));
    const title = `${style.bold(clean(table.name))}  ${style.dim(clean(from))}`;
    parts.push(`${title}\n${await renderTable(COLUMN_TITLES, rows, style)}`);
  }
  return `${parts.join("\n\n")}\n`;
}

export const COLUMN_TITLES = [
  { title: "column" },
  { title: "type" },
  { title: "nullable" },
  { title: "from" },
  { title: "" },
] as const;

/** One column as a row of a printed table. */
export function columnRow(column: ColumnSchema, table: TableSchema): string[] {
  const notes = [
    table.primaryKey.includes(column.name) ? "primary key" : "",
    column.variantOf === undefined ? "" : `values that do not fit ${column.variantOf}`,
    column.declared === true ? "declared" : "",
  ];
  return [
    column.name,
    typeText(column),
    column.nullable ? "yes" : "no",
    column.source === undefined ? "" : column.source.join("."),
    notes.filter((note) => note !== "").join(", "),
  ];
}

function typeText({ type, precision, scale }: ColumnSchema): string {
  return precision === undefined ? type : `${type}(${precision}, ${scale ?? 0})`;
}
