import type { Event } from "../../api.js";
import { advance, elapsed, type Progress, type ResourceProgress } from "./progress.js";
import type { Renderer, RendererOptions } from "./renderer.js";
import { clean, counted, createStyle, duration, type Style } from "./text.js";

/**
 * Progress as plain lines, for logs: one for each start, commit, retry, warning and finish of a resource. Nothing is
 * ever overwritten.
 */
export function createPlainRenderer({ write, now, color }: RendererOptions): Renderer {
  const style = createStyle(color);
  let progress: Progress = new Map();
  return {
    event(event) {
      const at = now();
      progress = advance(progress, event, at);
      const line = describe(event, progress, style, at);
      if (line !== undefined) write(`${line}\n`);
    },
    note(text) {
      write(`${clean(text)}\n`);
    },
    close: () => {},
  };
}

/** The line for an event; undefined for those that a log does not need. */
export function describe(event: Event, progress: Progress, style: Style, now: number): string | undefined {
  if (!("resource" in event) || event.resource === undefined) {
    if (event.type === "load-started" && event.continued.length > 0) {
      const names = event.continued.map(({ resource }) => clean(resource)).join(", ");
      return `goes on with load ${event.loadId}, which was cut short; complete in it: ${names}`;
    }
    return event.type === "warning" ? style.yellow(`warning: ${clean(event.message)}`) : undefined;
  }
  const said = sentence(event, progress.get(event.resource), style, now);
  return said === undefined ? undefined : `${style.bold(clean(event.resource))}: ${said}`;
}

function sentence(
  event: Event,
  resource: ResourceProgress | undefined,
  style: Style,
  now: number,
): string | undefined {
  switch (event.type) {
    case "resource-started":
      return event.resumed ? "started, goes on from the last commit" : "started";
    case "commit":
      return `committed ${counted(event.rows, "row")}`;
    case "retry":
      return style.yellow(`retry ${event.attempt} in ${duration(event.waitMs)}: ${clean(event.reason)}`);
    case "wait":
      // Short ones come with every request to an API with a limit per second.
      return event.waitMs < LONG_WAIT_MS
        ? undefined
        : style.yellow(`waits ${duration(event.waitMs)}: ${clean(event.reason)}`);
    case "warning":
      return style.yellow(`warning: ${clean(event.message)}`);
    case "resource-finished":
      return resource === undefined ? undefined : finished(resource, style, now);
    default:
      return undefined;
  }
}

const LONG_WAIT_MS = 5000;

/** How a resource ended, in one line. */
export function finished(resource: ResourceProgress, style: Style, now: number): string {
  const numbers = [
    counted(resource.rows, "row"),
    counted(resource.pages, "page"),
    duration(elapsed(resource, now)),
    ...(resource.retries === 0 ? [] : [counted(resource.retries, "retry", "retries")]),
  ].join(", ");
  if (resource.status === "ok") {
    const doubt =
      resource.completeness === "proved" ? "" : `, completeness ${resource.completeness ?? "unknown"}`;
    return `${style.green("done")}, ${numbers}${doubt}`;
  }
  const code = resource.error === undefined ? "" : ` (${resource.error.code})`;
  const verdict = resource.status === "interrupted" ? style.yellow("stopped") : style.red("failed");
  return `${verdict}${code} after ${numbers}`;
}
