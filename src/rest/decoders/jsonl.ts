import { z } from "zod";
import { parseExactJson } from "../../json/exact.js";
import type { Json } from "../../model/json.js";
import { defineDecoder } from "../decoder.js";
import { type Fault, readText, unreadable } from "./body-text.js";
import { faultOf, jsonParserFor } from "./json-parser.js";

const FAULT: Fault = {
  code: "response/malformed",
  name: "JSON Lines",
  hint: "Each line must be one JSON text. If the API answers with one document, set endpoint.format to json.",
};

/** Begins each text of a JSON text sequence (RFC 7464 §2.2); no JSON text can hold it. */
const RECORD_SEPARATOR = "\u001e";

/**
 * JSON Lines (jsonlines.org, also called NDJSON): one record a line, blank lines skipped. A body that begins with a
 * record separator is a JSON text sequence (RFC 7464), whose texts may span lines. Numbers stay exact as in `json`.
 * The value is the list of records; an empty body gives undefined.
 *
 * @throws RetryableError whose cause is `response/malformed` and names the line.
 *
 * @example
 * jsonlDecoder.create({})(Buffer.from('{"id":1}\n{"id":2}\n'), head); // [{ id: 1 }, { id: 2 }]
 */
export const jsonlDecoder = defineDecoder({
  type: "jsonl",
  summary: "JSON Lines: one record a line. Blank lines are skipped, integers of any size stay exact.",
  mediaTypes: ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"],
  extensions: ["jsonl", "ndjson"],
  options: z.strictObject({}),
  create:
    () =>
    (bytes, head): Json | undefined => {
      const body = readText(bytes, head, FAULT, { isUtf8ByStandard: true });
      const isSequence = body.text.startsWith(RECORD_SEPARATOR);
      const parse = isSequence ? parseExactJson : jsonParserFor(body);
      const records: Json[] = [];
      let number = 0;
      for (const text of body.text.split(isSequence ? RECORD_SEPARATOR : "\n")) {
        number += 1;
        if (isBlank(text)) continue;
        try {
          records.push(parse(text));
        } catch {
          const what = isSequence ? `record ${number - 1}` : `line ${number}`;
          throw unreadable(head, FAULT, `${what} ${problemOf(text)}`);
        }
      }
      return records.length === 0 ? undefined : records;
    },
  examples: [
    {
      title: "three lines, one of them blank",
      options: {},
      body: '{"id":1}\n\n{"id":2}\n',
      value: [{ id: 1 }, { id: 2 }],
    },
  ],
});

/** The blanks of JSON (RFC 8259 §2) alone: others, a no-break space for example, are no JSON. */
function isBlank(text: string): boolean {
  return /^[ \t\r\n]*$/.test(text);
}

function problemOf(text: string): string {
  const position = faultOf(text);
  return position >= text.replace(/[ \t\r\n]+$/, "").length
    ? "ends too early"
    : `is malformed at character ${position + 1}`;
}
