import { z } from "zod";
import type { ResponseHead } from "../../http/message.js";
import { setOwn } from "../../json/exact.js";
import { SluiceError } from "../../model/error.js";
import type { Json } from "../../model/json.js";
import { defineDecoder } from "../decoder.js";
import { type Fault, knownCharset, readText, unreadable } from "./body-text.js";

const FAULT: Fault = {
  code: "response/malformed",
  name: "CSV",
  hint: "Set endpoint.format to { type: csv, delimiter: … } if the fields are separated by something else than commas.",
};

/**
 * CSV (RFC 4180). The first row names the columns, unless `columns` does. Every value is text (declare `data_type`s to
 * have others), an empty field is null, quoted or not. Lines end with CRLF, LF or CR; empty ones are skipped. A quote
 * inside a field that does not begin with one is an ordinary character, as in Python's csv.
 *
 * @throws RetryableError whose cause is `response/malformed` and names the line: a row with more or fewer fields than
 *   there are columns, a quoted field that does not end or goes on after its quote.
 * @throws SluiceError `response/malformed` for columns without a name or with the same one: that would not get better.
 *
 * @example
 * csvDecoder.create({ delimiter: "," })(Buffer.from("id,city\n1,\n"), head); // [{ id: "1", city: null }]
 */
export const csvDecoder = defineDecoder({
  type: "csv",
  summary: "CSV: the first row names the columns, values are text, an empty field is null.",
  mediaTypes: ["text/csv", "application/csv"],
  extensions: ["csv"],
  options: z.strictObject({
    delimiter: z
      .string()
      .regex(/^[^"\r\n]$/u, "must be one character, and neither a quote nor a line break")
      .default(",")
      .describe("What stands between two fields: one character."),
    columns: z
      .array(z.string().min(1))
      .min(1)
      .refine((names) => new Set(names).size === names.length, "must not have the same name twice")
      .optional()
      .describe("Names of the columns, for a body without a row of names."),
    encoding: z
      .string()
      .refine((label) => knownCharset(label) !== undefined, "must be a charset such as windows-1252")
      .optional()
      .describe("Charset of the body, such as windows-1252. Default: what the response says, else UTF-8."),
  }),
  create:
    ({ delimiter, columns, encoding }) =>
    (bytes, head): Json | undefined => {
      const { text } = readText(bytes, head, FAULT, { configured: encoding });
      const rows = readRows(text, delimiter, head);
      const names = columns ?? namesOf(rows, head);
      const records: Json[] = [];
      for (const { fields, line } of rows) {
        if (fields.length !== names.length) {
          const what = `line ${line} has ${fields.length} fields, but there are ${names.length} columns`;
          throw unreadable(head, FAULT, what);
        }
        const record: Record<string, Json> = {};
        for (const [index, name] of names.entries()) setOwn(record, name, fields[index] || null);
        records.push(record);
      }
      return records.length === 0 ? undefined : records;
    },
  examples: [
    {
      title: "quotes, and an empty field",
      options: {},
      body: 'id,name,note\r\n1,"Smith, Jo","said ""hi"""\r\n2,Lee,\r\n',
      value: [
        { id: "1", name: "Smith, Jo", note: 'said "hi"' },
        { id: "2", name: "Lee", note: null },
      ],
    },
    {
      title: "semicolons, and no row of names",
      options: { delimiter: ";", columns: ["id", "price"] },
      body: "1;9,50\n2;10,00\n",
      value: [
        { id: "1", price: "9,50" },
        { id: "2", price: "10,00" },
      ],
    },
  ],
});

interface Row {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

function namesOf(rows: Iterator<Row>, head: ResponseHead): readonly string[] {
  const first = rows.next();
  if (first.done === true) return [];
  const { fields: names } = first.value;
  const nameless = names.indexOf("");
  if (nameless !== -1) throw badNames(head, `column ${nameless + 1} has no name`);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice !== -1) throw badNames(head, `column ${twice + 1} has the name of another column`);
  return names;
}

function badNames(head: ResponseHead, what: string): SluiceError {
  return new SluiceError(FAULT.code, `The CSV of the body can't be read (status ${head.status}): ${what}`, {
    hint: "The first row must name the columns. If there is none, list the names in endpoint.format.columns.",
  });
}

const LINE_BREAK = /\r\n|\r|\n/g;
const CR = 13;
const LF = 10;

/** The rows of a text, without empty lines. */
function* readRows(text: string, delimiter: string, head: ResponseHead): Generator<Row, undefined> {
  const delimiterCode = delimiter.charCodeAt(0);
  let at = 0;
  let line = 1;

  const isDelimiter = (position: number): boolean =>
    text.charCodeAt(position) === delimiterCode && text.startsWith(delimiter, position);
  /** The text up to the next delimiter, line break or end. */
  const readPlain = (): string => {
    const start = at;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === LF || code === CR || isDelimiter(at)) break;
      at += 1;
    }
    return text.slice(start, at);
  };
  /** The field between quotes that begins here. */
  const readQuoted = (): string => {
    const start = at + 1;
    let end = text.indexOf('"', start);
    while (end !== -1 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
    if (end === -1) throw unreadable(head, FAULT, `the quoted field that begins in line ${line} has no end`);
    const inner = text.slice(start, end);
    line += inner.match(LINE_BREAK)?.length ?? 0;
    at = end + 1;
    if (readPlain() !== "") {
      throw unreadable(head, FAULT, `a quoted field goes on after its quote in line ${line}`);
    }
    return inner.replaceAll('""', '"');
  };

  while (at < text.length) {
    const begin = { at, line };
    const fields = [text[at] === '"' ? readQuoted() : readPlain()];
    while (at < text.length && isDelimiter(at)) {
      at += delimiter.length;
      fields.push(text[at] === '"' ? readQuoted() : readPlain());
    }
    if (at > begin.at) yield { line: begin.line, fields };
    // Here is a line break or the end.
    at += text.startsWith("\r\n", at) ? 2 : 1;
    line += 1;
  }
  return undefined;
}
