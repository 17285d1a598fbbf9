import { expect, it } from "vitest";
import { z } from "zod";
import { readDocument } from "../json/document.js";
import { recordsAt } from "../json/records.js";
import { createNormalizer } from "./normalizer.js";
import { batchRows } from "./rows.js";
import { addPage } from "./validate.js";

it("what a schema makes of records is loaded, also of those in a document", async () => {
  const normalizer = createNormalizer({
    resource: "r",
    table: "r",
    hints: { writeDisposition: "append", primaryKey: [], columns: [] },
    known: [],
    loadId: "1700000000.1",
    now: 1_700_000_000_000,
  });
  const records = recordsAt(readDocument(Buffer.from('[{"id":1,"x":2},{"id":"no"}]'))!, 0)!;

  await addPage(normalizer, records, z.object({ id: z.number().transform((id) => id * 10) }));

  const rows = normalizer.take().flatMap(batchRows);
  expect(rows).toMatchObject([{ id: 10n }]);
  expect(rows[0]).not.toHaveProperty("x");
  expect(normalizer.takeRejects().rejects).toHaveLength(1);
});
