import { z } from "zod";
import { auths } from "../rest/auth/index.js";
import { decoders } from "../rest/decoders/index.js";
import { restApiOptions } from "../rest/options.js";
import { paginators } from "../rest/paginators/index.js";
import { pipelineOptions } from "./options.js";

type Schema = Record<string, unknown>;

/** JSON Schema (draft 7) of a configuration file, for editors: `# yaml-language-server: $schema=…`. */
export function configJsonSchema(): Schema {
  const convert = (schema: z.ZodType): Schema => {
    const { $schema: _, ...rest } = z.toJSONSchema(schema, {
      io: "input",
      target: "draft-7",
      unrepresentable: "any",
    });
    return rest;
  };
  const choice = (
    kind: string,
    definitions: readonly { type: string; summary: string; options: z.ZodType }[],
  ): Schema => ({
    description: kind,
    anyOf: [
      { enum: [...new Set(definitions.map(({ type }) => type))] },
      { type: "null" },
      ...definitions.map(({ type, summary, options }) => {
        const schema = convert(options);
        return {
          ...schema,
          description: summary,
          properties: { type: { const: type }, ...(schema["properties"] as Schema) },
          required: ["type", ...((schema["required"] as string[] | undefined) ?? [])],
        };
      }),
    ],
  });
  const paginator = choice("Paginator", paginators);
  const auth = choice("Authentication", auths);
  const format = choice("Response format", decoders);
  const source = convert(restApiOptions);
  const pipeline = convert(pipelineOptions);
  const withComponents = replaceComponents(source, { paginator, auth, format });
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Sluice pipeline",
    type: "object",
    additionalProperties: false,
    properties: {
      ...(pipeline["properties"] as Schema),
      ...(withComponents["properties"] as Schema),
      source: { description: "A rest_api configuration.", ...withComponents },
    },
  };
}

/** Puts the components' own schemas where the configuration names one. */
function replaceComponents(schema: Schema, components: Readonly<Record<string, Schema>>): Schema {
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      const component = components[key];
      if (component !== undefined && isSchema(value) && !("properties" in value)) return [key, component];
      if (Array.isArray(value))
        return [key, value.map((item) => (isSchema(item) ? replaceComponents(item, components) : item))];
      return [key, isSchema(value) ? replaceComponents(value, components) : value];
    }),
  );
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
