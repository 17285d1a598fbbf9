import type { Command } from "commander";
import type { SchemaDiff } from "../../api.js";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { clean, counted, createStyle } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import { addPipelineOptions, loadOptions, names, type PipelineFlags } from "./options.js";

interface DiffFlags extends PipelineFlags {
  readonly select?: readonly string[];
}

export function register(schema: Command, session: Session): void {
  const command = schema
    .command("diff")
    .description("Show what a run would change in the destination before it reads anything, as SQL.")
    .argument("[config]", "configuration file; default: sluice.config.* in the current folder");
  addPipelineOptions(command)
    .option("--select <names>", "only these resources, separated by commas", names)
    .action((config: string | undefined, flags: DiffFlags) =>
      attempt(session, { json: flags.json }, () => showDiff(config, flags, session)),
    );
}

async function showDiff(config: string | undefined, flags: DiffFlags, session: Session): Promise<number> {
  const { diffSchema, exitCodeOf, loadPipeline } = await import("../../api.js");
  const pipeline = await loadPipeline(loadOptions(session, config, flags));
  const { select } = flags;
  const diff = await diffSchema(pipeline, select === undefined ? {} : { select });
  const { stdout, env } = session;
  if (flags.json === true) stdout.write(`${jsonText(diff, 2)}\n`);
  else stdout.write(renderDiff(diff, { color: hasColor(stdout, env) }));
  const [refused] = Object.values(diff.refused);
  return refused === undefined ? 0 : exitCodeOf(refused);
}

/** The changes as statements, with what is to be known about them as comments, for people. */
export function renderDiff(diff: SchemaDiff, { color }: { readonly color: boolean }): string {
  const style = createStyle(color);
  const { changes, destination, refused, warnings } = diff;
  const place = `${clean(destination.location)}, dataset ${clean(diff.dataset)}`;
  const lines = changes.map(({ sql, change }) =>
    sql === null ? style.dim(`-- ${clean(jsonText(change))}`) : `${clean(sql)};`,
  );
  const told = warnings.map(({ resource, message }) =>
    style.yellow(`-- ${clean(resource)}: ${clean(message)}`),
  );
  const errors = Object.entries(refused).map(([resource, { message, hint }]) => {
    const what = resource === "*" ? "the run" : clean(resource);
    return style.red(
      `-- ${what} would fail: ${clean(message)}${hint === undefined ? "" : `. ${clean(hint)}`}`,
    );
  });
  const first = destination.exists ? "" : "; the first run creates it";
  const title =
    changes.length === 0
      ? `-- nothing to change in ${place}${first}`
      : `-- ${counted(changes.length, "change")} in ${place}${first}`;
  const later = "-- columns that are not declared come with their first values";
  return `${[style.dim(title), ...lines, ...told, ...errors, style.dim(later)].join("\n")}\n`;
}
