import * as fc from "fast-check";
import { XMLBuilder } from "fast-xml-parser";
import { describe, expect, test } from "vitest";
import { RetryableError } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import type { Json } from "../../model/json.js";
import { xmlDecoder } from "./xml.js";

const headOf = (contentType = "application/xml") => ({
  status: 200,
  url: "https://api.test/calls",
  headers: { "content-type": contentType },
});
const decode = async (body: string | Uint8Array, options: object = {}, head = headOf()) =>
  xmlDecoder.create(xmlDecoder.options.parse(options))(Buffer.from(body as string), head);

async function errorOf(body: string | Uint8Array): Promise<{ error: SluiceError; isRetryable: boolean }> {
  const thrown: unknown = await decode(body).then(
    () => Promise.reject(new Error("expected an error")),
    (error: unknown) => error,
  );
  const isRetryable = thrown instanceof RetryableError;
  const error = isRetryable ? thrown.cause : thrown;
  expect(error).toBeInstanceOf(SluiceError);
  return { error: error as SluiceError, isRetryable };
}

describe("reads", () => {
  test.each<[string, string, Json]>([
    [
      "numbers as they are written",
      "<a><b>007</b><c>12345678901234567890.10</c><d>1e5</d><e>true</e><f>0x1F</f></a>",
      { a: { b: "007", c: "12345678901234567890.10", d: "1e5", e: "true", f: "0x1F" } },
    ],
    [
      "empty elements and attributes as null",
      '<a><b/><c></c><d x=""/></a>',
      { a: { b: null, c: null, d: { "@x": null } } },
    ],
    [
      "blanks in text, not those around elements",
      "<a>\n  <b> x </b>\n  <b> </b>\n</a>",
      { a: { b: [" x ", " "] } },
    ],
    ["text beside elements", "<a>one<b>2</b>three</a>", { a: { "#text": "onethree", b: "2" } }],
    [
      "entities and character references",
      "<a b='&quot;&#65;&#x1F600;'>&lt;&amp;&gt;&apos;&#233;&amp;lt;</a>",
      { a: { "@b": '"A😀', "#text": "<&>'é&lt;" } },
    ],
    ["unknown entities as they are written", "<a>&nbsp;&#0;&#xD800;</a>", { a: "&nbsp;&#0;&#xD800;" }],
    ["CDATA", "<a><![CDATA[&amp; <x>]]>&amp;</a>", { a: "&amp; <x>&" }],
    [
      "past comments, instructions and a plain doctype",
      "<?xml version='1.0'?><!DOCTYPE a><?x y?><!-- z --><a>x<!-- y -->z</a>",
      { a: "xz" },
    ],
    [
      "namespaces as they are written",
      '<n:a xmlns:n="urn:x"><n:b n:c="1">x</n:b></n:a>',
      { "n:a": { "@xmlns:n": "urn:x", "n:b": { "@n:c": "1", "#text": "x" } } },
    ],
    ["thousands of references", `<a>${"&amp;".repeat(5000)}</a>`, { a: "&".repeat(5000) }],
  ])("%s", async (_, body, expected) => {
    expect(await decode(body)).toEqual(expected);
  });

  test("with a prefix and key of one's own", async () => {
    const options = { attribute_prefix: "-", text_key: "$" };
    expect(await decode('<a b="1">x</a>', options)).toEqual({ a: { "-b": "1", $: "x" } });
  });

  test.each([
    ["<r><c><i>1</i></c></r>", { r: { c: { i: ["1"] } } }],
    ["<r><c><i>1</i><i>2</i></c></r>", { r: { c: { i: ["1", "2"] } } }],
    ["<r><c><x>1</x></c></r>", { r: { c: { i: [], x: "1" } } }],
    ["<r><c/></r>", { r: { c: { i: [] } } }],
    ["<r><c><i>1</i></c><c/></r>", { r: { c: [{ i: ["1"] }, { i: [] }] } }],
    ["<r/>", { r: null }],
    ['<r><c i="1"/></r>', { r: { c: { "@i": "1", i: [] } } }],
  ])("%s with force_list", async (body, expected) => {
    expect(await decode(body, { force_list: ["r.c.i"] })).toEqual(expected);
  });

  test("the encoding of the declaration, where the content type names none", async () => {
    const body = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>', "latin1");
    expect(await decode(body)).toEqual({ a: "é" });
    const wide = Buffer.from('\ufeff<?xml version="1.0" encoding="utf-16"?><a>世</a>', "utf16le");
    expect(await decode(wide)).toEqual({ a: "世" });
    const other = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>世</a>');
    expect(await decode(other, {}, headOf("text/xml; charset=utf-8"))).toEqual({ a: "世" });
  });
});

describe("refuses for good", () => {
  const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join(
    "",
  );
  test.each([
    ["a billion laughs", `<!DOCTYPE a [<!ENTITY l0 "ha">${laughs}]><a>&l9;</a>`, "entities of its own"],
    ["an entity", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "entities of its own"],
    [
      "an external entity",
      '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
      "entities of its own",
    ],
    ["great depth", "<a>".repeat(20_000) + "</a>".repeat(20_000), "levels deep"],
    ["__proto__", "<a><__proto__><b>1</b></__proto__></a>", "JavaScript reserves"],
  ])("%s", async (_, body, what) => {
    const { error, isRetryable } = await errorOf(body);
    expect(isRetryable).toBe(false);
    expect(error.code).toBe("response/malformed");
    expect(error.message).toContain(what);
    expect(Object.prototype).not.toHaveProperty("b");
  });
});

describe("refuses, and may be asked again", () => {
  test.each([
    ["<a><b>4155</b>", "ends too early"],
    ["<a>\n<b>4155</a>", "see line 2"],
    ["<a>4155 & 1</a>", "not well-formed"],
    ["<a b=4155/>", "not well-formed"],
    ["<a>4155</a><b>1</b>", "not well-formed"],
    ["<a x='4155'/><b/>", "one root element"],
    ['{"a":4155}', "not well-formed"],
    ["<!doctype html><html><p>Log in", "HTML page"],
  ])("%j", async (body, what) => {
    const { error, isRetryable } = await errorOf(body);
    expect(isRetryable).toBe(true);
    expect(error.code).toBe("response/malformed");
    expect(error.message).toContain(what);
    expect(error.message).not.toContain("4155");
  });

  test("whatever is cut off", async () => {
    const body = '<?xml version="1.0"?><a b="1"><c>x</c><!-- d --><e><![CDATA[f]]></e></a>';
    for (let length = 23; length < body.length; length++) {
      expect((await errorOf(body.slice(0, length))).isRetryable).toBe(true);
    }
  });
});

test("whatever is written is read back equal", async () => {
  const name = fc
    .stringMatching(/^[a-zA-Z_][\w.-]{0,6}$/)
    .filter((text) => !/^(?:constructor|__proto__|prototype)$/.test(text));
  const value = fc
    .string({
      unit: fc.constantFrom("<", ">", "&", '"', "'", "]]>", " ", "0", "7", "é", "😀", "x", "&amp;", "\n"),
    })
    .filter((text) => text.trim() !== "");
  const record = fc.dictionary(name, value, { minKeys: 1, noNullPrototype: true });
  const builder = new XMLBuilder({});
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 2, maxLength: 4 }), async (records) => {
      const body = builder.build({ rows: { row: records } });
      expect(await decode(body)).toEqual({ rows: { row: records } });
    }),
    { numRuns: 300 },
  );
});
