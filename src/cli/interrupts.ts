/** The part of a process that interrupts come from. */
export interface SignalSource {
  on(signal: "SIGINT" | "SIGTERM", listener: () => void): unknown;
}

/**
 * The first Ctrl-C (or SIGTERM) aborts the signal, so that work ends after the current commit; the second one calls
 * `quit`.
 */
export function watchInterrupts(source: SignalSource, quit: () => void): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) quit();
    else controller.abort();
  };
  source.on("SIGINT", interrupt);
  source.on("SIGTERM", interrupt);
  return controller.signal;
}
