import { DEFAULT_MAX_BODY_BYTES } from "../http/fetch.js";
import type { ResponseHead } from "../http/message.js";
import { isUrl } from "../http/url.js";
import { chooseComponent, createComponent } from "./components.js";
import type {
  Decode,
  DecodeFile,
  DecoderContext,
  DecoderDefinition,
  InnerFormat,
  ReadDocument,
} from "./decoder.js";
import { decoders } from "./decoders/index.js";
import { jsonDecoder } from "./decoders/json.js";
import type { Finding, Findings } from "./finding.js";
import { guardDecode } from "./guard.js";
import { isGzip, unzipped } from "./gzip.js";
import type { EndpointOptions } from "./options.js";

/** How an endpoint's bodies are decoded, and what it asks for in `accept`. */
export interface Format {
  readonly decode: Decode;
  readonly accept: string;
  /** The quick way for bodies that need not become values. Absent: there is none. */
  readonly readDocument?: ReadDocument;
}

/**
 * The decoder that `endpoint.format` names. Without one every response is decoded by its content type: a format claims
 * it, or it ends in a suffix such as `+json` (RFC 6839), else by what the body begins with and the name it has, else it
 * is taken for JSON, as many APIs label it text.
 *
 * A body that is a gzip file (`calls.csv.gz`, not a `content-encoding`) is unpacked first, in every format.
 *
 * @param maxBytes the most that a body may have when it is unpacked.
 */
export function planFormat(
  configured: EndpointOptions["format"],
  path: Finding["path"],
  findings: Findings,
  maxBytes = DEFAULT_MAX_BODY_BYTES,
): Format | undefined {
  const format =
    configured === undefined || configured === null
      ? {
          decode: decodeByType(maxBytes),
          accept: jsonDecoder.mediaTypes[0],
          readDocument: readDocumentByType(),
        }
      : namedFormat(configured, maxBytes, path, findings);
  return format === undefined ? undefined : { ...format, decode: unpackedFirst(format.decode, maxBytes) };
}

function namedFormat(
  configured: InnerFormat,
  maxBytes: number,
  path: Finding["path"],
  findings: Findings,
): Format | undefined {
  const known = decoders as readonly unknown[] as readonly DecoderDefinition[];
  const chosen = chooseComponent("format", known, configured, path, findings);
  if (chosen === undefined) return undefined;
  const context: DecoderContext = {
    maxBytes,
    inner(format, key) {
      if (format === undefined) return decodersByName(maxBytes);
      const inner = namedFormat(format, maxBytes, [...path, key], findings);
      return inner === undefined ? undefined : () => unpackedFirst(inner.decode, maxBytes);
    },
  };
  const before = findings.all.length;
  const create = (): Decode => chosen.definition.create(chosen.options as never, context);
  const decode = createComponent(chosen, create, path, findings);
  if (decode === undefined || findings.all.length > before) return undefined;
  return {
    decode: chosen.own === undefined ? decode : guardDecode(decode, chosen.own),
    accept: chosen.definition.mediaTypes[0],
    ...(chosen.definition.readDocument === undefined ? {} : { readDocument: chosen.definition.readDocument }),
  };
}

/** Every format with its default options, where nothing is configured. */
function defaultDecoders(maxBytes: number): readonly (DecoderDefinition & { readonly decode: Decode })[] {
  const context: DecoderContext = { maxBytes, inner: () => decodersByName(maxBytes) };
  return (decoders as readonly DecoderDefinition[]).map((definition) => ({
    ...definition,
    decode: definition.create(definition.options.parse({}) as never, context),
  }));
}

function decodersByName(maxBytes: number): DecodeFile {
  let known: readonly (DecoderDefinition & { readonly decode: Decode })[] | undefined;
  return (name) => {
    const extension = /\.([^./]+)(?:\.gz)?$/i.exec(name)?.[1]?.toLowerCase() ?? "";
    known ??= defaultDecoders(maxBytes);
    const decode = known.find(({ extensions }) => extensions?.includes(extension) === true)?.decode;
    return decode === undefined ? undefined : unpackedFirst(decode, maxBytes);
  };
}

function decodeByType(maxBytes: number): Decode {
  const known = defaultDecoders(maxBytes);
  const byType = new Map(known.flatMap(({ decode, mediaTypes }) => mediaTypes.map((type) => [type, decode])));
  const zip = byType.get("application/zip");
  const byName = decodersByName(maxBytes);
  const json = jsonDecoder.create({});
  return (body, head) => {
    const type = head.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
    const claimed = byType.get(type) ?? byType.get(/\+[^+]*$/.exec(type)?.[0] ?? "");
    if (claimed !== undefined) return claimed(body, head);
    if (zip !== undefined && isZip(body)) return zip(body, head);
    return ((isOpaque(type) ? byName(fileName(head)) : undefined) ?? json)(body, head);
  };
}

/** Content types that a format claims which has a quick way. A body that is a gzip file is none of its. */
function readDocumentByType(): ReadDocument {
  const known = decoders as readonly DecoderDefinition[];
  const byType = new Map(
    known.flatMap(({ readDocument, mediaTypes }) => mediaTypes.map((type) => [type, readDocument])),
  );
  return (body, head, keys) => {
    const type = head.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
    return byType.get(type)?.(body, head, keys);
  };
}

/** Content types that say nothing of what is inside. */
function isOpaque(type: string): boolean {
  return type === "" || /^(?:application|binary)\/(?:octet-stream|(?:x-)?gzip|x-download)$/.test(type);
}

/** No text begins like this. */
function isZip(body: Uint8Array): boolean {
  return body[0] === 0x50 && body[1] === 0x4b && body[2] === 0x03 && body[3] === 0x04;
}

/** The name that a response is to be saved under (RFC 6266), else the last part of its URL. */
function fileName(head: ResponseHead): string {
  const named = /\bfilename="?([^";]+)/i.exec(head.headers["content-disposition"] ?? "")?.[1]?.trim();
  return named ?? (isUrl(head.url) ? new URL(head.url).pathname : "");
}

function unpackedFirst(decode: Decode, maxBytes: number): Decode {
  return (body, head) =>
    isGzip(body) ? unzipped(body, maxBytes, head).then((plain) => decode(plain, head)) : decode(body, head);
}
