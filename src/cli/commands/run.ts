import type { Command } from "commander";
import type { Pipeline, Report, SluiceError } from "../../api.js";
import { attempt } from "../attempt.js";
import { renderError } from "../render/error.js";
import { jsonText } from "../render/json.js";
import { createLiveRenderer } from "../render/live.js";
import { createPlainRenderer } from "../render/plain.js";
import { type Renderer, silentRenderer } from "../render/renderer.js";
import { hasColor, isInteractive, type Session } from "../session.js";
import { addPipelineOptions, addTapeOptions, loadOptions, names, type PipelineFlags } from "./options.js";

interface RunFlags extends PipelineFlags {
  readonly select?: readonly string[];
  readonly fullRefresh?: boolean;
  readonly quiet?: boolean;
  readonly from?: string;
  readonly to?: string;
}

export function register(program: Command, session: Session): void {
  const command = program
    .command("run")
    .description("Load a pipeline: read its resources and commit them to the destination.")
    .argument("[config]", "configuration file; default: sluice.config.* in the current folder");
  addTapeOptions(addPipelineOptions(command))
    .option("--select <names>", "only these resources, separated by commas", names)
    .option("--full-refresh", "forget where walks stopped and start them anew")
    .option(
      "--from <value>",
      "with --to: read incremental resources from here, and leave what is remembered alone",
    )
    .option("--to <value>", "with --from: the end of the range, which is not part of it")
    .option("--quiet", "no progress and no summary, only errors")
    .action((config: string | undefined, flags: RunFlags) => {
      const startedAt = session.now();
      const document = (error: SluiceError) => failedReport(error, flags, session.now() - startedAt);
      return attempt(session, { json: flags.json, document }, () => runPipeline(config, flags, session));
    });
}

async function runPipeline(config: string | undefined, flags: RunFlags, session: Session): Promise<number> {
  const options = loadOptions(session, config, flags);
  const { warmUp } = await import("../../warm-up.js");
  await warmUp(options);
  const { exitCodeOf, loadPipeline, run, SluiceError } = await import("../../api.js");
  const { from, to } = flags;
  if ((from === undefined) !== (to === undefined)) {
    throw new SluiceError("config/usage", "a range has a start and an end", {
      hint: "Give --from and --to.",
    });
  }
  const pipeline = await loadPipeline(options);
  // Ctrl-C while the configuration was read: nothing has begun that would have to end well.
  session.signal.throwIfAborted();
  const renderer = flags.quiet === true ? silentRenderer : createRenderer(session);
  const stopNotice = (): void =>
    renderer.note("stopping after the current commit; press again to quit at once");
  session.signal.addEventListener("abort", stopNotice, { once: true });
  let report: Report;
  try {
    report = await run(pipeline, {
      ...(flags.select === undefined ? {} : { select: flags.select }),
      ...(from === undefined || to === undefined ? {} : { backfill: { from, to } }),
      fullRefresh: flags.fullRefresh ?? false,
      signal: session.signal,
      onEvent: (event) => renderer.event(event),
    });
  } finally {
    session.signal.removeEventListener("abort", stopNotice);
    renderer.close();
  }
  await showReport(report, pipeline, flags, session);
  return exitCodeOf(report);
}

function createRenderer(session: Session): Renderer {
  const { stderr, env, now, every } = session;
  const options = { write: (text: string) => stderr.write(text), now, color: hasColor(stderr, env) };
  if (!isInteractive(stderr, env)) return createPlainRenderer(options);
  // A terminal that does not know its size says 0.
  const size = () => ({ columns: stderr.columns || 80, rows: stderr.rows || 24 });
  return createLiveRenderer({ ...options, size, every });
}

async function showReport(
  report: Report,
  pipeline: Pipeline,
  flags: RunFlags,
  session: Session,
): Promise<void> {
  const { explain } = await import("../../api.js");
  const { stdout, stderr, env } = session;
  if (flags.json === true) {
    stdout.write(`${jsonText(report, 2)}\n`);
  } else if (flags.quiet !== true) {
    const { renderSummary } = await import("../render/summary.js");
    stdout.write(await renderSummary(report, pipeline, { color: hasColor(stdout, env) }));
  }
  const errors = [
    report.error,
    ...Object.entries(report.resources).map(([resource, { error }]) => atResource(error, resource)),
  ];
  for (const error of errors) {
    if (error === undefined) continue;
    stderr.write(
      `\n${renderError(error, { color: hasColor(stderr, env), titleOf: (code) => explain(code)?.title })}`,
    );
  }
}

/** The error with its resource named, which the report says by its key. */
function atResource(error: Report["error"], resource: string): Report["error"] {
  return error === undefined ? undefined : { ...error, at: { resource, ...error.at } };
}

/** With --json stdout holds a report even if the run could not begin. */
function failedReport(error: SluiceError, flags: RunFlags, durationMs: number): Report {
  return {
    pipeline: flags.pipeline ?? "",
    load_id: "",
    status: "failed",
    duration_ms: durationMs,
    peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
    resources: {},
    tables: {},
    schema_changes: [],
    error: error.toReport(),
  };
}
