import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type ResponseHead, RetryableError } from "../http/message.js";
import { SluiceError } from "../model/error.js";

const unpack = promisify(gunzip);

/** True for a gzip file (RFC 1952 §2.3.1, deflate being the only method); no text begins like this. */
export function isGzip(body: Uint8Array): boolean {
  return body[0] === 0x1f && body[1] === 0x8b && body[2] === 8;
}

/**
 * The content of a gzip file.
 *
 * @throws SluiceError `http/too-large` when it has more than `maxBytes`.
 * @throws RetryableError whose cause is `http/encoding`, for one that is damaged or cut off.
 */
export async function unzipped(body: Uint8Array, maxBytes: number, head: ResponseHead): Promise<Uint8Array> {
  try {
    return await unpack(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
      throw new SluiceError(
        "http/too-large",
        `the gzip file has more than ${maxBytes} bytes when it is unpacked`,
        {
          hint: "Ask for fewer records per page, or raise client.max_body_bytes.",
        },
      );
    }
    const cause = new SluiceError(
      "http/encoding",
      `The body is a gzip file that is damaged or incomplete (status ${head.status})`,
    );
    throw new RetryableError(cause.message, { cause });
  }
}
