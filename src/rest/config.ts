import type { z } from "zod";
import type { auths } from "./auth/index.js";
import type { AuthDefinition, OwnAuth } from "./authenticator.js";
import type { DecoderDefinition, OwnDecoder } from "./decoder.js";
import type { decoders } from "./decoders/index.js";
import type { restApiOptions } from "./options.js";
import type { OwnPaginator, PaginatorDefinition } from "./paginator.js";
import type { paginators } from "./paginators/index.js";

/** `{ type: "bearer", token: … }` from a definition's type and option schema. */
type Configured<Definition> = Definition extends {
  readonly type: infer Type;
  readonly options: infer Options;
}
  ? { readonly type: Type } & (Options extends z.ZodType ? z.input<Options> : never)
  : never;

type KnownPaginator = (typeof paginators)[number];
type KnownAuth = (typeof auths)[number];
type KnownDecoder = (typeof decoders)[number];

/**
 * Any paginator: its options with a `type`, the type's name alone where no option is required, or null for the default.
 * One's own is what `definePaginator` gives, called with its options or as it is.
 */
export type PaginatorConfig =
  | Configured<KnownPaginator>
  | KnownPaginator["type"]
  | OwnPaginator
  | PaginatorDefinition
  | "auto"
  | null;
/** Any auth method; an object without `type` is a bearer token. One's own is what `defineAuth` gives, as with paginators. */
export type AuthConfig =
  | Configured<KnownAuth>
  | OwnAuth
  | AuthDefinition
  | Omit<Configured<Extract<KnownAuth, { type: "bearer" }>>, "type">
  | null;

/**
 * Any response format: its options with a `type`, the type's name alone, or null to go by the content type. One's own is
 * what `defineDecoder` gives, as with paginators.
 */
export type FormatConfig =
  | Configured<KnownDecoder>
  | KnownDecoder["type"]
  | OwnDecoder
  | DecoderDefinition
  | null;

type Loose = z.input<typeof restApiOptions>;
type LooseResource = Exclude<Loose["resources"][number], string>;
type LooseEndpoint = Exclude<NonNullable<LooseResource["endpoint"]>, string>;

/** How one endpoint is requested. Keys and meaning are dlt's. */
export type EndpointConfig = Omit<LooseEndpoint, "auth" | "paginator" | "format"> & {
  readonly auth?: AuthConfig;
  readonly paginator?: PaginatorConfig;
  readonly format?: FormatConfig;
};
/** One resource: a name alone is a path as well. */
export type ResourceConfig = Omit<LooseResource, "endpoint"> & {
  readonly endpoint?: string | EndpointConfig | null;
};

/**
 * A `rest_api` configuration as dlt has it, key for key, with the pagination expressions of Airbyte.
 *
 * @example
 * const config: RestApiConfig = {
 *   client: { base_url: "https://api.example.com/v1/", auth: { type: "bearer", token: secret("token") } },
 *   resource_defaults: { primary_key: "id", write_disposition: "merge" },
 *   resources: ["users", { name: "posts", endpoint: { path: "posts", paginator: "header_link" } }],
 * };
 */
export interface RestApiConfig {
  readonly client: Omit<Loose["client"], "auth" | "paginator"> & {
    readonly auth?: AuthConfig;
    readonly paginator?: PaginatorConfig;
  };
  readonly resource_defaults?:
    | (Omit<NonNullable<Loose["resource_defaults"]>, "endpoint"> & {
        readonly endpoint?: EndpointConfig | null;
      })
    | null;
  readonly resources: readonly (string | ResourceConfig)[];
}
