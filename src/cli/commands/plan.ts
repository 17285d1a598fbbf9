import type { Command } from "commander";
import type { PlanResult } from "../../api.js";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { renderTable } from "../render/table.js";
import { clean, createStyle, cut } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import { addPipelineOptions, loadOptions, type PipelineFlags } from "./options.js";

export function register(program: Command, session: Session): void {
  const command = program
    .command("plan")
    .description("Show what a run would read and where it would begin. Sends nothing to the API.")
    .argument("[config]", "configuration file; default: sluice.config.* in the current folder");
  addPipelineOptions(command).action((config: string | undefined, flags: PipelineFlags) =>
    attempt(session, { json: flags.json }, () => planPipeline(config, flags, session)),
  );
}

async function planPipeline(
  config: string | undefined,
  flags: PipelineFlags,
  session: Session,
): Promise<number> {
  const { loadPipeline, plan } = await import("../../api.js");
  const result = await plan(await loadPipeline(loadOptions(session, config, flags)));
  const { stdout, env } = session;
  if (flags.json === true) stdout.write(`${jsonText(result, 2)}\n`);
  else {
    const columns = stdout.columns || 160;
    stdout.write(await renderPlan(result, { color: hasColor(stdout, env), columns }));
  }
  return 0;
}

type Step = PlanResult["resources"][number];

/** The resources as a tree, with how each is read and written, for people. */
export async function renderPlan(
  result: PlanResult,
  { color, columns }: { readonly color: boolean; readonly columns: number },
): Promise<string> {
  const style = createStyle(color);
  const depths = new Map<string, number>();
  const rows = result.resources.map((step) => {
    const depth = step.parent === undefined ? 0 : (depths.get(step.parent) ?? 0) + 1;
    depths.set(step.name, depth);
    const keys = step.primary_key.join(", ");
    return [
      `${depth === 0 ? "" : `${"   ".repeat(depth - 1)}└─ `}${step.name}`,
      step.loaded ? `${step.write_disposition}${keys === "" ? "" : ` by ${keys}`}` : "only as parent",
      step.paginator ?? "its own",
      step.requests === null ? "unknown" : String(step.requests),
      beginning(step),
    ];
  });
  const titles = [
    { title: "resource" },
    { title: "rows" },
    { title: "paginator" },
    { title: "requests", align: "right" },
    { title: "begins" },
  ] as const;
  const requests = result.resources.flatMap(({ name, request }) =>
    request === undefined ? [] : [[name, `${request.method} ${request.url}`]],
  );
  const { location, exists } = result.destination;
  const cursors = result.resources.flatMap(({ name, state }) =>
    [state?.position, state?.cursor].flatMap((place) =>
      place === undefined ? [] : [cut(clean(`${name}  ${jsonText(place)}`), columns)],
    ),
  );
  return `${[
    await renderTable(titles, rows, style),
    await renderTable([{ title: "resource" }, { title: "first request" }], requests, style),
    ...(cursors.length === 0 ? [] : [`${style.bold("stored positions")}\n${cursors.join("\n")}`]),
    clean(`destination  ${location}, dataset ${result.dataset}${exists ? "" : "; the first run creates it"}`),
  ].join("\n\n")}\n`;
}

function beginning({ begins, state }: Step): string {
  if (begins === "resume") return "where it was cut short";
  if (begins === "restart") return "at the start, as its configuration changed";
  if (state === undefined) return "at the start";
  const last = new Date(state.committedAt).toISOString();
  return state.cursor === undefined ? `at the start; last done ${last}` : `at its cursor; last done ${last}`;
}
