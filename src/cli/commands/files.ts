import type { Command } from "commander";
import type { FileDestination } from "../../api.js";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { renderTable } from "../render/table.js";
import { clean, createStyle } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import { addPipelineOptions, loadOptions, type PipelineFlags } from "./options.js";

interface FilesFlags extends PipelineFlags {
  readonly olderThan?: string;
}

const CONFIG = "configuration file; default: sluice.config.* in the current folder";

export function register(program: Command, session: Session): void {
  const files = program
    .command("files")
    .description("The files of a destination such as file:lake: tell, join and remove them.");
  const list = files
    .command("list")
    .description("List the tables and the files that hold their rows, as the manifest names them.")
    .argument("[config]", CONFIG);
  addPipelineOptions(list).action((config: string | undefined, flags: FilesFlags) =>
    attempt(session, { json: flags.json }, () => listFiles(config, flags, session)),
  );
  const compact = files
    .command("compact")
    .description("Join the files of each table into one. Readers notice nothing.")
    .argument("[config]", CONFIG);
  addPipelineOptions(compact).action((config: string | undefined, flags: FilesFlags) =>
    attempt(session, { json: flags.json }, () => compactFiles(config, flags, session)),
  );
  const prune = files
    .command("prune")
    .description("Remove files that no reader can need any more: replaced ones, and those of broken commits.")
    .argument("[config]", CONFIG);
  addPipelineOptions(prune)
    .option("--older-than <hours>", "how long files stay for readers that follow an older manifest", "24")
    .action((config: string | undefined, flags: FilesFlags) =>
      attempt(session, { json: flags.json }, () => pruneFiles(config, flags, session)),
    );
}

interface Place {
  readonly destination: FileDestination;
  readonly dataset: string;
}

async function placeOf(config: string | undefined, flags: FilesFlags, session: Session): Promise<Place> {
  const { asFileDestination, loadPipeline } = await import("../../api.js");
  const { destination, dataset } = await loadPipeline(loadOptions(session, config, flags));
  return { destination: asFileDestination(destination), dataset };
}

async function listFiles(config: string | undefined, flags: FilesFlags, session: Session): Promise<number> {
  const { destination, dataset } = await placeOf(config, flags, session);
  const tables = await destination.list(dataset);
  const { stdout, env } = session;
  if (flags.json === true) {
    stdout.write(`${jsonText({ destination: destination.location, dataset, tables }, 2)}\n`);
  } else if (tables.length === 0) {
    stdout.write(`${clean(destination.location)} has no tables of ${clean(dataset)} yet\n`);
  } else {
    const rows = tables.map(({ table, rows: count, bytes, files }) => [
      clean(table),
      String(count),
      String(bytes),
      String(files.length),
    ]);
    const titles = ["table", "rows", "bytes", "files"].map((title) => ({ title }));
    stdout.write(`${await renderTable(titles, rows, createStyle(hasColor(stdout, env)))}\n`);
  }
  return 0;
}

async function compactFiles(
  config: string | undefined,
  flags: FilesFlags,
  session: Session,
): Promise<number> {
  const { destination, dataset } = await placeOf(config, flags, session);
  const tables = await destination.compact(dataset);
  const text = tables.map(({ table, before, after }) => `${clean(table)}: ${before} files became ${after}\n`);
  if (flags.json === true) session.stdout.write(`${jsonText({ dataset, tables }, 2)}\n`);
  else session.stdout.write(text.join("") || "every table is one file already\n");
  return 0;
}

async function pruneFiles(config: string | undefined, flags: FilesFlags, session: Session): Promise<number> {
  const { SluiceError } = await import("../../api.js");
  const hours = Number(flags.olderThan);
  if (!(hours >= 0)) {
    throw new SluiceError("config/usage", `--older-than takes a number of hours, not ${flags.olderThan}`);
  }
  const { destination, dataset } = await placeOf(config, flags, session);
  const removed = await destination.prune(dataset, hours * 3_600_000);
  if (flags.json === true) session.stdout.write(`${jsonText({ dataset, removed }, 2)}\n`);
  else session.stdout.write(`removed ${removed.length} files\n`);
  return 0;
}
