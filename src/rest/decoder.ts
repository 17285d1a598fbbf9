import type { ZodType, z } from "zod";
import type { ResponseHead } from "../http/message.js";
import type { Json } from "../model/json.js";
import { type Defined, defined, type Own } from "./own.js";

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

/** A response format of one's own with its options, as it stands in `endpoint.format`. */
export type OwnDecoder = Own<DecoderDefinition>;

/** A definition that is called with its options to be used in a configuration. */
export type DefinedDecoder<Options extends ZodType, Type extends string> = Defined<
  DecoderDefinition<Options, Type>,
  Options
>;

/**
 * Defines a response format. What it returns is the definition, and a function from options to what `endpoint.format`
 * takes; without options the definition stands there itself. Options are checked when the pipeline is loaded. A format
 * of one's own is used where it is configured; only the built-in ones are chosen by content type.
 *
 * @example
 * const lines = defineDecoder({
 *   type: "lines", summary: "One record a line.", mediaTypes: ["text/plain"],
 *   options: z.strictObject({ key: z.string().describe("Key of the line in its record.") }),
 *   create: ({ key }) => (body) =>
 *     new TextDecoder().decode(body).split("\n").filter(Boolean).map((line) => ({ [key]: line })),
 *   examples: [],
 * });
 * const words = { name: "words", endpoint: { path: "words.txt", format: lines({ key: "word" }) } };
 */
export function defineDecoder<const Type extends string, Options extends ZodType>(
  definition: DecoderDefinition<Options, Type>,
): DefinedDecoder<Options, Type> {
  return defined("format", definition);
}
