import { z } from "zod";
import type { Json } from "../../model/json.js";
import { functionOption } from "../function-option.js";
import type { CursorValue, LastValueFunction } from "./value.js";

/**
 * In TypeScript: what the API expects for a cursor value. Called for every value that is sent, never with null.
 *
 * @example
 * const toDate: ConvertFunction = (value) => String(value).slice(0, 10);
 */
export type ConvertFunction = (value: CursorValue) => Json;

const bound = z.union([z.string(), z.number(), z.bigint().meta({ not: {} })]).nullable();
const step = z.union([z.number().positive(), z.string()]);

const shared = {
  cursor_path: z
    .string()
    .min(1)
    .describe(
      "Where a record says how new it is: a dotted path or JSONPath, such as updated_at. Where it finds several values, the greatest counts (the smallest for min).",
    ),
  initial_value: bound
    .optional()
    .describe("Where the first run starts; records before it are dropped. Default: everything is read."),
  last_value_func: z
    .union([z.enum(["max", "min"]), functionOption<LastValueFunction>()])
    .optional()
    .describe("Which of two values is further: max (default), min, or a function in TypeScript."),
  primary_key: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .nullable()
    .optional()
    .describe(
      "Keys by which records with the very value that the last run ended at are known again. Default: the whole record, for append the resource's primary_key; []: all of them are taken again.",
    ),
  row_order: z
    .enum(["asc", "desc"])
    .nullable()
    .optional()
    .describe(
      "The order in which the API sends its records, if it is by this value: no page is requested after the first one that ends out of range. A page in another order turns that off, with a warning.",
    ),
  lag: step
    .nullable()
    .optional()
    .describe(
      "How far before the last value each run starts, for records that appear late: a number (seconds for timestamps, days for dates), or a duration such as PT6H or 2d. It never goes before initial_value. The records in between come again.",
    ),
  on_cursor_value_missing: z
    .enum(["raise", "include", "exclude"])
    .optional()
    .describe("What to do with a record without the value; default raise."),
  range_start: z
    .enum(["closed", "open"])
    .optional()
    .describe(
      "Whether records at the start itself are taken; default closed, without those that are there already.",
    ),
  range_end: z
    .enum(["open", "closed"])
    .optional()
    .describe(
      "Whether records at the end itself are taken; default open. A date that is closed is the whole day.",
    ),
  convert: z
    .union([z.string(), functionOption<ConvertFunction>()])
    .nullable()
    .optional()
    .describe(
      "How a value is written in a request: a template with `value`, such as {{ value[:10] }}, or a function in TypeScript.",
    ),
  scope: z
    .enum(["parent", "global"])
    .optional()
    .describe(
      "For a child resource: parent (default) keeps a last value for each record of the parent, for 50,000 of them; global keeps one for all.",
    ),
  allow_external_schedulers: z.literal(false).optional().describe("Accepted for dlt's sake, as false only."),
};

const ownKeys = {
  end_value: bound
    .optional()
    .describe(
      "Reads up to here and no further, without reading or changing what is remembered. Needs initial_value.",
    ),
  start_param: z.string().min(1).nullable().optional().describe("Query parameter for the start."),
  end_param: z
    .string()
    .min(1)
    .nullable()
    .optional()
    .describe(
      "Query parameter for the end: end_value, the end of a step, or for times the start of the run.",
    ),
  step: step
    .nullable()
    .optional()
    .describe(
      "Reads the range in steps, oldest first; what a complete one brought is remembered. A duration such as P1M, P30D or 6h, or a number where the values are numbers. They end at end_value or at the start of the run, and are sent as initial_value is written.",
    ),
};

/** `endpoint.incremental`: dlt's keys, and `step`, `scope`, durations and templates beyond them. */
export const incrementalOptions = z.strictObject({ ...shared, ...ownKeys });

/** dlt's other form, as the value of a parameter, which is the one for the start. */
export const paramOptions = z.strictObject({ type: z.literal("incremental"), ...shared });

export type IncrementalOptions = z.output<typeof incrementalOptions>;
