import type { Command } from "commander";
import type { Explanation } from "../../api.js";
import { attempt } from "../attempt.js";
import { clean, createStyle, type Style } from "../render/text.js";
import { hasColor, type Session } from "../session.js";

export function register(program: Command, session: Session): void {
  program
    .command("explain")
    .description("Explain an error code, or list all of them.")
    .argument("[code]", "such as paginator/loop")
    .action((code: string | undefined) => attempt(session, {}, () => explainCode(code, session)));
}

async function explainCode(code: string | undefined, session: Session): Promise<number> {
  const { ERROR_CODES, explain, SluiceError } = await import("../../api.js");
  const { stdout, env } = session;
  const style = createStyle(hasColor(stdout, env));
  const codes = Object.keys(ERROR_CODES);
  if (code === undefined) {
    stdout.write(
      renderCodes(
        codes.flatMap((known) => explain(known) ?? []),
        style,
      ),
    );
    return 0;
  }
  const found = explain(code);
  if (found === undefined) {
    throw new SluiceError(
      "config/usage",
      `there is no error code "${clean(code)}"${suggestion(code, codes)}`,
      {
        hint: `Known codes: ${codes.join(", ")}.`,
      },
    );
  }
  stdout.write(renderExplanation(found, style));
  return 0;
}

/** Codes that share a part with the wrong one: `loop`, `pagnator/loop` and `paginator/lop` all lead to `paginator/loop`. */
function suggestion(code: string, codes: readonly string[]): string {
  const parts = code.toLowerCase().split("/");
  const alike = codes.filter((known) => known.split("/").some((part) => parts.includes(part)));
  return alike.length === 0 ? "" : ` – did you mean ${alike.map((known) => `"${known}"`).join(" or ")}?`;
}

/** One error code for people. */
export function renderExplanation(found: Explanation, style: Style): string {
  return [
    `${style.bold(found.code)}  ${found.title}`,
    "",
    found.explain,
    "",
    style.dim(`kind ${found.kind}, exit code ${found.exitCode}`),
    "",
  ].join("\n");
}

function renderCodes(all: readonly Explanation[], style: Style): string {
  const widest = Math.max(...all.map(({ code }) => code.length));
  return all.map(({ code, title }) => `${style.bold(code.padEnd(widest))}  ${title}\n`).join("");
}
