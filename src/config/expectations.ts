import { z } from "zod";
import { DATA_TYPES } from "../model/table.js";

const count = z.int().min(0);

const tableExpectation = z.strictObject({
  rows: count.optional().describe("Exactly so many rows."),
  min_rows: count.optional().describe("At least so many rows."),
  columns: z
    .record(z.string(), z.enum(DATA_TYPES))
    .optional()
    .describe("Columns that the table has, with their types; others do not matter."),
  contains: z
    .array(z.record(z.string(), z.unknown()))
    .optional()
    .describe("Rows of which each is there at least once; columns that are not named do not matter."),
});

const resourceExpectation = z.strictObject({
  status: z.enum(["ok", "failed"]).optional().describe("How the resource ended."),
  completeness: z
    .enum(["proved", "likely", "unknown", "short"])
    .optional()
    .describe("How sure it is that the walk saw everything."),
  pages: count.optional().describe("Exactly so many pages."),
  requests: count.optional().describe("Exactly so many requests, retries included."),
  error: z.string().optional().describe("Code of the error that it ends with."),
});

/** One item of `tests:`. */
export const testOptions = z.strictObject({
  name: z.string().min(1).describe("Name of the test."),
  replay: z
    .string()
    .min(1)
    .describe("Folder that `sluice run --record` has made, seen from the folder of the configuration."),
  set: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .optional()
    .describe("What was given with --set when it was recorded."),
  select: z.array(z.string()).optional().describe("Only these resources; default all."),
  expect: z
    .strictObject({
      status: z.enum(["ok", "partial", "failed"]).default("ok").describe("How the run ends; default ok."),
      tables: z.record(z.string(), tableExpectation).optional().describe("By the table's name."),
      resources: z.record(z.string(), resourceExpectation).optional().describe("By the resource's name."),
    })
    .describe("What must be true after the replay."),
});

/** A test as it was checked. */
export type TestOptions = z.output<typeof testOptions>;
/** A test as it is written. */
export type TestConfig = z.input<typeof testOptions>;
export type TableExpectation = z.output<typeof tableExpectation>;
