import type { ZodType, z } from "zod";
import type { HttpRequest } from "../http/message.js";

/**
 * Adds credentials to a request. The client calls `authorize` for every attempt, and only for requests to the source's
 * own origin. It must set, not append: a link that echoes the key's parameter does not get it twice.
 */
export interface Authenticator {
  authorize(request: HttpRequest): HttpRequest | Promise<HttpRequest>;
  /** Names of query parameters that carry the credential; they are cut from stored and logged URLs. */
  readonly queryNames: readonly string[];
}

/** One auth method, one file; registry, reference and JSON Schema are derived from it. */
export interface AuthDefinition<Options extends ZodType = ZodType, Type extends string = string> {
  readonly type: Type;
  readonly summary: string;
  /** A strict object without `type`. Options that hold credentials use `credential()`. */
  readonly options: Options;
  create(options: z.output<Options>): Authenticator;
  readonly examples: readonly AuthExample<z.input<Options>>[];
}

/** A request before and after, as data: run by a test and printed in the reference. */
export interface AuthExample<Options> {
  readonly title: string;
  readonly options: Options;
  readonly url: string;
  readonly sent: { readonly url?: string; readonly headers?: Readonly<Record<string, string>> };
}

export function defineAuth<const Type extends string, Options extends ZodType>(
  definition: AuthDefinition<Options, Type>,
): AuthDefinition<Options, Type> {
  return definition;
}
