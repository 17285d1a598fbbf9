import type { Command } from "commander";
import type { TestResult, TestResults } from "../../api.js";
import { attempt } from "../attempt.js";
import { jsonText } from "../render/json.js";
import { clean, counted, createStyle, type Style } from "../render/text.js";
import { hasColor, type Session } from "../session.js";
import { loadOptions, type PipelineFlags } from "./options.js";

export function register(program: Command, session: Session): void {
  program
    .command("test")
    .description(
      "Replay recordings and compare what they load with `tests:` of the configuration. No network.",
    )
    .argument("[config]", "configuration file; default: sluice.config.* in the current folder")
    .option("--json", "print one JSON document on stdout")
    .action((config: string | undefined, flags: Pick<PipelineFlags, "json">) =>
      attempt(session, { json: flags.json }, () => testPipeline(config, flags, session)),
    );
}

async function testPipeline(
  config: string | undefined,
  flags: Pick<PipelineFlags, "json">,
  session: Session,
): Promise<number> {
  const { exitCodeOf, runTests } = await import("../../api.js");
  const results = await runTests({ ...loadOptions(session, config, {}), signal: session.signal });
  const { stdout, env } = session;
  if (flags.json === true) stdout.write(`${jsonText(results, 2)}\n`);
  else stdout.write(renderTests(results, { color: hasColor(stdout, env) }));
  return results.passed ? 0 : exitCodeOf({ kind: "data" });
}

/** Each test with its expectations, for people; what failed with what was found. */
export function renderTests(results: TestResults, { color }: { readonly color: boolean }): string {
  const style = createStyle(color);
  const failed = results.tests.filter(({ passed }) => !passed).length;
  const all = counted(results.tests.length, "test");
  const sum =
    failed === 0 ? `${style.green("ok")}  ${all} passed` : `${style.red("failed")}  ${failed} of ${all}`;
  return `${[...results.tests.map((test) => renderTest(test, style)), sum].join("\n\n")}\n`;
}

function renderTest({ name, passed, verdicts }: TestResult, style: Style): string {
  const title = `${passed ? style.green("pass") : style.red("FAIL")}  ${style.bold(clean(name))}`;
  const lines = verdicts.map(({ what, passed, expected, found }) =>
    passed
      ? `  ${style.green("pass")}  ${clean(what)} ${shown(expected)}`
      : `  ${style.red("FAIL")}  ${clean(what)}\n        expected ${shown(expected)}\n        found    ${shown(found)}`,
  );
  return [title, ...lines].join("\n");
}

function shown(value: unknown): string {
  return clean(typeof value === "string" ? value : jsonText(value));
}
