import type { ResponseHead } from "../http/message.js";
import { Keys } from "../json/keys.js";
import { recordAt, recordsAt } from "../json/records.js";
import { placeOf, valueAround, valueAt } from "../json/values.js";
import type { JsonDocument } from "../model/document.js";
import type { Json } from "../model/json.js";
import type { DocumentRecords, Io, Records } from "../model/source.js";
import type { Decode, ReadDocument } from "./decoder.js";
import type { PageView, Paginator, RecordList } from "./paginator.js";
import type { Select } from "./select.js";

/** A body that was decoded, as a value or as a document. */
export type Body = { readonly value: Json | undefined } | { readonly document: JsonDocument };

/** What a page holds: its records, and the body around them. */
export interface Content {
  readonly records: Records;
  /** What paginators may look at; absent where the page is empty or its paginator needs the head alone. */
  readonly body?: Json;
}

/** What a walk reads its pages by. */
export interface ContentRules {
  readonly decode: Decode;
  /** Reads a body without making values of it, where that can be; what it gives nothing for is decoded. Default: never. */
  readonly readDocument?: ReadDocument | undefined;
  readonly paginator: Pick<Paginator, "needs">;
}

/** How the pages of one walk become records. */
export interface ContentReader {
  readonly decode: (bytes: Uint8Array, head: ResponseHead) => Body | Promise<Body>;
  readonly content: (body: Body, isFirst: boolean) => Content;
}

/**
 * Reads the pages of one walk. The first page becomes values, which shows where the records are; the pages after it
 * stay documents as long as their records are a list in the same place. Whoever looks closely gets values.
 */
export function contentReader(
  { decode, readDocument, paginator }: ContentRules,
  select: Select,
  io: Pick<Io, "trace">,
): ContentReader {
  const isHeadEnough = paginator.needs === "head";
  let keys = new Keys();
  /** Where the records are, once that is known and a document will do. */
  const placeInDocument = (): readonly string[] | undefined => {
    const place = readDocument === undefined || io.trace !== undefined ? undefined : select.place?.();
    return place?.length === 0 && !isHeadEnough ? undefined : place;
  };
  return {
    decode(bytes, head) {
      if (placeInDocument() !== undefined) {
        if (keys.isFull) keys = new Keys();
        const document = readDocument?.(bytes, head, keys);
        if (document !== undefined) return { document };
      }
      const value = decode(bytes, head);
      return value instanceof Promise ? value.then((decoded) => ({ value: decoded })) : { value };
    },
    content(body, isFirst) {
      if ("value" in body) return selected(body.value, select, isFirst);
      const { document } = body;
      const place = isFirst ? undefined : placeInDocument();
      const list = place === undefined ? undefined : placeOf(document, place);
      const records = list === undefined ? undefined : recordsAt(document, list);
      // Without records a body may tell of an error: that is for the selector to see.
      if (place === undefined || records === undefined || records.places.length === 0)
        return selected(valueAt(document, 0), select, isFirst);
      if (isHeadEnough) return { records };
      return { records, body: valueAround(document, place, () => records.values as Json) };
    },
  };
}

function selected(body: Json | undefined, select: Select, isFirst: boolean): Content {
  const records: Records = { kind: "objects", values: select(body, isFirst) };
  return body === undefined ? { records } : { records, body };
}

/** A page's content as paginators see it. */
export function viewOf({ records, body }: Content): Pick<PageView, "body" | "records"> {
  const list = records.kind === "objects" ? records.values : listOf(records);
  return body === undefined ? { records: list } : { body, records: list };
}

function listOf(records: DocumentRecords): RecordList {
  return {
    length: records.places.length,
    at: (index) => recordAt(records, index),
    [Symbol.iterator]: () => records.values[Symbol.iterator](),
  };
}
