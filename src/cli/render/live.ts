import { describe, finished } from "./plain.js";
import { advance, type Progress, type ResourceProgress, rowsPerSecond } from "./progress.js";
import type { Renderer, RendererOptions } from "./renderer.js";
import { clean, count, counted, createStyle, cut, duration, pad, type Style, width } from "./text.js";

export interface LiveOptions extends RendererOptions {
  /** Size of the terminal now; asked before each drawing, because it may change. */
  readonly size: () => { columns: number; rows: number };
  /** Calls the action every `ms` milliseconds until the returned function is called. */
  readonly every: (ms: number, action: () => void) => () => void;
}

const REDRAW_MS = 100;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";

/**
 * Progress on a terminal: one line for each resource, drawn over again at most ten times a second. Warnings scroll by
 * above. `close` draws the last state, which stays, and gives the cursor back.
 */
export function createLiveRenderer(options: LiveOptions): Renderer {
  const { write, now, color, size, every } = options;
  const style = createStyle(color);
  let progress: Progress = new Map();
  let drawn = 0;
  let notes: string[] = [];
  let changed = false;
  let closed = false;

  const draw = (): void => {
    const at = now();
    const { columns, rows } = size();
    const lines = frame(progress, { now: at, columns, rows, style });
    // Up to the first line of the old frame, then clear to the end of the screen.
    const erase = drawn === 0 ? "" : `\u001b[${drawn}A\u001b[0J`;
    write(erase + [...notes, ...lines].map((line) => `${line}\n`).join(""));
    drawn = lines.length;
    notes = [];
    changed = false;
  };

  write(HIDE_CURSOR);
  const stop = every(REDRAW_MS, () => {
    if (changed || isMoving(progress)) draw();
  });
  return {
    event(event) {
      progress = advance(progress, event, now());
      const line = event.type === "warning" ? describe(event, progress, style, now()) : undefined;
      if (line !== undefined) notes.push(line);
      changed = true;
    },
    note(text) {
      notes.push(clean(text));
      draw();
    },
    close() {
      if (closed) return;
      closed = true;
      stop();
      if (progress.size > 0 || notes.length > 0) draw();
      write(SHOW_CURSOR);
    },
  };
}

/** Something on the screen changes with time alone: a spinner, a rate, a countdown. */
function isMoving(progress: Progress): boolean {
  return [...progress.values()].some(({ status }) => status === "running");
}

interface FrameOptions {
  readonly now: number;
  readonly columns: number;
  readonly rows: number;
  readonly style: Style;
}

/** The lines of one drawing; never more than the terminal has, since lines that left the screen can't be redrawn. */
export function frame(progress: Progress, options: FrameOptions): string[] {
  const resources = [...progress.values()];
  const room = Math.max(1, options.rows - 2);
  const shown = resources.length <= room ? resources : mostInteresting(resources, room - 1);
  const nameWidth = Math.min(32, Math.max(0, ...shown.map(({ name }) => width(clean(name)))));
  const lines = shown.map((resource) => lineOf(resource, nameWidth, options));
  const hidden = resources.length - shown.length;
  return hidden === 0 ? lines : [...lines, options.style.dim(`  … and ${count(hidden)} more`)];
}

/** Running ones first, then failed ones; the order of the configuration within. */
function mostInteresting(resources: readonly ResourceProgress[], room: number): ResourceProgress[] {
  const rank: Record<ResourceProgress["status"], number> = {
    running: 0,
    failed: 1,
    interrupted: 1,
    waiting: 2,
    ok: 3,
  };
  return resources.toSorted((a, b) => rank[a.status] - rank[b.status]).slice(0, room);
}

function lineOf(resource: ResourceProgress, nameWidth: number, options: FrameOptions): string {
  const { now, columns, style } = options;
  const name = pad(cut(clean(resource.name), nameWidth), nameWidth);
  // The mark, a space, and one column that stays free, because some terminals wrap at the last one.
  const text = cut(`${name}  ${told(resource, now)}`, columns - 3);
  return `${mark(resource, now, style)} ${text.startsWith(name) ? style.bold(name) + text.slice(name.length) : text}`;
}

function mark(resource: ResourceProgress, now: number, style: Style): string {
  if (resource.status === "running") {
    if (resource.pause !== undefined) return style.yellow("⏸");
    return SPINNER[Math.floor(now / REDRAW_MS) % SPINNER.length] ?? "";
  }
  const marks = {
    ok: style.green("✔"),
    failed: style.red("✖"),
    interrupted: style.yellow("■"),
    waiting: style.dim("·"),
  };
  return marks[resource.status];
}

function told(resource: ResourceProgress, now: number): string {
  if (resource.status === "waiting") return "waiting";
  if (resource.status !== "running") return finished(resource, createStyle(false), now);
  const rate = rowsPerSecond(resource, now);
  return [
    counted(resource.pages, "page"),
    counted(resource.rows, "row"),
    ...(rate === undefined ? [] : [`${count(rate)} rows/s`]),
    ...(resource.retries === 0 ? [] : [counted(resource.retries, "retry", "retries")]),
    ...(resource.pause === undefined ? [] : [pauseText(resource.pause, now)]),
  ].join("   ");
}

function pauseText(pause: NonNullable<ResourceProgress["pause"]>, now: number): string {
  const left = Math.max(0, Math.ceil((pause.until - now) / 1000)) * 1000;
  return `waits ${duration(left)}: ${clean(pause.reason)}`;
}
