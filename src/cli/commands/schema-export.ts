import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { clean } from "../render/text.js";
import type { Session } from "../session.js";
import { addPipelineOptions, loadOptions, type PipelineFlags } from "./options.js";

interface ExportFlags extends PipelineFlags {
  readonly out?: string;
  readonly force?: boolean;
}

export function register(schema: Command, session: Session): void {
  const command = schema
    .command("export")
    .description("Write the tables as YAML, to be edited and named by the configuration's key schema.")
    .argument("[config]", "configuration file; default: sluice.config.* in the current folder");
  addPipelineOptions(command)
    .option("--out <file>", "write it there; default: on stdout")
    .option("--force", "replace the file if it is there")
    .action((config: string | undefined, flags: ExportFlags) =>
      attempt(session, { json: flags.json }, () => exportTables(config, flags, session)),
    );
}

async function exportTables(
  config: string | undefined,
  flags: ExportFlags,
  session: Session,
): Promise<number> {
  const { exportSchema, loadPipeline } = await import("../../api.js");
  // The file that the configuration names may be the one that is about to be written.
  const pipeline = await loadPipeline({
    ...loadOptions(session, config, flags),
    missingSchema: "ignore",
  });
  const text = await exportSchema(pipeline);
  const { stdout } = session;
  if (flags.out !== undefined) await store(text, flags.out, flags.force === true, session);
  if (flags.json === true) {
    const written = flags.out === undefined ? { schema: text } : { file: flags.out };
    stdout.write(`${jsonText({ pipeline: pipeline.name, ...written }, 2)}\n`);
  } else stdout.write(flags.out === undefined ? text : `wrote ${clean(flags.out)}\n`);
  return 0;
}

async function store(text: string, file: string, force: boolean, session: Session): Promise<void> {
  const { SluiceError } = await import("../../api.js");
  try {
    await writeFile(resolve(session.cwd, file), text, { flag: force ? "w" : "wx" });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    const isThere = code === "EEXIST";
    throw new SluiceError(
      "config/usage",
      isThere ? `${file} is there already` : `${file} can't be written (${code})`,
      {
        at: { file },
        ...(isThere ? { hint: "Add --force to replace it; comments in it are lost then." } : {}),
        cause,
      },
    );
  }
}
