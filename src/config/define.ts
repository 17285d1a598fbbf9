import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Destination } from "../model/destination.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Io, NamingConvention, Page, Resource, ResourceHints } from "../model/source.js";
import type { Position } from "../model/state.js";
import type { RestApiConfig } from "../rest/config.js";
import { isStandardSchema, withSchema } from "../schema/standard.js";
import type { TestConfig } from "./expectations.js";

/** A source written as a rest_api configuration; made by `restApi`. */
export interface RestApiSource {
  readonly kind: "rest_api";
  readonly config: RestApiConfig;
}

/** What a pipeline reads: REST APIs and a user's own resources, one or several. */
export type Source = RestApiSource | Resource | readonly (RestApiSource | Resource)[];

/** A whole pipeline. Every key but `source` has a default. */
export interface PipelineConfig {
  /** Name of the pipeline; state is kept under it. Default: from the file's name. */
  readonly pipeline?: string;
  readonly source: Source;
  /** A destination or its URI, such as `duckdb:calls.duckdb`. Default: `<pipeline>.duckdb` beside the file. */
  readonly destination?: Destination | string;
  /** Database schema that holds the tables. Default: the pipeline's name. */
  readonly dataset?: string;
  /** Values of `{name}` placeholders, and `config` in expressions. `--set name=value` wins over them. */
  readonly variables?: Readonly<Record<string, string | number | boolean>>;
  /** When to commit in the middle of a walk: root rows (500,000), bytes (1,073,741,824), seconds (60); the first wins. */
  readonly checkpoint?: { readonly rows?: number; readonly bytes?: number; readonly seconds?: number };
  /** How many resources are read at the same time. Default 5. */
  readonly concurrency?: number;
  /**
   * Threads that turn pages into columns, for loads of several megabytes; 0: it is done where they are received. Default:
   * two fewer than there are processors, up to 4.
   */
  readonly normalizer_threads?: number;
  /**
   * How keys become names of tables and columns, for resources that do not say it themselves, and a schema file whose
   * columns count as declared (`sluice schema export` makes one). A text is the path of the file.
   */
  readonly schema?: string | { readonly naming?: NamingConvention; readonly file?: string };
  /** How long records of loads are kept, such as `90d`: each run forgets older ones. Default: for ever. */
  readonly keep_history?: string;
  /** What `sluice test` expects of loads from recordings. */
  readonly tests?: readonly TestConfig[];
}

/**
 * A pipeline with its types checked; returns it unchanged.
 *
 * @example
 * export default defineConfig({
 *   pipeline: "call_analytics",
 *   source: restApi({ client: { base_url: "https://api.example.com/v3/a/" }, resources: ["calls"] }),
 *   destination: duckdb("call_analytics.duckdb"),
 * });
 */
export function defineConfig(config: PipelineConfig): PipelineConfig {
  return config;
}

/** A REST API as a source, described by dlt's `rest_api` configuration. Checked as a whole before the first request. */
export function restApi(config: RestApiConfig): RestApiSource {
  return { kind: "rest_api", config };
}

/**
 * Refers to a secret by name. It is looked up when the pipeline is loaded: the environment
 * (`SOURCES__<PIPELINE>__<NAME>`, then `<NAME>`), `.sluice/secrets.toml`, `.dlt/secrets.toml`. The value never appears
 * in any output; what this returns is only the reference, so it may stand inside other text.
 *
 * @example
 * secret("api_key");                          // "{{ secrets['api_key'] }}"
 * `Token token="${secret("api_key")}"`;
 */
export function secret(name: string): string {
  if (!/^[\w.-]+$/.test(name))
    throw new TypeError(`a secret's name has letters, digits, "_", "-" and "." only: ${name}`);
  return `{{ secrets['${name}'] }}`;
}

/**
 * What a user's generator yields: a list of records, or a list with `resume`, where to go on after it, and `cursor`,
 * what the next complete walk finds in `io.cursor`.
 */
export type YieldedPage =
  | readonly Json[]
  | { readonly records: readonly Json[]; readonly resume?: Position; readonly cursor?: JsonObject };

/** A resource of one's own. */
export interface ResourceDefinition<Schema extends StandardSchemaV1 = StandardSchemaV1>
  extends Partial<ResourceHints> {
  readonly name: string;
  /** Default: the name. */
  readonly table?: string;
  /** Change it when stored positions lose their meaning. Default: the name. */
  readonly fingerprint?: string;
  /**
   * A schema of zod, valibot or another library (https://standardschema.dev): each record is validated, what the schema
   * makes of it is loaded, and what it refuses is set aside in `_sluice_rejects`. Columns and their types follow from it.
   */
  readonly schema?: Schema;
  /**
   * Yields pages. `from` is the `resume` of the last committed page if the run before was cut short, else undefined.
   * `io.signal` is aborted when the run stops; `io.cursor` is what the walks before have left.
   */
  read(from: Position | undefined, io: Io): AsyncIterable<YieldedPage> | Iterable<YieldedPage>;
}

/** A resource that knows its schema, so that `RowOf` knows its rows. */
export interface DefinedResource<Schema extends StandardSchemaV1> extends Resource {
  readonly schema?: Schema;
}

/**
 * What the schema of a resource makes of a record: the type of what is loaded, before objects become columns and lists
 * become tables. Of a resource without a schema it is `JsonObject`.
 *
 * @example
 * const people = defineResource({ name: "people", schema: z.object({ id: z.int(), born: z.iso.date() }), read });
 * type Person = RowOf<typeof people>; // { id: number; born: string }
 * const calls = { name: "calls", schema: Call } satisfies ResourceConfig;
 * type LoadedCall = RowOf<typeof calls>;
 */
export type RowOf<Resource> = Resource extends { readonly schema?: infer Schema }
  ? NonNullable<Schema> extends StandardSchemaV1<unknown, infer Output>
    ? unknown extends Output
      ? JsonObject
      : Output
    : JsonObject
  : JsonObject;

/**
 * Makes a resource of an async generator (or anything that can be iterated).
 *
 * @example
 * const temperatures = defineResource({
 *   name: "temperatures",
 *   primaryKey: ["at"],
 *   writeDisposition: "merge",
 *   async *read() {
 *     yield [{ at: "2026-01-01T00:00:00Z", celsius: 3.5 }];
 *   },
 * });
 */
export function defineResource<Schema extends StandardSchemaV1 = StandardSchemaV1>(
  definition: ResourceDefinition<Schema>,
): DefinedResource<Schema> {
  const { schema } = definition;
  if (schema !== undefined && !isStandardSchema(schema)) {
    throw new TypeError(
      `the schema of ${definition.name} must be one of zod 4, valibot or another library with the Standard Schema interface`,
    );
  }
  return {
    name: definition.name,
    table: definition.table ?? definition.name,
    fingerprint: definition.fingerprint ?? definition.name,
    ...(schema === undefined ? {} : { schema }),
    hints: withSchema(hintsOf(definition), schema),
    async *read(from, io): AsyncGenerator<Page> {
      for await (const yielded of definition.read(from, io)) {
        const { records, resume, cursor } =
          "records" in yielded ? yielded : { records: yielded, resume: undefined, cursor: undefined };
        yield {
          records: { kind: "objects", values: records },
          bytes: 0,
          ...(resume === undefined ? {} : { resume }),
          ...(cursor === undefined ? {} : { cursor }),
        };
      }
    },
  };
}

function hintsOf(definition: Partial<ResourceHints>): ResourceHints {
  return {
    writeDisposition: definition.writeDisposition ?? "append",
    primaryKey: definition.primaryKey ?? [],
    columns: definition.columns ?? [],
    ...(definition.merge === undefined ? {} : { merge: definition.merge }),
    ...(definition.contract === undefined ? {} : { contract: definition.contract }),
    ...(definition.typeConflict === undefined ? {} : { typeConflict: definition.typeConflict }),
    ...(definition.naming === undefined ? {} : { naming: definition.naming }),
    ...(definition.allowShort === undefined ? {} : { allowShort: definition.allowShort }),
    ...(definition.maxRejected === undefined ? {} : { maxRejected: definition.maxRejected }),
    ...(definition.maxTableNesting === undefined ? {} : { maxTableNesting: definition.maxTableNesting }),
    ...(definition.tables === undefined ? {} : { tables: definition.tables }),
  };
}
