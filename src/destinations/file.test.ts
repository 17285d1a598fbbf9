import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { type DestinationHarness, destinationLaws } from "../../test/laws/destination.js";
import { SYSTEM_TABLES } from "../model/table.js";
import { queryDuckdb } from "./duckdb.js";
import { type FileFormat, folderName, readManifest } from "./file/manifest.js";
import { folderStore } from "./file/store.js";
import { file } from "./file.js";

let folder: string;
let folders = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-file-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function newFolder(): string {
  folders += 1;
  return join(folder, String(folders));
}

const IN_MANIFEST: Readonly<Record<string, "state" | "schemas" | "loads">> = {
  [SYSTEM_TABLES.state]: "state",
  [SYSTEM_TABLES.schema]: "schemas",
  [SYSTEM_TABLES.loads]: "loads",
};

async function rowsOf(path: string, dataset: string, table: string): Promise<Record<string, unknown>[]> {
  const listed = IN_MANIFEST[table];
  if (listed !== undefined) {
    return [...(await readManifest(folderStore(path), folderName(dataset)))[listed]];
  }
  const query = await file(path).query(dataset, table);
  return query === undefined ? [] : queryDuckdb(":memory:", query);
}

function harness(format: FileFormat): DestinationHarness {
  return {
    name: `file ${format}`,
    async open() {
      const path = newFolder();
      return {
        destination: file(path, { format, memory_limit: "256MB" }),
        rows: (dataset, table) => rowsOf(path, dataset, table),
        dispose: () => rm(path, { recursive: true, force: true }),
      };
    },
  };
}

describe("laws of destinations: parquet", () => {
  for (const law of destinationLaws) test(law.name, () => law.check(harness("parquet")));
});

/** Laws on what the format itself does; the rest is the protocol's, which is one for all formats. */
const OF_FORMATS = [
  "append adds",
  "merge inserts and updates",
  "a new column keeps old rows",
  "columns widen in place, with rows in the same package",
  "integers of 64 bits are exact",
  "decimals are exact at every precision",
  "doubles are exact to the last bit",
  "times are exact to the microsecond, before 1970 too",
  "text is kept to the byte",
  "the character NUL is kept, in text and in json",
  "booleans, bytes and json are kept",
  "rejects are kept with everything about them",
];

describe.each(["jsonl", "csv"] as const)("laws of destinations: %s", (format) => {
  for (const law of destinationLaws.filter(({ name }) => OF_FORMATS.includes(name))) {
    test(law.name, () => law.check(harness(format)));
  }
});
