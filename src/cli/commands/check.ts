import type { Command } from "commander";
import type { CheckedResource, CheckResult, Pipeline, SluiceError } from "../../api.js";
import { attempt } from "../attempt.js";
import { renderError } from "../render/error.js";
import { jsonText } from "../render/json.js";
import { renderTable } from "../render/table.js";
import { clean, counted, createStyle } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import { addPipelineOptions, addReplayOption, loadOptions, names, type PipelineFlags } from "./options.js";

interface CheckFlags extends PipelineFlags {
  readonly connect?: boolean;
  readonly select?: readonly string[];
}

export function register(program: Command, session: Session): void {
  const command = program
    .command("check")
    .description("Check a configuration without touching the network: keys, templates, names, secrets.")
    .argument("[config]", "configuration file; default: sluice.config.* in the current folder");
  addReplayOption(addPipelineOptions(command))
    .option("--select <names>", "only these resources, separated by commas", names)
    .option("--connect", "also read the first page of each resource and open the destination")
    .action((config: string | undefined, flags: CheckFlags) =>
      attempt(session, { json: flags.json, document: failedCheck }, () =>
        checkPipeline(config, flags, session),
      ),
    );
}

async function checkPipeline(
  config: string | undefined,
  flags: CheckFlags,
  session: Session,
): Promise<number> {
  const { check, exitCodeOf, loadPipeline } = await import("../../api.js");
  const pipeline = await loadPipeline(loadOptions(session, config, flags));
  const result = await check(pipeline, {
    connect: flags.connect ?? false,
    signal: session.signal,
    ...(flags.select === undefined ? {} : { select: flags.select }),
  });
  const { stdout } = session;
  if (flags.json === true) stdout.write(`${jsonText(result, 2)}\n`);
  else stdout.write(await renderCheck(result, pipeline, { color: hasColor(stdout, session.env) }));
  const errors = [...result.resources.map(({ error }) => error), result.destination.error];
  await showErrors(errors, session);
  const [first] = errors.filter((error) => error !== undefined);
  return first === undefined ? 0 : exitCodeOf(first);
}

/** The outcome of a check for people. */
export async function renderCheck(
  result: CheckResult,
  pipeline: Pick<Pipeline, "name" | "dataset">,
  { color }: { readonly color: boolean },
): Promise<string> {
  const style = createStyle(color);
  const connected = result.destination.reached !== undefined;
  const rows = result.resources.map((resource) => [
    resource.name,
    resource.request ?? "",
    ...(connected ? outcome(resource) : []),
  ]);
  const columns = [
    { title: "resource" },
    { title: "request" },
    ...(connected ? [{ title: "answer" }, { title: "first page" }, { title: "then" }] : []),
  ];
  const { location, reached, exists } = result.destination;
  const reach =
    reached === undefined
      ? ""
      : !reached
        ? ": not reached"
        : exists === false
          ? ": not there yet, the first run creates it"
          : ": reached, and free to write";
  return [
    await renderTable(columns, rows, style),
    "",
    clean(`destination  ${location}, dataset ${pipeline.dataset}${reach}`),
    "",
    result.ok
      ? `${style.green("ok")}  ${clean(pipeline.name)}${connected ? "" : " is valid; --connect also tries the API and the destination"}`
      : `${style.red("failed")}  ${clean(pipeline.name)}`,
    "",
  ].join("\n");
}

function outcome({ error, status, records = 0, next, end }: CheckedResource): string[] {
  if (error !== undefined) {
    const what = error.kind === "auth" ? "credentials refused" : "failed";
    return [what, `(${error.code})`, ""];
  }
  const then =
    end !== undefined
      ? `end, ${end}`
      : next === undefined
        ? ""
        : next === "resumable"
          ? "goes on"
          : "more pages";
  return [status === undefined ? "" : String(status), counted(records, "record"), then];
}

async function showErrors(
  errors: readonly CheckResult["destination"]["error"][],
  { stderr, env }: Session,
): Promise<void> {
  const { explain } = await import("../../api.js");
  // The mistake of a parent is that of its children, too.
  const told = new Set<string>();
  for (const error of errors) {
    if (error === undefined || told.has(`${error.code} ${error.message}`)) continue;
    told.add(`${error.code} ${error.message}`);
    const titleOf = (code: string) => explain(code)?.title;
    stderr.write(`\n${renderError(error, { color: hasColor(stderr, env), titleOf })}`);
  }
}

function failedCheck(error: SluiceError): unknown {
  return { ok: false, error: error.toReport(), problems: error.problems };
}
