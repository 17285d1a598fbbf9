import type { Command } from "commander";
import type { Json, JsonObject, PipelineState, ResourceState } from "../../api.js";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { renderTable } from "../render/table.js";
import { clean, createStyle, cut } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import { addPipelineOptions, loadOptions, names, type PipelineFlags } from "./options.js";
import { inOrder } from "./preview.js";

interface StateFlags extends PipelineFlags {
  readonly select?: readonly string[];
  readonly yes?: boolean;
}

interface MoveFlags extends PipelineFlags {
  readonly yes?: boolean;
  readonly cursor?: string;
  readonly to?: string;
  readonly by?: string;
}

interface PruneFlags extends PipelineFlags {
  readonly olderThan: string;
}

const CONFIG = ["[config]", "configuration file; default: sluice.config.* in the current folder"] as const;

export function register(program: Command, session: Session): void {
  const state = program.command("state").description("What the destination remembers of a pipeline.");
  const show = state
    .command("show")
    .description("Show where each resource stands.")
    .argument(...CONFIG);
  addPipelineOptions(show)
    .option("--select <names>", "only these resources, separated by commas", names)
    .action((config: string | undefined, flags: StateFlags) =>
      attempt(session, { json: flags.json }, () => showState(config, flags, session)),
    );
  const reset = state
    .command("reset")
    .description("Forget where resources stand, so that the next run reads them from the start. Rows stay.")
    .argument(...CONFIG);
  addPipelineOptions(reset)
    .option("--select <names>", "only these resources, separated by commas", names)
    .option("--yes", "do not ask")
    .action((config: string | undefined, flags: StateFlags) =>
      attempt(session, { json: flags.json }, () => resetPipeline(config, flags, session)),
    );
  const set = state
    .command("set")
    .description("Make the next run of an incremental resource start at a value. Rows stay.")
    .argument("<resource>", "an incremental resource")
    .argument(...CONFIG);
  addPipelineOptions(set)
    .requiredOption("--cursor <value>", "the new last value, as the records have it at cursor_path")
    .option("--yes", "do not ask")
    .action((first: string, second: string | undefined, flags: MoveFlags) =>
      attempt(session, { json: flags.json }, () => moveLastValue(inOrder(first, second), flags, session)),
    );
  const prune = state
    .command("prune")
    .description(
      "Forget old records of loads, what they set aside, and old schema versions. State and rows stay.",
    )
    .argument(...CONFIG);
  addPipelineOptions(prune)
    .requiredOption("--older-than <duration>", "such as 90d, 6mo or P1Y")
    .action((config: string | undefined, flags: PruneFlags) =>
      attempt(session, { json: flags.json }, () => pruneState(config, flags, session)),
    );
  const rewind = state
    .command("rewind")
    .description(
      "Make the next run of an incremental resource start further back than it has read. Rows stay.",
    )
    .argument("<resource>", "an incremental resource")
    .argument(...CONFIG);
  addPipelineOptions(rewind)
    .option("--to <value>", "back to this value, as the records have it at cursor_path")
    .option("--by <distance>", "back by a duration such as 7d or PT6H, or for numbers by a number")
    .option("--yes", "do not ask")
    .action((first: string, second: string | undefined, flags: MoveFlags) =>
      attempt(session, { json: flags.json }, () => moveLastValue(inOrder(first, second), flags, session)),
    );
}

async function showState(config: string | undefined, flags: StateFlags, session: Session): Promise<number> {
  const { loadPipeline, readState } = await import("../../api.js");
  const pipeline = await loadPipeline(loadOptions(session, config, flags));
  const resources = selected(await readState(pipeline), flags.select);
  const { stdout, env } = session;
  const { name } = pipeline;
  const { location } = pipeline.destination;
  if (flags.json === true) {
    stdout.write(`${jsonText({ pipeline: name, destination: location, resources }, 2)}\n`);
  } else if (Object.keys(resources).length === 0) {
    stdout.write(
      `${clean(location)} has no state of ${clean(name)}: the next run reads everything from the start\n`,
    );
  } else {
    const options = { color: hasColor(stdout, env), columns: stdout.columns || 160 };
    stdout.write(await renderState(resources, options));
  }
  return 0;
}

function selected(
  state: PipelineState | undefined,
  select: readonly string[] | undefined,
): Readonly<Record<string, ResourceState>> {
  const entries = Object.entries(state?.resources ?? {});
  return Object.fromEntries(
    select === undefined ? entries : entries.filter(([name]) => select.includes(name)),
  );
}

async function pruneState(config: string | undefined, flags: PruneFlags, session: Session): Promise<number> {
  const { loadPipeline, pruneHistory } = await import("../../api.js");
  const pipeline = await loadPipeline(loadOptions(session, config, flags));
  const { location } = pipeline.destination;
  const pruned = await pruneHistory(pipeline, flags.olderThan);
  const { stdout } = session;
  if (flags.json === true) {
    stdout.write(`${jsonText({ pipeline: pipeline.name, destination: location, ...pruned }, 2)}\n`);
    return 0;
  }
  const { loads, rejects, schemas, resources } = pruned;
  stdout.write(
    `forgot ${loads} load records, ${rejects} rejects and ${schemas} schema versions; rows and state stay\n`,
  );
  if (resources.length > 0)
    stdout.write(`forgot ${clean(resources.join(", "))}, which the configuration no longer has\n`);
  return 0;
}

/** `state set` and `state rewind`: the last value of one resource is changed. */
async function moveLastValue(
  { resource, config }: ReturnType<typeof inOrder>,
  flags: MoveFlags,
  session: Session,
): Promise<number> {
  const { loadPipeline, rewindLastValue, setLastValue, SluiceError } = await import("../../api.js");
  const { cursor, to, by } = flags;
  if (cursor === undefined && (to === undefined) === (by === undefined)) {
    throw new SluiceError("config/usage", "it is not clear how far back", { hint: "Give --to or --by." });
  }
  const pipeline = await loadPipeline(loadOptions(session, config, flags));
  const { location } = pipeline.destination;
  const how = cursor === undefined ? (to === undefined ? `back by ${by}` : `back to ${to}`) : `to ${cursor}`;
  const question = `Move the last value of ${clean(resource)} in ${clean(location)} ${clean(how)}? The next run starts there; rows stay.`;
  if (flags.yes !== true && !(await session.confirm(question))) {
    throw new SluiceError("config/usage", "the state was not changed", {
      hint: "Add --yes to change it without being asked.",
    });
  }
  const { before, after, warning } =
    cursor === undefined
      ? await rewindLastValue(pipeline, resource, to === undefined ? { by: by ?? "" } : { to })
      : await setLastValue(pipeline, resource, cursor);
  const { stdout } = session;
  if (flags.json === true) {
    const document = { pipeline: pipeline.name, destination: location, resource, before, after, warning };
    stdout.write(`${jsonText(document, 2)}\n`);
    return 0;
  }
  const from = before === undefined ? "nothing" : reachedText(before);
  stdout.write(`${clean(resource)}: ${clean(from)} -> ${clean(reachedText(after))}\n`);
  if (warning !== undefined) stdout.write(`warning: ${clean(warning)}\n`);
  return 0;
}

/** Where each resource stands, for people. */
export async function renderState(
  resources: Readonly<Record<string, ResourceState>>,
  { color, columns }: { readonly color: boolean; readonly columns: number },
): Promise<string> {
  const rows = Object.entries(resources).map(([name, state]) => [
    name,
    walkText(state),
    new Date(state.committedAt).toISOString(),
    state.loadId,
    cut(clean(reachedText(state.cursor)), Math.max(20, columns - 100)),
    state.position === undefined ? "" : cut(clean(jsonText(state.position)), Math.max(20, columns - 80)),
  ]);
  const titles = ["resource", "last walk", "committed", "load", "read up to", "goes on at"].map((title) => ({
    title,
  }));
  return `${await renderTable(titles, rows, createStyle(color))}\n`;
}

function walkText({ held, loadId, status }: ResourceState): string {
  if (loadId === "") return "none";
  if (status === "done") return "complete";
  return held === undefined ? "cut short" : "cut short, rows kept back";
}

/** How far an incremental resource has read, without what it needs to know records again. */
function reachedText(cursor: JsonObject | undefined): string {
  if (cursor === undefined) return "";
  const { cursor_path: path, value, own, parents, newer } = cursor;
  if (value !== undefined && typeof path === "string") {
    // An integer that JSON can't hold exactly is kept as { integer: "…" }.
    const { integer } = asObject(value);
    const exact = typeof integer === "string" ? integer : value;
    return `${path} ${typeof exact === "string" ? exact : jsonText(exact)}`;
  }
  if (parents !== undefined)
    return `${Object.keys({ ...asObject(parents), ...asObject(newer) }).length} parents, each its own`;
  return own === undefined ? "" : reachedText(asObject(own));
}

function asObject(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

async function resetPipeline(
  config: string | undefined,
  flags: StateFlags,
  session: Session,
): Promise<number> {
  const { loadPipeline, resetState, SluiceError } = await import("../../api.js");
  const pipeline = await loadPipeline(loadOptions(session, config, flags));
  const { location } = pipeline.destination;
  const which = (flags.select ?? pipeline.resources).join(", ");
  const question = `Forget the state of ${clean(which)} in ${clean(location)}? The next run reads from the start; rows stay.`;
  if (flags.yes !== true && !(await session.confirm(question))) {
    throw new SluiceError("config/usage", "the state was not reset", {
      hint: "Add --yes to reset it without being asked.",
    });
  }
  await resetState(pipeline, flags.select);
  const { stdout } = session;
  if (flags.json === true) {
    const reset = flags.select ?? pipeline.resources;
    stdout.write(`${jsonText({ pipeline: pipeline.name, destination: location, reset }, 2)}\n`);
  } else stdout.write(`forgot the state of ${clean(which)}; the next run reads from the start\n`);
  return 0;
}
