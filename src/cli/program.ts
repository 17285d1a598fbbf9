import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { fail } from "./attempt.js";
import { register as check } from "./commands/check.js";
import { register as explain } from "./commands/explain.js";
import { register as files } from "./commands/files.js";
import { register as plan } from "./commands/plan.js";
import { register as preview } from "./commands/preview.js";
import { register as run } from "./commands/run.js";
import { register as schema } from "./commands/schema.js";
import { register as state } from "./commands/state.js";
import { register as test } from "./commands/test.js";
import { jsonText } from "./render/json.js";
import type { Session } from "./session.js";

/** The order in `sluice --help`. */
const COMMANDS = [run, check, plan, preview, test, state, schema, files, explain];

const USAGE_EXIT_CODE = 2;

/** From package.json, not from the public index: `sluice --version` must not load the engine. */
function packageVersion(): string {
  const { version } = createRequire(import.meta.url)("sluice/package.json") as { version: string };
  return version;
}

/** All commands. Nothing but their names and options is loaded yet: each imports what it needs when it is called. */
export function createProgram(session: Session): Command {
  const program = new Command("sluice")
    .description("Load a declared REST API into a database: typed, merged and complete.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => session.stdout.write(text),
      writeErr: (text) => session.stderr.write(text),
      getOutHelpWidth: () => session.stdout.columns || 80,
      getErrHelpWidth: () => session.stderr.columns || 80,
    })
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 bug, 2 configuration, 3 authentication, 4 source, 5 data,\n6 destination, 7 another writer, 130 interrupted.",
    );
  for (const register of COMMANDS) register(program, session);
  return program;
}

/**
 * Runs one call of the command line; `session.exitCode` is set afterwards. It never throws.
 *
 * @param args the arguments after `node` and the script
 */
export async function runCli(args: readonly string[], session: Session): Promise<void> {
  try {
    await createProgram(session).parseAsync(args, { from: "user" });
  } catch (thrown) {
    session.exitCode =
      thrown instanceof CommanderError ? usage(thrown, args, session) : await fail(thrown, session);
  }
}

/** Commander has said what is wrong on stderr; help and version were asked for and are no errors. */
function usage(error: CommanderError, args: readonly string[], session: Session): number {
  if (error.exitCode === 0) return 0;
  if (args.includes("--json")) {
    const message = error.message.replace(/^error: /, "");
    const report = { code: "config/usage", kind: "config", message, at: {} };
    const empty = { pipeline: "", load_id: "", status: "failed", duration_ms: 0, peak_rss_bytes: 0 };
    const lists = { resources: {}, tables: {}, schema_changes: [] };
    const document = args[0] === "run" ? { ...empty, ...lists, error: report } : { error: report };
    session.stdout.write(`${jsonText(document, 2)}\n`);
  }
  return USAGE_EXIT_CODE;
}
