import type { ZodType, z } from "zod";
import type { ResponseHead } from "../http/message.js";
import type { Json } from "../model/json.js";

/**
 * The value of a whole body, after decompression; undefined when there is nothing in it, which means no records.
 *
 * @throws RetryableError for a body that may be whole the next time: truncated or malformed.
 */
export type Decode = (body: Uint8Array, head: ResponseHead) => Json | undefined;

/** One kind of response body: its file holds its options, summary, code and examples. */
export interface DecoderDefinition<Options extends ZodType = ZodType, Type extends string = string> {
  /** The `format` in the configuration. */
  readonly type: Type;
  readonly summary: string;
  /** Content types that it is chosen for by default. The first one is asked for when the format is configured. */
  readonly mediaTypes: readonly [string, ...string[]];
  /** A strict object without `type`, every option described. */
  readonly options: Options;
  create(options: z.output<Options>): Decode;
  readonly examples: readonly DecoderExample<z.input<Options>>[];
}

/** A body and what it becomes, as data: run by a test and printed in the reference. */
export interface DecoderExample<Options> {
  readonly title: string;
  readonly options: Options;
  readonly body: string;
  readonly value: Json;
}

/** Keeps the option types of one definition together. */
export function defineDecoder<const Type extends string, Options extends ZodType>(
  definition: DecoderDefinition<Options, Type>,
): DecoderDefinition<Options, Type> {
  return definition;
}
