import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { RetryableError } from "../../http/message.js";
import { SluiceError } from "../../model/error.js";
import { Findings } from "../finding.js";
import { planFormat } from "../format.js";

interface File {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly flags?: number;
  readonly method?: number;
  /** Said in place of the real one. */
  readonly crc?: number;
  readonly size?: number;
}

/** A zip archive (APPNOTE 6.3), deflated, with the lies that are asked for. */
function zipOf(...files: readonly File[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const file of files) {
    const content = Buffer.from(file.content as string);
    const packed = deflateRawSync(content);
    const name = Buffer.from(file.name);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x0800 | (file.flags ?? 0), 2);
    fields.writeUInt16LE(file.method ?? 8, 4);
    fields.writeUInt32LE(file.crc ?? crc32(content), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(file.size ?? content.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), fields, name, packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), fields, rest, name]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

const headOf = (contentType = "application/zip") => ({
  status: 200,
  url: "https://api.test/export",
  headers: { "content-type": contentType },
});
const decode = async (
  body: Uint8Array,
  options: object | undefined = {},
  maxBytes?: number,
  head = headOf(),
) =>
  planFormat(
    options === undefined ? undefined : { type: "zip", ...options },
    [],
    new Findings(),
    maxBytes,
  )?.decode(body, head);

async function errorOf(
  ...given: Parameters<typeof decode>
): Promise<{ error: SluiceError; isRetryable: boolean }> {
  const thrown: unknown = await decode(...given).then(
    () => Promise.reject(new Error("expected an error")),
    (error: unknown) => error,
  );
  const isRetryable = thrown instanceof RetryableError;
  const error = isRetryable ? thrown.cause : thrown;
  expect(error).toBeInstanceOf(SluiceError);
  return { error: error as SluiceError, isRetryable };
}

const csv = (name: string, ...ids: number[]): File => ({ name, content: `id\n${ids.join("\n")}\n` });

describe("reads", () => {
  test("one file as its value, whatever it is", async () => {
    expect(await decode(zipOf({ name: "a.json", content: '{"calls":[{"id":1}]}' }))).toEqual({
      calls: [{ id: 1 }],
    });
    expect(await decode(zipOf({ name: "a.xml", content: "<a>1</a>" }))).toEqual({ a: "1" });
    expect(await decode(zipOf({ name: "a.csv.gz", content: gzipSync("id\n1\n") }))).toEqual([{ id: "1" }]);
  });

  test("the lists of several, in the archive's order, each in its own format", async () => {
    const body = zipOf(
      csv("b.csv", 1, 2),
      { name: "a.jsonl", content: '{"id":3}\n' },
      { name: "empty.csv", content: "" },
      csv("c.CSV", 4),
    );
    expect(await decode(body)).toEqual([{ id: "1" }, { id: "2" }, { id: 3 }, { id: "4" }]);
  });

  test("past folders and what systems add", async () => {
    const extra = ["folder/", "__MACOSX/folder/._a.csv", "folder/.DS_Store"].map((name) => ({
      name,
      content: "",
    }));
    expect(await decode(zipOf(...extra, csv("folder/a.csv", 1)))).toEqual([{ id: "1" }]);
  });

  test.each([
    ["*.csv", ["1", "2"]],
    ["x/*.csv", ["2"]],
    ["**/*.csv", ["2"]],
    ["?.csv", ["1", "2"]],
    ["a.csv", ["1"]],
  ])("only the entries that fit %s", async (entries, ids) => {
    const body = zipOf(csv("a.csv", 1), csv("x/b.csv", 2), { name: "read.me", content: "hello" });
    expect(await decode(body, { entries })).toEqual(ids.map((id) => ({ id })));
  });

  test("files in a configured format, whatever their names", async () => {
    const body = zipOf({ name: "export", content: "id;x\n1;2\n" });
    expect(await decode(body, { format: { type: "csv", delimiter: ";" } })).toEqual([{ id: "1", x: "2" }]);
  });

  test("an archive by its content type, or by its beginning where that says nothing", async () => {
    const body = zipOf(csv("a.csv", 1));
    for (const type of ["application/zip", "application/octet-stream", ""]) {
      expect(await decode(body, undefined, undefined, headOf(type))).toEqual([{ id: "1" }]);
    }
  });

  test("nothing in an empty archive", async () => {
    expect(await decode(zipOf())).toBeUndefined();
  });
});

describe("refuses for good", () => {
  test.each<[string, readonly File[], object, string]>([
    ["an encrypted file", [{ ...csv("a.csv", 1), flags: 1 }], {}, '"a.csv" of the archive is encrypted'],
    ["strong encryption", [{ ...csv("a.csv", 1), flags: 0x41 }], {}, "the archive is encrypted"],
    ["a compression that is not supported", [{ ...csv("a.csv", 1), method: 14 }], {}, "method 14"],
    ["a name that no format claims", [{ name: "a.bin", content: "x" }], {}, '"a.bin"'],
    ["no file that fits", [csv("a.csv", 1)], { entries: "*.json" }, 'entries "*.json"'],
    [
      "several documents that are no lists",
      [
        { name: "a.json", content: "{}" },
        { name: "b.json", content: "{}" },
      ],
      {},
      "no lists",
    ],
  ])("%s", async (_, files, options, what) => {
    const { error, isRetryable } = await errorOf(zipOf(...files), options);
    expect(isRetryable).toBe(false);
    expect(error.code).toBe("response/malformed");
    expect(error.message).toContain(what);
  });

  test("more bytes than allowed, in all files together, also when an archive lies about them", async () => {
    const zeros = { name: "a.csv", content: `a\n${"0\n".repeat(500)}` };
    expect(await decode(zipOf(zeros), {}, 1002)).toHaveLength(500);
    expect((await errorOf(zipOf(zeros), {}, 1001)).error.code).toBe("http/too-large");
    expect((await errorOf(zipOf(zeros, { ...zeros, name: "b.csv" }), {}, 2000)).error.code).toBe(
      "http/too-large",
    );
    expect((await errorOf(zipOf({ ...zeros, size: 10 }), {}, 500)).error.code).toBe("response/malformed");
  });
});

describe("refuses, and may be asked again", () => {
  test("a wrong checksum, and names the file", async () => {
    const { error, isRetryable } = await errorOf(zipOf({ ...csv("a.csv", 1), crc: 1 }));
    expect(isRetryable).toBe(true);
    expect(error).toMatchObject({
      code: "response/malformed",
      message: expect.stringContaining("a.csv") as string,
    });
  });

  test("whatever is cut off", async () => {
    const body = zipOf(csv("a.csv", 1), csv("b.csv", 2));
    for (let length = 1; length < body.length; length++) {
      const { error, isRetryable } = await errorOf(body.subarray(0, length));
      expect(isRetryable).toBe(true);
      expect(error.code).toBe("response/malformed");
    }
  });

  test("any damaged byte, or reads the same", async () => {
    const body = zipOf(csv("a.csv", 1), csv("b.csv", 2));
    const expected = [{ id: "1" }, { id: "2" }];
    for (let at = 0; at < body.length; at++) {
      const damaged = Buffer.from(body);
      damaged[at]! ^= 0x55;
      const value = await decode(damaged, { format: "csv" }).catch((error: unknown) => error);
      if (value instanceof RetryableError || value instanceof SluiceError) continue;
      expect(value).toEqual(expected);
    }
  });

  test("a file inside that is malformed, and names it", async () => {
    const { error, isRetryable } = await errorOf(zipOf({ name: "x/a.json", content: '{"a":' }));
    expect(isRetryable).toBe(true);
    expect(error.code).toBe("response/not-json");
    expect(error.message).toContain('in the file "x/a.json"');
  });
});
