import type { StandardSchemaV1 } from "@standard-schema/spec";
import { z } from "zod";
import { DELETE_MISSING, MERGE_STRATEGIES, NAMING_CONVENTIONS, TYPE_CONFLICTS } from "../model/source.js";
import { DATA_TYPES } from "../model/table.js";
import { isStandardSchema } from "../schema/standard.js";
import { incrementalOptions } from "./incremental/options.js";
import { rateLimit, timeout } from "./limits.js";
import { type ComponentDefinition, isDefinition } from "./own.js";
import { foreignClientKeys, foreignResourceKeys, foreignVersionKeys, refusedFunction } from "./refused.js";
import { responseActions } from "./response-actions.js";
import { processingSteps } from "./steps.js";
import { successOptions } from "./success.js";

/** A value that may hold `{{ … }}` templates; what they give is decided at plan time. */
const jsonValue: z.ZodType = z.unknown();

const definition = z.custom<ComponentDefinition>(isDefinition, {
  error:
    "must be a type's name, or what definePaginator, defineAuth or defineDecoder gave (with options that are a schema of zod 4)",
});

/**
 * A paginator, auth method or format: a type name, an object with `type`, or null for none. In place of the name there may
 * be a definition of the user's own. What the object may hold is the business of the component with that type;
 * `components.ts` checks it, so that its messages speak of one component instead of a union of all.
 */
const component = z
  .union([z.string(), definition, z.looseObject({ type: z.union([z.string(), definition]).optional() })])
  .nullable();

const columnHint = z.strictObject({
  data_type: z.enum(DATA_TYPES).optional().describe("Type of the column; left out: inferred."),
  nullable: z
    .boolean()
    .optional()
    .describe(
      "Default true. Records with a null in a non-nullable column are rejected, as are those with a null in a primary_key; true on a part of it (with data_type): null is a value that equals itself.",
    ),
  precision: z.int().min(1).max(38).optional().describe("Digits in all, for decimal."),
  scale: z.int().min(0).max(38).optional().describe("Digits after the point, for decimal."),
  dedup_sort: z
    .enum(["asc", "desc"])
    .nullable()
    .optional()
    .describe(
      "Which of several records with one primary_key in a load merge keeps: the one with the lowest (asc) or highest (desc) value here. Default: the last to arrive.",
    ),
  hard_delete: z
    .boolean()
    .nullable()
    .optional()
    .describe(
      "True: a record with true here (of another type: with any value) deletes its row and children on merge, and is not stored.",
    ),
});
const columns = z.union([
  z.record(z.string(), columnHint),
  z.array(columnHint.extend({ name: z.string().min(1).describe("Name of the column.") })),
]);

const names = z.union([
  z.string().min(1),
  z.array(z.string().min(1)),
  refusedFunction(
    "keys are names; a function of the record can be a map among processing_steps that sets a field",
  ),
]);
const headers = z.record(z.string(), z.string());

const seconds = z.number().positive();
const retry = z.strictObject({
  max_retries: z.int().min(0).max(100).optional().describe("Retries after the first attempt; default 3."),
  backoff_factor: z
    .number()
    .min(0)
    .optional()
    .describe("Seconds before the first retry, doubled each time; default 2."),
  status_codes: z.array(z.int().min(100).max(599)).optional().describe("Default 429, 500, 502, 503, 504."),
  max_delay: seconds.optional().describe("Longest wait in seconds; default 300."),
  respect_retry_after: z
    .boolean()
    .optional()
    .describe(
      "Whether waits that the API asks for, in Retry-After and rate limit headers, are obeyed; default true.",
    ),
});

const endpoint = z.strictObject({
  path: z
    .string()
    .optional()
    .describe(
      "Joined to base_url; default: the resource's name. {name} is bound from params, variables, --set or the environment, {resources.posts.id} from each record of the resource posts, encoded as one segment. If that is the last segment, the answer is one record, unless data_selector and paginator say otherwise.",
    ),
  method: z
    .string()
    .regex(/^[A-Za-z]+$/, "must be an HTTP method such as GET or POST")
    .transform((method) => method.toUpperCase())
    .optional()
    .describe("Default GET."),
  params: z
    .record(z.string(), jsonValue)
    .nullable()
    .optional()
    .describe(
      "Query parameters. A list is sent as repeated keys, an object as filter[status]=open, null is left out. {resources.posts.id} is bound from each record of the resource posts.",
    ),
  headers: headers
    .nullable()
    .optional()
    .describe("Headers of this endpoint; they win over client.headers. {resources.posts.id} as in params."),
  json: jsonValue
    .optional()
    .describe(
      "JSON body. A text that is {resources.posts.id} and nothing else becomes that value, of its own type; other braces are text, so a GraphQL query is written as it is.",
    ),
  data: z
    .union([z.string(), z.record(z.string(), jsonValue), z.array(z.tuple([z.string(), jsonValue]))])
    .nullable()
    .optional()
    .describe(
      "Body that is not JSON: an object or a list of [name, value] is sent as a form, text as it is (set its content-type in headers).",
    ),
  data_selector: z
    .string()
    .min(1)
    .nullable()
    .optional()
    .describe("Where the records are: a dotted path or JSONPath. Default: detected on the first page."),
  allow_missing: z
    .boolean()
    .optional()
    .describe(
      "True: a first page without the place that data_selector names is empty. Default false: it is an error.",
    ),
  paginator: component
    .optional()
    .describe("How to get the next page; default: client.paginator, else auto, which detects it."),
  max_pages: z
    .int()
    .positive()
    .nullable()
    .optional()
    .describe(
      "Pages after which the walk ends, whatever its paginator says; what was there beyond is unknown. Default: no such end.",
    ),
  format: component
    .optional()
    .describe(
      "How the body is decoded: json, jsonl, csv, xml, zip, or an object with type and options. Default: by the response's content type. A gzip file is unpacked first.",
    ),
  response_actions: responseActions
    .nullable()
    .optional()
    .describe(
      "What is done with certain responses: objects, or functions in TypeScript. The first that fits decides.",
    ),
  conditional: z
    .boolean()
    .nullable()
    .optional()
    .describe(
      "Send If-None-Match and If-Modified-Since with what the last load was told; 304 then means no rows and no work. Only for one page (paginator single_page), and not with write_disposition replace. Default false.",
    ),
  allow_short: z
    .boolean()
    .nullable()
    .optional()
    .describe(
      "Default false: a walk that ends although the API says that there is more fails. true: it is loaded, and reported as short.",
    ),
  success_when: successOptions
    .nullable()
    .optional()
    .describe(
      "When a response with a 2xx status is a success: an expression over response (the decoded body), headers and status, such as {{ response.ok }}; a function in TypeScript; or an object with condition, otherwise and message. Default: always.",
    ),
  retry: retry.nullable().optional().describe("Keys as in client.retry; they win over those."),
  batch: z
    .strictObject({
      size: z
        .int()
        .min(1)
        .max(100_000)
        .describe(
          "Records of the parent that one request stands for, at most; all of one page of the parent.",
        ),
      join: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Text between their values, such as ",". Left out, they are a list: repeated keys in params, a list in json.',
        ),
    })
    .nullable()
    .optional()
    .describe(
      "Asks for several records of the parent at once: {resources.orders.id} then stands for the values of up to size of them, each value once. Only one field may be referred to. Default: a request for each record.",
    ),
  on_parent_null: z
    .enum(["error", "skip"])
    .optional()
    .describe(
      "What becomes of a parent's record with null in a field that the request refers to. `skip`: no request, and a warning that counts them. Default `error`: null fails in a path, leaves out a parameter or header, and is null in json.",
    ),
  timeout: timeout
    .nullable()
    .optional()
    .describe(
      "Seconds for the headers and for each pause within the body, or { connect, headers, body }; wins over client.timeouts.",
    ),
  rate_limit: rateLimit
    .nullable()
    .optional()
    .describe("Limits on the requests of this endpoint, beside those of client.rate_limit."),
  incremental: incrementalOptions
    .nullable()
    .optional()
    .describe(
      "Loads only what is new since the last complete run. {incremental.start_value}, .last_value, .initial_value, .end_value and .lag stand in path, params, headers, json and data; without a value, a parameter or header is left out.",
    ),
  auth: component
    .optional()
    .describe("How requests of this endpoint are authorized; default: client.auth; null: not at all."),
});

const contractMode = z.enum(["evolve", "freeze", "discard_row", "discard_value"]);

const parallelized = z
  .union([z.boolean(), z.int().min(1).max(100)])
  .nullable()
  .optional()
  .describe(
    "How many requests of this resource may be under way at once: pages of page_number and offset whose total is known, and children of different parent records. true: 5, false: 1. The order of rows stays. Default 5.",
  );

/** Keys that a resource and resource_defaults share. */
const resourceKeys = {
  primary_key: names
    .nullable()
    .optional()
    .describe("Key or keys that identify a record; what merge goes by."),
  merge_key: names
    .nullable()
    .optional()
    .describe(
      "Key or keys beside primary_key: merge deletes all rows that have the values of an arriving record here, such as all rows of its day.",
    ),
  write_disposition: z
    .union([
      z.enum(["append", "replace", "merge"]),
      z.strictObject({
        disposition: z.enum(["append", "replace", "merge"]).describe("As without an object."),
        strategy: z
          .enum(MERGE_STRATEGIES)
          .optional()
          .describe(
            "How merge treats a row whose key is there: delete-insert (by primary_key or merge_key) and upsert (by primary_key) replace it whole, insert-only leaves it, scd2 keeps it as the version that ended (`_sluice_valid_from`, `_sluice_valid_to`). Default delete-insert.",
          ),
        boundary_timestamp: z
          .string()
          .refine((text) => Number.isFinite(Date.parse(text)) && /\dT.*(Z|[+-]\d\d:?\d\d)$/.test(text), {
            message: "expected a date and time with a time zone, such as 2026-01-31T00:00:00Z",
          })
          .nullable()
          .optional()
          .describe(
            "scd2: when the versions of this load begin and those before them end, to the millisecond. Default: when the load began.",
          ),
        ...foreignVersionKeys,
        delete_missing: z
          .enum(DELETE_MISSING)
          .nullable()
          .optional()
          .describe(
            "For endpoints that give everything on each walk: hard removes rows whose primary_key was not among it, if the walk was complete; soft keeps them with a time in `_sluice_deleted_at`. Default: they stay.",
          ),
      }),
      refusedFunction("a resource has one write disposition, and not one for each record"),
    ])
    .optional()
    .describe(
      "How records meet rows: append, replace or merge; or an object with disposition. Default append.",
    ),
  columns: columns.nullable().optional().describe("Declared columns: a map by name, or a list with names."),
  schema_contract: z
    .union([
      contractMode,
      z.strictObject({
        tables: contractMode.optional().describe("For lists that would make a new table. Default evolve."),
        columns: contractMode.optional().describe("For keys that would make a new column. Default evolve."),
        data_type: contractMode
          .optional()
          .describe("For values that would widen a column or need a variant of it. Default evolve."),
      }),
    ])
    .nullable()
    .optional()
    .describe(
      "What happens to data that would change the schema: evolve, freeze (the resource fails), discard_row, discard_value (set aside in _sluice_rejects); one for all, or by entity. The first complete load makes the schema; where columns are declared the contract holds at once. Default evolve.",
    ),
  type_conflict: z
    .enum(TYPE_CONFLICTS)
    .nullable()
    .optional()
    .describe(
      "Where a value goes whose type its column can't take without loss: variant, a column beside it for each type (price__v_bool); text, one column beside it, as text (price__v_text); reject, its row is set aside in _sluice_rejects. Default variant.",
    ),
  max_rejected: z
    .int()
    .min(0)
    .nullable()
    .optional()
    .describe(
      "Records and values that may be set aside in one run before the resource fails without committing them. Default: no limit.",
    ),
  naming: z
    .enum(NAMING_CONVENTIONS)
    .nullable()
    .optional()
    .describe(
      "How keys become names of tables and columns: snake_case (dlt's default), or preserve (as they are). Default: schema.naming of the pipeline.",
    ),
  max_table_nesting: z
    .int()
    .min(0)
    .nullable()
    .optional()
    .describe("Levels of objects and lists to unpack; deeper ones are kept as json."),
  table_name: z
    .union([
      z.string().min(1),
      refusedFunction(
        "a resource fills one table; use several resources with filters among processing_steps",
      ),
    ])
    .optional()
    .describe("Default: the resource's name."),
  parallelized,
  processing_steps: processingSteps
    .nullable()
    .optional()
    .describe(
      "What is done to the records before they are loaded, step by step; each has filter, map or yield_map, taken in this order. What a parent's filter leaves out has no children. They see what include_from_parent adds.",
    ),
  selected: z
    .boolean()
    .optional()
    .describe("Default true; false: not loaded, but still read for its children."),
};

const resource = z.strictObject({
  name: z.string().min(1),
  endpoint: z.union([z.string(), endpoint]).nullable().optional().describe("A path, or how to request it."),
  records: z
    .array(jsonValue)
    .nullable()
    .optional()
    .describe(
      "The records themselves, instead of an endpoint: a fixed list to ask children for, such as [eu, us] with {resources.regions.value} or [{ id: eu }] with {resources.regions.id}. With selected: false it is not loaded itself.",
    ),
  include_from_parent: z
    .array(
      z.union([
        z.string().min(1),
        z.strictObject({
          field: z.string().min(1).describe("Dotted path into the parent's record."),
          as: z.string().min(1).describe("Key in the child's record."),
        }),
      ]),
    )
    .nullable()
    .optional()
    .describe(
      "Fields of the parent's record that each of its children's records gets, as _<parent>_<field>; dots in a field become __. { field, as } names the key. A field that a parent does not have is null.",
    ),
  schema: z
    .custom<StandardSchemaV1>(isStandardSchema, {
      error: "must be a schema of zod 4, valibot or another library with the Standard Schema interface",
    })
    .meta({ not: {} })
    .optional()
    .describe(
      "In TypeScript, a schema of zod, valibot or another library (https://standardschema.dev). Each record is validated after processing_steps; what the schema makes of it is loaded, what it refuses is set aside in _sluice_rejects. Columns and their types follow from it.",
    ),
  ...resourceKeys,
  ...foreignResourceKeys,
});

const client = z.strictObject({
  base_url: z.string().min(1).describe("Absolute URL that all paths are joined to."),
  headers: headers.optional().describe("Headers of every request."),
  auth: component.optional().describe("How requests are authorized."),
  paginator: component.optional().describe("Paginator of all endpoints that have none of their own."),
  allowed_origins: z
    .array(z.string())
    .optional()
    .describe("Other origins that links and redirects may lead to; they never get credentials."),
  retry: retry.optional(),
  rate_limit: rateLimit
    .nullable()
    .optional()
    .describe(
      "{ requests, interval }: at most so many requests in any interval of so many seconds, by all resources together; or a list of such rules, which all hold. What is spent is remembered for the next run. Default: no limit but what the API says in its responses (RateLimit, X-RateLimit-*, Retry-After).",
    ),
  max_concurrency: z
    .int()
    .positive()
    .max(1000)
    .optional()
    .describe("Requests under way at once to one origin, by all resources together; default 10."),
  timeouts: z
    .strictObject({
      connect: seconds.optional().describe("Seconds to connect; default 10."),
      headers: seconds.optional().describe("Seconds until the response's headers; default 60."),
      body: seconds.optional().describe("Longest pause within a body, in seconds; default 60."),
    })
    .optional(),
  max_body_bytes: z
    .int()
    .positive()
    .optional()
    .describe("Largest body after decompression; default 268435456."),
  ...foreignClientKeys,
});

/** dlt's rest_api configuration, key for key (the part that exists so far). */
export const restApiOptions = z.strictObject({
  client,
  resource_defaults: z
    .strictObject({ ...resourceKeys, ...foreignResourceKeys, endpoint: endpoint.nullable().optional() })
    .nullable()
    .optional()
    .describe("Merged into every resource; what the resource says wins."),
  resources: z.array(z.union([z.string().min(1), resource])).min(1),
});

export type RestApiOptions = z.output<typeof restApiOptions>;
export type ResourceOptions = z.output<typeof resource>;
export type EndpointOptions = z.output<typeof endpoint>;
export type ClientOptions = z.output<typeof client>;
export type AuthOptions = z.output<typeof component>;
export type ColumnsOptions = z.output<typeof columns>;
