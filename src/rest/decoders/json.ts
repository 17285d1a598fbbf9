import { isUtf8 } from "node:buffer";
import { z } from "zod";
import type { ResponseHead, RetryableError } from "../../http/message.js";
import { readDocument } from "../../json/document.js";
import type { Json } from "../../model/json.js";
import { defineDecoder, type ReadDocument } from "../decoder.js";
import { byteAt, type Fault, readText, unreadable } from "./body-text.js";
import { faultOf, jsonParserFor } from "./json-parser.js";

const FAULT: Fault = {
  code: "response/not-json",
  name: "JSON",
  hint: "Open the URL with the same credentials and look at what it answers. Some APIs need the header Accept: application/json.",
};

/**
 * JSON (RFC 8259). Integers beyond 2^53 stay exact as bigint, numbers beyond a double become their text; an empty body
 * and status 204 give undefined, which means no records. The text is UTF-8, with or without a byte order mark, unless
 * the content type names another charset.
 *
 * @throws RetryableError whose cause is `response/not-json`, for a body that is malformed or cut off.
 *
 * @example
 * jsonDecoder.create({})(Buffer.from('{"id":9007199254740993}'), head); // { id: 9007199254740993n }
 */
export const jsonDecoder = defineDecoder({
  type: "json",
  summary: "A JSON document. Integers of any size stay exact. Also for content types that no format claims.",
  mediaTypes: ["application/json"],
  extensions: ["json"],
  options: z.strictObject({}),
  create:
    () =>
    (bytes, head): Json | undefined => {
      const body = readText(bytes, head, FAULT, { isUtf8ByStandard: true });
      if (body.text.trim() === "") return undefined;
      const parse = jsonParserFor(body);
      try {
        return parse(body.text);
      } catch {
        throw notJson(body.text, head);
      }
    },
  readDocument: (bytes, head, keys) => readJsonDocument(bytes, head, keys),
  examples: [
    {
      title: "a document",
      options: {},
      body: '{"calls":[{"id":1}]}',
      value: { calls: [{ id: 1 }] },
    },
  ],
});

/**
 * Reads a body that is plain UTF-8 as a document. Everything else (another charset, nothing, what is not JSON) is for
 * the decoder.
 */
export const readJsonDocument: ReadDocument = (bytes, head, keys) => {
  if (
    head.status === 204 ||
    bytes[0] === 0xef ||
    /charset=(?!"?utf-?8)/i.test(head.headers["content-type"] ?? "")
  )
    return undefined;
  return isUtf8(bytes) ? readDocument(bytes, keys) : undefined;
};

function notJson(text: string, head: ResponseHead): RetryableError {
  const position = faultOf(text);
  const cutOff = position >= text.trimEnd().length;
  const where = cutOff
    ? `it ends too early, after ${text.length} characters`
    : `it is malformed at byte ${byteAt(text, position)}`;
  // The start of an error page helps; the start of a broken document would be a record's values.
  const looksLikeJson = /^\s*["[{\d-]/.test(text);
  const start = text.trim().replaceAll(/\s+/g, " ").slice(0, 80);
  return unreadable(head, FAULT, looksLikeJson ? where : `it starts with: ${start}`);
}
