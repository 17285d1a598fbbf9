import { buffer } from "node:stream/consumers";
import { crc32 } from "node:zlib";
import type { Entry, ZipFile } from "yauzl";
import { z } from "zod";
import { type ResponseHead, RetryableError } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import type { Json } from "../../model/json.js";
import { type Decode, type DecoderContext, defineDecoder } from "../decoder.js";
import { type Fault, unreadable } from "./body-text.js";
import { optionalPackage } from "./optional-package.js";

const FAULT: Fault = {
  code: "response/malformed",
  name: "a zip archive",
  hint: "Open the URL with the same credentials and look at what it answers.",
};

/** Where no other format is known. */
const ALONE: DecoderContext = { maxBytes: 256 * 1024 * 1024, inner: () => undefined };

const loadZip = optionalPackage("yauzl", "The format zip", async () => (await import("yauzl")).default);

/**
 * A zip archive, by yauzl (an optional package), unpacked in memory: nothing of it touches the disk. Each file of it is
 * decoded by the ending of its name, or as `format` says; one file gives its value, several must be lists, which are
 * joined in the archive's order. Folders, and files that systems add (`__MACOSX/…`, names that begin with a dot), are no
 * entries.
 *
 * All files together may have `client.max_body_bytes` when they are unpacked. Checksums are verified.
 *
 * @throws RetryableError whose cause is `response/malformed`, for an archive that is damaged or cut off.
 * @throws SluiceError `response/malformed` for an encrypted file, one of no known format, several that are no lists, or
 *   when `entries` fits none; `http/too-large`; `config/missing-package` without the package.
 *
 * @example
 * const decode = zipDecoder.create({ entries: "*.csv" }, context);
 * await decode(archive, head); // the rows of all CSV files
 */
export const zipDecoder = defineDecoder({
  type: "zip",
  summary:
    "A zip archive of files in other formats. One file gives its value, the lists of several are joined. Needs the package yauzl.",
  mediaTypes: ["application/zip", "application/x-zip-compressed"],
  extensions: [],
  options: z.strictObject({
    entries: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Which files: a pattern of their names, such as *.csv or export/*.json; without a / it is for the last part of the name. Default: all.",
      ),
    format: z
      .union([z.string(), z.looseObject({ type: z.string().optional() })])
      .optional()
      .describe("How the files are decoded, as endpoint.format. Default: by the ending of each name."),
  }),
  create: ({ entries, format }, context = ALONE) => {
    const decoderOf = context.inner(format, "format") ?? (() => undefined);
    const isWanted = entries === undefined ? () => true : patternOf(entries);
    return async (bytes, head): Promise<Json | undefined> => {
      if (bytes.length === 0 || head.status === 204) return undefined;
      const values: Json[] = [];
      let left = context.maxBytes;
      let files = 0;
      for await (const { entry, archive } of filesIn(bytes, head)) {
        files += 1;
        if (!isWanted(entry.fileName)) continue;
        const decode = decoderOf(entry.fileName) ?? refuseFormat(entry.fileName);
        const content = await unpacked(archive, entry, left, context.maxBytes, head);
        left -= content.length;
        values.push((await decodedFile(decode, content, entry, head)) ?? []);
      }
      if (values.length === 0 && files > 0) {
        throw refused(`none of the ${files} files of the archive has a name that fits entries "${entries}"`, {
          hint: "The pattern is for the last part of a name, or with a / for the whole of it. * stands for any characters but /.",
        });
      }
      return joined(values);
    };
  },
  examples: [
    {
      title: "an archive of one CSV file",
      options: { entries: "*.csv" },
      body: Buffer.from(
        "UEsDBBQAAAAAAAAAIQDpnxWfDQAAAA0AAAAJAAAAY2FsbHMuY3N2aWQsbmFtZQoxLEpvClBLAQIUABQAAAAAAAAAIQDpnxWfDQAAAA0AAAAJAAAAAAAAAAAAAACAAQAAAABjYWxscy5jc3ZQSwUGAAAAAAEAAQA3AAAANAAAAAAA",
        "base64",
      ),
      value: [{ id: "1", name: "Jo" }],
    },
  ],
});

/** The files of an archive in its order, without folders and what systems add. */
async function* filesIn(
  bytes: Uint8Array,
  head: ResponseHead,
): AsyncGenerator<{ readonly archive: ZipFile; readonly entry: Entry }, void, undefined> {
  const { fromBufferPromise } = await loadZip();
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const archive = await damaged(head, () => fromBufferPromise(body, { lazyEntries: true }));
  const all = archive.eachEntry();
  for (;;) {
    const { value: entry, done } = await damaged(head, () => all.next());
    if (done === true) return;
    if (!/(?:^|\/)(?:__MACOSX\/|\.[^/]*$)|\/$/.test(entry.fileName)) yield { archive, entry };
  }
}

async function unpacked(
  archive: ZipFile,
  entry: Entry,
  left: number,
  maxBytes: number,
  head: ResponseHead,
): Promise<Buffer> {
  if (entry.isEncrypted())
    throw refused(`the file "${entry.fileName}" of the archive is encrypted`, {
      hint: "Ask the API for an archive without a password.",
    });
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8)
    throw refused(
      `the file "${entry.fileName}" of the archive is compressed with method ${entry.compressionMethod}, which is not supported`,
    );
  // Its size as announced is verified while it is unpacked, so a false one does not get past this.
  if (entry.uncompressedSize > left)
    throw new SluiceError("http/too-large", `the files of the archive have more than ${maxBytes} bytes`, {
      hint: "Ask for fewer records per page, or raise client.max_body_bytes.",
    });
  const content = await damaged(head, async () => buffer(await archive.openReadStreamPromise(entry)));
  if (crc32(content) !== entry.crc32)
    throw unreadable(head, FAULT, `the file "${entry.fileName}" does not have its checksum`);
  return content;
}

/** What the library throws, as the damage that it is. Its words name sizes and offsets, never content. */
async function damaged<T>(head: ResponseHead, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SluiceError || error instanceof RetryableError) throw error;
    const message = error instanceof Error ? error.message : "";
    if (/encryption/.test(message)) throw refused("the archive is encrypted");
    if (/multi-disk/.test(message)) throw refused("the archive is one part of several");
    throw unreadable(head, FAULT, "it is damaged, or ends too early");
  }
}

/** A file's content; its faults name the file. */
async function decodedFile(
  decode: Decode,
  content: Buffer,
  { fileName }: Entry,
  head: ResponseHead,
): Promise<Json | undefined> {
  // The content type of the response is the archive's.
  const { "content-type": _, ...headers } = head.headers;
  try {
    return await decode(content, { ...head, headers });
  } catch (error) {
    const cause = error instanceof RetryableError ? error.cause : error;
    if (!(cause instanceof SluiceError)) throw error;
    const hint = cause.hint === undefined ? {} : { hint: cause.hint };
    const named = new SluiceError(
      cause.code,
      `in the file "${fileName}" of the archive: ${cause.message}`,
      hint,
    );
    throw error instanceof RetryableError ? new RetryableError(named.message, { cause: named }) : named;
  }
}

function joined(values: readonly Json[]): Json | undefined {
  if (values.length <= 1) return values[0];
  if (!values.every((value) => Array.isArray(value))) {
    throw refused("several files of the archive hold documents that are no lists, so they can't be joined", {
      hint: "Name one of them with endpoint.format.entries.",
    });
  }
  return values.flat();
}

function refuseFormat(name: string): never {
  throw refused(`the file "${name}" of the archive has a name that no format claims`, {
    hint: "Leave it out with endpoint.format.entries, or say what it is: { type: zip, format: csv }.",
  });
}

function refused(message: string, rest: { readonly hint?: string } = {}): SluiceError {
  return new SluiceError(FAULT.code, message, rest);
}

/** `*` is any text without a slash, `**` with slashes too, `?` one character. */
function patternOf(pattern: string): (name: string) => boolean {
  const source = pattern.replaceAll(/\*\*|\*|\?|[\\^$+.()|[\]{}]/g, (sign) => {
    if (sign === "**") return ".*";
    if (sign === "*") return "[^/]*";
    return sign === "?" ? "[^/]" : `\\${sign}`;
  });
  const expression = new RegExp(`^${pattern.includes("/") ? "" : "(?:.*/)?"}${source}$`, "su");
  return (name) => expression.test(name);
}
