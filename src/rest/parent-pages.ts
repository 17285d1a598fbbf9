import { type JsonPath, parsePath } from "../expression/path.js";
import { SluiceError } from "../model/error.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Io, Page } from "../model/source.js";
import type { RequestParts } from "./bind.js";
import { compileParts, fieldsIn } from "./bind.js";
import { attempt, type Finding, type Findings } from "./finding.js";
import type { EndpointOptions } from "./options.js";
import type { Relative } from "./parents.js";
import type { Stage } from "./steps.js";
import { scalarText } from "./values.js";

type Batch = NonNullable<EndpointOptions["batch"]>;

/**
 * What a child makes of its parent's pages before it asks for their records: with `on_parent_null: skip` those that lack
 * a value go, with `batch` those that are left are put together, several into one.
 *
 * Such a batch is again a record, one that holds at the place of the field what all of its records have there: a text,
 * or a list. So requests, positions and doubles are those of any other parent record.
 */
export function planParentPages(
  { options, parent = "", path }: Relative,
  parts: RequestParts,
  findings: Findings,
): Stage {
  const { batch, on_parent_null: onNull } = options.endpoint;
  const at = [...path, "endpoint"];
  const names = fieldsIn(parts);
  const fields = names.flatMap((name) => attempt(() => parsePath(name), at, findings) ?? []);
  const skipping = onNull === "skip" ? skipNulls(fields, options.name, parent) : undefined;
  const batching = batch == null ? undefined : planBatches(batch, fields, parts, options, at, findings);
  return (pages, io) => {
    const present = skipping?.(pages, io) ?? pages;
    return batching?.(present, parent) ?? present;
  };
}

function planBatches(
  { join, size }: Batch,
  fields: readonly JsonPath[],
  parts: RequestParts,
  { include_from_parent: included, name }: Relative["options"],
  path: Finding["path"],
  findings: Findings,
): ((pages: AsyncIterable<Page>, parent: string) => AsyncGenerator<Page, void, undefined>) | undefined {
  const at = [...path, "batch"];
  const [field, ...others] = fields;
  if (field === undefined) {
    return findings.add(at, "a batch needs a field of a parent", {
      hint: 'Refer to one, for example with params: { ids: "{resources.orders.id}" }.',
    });
  }
  if (others.length > 0) {
    const names = fields.map(({ source }) => source).join(" and ");
    return findings.add(
      at,
      `a batch stands for the values of one field, and the request refers to ${names}`,
      {
        hint: "Ask for each record on its own, or refer to one field only.",
      },
    );
  }
  if ((included ?? []).length > 0) {
    findings.add(at, "batch and include_from_parent can't stand side by side", {
      hint: "A record of the answer does not tell which record of the batch it belongs to. If it holds the key itself, join the two tables by that.",
    });
  }
  const several = { [field.source]: join === undefined ? ["a", "b"] : `a${join}b` };
  if (attemptBind(parts, several) === undefined) {
    findings.add(at, `without join a batch is a list, and {resources.….${field.source}} stands in a text`, {
      hint: 'Set batch.join, for example to ",", or let it be the whole value of a parameter or of a place in json.',
    });
  }
  return (pages, parent) => inBatches(pages, field, size, join, { resource: name, parent });
}

function attemptBind(parts: RequestParts, record: JsonObject): RequestParts | undefined {
  try {
    return compileParts(parts)({ record });
  } catch (error) {
    if (error instanceof SluiceError) return undefined;
    throw error;
  }
}

/** Each page with batches for records; a value that occurs twice on a page is asked for once. */
async function* inBatches(
  pages: AsyncIterable<Page>,
  field: JsonPath,
  size: number,
  join: string | undefined,
  at: { readonly resource: string; readonly parent: string },
): AsyncGenerator<Page, void, undefined> {
  let number = 0;
  for await (const page of pages) {
    number += 1;
    const distinct = new Map<string, Json>();
    for (const [index, record] of page.records.values.entries()) {
      const value = field.first(record);
      const text = scalarText(value);
      const problem = problemOf(value, text, join);
      if (problem !== undefined || text === undefined || value === undefined) {
        throw new SluiceError(
          "parent/value",
          `record ${index + 1} on page ${number} of its parent "${at.parent}": field ${field.source} ${problem}`,
          { at: { resource: at.resource }, hint: BATCH_HINT },
        );
      }
      distinct.set(text, value);
    }
    yield { ...page, records: { kind: "objects", values: batchesOf([...distinct], field, size, join) } };
  }
}

const BATCH_HINT =
  "Leave such records out with on_parent_null: skip or with a filter among the parent's processing_steps.";

function problemOf(
  value: Json | undefined,
  text: string | undefined,
  join: string | undefined,
): string | undefined {
  if (value === undefined) return "is missing";
  if (value === null) return "is null, which can't be part of a batch";
  if (text === undefined) return "is no plain value, so it can't be part of a batch";
  if (text === "") return "is empty text, which can't be part of a batch";
  // The API would take it for two values.
  if (join !== undefined && join !== "" && text.includes(join)) return "holds the text that joins the batch";
  return undefined;
}

function batchesOf(
  values: readonly (readonly [text: string, value: Json])[],
  field: JsonPath,
  size: number,
  join: string | undefined,
): readonly JsonObject[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => {
    const batch = values.slice(index * size, (index + 1) * size);
    const value =
      join === undefined ? batch.map(([, value]) => value) : batch.map(([text]) => text).join(join);
    return { [field.source]: value };
  });
}

/** Passes over records that have null at one of the fields, and says at the end how many. */
function skipNulls(fields: readonly JsonPath[], resource: string, parent: string) {
  return async function* (pages: AsyncIterable<Page>, io: Io): AsyncGenerator<Page, void, undefined> {
    let skipped = 0;
    try {
      for await (const page of pages) {
        const values = page.records.values.filter((record) =>
          fields.every((field) => field.first(record) !== null),
        );
        skipped += page.records.values.length - values.length;
        yield { ...page, records: { kind: "objects", values } };
      }
    } finally {
      if (skipped > 0) {
        const names = fields.map(({ source }) => source).join(" or ");
        const message = `${skipped} ${skipped === 1 ? "record" : "records"} of "${parent}" with null for ${names} had no request, as on_parent_null says`;
        io.emit({ type: "warning", resource, code: "parent/null", message });
      }
    }
  };
}
