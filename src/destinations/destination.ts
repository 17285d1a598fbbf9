import { type ZodType, z } from "zod";
import { CHECKED_ONCE } from "../model/checked-once.js";
import type { Destination } from "../model/destination.js";
import { SluiceError } from "../model/error.js";

/**
 * One kind of destination: its file holds its options, summary, code and examples. The registry, the reference page,
 * the JSON Schema and the conformance runs are derived from this.
 */
export interface DestinationDefinition<Options extends ZodType = ZodType, Type extends string = string> {
  /** The `type` in the configuration. */
  readonly type: Type;
  /** Schemes of the URIs that mean this destination, without the colon: `["postgres", "postgresql"]`. */
  readonly scheme: readonly string[];
  readonly summary: string;
  /** A strict object without `type`, every option described. */
  readonly options: Options;
  /**
   * What a URI says, as options: not validated yet, `options` does that. Throws `config/invalid` when the URI can't
   * be read at all.
   */
  fromUri(uri: string): unknown;
  /** Makes the destination; opens nothing. */
  create(options: z.output<Options>): Destination;
  readonly examples: readonly DestinationExample<z.input<Options>>[];
}

/** The same place twice: as options of a configuration, and as a URI. Checked by a test, printed in the reference. */
export interface DestinationExample<Options> {
  readonly title: string;
  readonly options: Options;
  readonly uri: string;
}

/**
 * Keeps the option types of one definition together.
 *
 * @example
 * export const duckdbDestination = defineDestination({ type: "duckdb", scheme: ["duckdb"], options, create, … });
 */
export function defineDestination<const Type extends string, Options extends ZodType>(
  definition: DestinationDefinition<Options, Type>,
): DestinationDefinition<Options, Type> {
  return definition;
}

/**
 * Options that are given in code, checked as those of a configuration are.
 *
 * @throws SluiceError `config/invalid` for options that can't be.
 * @example
 * const settings = checkedOptions("duckdb", options, { path: "calls.duckdb" });
 */
export function checkedOptions<Options extends ZodType>(
  type: string,
  options: Options,
  given: unknown,
): z.output<Options> {
  const parsed = options.safeParse(given, CHECKED_ONCE);
  if (parsed.success) return parsed.data;
  throw new SluiceError("config/invalid", `${type}: ${z.prettifyError(parsed.error)}`, {
    at: { path: "destination" },
  });
}
