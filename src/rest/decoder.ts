import type { ResponseHead } from "../http/message.js";
import type { Json } from "../model/json.js";

/** One kind of response body, one file. */
export interface DecoderDefinition {
  readonly type: string;
  readonly summary: string;
  /**
   * The value of a whole body, after decompression; undefined when there is nothing in it.
   *
   * @throws RetryableError for a body that may be whole the next time: truncated or malformed.
   */
  decode(body: Uint8Array, head: ResponseHead): Json | undefined;
}

/** Checks a definition's type where it is written. */
export function defineDecoder(definition: DecoderDefinition): DecoderDefinition {
  return definition;
}
