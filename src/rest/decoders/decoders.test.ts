import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { ResponseHead } from "../../http/message.js";
import type { DecoderDefinition } from "../decoder.js";
import { Findings } from "../finding.js";
import { planFormat } from "../format.js";
import { decoders } from "./index.js";
import { optionalPackage } from "./optional-package.js";

const headOf = (contentType: string, status = 200): ResponseHead => ({
  status,
  url: "https://api.test/calls",
  headers: contentType === "" ? {} : { "content-type": contentType },
});
const definitions = decoders as readonly DecoderDefinition[];

describe.each(definitions.map((definition) => [definition.type, definition] as const))(
  "%s",
  (_, definition) => {
    const decode = (body: string | Uint8Array, status = 200, options: object = {}) =>
      planFormat({ type: definition.type, ...options }, [], new Findings())?.decode(
        Buffer.from(body as string),
        headOf(definition.mediaTypes[0], status),
      );

    test.each(definition.examples.map((example) => [example.title, example] as const))(
      "%s",
      async (_, example) => {
        expect(await decode(example.body, 200, example.options as object)).toEqual(example.value);
      },
    );

    test("is zero records for an empty body, and for status 204 whatever is in it", async () => {
      expect(await decode("")).toBeUndefined();
      if (definition.type !== "zip") expect(await decode("\ufeff\r\n")).toBeUndefined();
      expect(await decode("}", 204)).toBeUndefined();
    });

    test("is unpacked first when it is a gzip file", async () => {
      const { body, options, value } = definition.examples[0]!;
      expect(await decode(gzipSync(body), 200, options as object)).toEqual(value);
    });
  },
);

test("no content type is claimed twice", () => {
  const types = definitions.flatMap(({ mediaTypes }) => mediaTypes);
  expect(new Set(types).size).toBe(types.length);
});

test.each([
  ["application/json", '[{"a":"1"}]'],
  ["application/vnd.api+json; charset=utf-8", '[{"a":"1"}]'],
  ["text/plain", '[{"a":"1"}]'],
  ["", '[{"a":"1"}]'],
  ["application/x-ndjson", '{"a":"1"}\n'],
  ["application/jsonl; charset=utf-8", '{"a":"1"}'],
  ["application/json-seq", '\u001e{"a":\n"1"}\n'],
  ["Text/CSV ; header=present", "a\n1\n"],
])("without a format, %s goes by the content type", (type, body) => {
  const format = planFormat(undefined, [], new Findings());
  expect(format?.decode(Buffer.from(body), headOf(type))).toEqual([{ a: "1" }]);
});

test.each(["application/xml", "text/xml; charset=utf-8", "application/rss+xml"])(
  "without a format, %s is XML",
  async (type) => {
    const format = planFormat(undefined, [], new Findings());
    expect(await format?.decode(Buffer.from("<a>1</a>"), headOf(type))).toEqual({ a: "1" });
  },
);

test.each([
  ["application/gzip", "https://api.test/export/calls.csv.gz?x=1.json", undefined, "a\n1\n"],
  ["application/gzip", "https://api.test/export", 'attachment; filename="calls.CSV.gz"', "a\n1\n"],
  ["binary/octet-stream", "https://api.test/calls.jsonl.gz", undefined, '{"a":"1"}\n'],
  ["application/x-gzip", "https://api.test/export", undefined, '[{"a":"1"}]'],
  ["text/csv", "https://api.test/export.json", undefined, "a\n1\n"],
  ["", "https://api.test/calls.csv", undefined, "a\n1\n"],
])(
  "a gzip file of type %s at %s goes by its content type, else by its name",
  async (type, url, named, text) => {
    const format = planFormat(undefined, [], new Findings());
    const headers = {
      "content-type": type,
      ...(named === undefined ? {} : { "content-disposition": named }),
    };
    const head = { status: 200, url, headers };
    for (const body of [gzipSync(text), Buffer.from(text)]) {
      expect(await format?.decode(body, head)).toEqual([{ a: "1" }]);
    }
  },
);

test("a gzip file may have client.max_body_bytes when it is unpacked, and must be whole", async () => {
  const format = planFormat("csv", [], new Findings(), 1000);
  const whole = gzipSync(`a\n${"1\n".repeat(499)}`);
  expect(await format?.decode(whole, headOf("text/csv"))).toHaveLength(499);
  await expect(format?.decode(gzipSync("a\n".repeat(501)), headOf("text/csv"))).rejects.toMatchObject({
    code: "http/too-large",
  });
  await expect(format?.decode(whole.subarray(0, 25), headOf("text/csv"))).rejects.toMatchObject({
    cause: { code: "http/encoding" },
  });
});

describe("charsets", () => {
  const text = '{"a":"Grüße, 世界 €"}';
  const utf16 = Buffer.from(`\ufeff${text}`, "utf16le");
  const decode = (format: Record<string, unknown> | string, body: Uint8Array, type: string) =>
    planFormat(format, [], new Findings())?.decode(body, headOf(type));

  test.each([
    ["utf-16le", utf16],
    ["utf-16be", Buffer.from(utf16).swap16()],
    ["utf-8", Buffer.from(`\ufeff${text}`)],
  ])("a byte order mark of %s wins over the content type", (_, body) => {
    expect(decode("json", body, "application/json; charset=iso-8859-1")).toEqual(JSON.parse(text));
    expect(decode("jsonl", body, "application/jsonl; charset=utf-8")).toEqual([JSON.parse(text)]);
  });

  test("the content type's", async () => {
    const sjis = Buffer.from([0x90, 0xa2, 0x8a, 0x45]);
    const csv = Buffer.concat([Buffer.from("a\n"), sjis]);
    expect(decode("csv", csv, "text/csv; charset=Shift_JIS")).toEqual([{ a: "世界" }]);
    const xml = Buffer.concat([
      Buffer.from('<?xml version="1.0" encoding="utf-8"?><a>'),
      sjis,
      Buffer.from("</a>"),
    ]);
    expect(await decode("xml", xml, "text/xml; charset=shift_jis")).toEqual({ a: "世界" });
  });

  test("the configured one wins over the content type's", () => {
    const body = Buffer.from([0x61, 0x0a, 0x80]);
    expect(decode({ type: "csv", encoding: "windows-1252" }, body, "text/csv; charset=utf-8")).toEqual([
      { a: "€" },
    ]);
  });

  test("an unknown one is an error, but for JSON that is valid UTF-8", async () => {
    const unknown = expect.objectContaining({
      code: "response/malformed",
      message: expect.stringContaining('the charset "klingon"') as string,
    }) as Error;
    expect(() => decode("csv", Buffer.from("a\n1"), "text/csv; charset=klingon")).toThrow(unknown);
    await expect(decode("xml", Buffer.from("<a/>"), "text/xml; charset=klingon")).rejects.toEqual(unknown);
    expect(decode("json", Buffer.from('["ä"]'), "application/json; charset=klingon")).toEqual(["ä"]);
    expect(() =>
      decode("json", Buffer.from([0x22, 0xe4, 0x22]), "application/json; charset=klingon"),
    ).toThrow('the charset "klingon"');
  });

  test("bytes that are invalid in it are an error", () => {
    expect(() => decode("csv", Buffer.from([0x61, 0x0a, 0x81]), "text/csv; charset=shift_jis")).toThrow(
      "not valid shift_jis",
    );
  });
});

test("a configured format wins over the content type, and asks for its own", () => {
  const format = planFormat({ type: "csv", delimiter: "\t" }, [], new Findings());
  expect(format?.accept).toBe("text/csv");
  expect(format?.decode(Buffer.from("a\tb\n1\t2"), headOf("application/json"))).toEqual([{ a: "1", b: "2" }]);
});

test.each([
  ["cvs", 'did you mean "csv"'],
  [{ delimiter: ";" }, "has no type"],
])("a mistake in format %j is found", (configured, message) => {
  const findings = new Findings();
  expect(planFormat(configured, ["format"], findings)).toBeUndefined();
  expect(JSON.stringify(findings.all).replaceAll('\\"', '"')).toContain(message);
});

test.each([
  [{ type: "csv", delimiter: ";;" }],
  [{ type: "csv", delimiter: '"' }],
  [{ type: "csv", columns: ["a", "a"] }],
  [{ type: "json", delimiter: ";" }],
  [{ type: "csv", encoding: "klingon" }],
  [{ type: "xml", attribute_prefix: "" }],
  [{ type: "xml", attribute_prefix: "#" }],
  [{ type: "xml", text_key: "text" }],
  [{ type: "zip", format: "cvs" }],
  [{ type: "zip", format: { type: "csv", delimiter: ";;" } }],
])("options that can't be are found: %j", (configured) => {
  const findings = new Findings();
  expect(planFormat(configured, ["format"], findings)).toBeUndefined();
  expect(findings.all).toHaveLength(1);
});

test("a package that is not installed is told with the command that installs it", async () => {
  const load = optionalPackage("fast-xml-parser", "The format xml", () =>
    Promise.reject(new Error("Cannot find package")),
  );
  await expect(load()).rejects.toMatchObject({
    code: "config/missing-package",
    message: "The format xml needs the package fast-xml-parser, which is not installed",
    hint: "npm install fast-xml-parser",
  });
});
