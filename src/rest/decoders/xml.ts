import { z } from "zod";
import type { ResponseHead, RetryableError } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import { isObject, type Json } from "../../model/json.js";
import { defineDecoder } from "../decoder.js";
import { type Fault, readText, unreadable } from "./body-text.js";
import { optionalPackage } from "./optional-package.js";

const FAULT: Fault = {
  code: "response/malformed",
  name: "XML",
  hint: "Open the URL with the same credentials and look at what it answers. If it is another format, set endpoint.format.",
};

const loadXml = optionalPackage("fast-xml-parser", "The format xml", () => import("fast-xml-parser"));

/** Elements within elements; far beyond what documents have, and far from the end of the stack. */
const MAX_DEPTH = 500;

const marker = z.string().regex(/^[^\p{L}_:]/u, "must begin with a character that no XML name begins with");

/**
 * XML 1.0, by fast-xml-parser (an optional package). An element becomes an object of its attributes and elements; one
 * with neither becomes its text, and an empty one null. Elements of one name side by side become a list. Names are kept
 * as written, with their namespace prefix.
 *
 * Every value is text, exactly as it stands: `007` and numbers of any length lose nothing (declare `data_type`s to have
 * others). The five entities of XML and character references are resolved; a document that declares entities of its own
 * is refused, and nothing outside of the document is ever fetched. Text beside elements is kept under `text_key`,
 * unless it is blank; comments and processing instructions are dropped.
 *
 * The charset is that of the byte order mark, else the content type's, else the XML declaration's (RFC 7303 §3), else
 * UTF-8.
 *
 * @throws RetryableError whose cause is `response/malformed`, for a document that is not well-formed or cut off.
 * @throws SluiceError `response/malformed` for entity declarations and names that no object may have;
 *   `config/missing-package` without the package.
 *
 * @example
 * const decode = xmlDecoder.create(xmlDecoder.options.parse({}), context);
 * await decode(Buffer.from('<a><b c="1">x</b></a>'), head); // { a: { b: { "@c": "1", "#text": "x" } } }
 */
export const xmlDecoder = defineDecoder({
  type: "xml",
  summary:
    "XML: attributes are @name, an element's text beside them #text, values are text, an empty element is null. Needs the package fast-xml-parser.",
  mediaTypes: ["application/xml", "text/xml", "+xml"],
  extensions: ["xml"],
  options: z
    .strictObject({
      attribute_prefix: marker
        .default("@")
        .describe("What stands before the name of an attribute; default `@`."),
      text_key: marker
        .default("#text")
        .describe("Key of an element's text when it has attributes or elements too; default `#text`."),
      force_list: z
        .array(z.string().min(1))
        .default([])
        .describe(
          "Dotted paths of elements, from the root on, that are lists however often they occur: rss.channel.item. None at all is an empty list.",
        ),
    })
    .refine(({ attribute_prefix, text_key }) => !text_key.startsWith(attribute_prefix), {
      path: ["text_key"],
      error: "must not begin with attribute_prefix",
    }),
  create: (options) => {
    const lists = new Set(options.force_list);
    return async (bytes, head): Promise<Json | undefined> => {
      const { text } = readText(bytes, head, FAULT, { declared: declaredEncoding(bytes) });
      if (text.trim() === "") return undefined;
      const { XMLParser, XMLValidator } = await loadXml();
      const validity = XMLValidator.validate(text);
      if (validity !== true) throw notXml(text, head, validity.err);
      const parser = new XMLParser({
        ignoreAttributes: false,
        attributeNamePrefix: options.attribute_prefix,
        textNodeName: options.text_key,
        parseTagValue: false,
        trimValues: false,
        ignoreDeclaration: true,
        ignorePiTags: true,
        maxNestedTags: MAX_DEPTH,
        entityDecoder: ENTITIES,
        ...(lists.size === 0
          ? {}
          : { isArray: (_name, path, _leaf, attribute) => !attribute && lists.has(path as string) }),
      });
      const document = parsed(() => parser.parse(text) as Json, head);
      const root = rootOf(tidied(document, options.text_key), options.text_key, head);
      for (const path of options.force_list) addEmptyLists(root, path.split("."));
      return root;
    };
  },
  examples: [
    {
      title: "attributes, text, and a list",
      options: {},
      body: '<calls total="2"><call id="1"><name>Jo</name></call><call id="2"><name/></call></calls>',
      value: {
        calls: {
          "@total": "2",
          call: [
            { "@id": "1", name: "Jo" },
            { "@id": "2", name: null },
          ],
        },
      },
    },
    {
      title: "one element where many are meant",
      options: { force_list: ["rss.channel.item"] },
      body: '<?xml version="1.0"?><rss><channel><item><price currency="USD">007.10</price></item></channel></rss>',
      value: { rss: { channel: { item: [{ price: { "@currency": "USD", "#text": "007.10" } }] } } },
    },
  ],
});

/** The encoding that an XML declaration names; it can be read before the charset is known, being ASCII in all of them. */
function declaredEncoding(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.subarray(0, 200)).toString("latin1");
  return /^\s*<\?xml\s[^>]*?\bencoding\s*=\s*["']([\w.:-]+)["']/.exec(start)?.[1];
}

/** The entities of a document without declarations: XML 1.0 §4.1 and §4.6. Others stay as they are written. */
const ENTITIES = {
  setExternalEntities: () => {},
  addInputEntities(entities: object) {
    if (Object.keys(entities).length > 0) throw new EntityError();
  },
  reset: () => {},
  decode: (text: string): string => (text.includes("&") ? text.replaceAll(REFERENCE, resolved) : text),
  setXmlVersion: () => {},
};

class EntityError extends Error {}

const REFERENCE = /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(lt|gt|amp|quot|apos));/gi;
const NAMED: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function resolved(written: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return NAMED[name] ?? written;
  const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
  const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : written;
}

function parsed(parse: () => Json, head: ResponseHead): Json {
  try {
    return parse();
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    if (error instanceof EntityError || /entit/i.test(message))
      throw refused(head, "it declares entities of its own, which are not expanded");
    if (/nested/i.test(message)) throw refused(head, `its elements are more than ${MAX_DEPTH} levels deep`);
    if (/reserved/i.test(message))
      throw refused(head, "an element or attribute has a name that JavaScript reserves, such as __proto__");
    throw unreadable(head, FAULT, "it can't be parsed");
  }
}

/** A document that would be no better the next time. */
function refused(head: ResponseHead, what: string): SluiceError {
  return new SluiceError(FAULT.code, `The XML of the body is refused (status ${head.status}): ${what}`);
}

function notXml(
  text: string,
  head: ResponseHead,
  { line, col }: { readonly line: number; readonly col?: number },
): RetryableError {
  if (/^\s*<(?:!doctype\s+)?html\b/i.test(text)) return unreadable(head, FAULT, "it is an HTML page");
  const where = col === undefined ? "" : `, character ${col}`;
  return unreadable(head, FAULT, `it is not well-formed or ends too early; see line ${line}${where}`);
}

/** The one element of a document; the parser takes several. */
function rootOf(document: Json, textKey: string, head: ResponseHead): Json {
  const root = isObject(document) ? Object.entries(document).filter(([key]) => key !== textKey) : [];
  const [name, value] = root[0] ?? [];
  if (root.length !== 1 || name === undefined || value === undefined)
    throw unreadable(head, FAULT, "it has not exactly one root element");
  return { [name]: value };
}

/** Empty texts as null, and without the blank text around elements. Changes what it is given: the parser's own objects. */
function tidied(value: Json, textKey: string): Json {
  if (value === "") return null;
  if (Array.isArray(value)) return value.map((item: Json) => tidied(item, textKey));
  if (!isObject(value)) return value;
  const fields = value as Record<string, Json>;
  for (const [key, field] of Object.entries(fields)) {
    if (key === textKey && typeof field === "string" && field.trim() === "") delete fields[key];
    else fields[key] = tidied(field, textKey);
  }
  return fields;
}

/** Puts an empty list where none of the elements is there, but their parent is. */
function addEmptyLists(parent: Json, path: readonly string[]): void {
  const [key = "", ...rest] = path;
  if (!isObject(parent)) return;
  const fields = parent as Record<string, Json>;
  if (rest.length === 0) {
    if (!Object.hasOwn(fields, key)) fields[key] = [];
    return;
  }
  if (!Object.hasOwn(fields, key)) return;
  // An empty element is a parent, too.
  const filled = (value: Json): Json => (value === null && rest.length === 1 ? {} : value);
  const value = fields[key]!;
  fields[key] = Array.isArray(value) ? value.map(filled) : filled(value);
  for (const item of [fields[key]].flat()) addEmptyLists(item as Json, rest);
}
