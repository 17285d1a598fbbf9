import type { ErrorReport } from "../../api.js";
import { clean, createStyle } from "./text.js";

export interface ErrorRendering {
  readonly color: boolean;
  /** The titles of error codes, from the public index. */
  readonly titleOf: (code: string) => string | undefined;
  /** With SLUICE_DEBUG=1: what was thrown, for the places in the code. */
  readonly thrown?: unknown;
}

/**
 * An error for people: its code and title, what happened, where, and what to do. No stack, unless asked for; then only
 * its places in the code, because the messages of foreign errors may hold values.
 */
export function renderError(error: ErrorReport, options: ErrorRendering): string {
  const style = createStyle(options.color);
  const title = options.titleOf(error.code);
  const places = placesOf(error);
  return [
    `${style.red("error")} ${style.bold(error.code)}${title === undefined ? "" : `  ${title}`}`,
    ...labelled("what", error.message),
    ...(places.length === 0 ? [] : labelled("where", places.join("\n"))),
    ...(error.hint === undefined ? [] : labelled("to do", error.hint)),
    style.dim(`  more   sluice explain ${error.code}`),
    ...(options.thrown === undefined ? [] : stackOf(options.thrown).map((line) => style.dim(line))),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

function labelled(label: string, text: string): string[] {
  const [first = "", ...rest] = clean(text, { lines: true }).split("\n");
  return [`  ${label.padEnd(5)}  ${first}`, ...rest.map((line) => `         ${line}`)];
}

/** Places that the message does not name already. */
function placesOf(error: ErrorReport): string[] {
  const { resource, table, column, request, file, path } = error.at;
  const position = [file, path]
    .filter((part) => part !== undefined && !error.message.includes(part))
    .join("  ");
  return [
    resource === undefined ? "" : `resource ${resource}`,
    table === undefined ? "" : `table ${table}${column === undefined ? "" : `, column ${column}`}`,
    request ?? "",
    position,
  ].filter((place) => place !== "");
}

/** Names and places of an error and its causes, at most five deep; no messages. */
function stackOf(thrown: unknown): string[] {
  const lines: string[] = [];
  let error = thrown;
  for (let depth = 0; depth < 5 && error instanceof Error; depth++) {
    const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
    lines.push(
      `  ${depth === 0 ? "stack" : "cause"}  ${clean(error.name)}`,
      ...frames.map((line) => clean(line)),
    );
    error = error.cause;
  }
  return lines;
}
