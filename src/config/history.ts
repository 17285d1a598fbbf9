import { SluiceError } from "../model/error.js";
import { parseStep } from "../rest/incremental/step.js";

const DAY_SECONDS = 86_400;

/** A duration such as `90d`, `PT12H` or `P1Y` in milliseconds, a month as 30 days; undefined for anything else. */
export function milliseconds(duration: string): number | undefined {
  const step = parseStep(duration);
  if (step === undefined || "amount" in step) return undefined;
  return (step.months * 30 * DAY_SECONDS + step.seconds) * 1000;
}

/** As `milliseconds`; throws `config/usage` for what is no duration. */
export function requireDuration(duration: string): number {
  const found = milliseconds(duration);
  if (found !== undefined) return found;
  throw new SluiceError("config/usage", `${duration} is no duration`, {
    hint: "For example 90d, 12h, 6mo, P1Y.",
  });
}
