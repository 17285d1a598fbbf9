import { z } from "zod";
import { NAMING_CONVENTIONS } from "../model/source.js";
import { testOptions } from "./expectations.js";

/** The keys of a pipeline; in YAML they stand beside `client` and `resources`, or `source` holds those. */
export const pipelineOptions = z.strictObject({
  pipeline: z
    .string()
    .regex(/^[A-Za-z_][\w-]*$/, "a pipeline's name has letters, digits, _ and -, and begins with a letter")
    .optional()
    .describe("Name of the pipeline; state is kept under it. Default: from the file's name."),
  source: z
    .unknown()
    .optional()
    .describe("A rest_api configuration; its keys may also stand at the top level."),
  destination: z
    .unknown()
    .optional()
    .describe(
      "URI such as duckdb:calls.duckdb or postgres://user@host/database. Default: <pipeline>.duckdb beside the file.",
    ),
  dataset: z
    .string()
    .min(1)
    .optional()
    .describe("Database schema that holds the tables. Default: the pipeline's name."),
  schema: z
    .union([
      z.string().min(1),
      z.strictObject({
        naming: z
          .enum(NAMING_CONVENTIONS)
          .optional()
          .describe(
            "How keys become names of tables and columns: snake_case (dlt's default), or preserve (as they are; dlt's direct). Default snake_case. Tables and columns that are there keep their names when it changes.",
          ),
        file: z
          .string()
          .min(1)
          .optional()
          .describe("A schema file, as `sluice schema export` writes it: what stands in it is declared."),
      }),
    ])
    .optional()
    .describe("Names and types of all tables: the path of a schema file, or an object."),
  variables: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .optional()
    .describe("Values of {name} placeholders."),
  checkpoint: z
    .strictObject({
      rows: z.int().positive().optional().describe("Root rows between commits; default 500000."),
      bytes: z.int().positive().optional().describe("Staged bytes between commits; default 1073741824."),
      seconds: z.number().positive().optional().describe("Seconds between commits; default 60."),
    })
    .optional()
    .describe("When to commit in the middle of a walk; whichever comes first."),
  keep_history: z
    .string()
    .min(1)
    .optional()
    .describe(
      "How long records of loads, what they set aside, and old schema versions are kept, such as 90d or P1Y: each run forgets older ones. Default: for ever.",
    ),
  tests: z
    .array(testOptions)
    .optional()
    .describe("What `sluice test` expects of loads from recordings; see Tests below."),
  concurrency: z.int().min(1).max(64).optional().describe("Resources read at the same time; default 5."),
  normalizer_threads: z
    .int()
    .min(0)
    .max(64)
    .optional()
    .describe(
      "Threads that turn pages into columns, for loads of several megabytes. Default: two fewer than there are processors, up to 4.",
    ),
});

export type PipelineOptions = z.output<typeof pipelineOptions>;
