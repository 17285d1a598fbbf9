import type { Redactor } from "../model/secret.js";
import type { ValueSource } from "./values.js";

/** What the plan needs from outside the configuration. */
export interface PlanEnvironment extends ValueSource {
  readonly redactor: Redactor;
  /** `sluice/1.2.3`. */
  readonly userAgent: string;
  /** Refuse requests into private networks, for configurations that are not trusted. Default false. */
  readonly blockPrivateNetwork?: boolean;
}
