/** A stream that text is written to; what the commands know of stdout and stderr. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** What one call of the command line works with. Only `main.ts` makes one from the process. */
export interface Session {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Calls `action` every `ms` milliseconds until the returned function is called. */
  readonly every: (ms: number, action: () => void) => () => void;
  /** Asks a question that is answered with yes or no; false where nobody can be asked. */
  readonly confirm: (question: string) => Promise<boolean>;
  /** What the process ends with; commands set it. */
  exitCode: number;
}

/** True when escape sequences that move the cursor may be used on this output. */
export function isInteractive(output: Output, env: Session["env"]): boolean {
  return output.isTTY === true && !isSet(env["CI"]) && env["TERM"] !== "dumb";
}

/** True when this output takes colours (https://no-color.org). */
export function hasColor(output: Output, env: Session["env"]): boolean {
  return isInteractive(output, env) && !isSet(env["NO_COLOR"]);
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "" && value !== "0" && value !== "false";
}
