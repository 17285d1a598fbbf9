import type { ZodType, z } from "zod";

/** The kinds of components that a configuration names, in its own words. */
export type ComponentKind = "paginator" | "auth" | "format";

/** What all components have in common. */
export interface ComponentDefinition {
  readonly type: string;
  readonly selectedBy?: string;
  readonly options: ZodType;
  readonly create: (...given: never) => unknown;
}

/** A component of one's own with its options, as it stands in a configuration. */
export interface Own<Definition> {
  readonly type: Definition;
  readonly [option: string]: unknown;
}

/** A definition that is called with its options to be used in a configuration. */
export type Defined<Definition, Options extends ZodType> = Definition &
  ((options: z.input<Options>) => Own<Definition>) & { readonly kind: ComponentKind };

/** The definition as a function from options to what a configuration takes. */
export function defined<Options extends ZodType, Definition extends ComponentDefinition>(
  kind: ComponentKind,
  definition: Definition & { readonly options: Options },
): Defined<Definition, Options> {
  const use = (options: z.input<Options>): Own<Definition> => ({ ...(options as object), type: callable });
  const callable: Defined<Definition, Options> = Object.assign(use, definition, { kind });
  return callable;
}

/** Whether a value of a configuration is a definition, and not a type's name or an object with options. */
export function isDefinition(
  value: unknown,
): value is ComponentDefinition & { readonly kind?: ComponentKind } {
  const isThing = typeof value === "function" || (typeof value === "object" && value !== null);
  if (!isThing || !("create" in value) || !("options" in value) || !("type" in value)) return false;
  const { create, options, type } = value;
  return typeof create === "function" && typeof type === "string" && isSchema(options);
}

function isSchema(value: unknown): boolean {
  return typeof value === "object" && value !== null && "safeParse" in value && "_zod" in value;
}
