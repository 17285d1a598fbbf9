import type { Budgets } from "../http/budgets.js";
import type { Tape } from "../http/tape.js";
import type { Redactor } from "../model/secret.js";
import type { ValueSource } from "./values.js";

/** What the plan needs from outside the configuration. */
export interface PlanEnvironment extends ValueSource {
  readonly redactor: Redactor;
  /** Records the exchanges of every client, or answers instead of the network. */
  readonly tape?: Tape;
  /** `sluice/1.2.3`. */
  readonly userAgent: string;
  /** Shared by all sources of a pipeline. Default: each source has its own. */
  readonly budgets?: Budgets;
  /** Refuse requests into private networks, for configurations that are not trusted. Default false. */
  readonly blockPrivateNetwork?: boolean;
}
