import type { ZodType, z } from "zod";
import type { ResponseHead } from "../http/message.js";
import type { Keys } from "../json/keys.js";
import type { JsonDocument } from "../model/document.js";
import type { Json } from "../model/json.js";
import { type ComponentDefinition, type Defined, defined, type Own } from "./own.js";

/**
 * The value of a whole body, after decompression; undefined when there is nothing in it, which means no records. A
 * promise only where a package must be loaded or a body unpacked: text formats decode at once.
 *
 * @throws RetryableError for a body that may be whole the next time: truncated or malformed.
 */
export type Decode = (body: Uint8Array, head: ResponseHead) => Json | undefined | Promise<Json | undefined>;

/**
 * Reads a body as a document, for a walk that makes values only where they are wanted. Undefined for a body that has to
 * be decoded instead, so that one place says what is wrong with it. `keys` is the walk's own.
 */
export type ReadDocument = (body: Uint8Array, head: ResponseHead, keys: Keys) => JsonDocument | undefined;

/** What a decoder may use beside its own options. */
export interface DecoderContext {
  /** The most bytes that it may make of one body by unpacking: client.max_body_bytes. */
  readonly maxBytes: number;
  /**
   * The decoder for what is inside of a body: the one that `configured` names, as `endpoint.format` does, else by file
   * name. A mistake in it is told at the option `key`, and undefined given.
   */
  inner(configured: InnerFormat | undefined, key: string): DecodeFile | undefined;
}

/** A format inside of another one: a type, or its options with `type`. */
export type InnerFormat = string | Readonly<Record<string, unknown>> | ComponentDefinition;

/** Decodes a file of a body by its name; undefined when no format claims the name and none is configured. */
export type DecodeFile = (name: string) => Decode | undefined;

/** One kind of response body: its file holds its options, summary, code and examples. */
export interface DecoderDefinition<Options extends ZodType = ZodType, Type extends string = string> {
  /** The `format` in the configuration. */
  readonly type: Type;
  readonly summary: string;
  /**
   * Content types that it is chosen for by default; `+xml` is a suffix (RFC 6839). The first one is asked for when the
   * format is configured.
   */
  readonly mediaTypes: readonly [string, ...string[]];
  /** Endings of file names that it is chosen for inside of an archive: `csv`. Default: none. */
  readonly extensions?: readonly string[];
  /** A strict object without `type`, every option described. */
  readonly options: Options;
  /** `context` is for formats that unpack a body or hold other formats. */
  create(options: z.output<Options>, context?: DecoderContext): Decode;
  /** The quick way for pages whose records need not become values. Default: there is none. */
  readonly readDocument?: ReadDocument;
  readonly examples: readonly DecoderExample<z.input<Options>>[];
}

/** A body and what it becomes, as data: run by a test and printed in the reference. */
export interface DecoderExample<Options> {
  readonly title: string;
  readonly options: Options;
  /** Text, or the bytes of one that is none. */
  readonly body: string | Uint8Array;
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
