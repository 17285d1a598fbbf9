import type { Event } from "../../api.js";

/** Shows a run while it is under way. */
export interface Renderer {
  event(event: Event): void;
  /** Says something that is not an event, without disturbing the picture. */
  note(text: string): void;
  /** Called once at the end, also after a failure: leaves the terminal as it was found. */
  close(): void;
}

/** What a renderer writes to and reads the time from. */
export interface RendererOptions {
  readonly write: (text: string) => unknown;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly color: boolean;
}

/** Shows nothing. */
export const silentRenderer: Renderer = { event: () => {}, note: () => {}, close: () => {} };
