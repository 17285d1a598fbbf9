import type { NamingConvention, Resource, ResourceHints } from "../model/source.js";
import type { PipelineOptions } from "./options.js";

/** The key `schema` of a pipeline, written out. */
export interface SchemaOptions {
  readonly naming?: NamingConvention;
  /** Path of a schema file. */
  readonly file?: string;
}

export function readSchemaOptions(schema: PipelineOptions["schema"]): SchemaOptions {
  if (typeof schema === "string") return { file: schema };
  const { naming, file } = schema ?? {};
  return { ...(naming === undefined ? {} : { naming }), ...(file === undefined ? {} : { file }) };
}

/** A resource with other hints; it may be a value of somebody else's class. */
export function withHints(resource: Resource, hints: ResourceHints): Resource {
  const { name, table, fingerprint } = resource;
  return { name, table, fingerprint, hints, read: (from, io) => resource.read(from, io) };
}
