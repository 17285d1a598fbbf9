import { describe, expect, test } from "vitest";
import type { ResponseHead } from "../../http/message.js";
import type { DecoderDefinition } from "../decoder.js";
import { Findings } from "../finding.js";
import { planFormat } from "../format.js";
import { decoders } from "./index.js";

const headOf = (contentType: string, status = 200): ResponseHead => ({
  status,
  url: "https://api.test/calls",
  headers: contentType === "" ? {} : { "content-type": contentType },
});
const definitions = decoders as readonly DecoderDefinition[];

describe.each(definitions.map((definition) => [definition.type, definition] as const))(
  "%s",
  (_, definition) => {
    test.each(definition.examples.map((example) => [example.title, example] as const))("%s", (_, example) => {
      const decode = definition.create(definition.options.parse(example.options) as never);
      expect(decode(Buffer.from(example.body), headOf(definition.mediaTypes[0]))).toEqual(example.value);
    });

    test("is zero records for an empty body, and for status 204 whatever is in it", () => {
      const decode = definition.create(definition.options.parse({}) as never);
      const head = headOf(definition.mediaTypes[0]);
      expect(decode(Buffer.from(""), head)).toBeUndefined();
      expect(decode(Buffer.from("\ufeff\r\n"), head)).toBeUndefined();
      expect(decode(Buffer.from("}"), headOf(definition.mediaTypes[0], 204))).toBeUndefined();
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
])("options that can't be are found: %j", (configured) => {
  const findings = new Findings();
  expect(planFormat(configured, ["format"], findings)).toBeUndefined();
  expect(findings.all).toHaveLength(1);
});
