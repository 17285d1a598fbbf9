import type { ColumnsOptions, EndpointOptions, ResourceOptions, RestApiOptions } from "./options.js";

/** A resource after shorthands are written out and the defaults are merged in. */
export interface ExpandedResource extends Omit<ResourceOptions, "endpoint" | "columns"> {
  readonly endpoint: EndpointOptions & { readonly path: string };
  readonly columns: NamedColumns;
}

export type NamedColumns = Readonly<Record<string, ColumnHintOptions>>;
type ColumnHintOptions = Exclude<ColumnsOptions, readonly unknown[]>[string];

/**
 * Shorthands and merge rules as dlt has them (dlt 1.26, rest_api configuration): `"posts"` is a name and a path; the
 * resource's keys win over the defaults, whole; the endpoint's keys likewise, except that `params` and `json` are
 * merged one level deep, and columns per column and hint. An explicit null resets a default.
 */
export function expandResource(
  entry: RestApiOptions["resources"][number],
  defaults: RestApiOptions["resource_defaults"],
): ExpandedResource {
  const resource: ResourceOptions = typeof entry === "string" ? { name: entry } : entry;
  const own: EndpointOptions =
    typeof resource.endpoint === "string" ? { path: resource.endpoint } : (resource.endpoint ?? {});
  // Ready-made records are never requested, so nothing of a shared endpoint can be meant for them.
  const shared = resource.records == null ? (defaults?.endpoint ?? {}) : {};
  // The default path is the name, taken before the defaults are merged: a shared path would be the same for all.
  const endpoint = { ...shared, ...own, path: own.path ?? resource.name };
  const params = mergeOneLevel(shared.params, own.params);
  const json = mergeOneLevel(shared.json, own.json);
  return {
    ...defaults,
    ...resource,
    endpoint: {
      ...endpoint,
      ...(params === undefined ? {} : { params: params as Record<string, unknown> }),
      ...(json === undefined ? {} : { json }),
    },
    columns: mergeColumns(byName(defaults?.columns), resource.columns),
  };
}

function mergeOneLevel(shared: unknown, own: unknown): unknown {
  if (own === null) return undefined;
  if (isRecord(shared) && isRecord(own)) return { ...shared, ...own };
  return own ?? shared ?? undefined;
}

function mergeColumns(shared: NamedColumns, own: ColumnsOptions | null | undefined): NamedColumns {
  if (own === null) return {};
  const merged: Record<string, ColumnHintOptions> = { ...shared };
  for (const [name, hint] of Object.entries(byName(own))) merged[name] = { ...merged[name], ...hint };
  return merged;
}

function byName(columns: ColumnsOptions | null | undefined): NamedColumns {
  if (!Array.isArray(columns)) return columns ?? {};
  return Object.fromEntries(columns.map(({ name, ...hint }) => [name, hint]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
