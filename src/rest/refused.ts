import { z } from "zod";

/** A key of dlt that has no counterpart here: the mistake says why, instead of calling it unknown. */
function refused(why: string) {
  return z
    .never({ error: () => why })
    .optional()
    .describe(`Not available: ${why}.`);
}

/** A key of dlt that makes no difference here. */
function withoutEffect(why: string) {
  return z.unknown().optional().describe(`Accepted from dlt's configurations, without effect: ${why}.`);
}

/**
 * An alternative of an option that refuses a function with a reason. Any other value is none of its business: it is left
 * to the other alternatives.
 */
export function refusedFunction(why: string) {
  return z
    .custom<never>()
    .check(({ issues, value }) => {
      if (typeof value === "function") issues.push({ code: "custom", input: value, message: why });
      else issues.push({ code: "invalid_type", expected: "string", input: value });
    })
    .meta({ not: {} });
}

/** Keys of dlt's resources that are refused or make no difference. */
export const foreignResourceKeys = {
  table_format: z
    .literal("native", { error: () => "tables have the destination's own format" })
    .optional()
    .describe('Accepted from dlt\'s configurations as "native". Not available otherwise.'),
  file_format: withoutEffect("rows reach the destination without files between"),
  references: withoutEffect("they only describe how tables belong together"),
  nested_hints: refused(
    "hints reach the root table only; set max_table_nesting to keep nested values whole as json",
  ),
  parent_table_name: refused("a resource fills a root table of its own"),
  validator: refused(
    "declare columns with data_type and nullable: false to have wrong records rejected, or give the resource a schema in TypeScript",
  ),
  section: refused("a secret's place has the pipeline's name in it, and no section"),
  params: refused("params belong into the endpoint"),
  auth: refused("auth belongs into the endpoint, or into client for all of them"),
  path: refused("path belongs into the endpoint"),
  data_selector: refused("data_selector belongs into the endpoint"),
  paginator: refused("paginator belongs into the endpoint, or into client for all of them"),
};

/** Keys of dlt's write disposition that are refused: with strategy scd2 they would name columns and values. */
export const foreignVersionKeys = {
  validity_column_names: refused(
    "the columns are always _sluice_valid_from and _sluice_valid_to; a view can give them other names",
  ).nullable(),
  active_record_timestamp: refused(
    "the present version is the one with null in _sluice_valid_to; a view can put a date there",
  ).nullable(),
  row_version_column_name: refused(
    "versions are told apart by the content of the record, in _sluice_row_hash; processing_steps leave out what is not to count",
  ).nullable(),
};

/** Keys of dlt's client that are refused. */
export const foreignClientKeys = {
  session: refused(
    "requests are not sent by a Python session; set headers, auth, retry and timeouts of the client instead",
  ),
};
