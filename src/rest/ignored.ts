import type { Event } from "../model/event.js";
import type { Io } from "../model/source.js";

type Warning = Extract<Event, { type: "warning" }>;

/**
 * An `Io` that keeps back the warnings about ignored responses. `tell` gives them as one, with their count and the
 * first of them: of a thousand parents' records, hundreds may rightly have no children.
 */
export function gatherIgnored(parent: string, io: Io): { readonly io: Io; readonly tell: () => void } {
  let first: Warning | undefined;
  let count = 0;
  const emit = (event: Event): void => {
    if (event.type !== "warning" || event.code !== "response/ignored") {
      io.emit(event);
      return;
    }
    first ??= event;
    count += 1;
  };
  const tell = (): void => {
    if (first === undefined) return;
    const message =
      count === 1
        ? first.message
        : `${count} responses for records of "${parent}" were ignored, as response_actions say; the first: ${first.message}`;
    io.emit({ ...first, message });
  };
  return { io: { ...io, emit }, tell };
}
