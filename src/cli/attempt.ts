import type { SluiceError } from "../api.js";
import { renderError } from "./render/error.js";
import { jsonText } from "./render/json.js";
import { hasColor, type Session } from "./session.js";

/** What a command prints on stdout with --json when it fails. */
export interface FailureOptions {
  readonly json?: boolean | undefined;
  /** The JSON document; default `{ "error": … }`. */
  readonly document?: (error: SluiceError) => unknown;
}

/**
 * Runs the body of a command. Its result is the exit code; what it throws is shown on stderr (with --json also as a
 * document on stdout) and decides the exit code by its kind.
 */
export async function attempt(
  session: Session,
  options: FailureOptions,
  body: () => Promise<number>,
): Promise<void> {
  try {
    session.exitCode = await body();
  } catch (thrown) {
    session.exitCode = await fail(thrown, session, options);
  }
}

/** Shows an error and gives its exit code. */
export async function fail(thrown: unknown, session: Session, options: FailureOptions = {}): Promise<number> {
  const { asSluiceError, exitCodeOf, explain, SluiceError } = await import("../api.js");
  const caught = asSluiceError(thrown);
  // What breaks because the user pressed Ctrl-C is no defect.
  const error =
    session.signal.aborted && caught.kind === "bug"
      ? new SluiceError("run/interrupted", "stopped before the end", { cause: thrown })
      : caught;
  if (options.json === true) {
    const document = options.document?.(error) ?? { error: error.toReport() };
    session.stdout.write(`${jsonText(document, 2)}\n`);
  }
  const text = renderError(error.toReport(), {
    color: hasColor(session.stderr, session.env),
    titleOf: (code) => explain(code)?.title,
    ...(session.env["SLUICE_DEBUG"] === "1" ? { thrown: error } : {}),
  });
  session.stderr.write(text);
  return exitCodeOf(error);
}
