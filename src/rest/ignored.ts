import type { Event } from "../model/event.js";
import type { Io, Page } from "../model/source.js";

/**
 * The last page of a walk that an ignored response cut: what it would have led to was not read, so no cursor moves past
 * it. A first response that is ignored cuts nothing: there is nothing there, as the configuration says.
 */
export interface CutPage extends Page {
  readonly isCut: true;
}

export function isCutPage(page: Page): page is CutPage {
  return "isCut" in page;
}

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
