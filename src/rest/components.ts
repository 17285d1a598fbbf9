import type { z } from "zod";
import { CHECKED_ONCE } from "../model/checked-once.js";
import { didYouMean } from "../model/suggest.js";
import { attempt, type Finding, type Findings } from "./finding.js";
import { type ComponentDefinition, type ComponentKind, isDefinition } from "./own.js";
import { componentFailure } from "./thrown.js";

/** A component as a configuration has it: a type's name, a definition of one's own, or an object with `type` and options. */
export type ConfiguredComponent = string | ComponentDefinition | Readonly<Record<string, unknown>>;

/** The component that is meant, with checked options. */
export interface ChosenComponent<D extends ComponentDefinition> {
  readonly definition: D;
  readonly options: z.output<D["options"]>;
  /** Its name for people, if it is one of the user's own. */
  readonly own?: string;
}

/** What is configured as a type and options. What has no type is taken for `fallbackType`. */
export function splitComponent(
  configured: ConfiguredComponent,
  fallbackType?: string,
): {
  readonly type: string | ComponentDefinition | undefined;
  readonly options: Readonly<Record<string, unknown>>;
} {
  if (typeof configured === "string" || isDefinition(configured)) return { type: configured, options: {} };
  const { type = fallbackType, ...options } = configured as { type?: string | ComponentDefinition };
  return { type, options };
}

/**
 * Finds the component that a configuration names, and validates its options. A string is a type without options. Of
 * several definitions of one type the one whose `selectedBy` option is present is meant, else the one without
 * `selectedBy`. A definition in the place of a name is meant itself, whatever its type is called.
 */
export function chooseComponent<D extends ComponentDefinition>(
  kind: ComponentKind,
  definitions: readonly D[],
  configured: ConfiguredComponent,
  path: Finding["path"],
  findings: Findings,
): ChosenComponent<D> | undefined {
  const { type, options } = splitComponent(configured);
  const known = [...new Set(definitions.map((definition) => definition.type))];
  if (type === undefined) {
    return findings.add([...path, "type"], `the ${kind} has no type; known types are ${known.join(", ")}`);
  }
  if (typeof type !== "string") return chooseOwn(kind, type as D, options, path, findings);
  const ofType = definitions.filter((definition) => definition.type === type);
  if (ofType.length === 0) {
    return findings.add(
      typeof configured === "string" ? path : [...path, "type"],
      `unknown ${kind} type "${type}"${didYouMean(type, known)}`,
      { hint: `Known types are ${known.join(", ")}.` },
    );
  }
  const selected = ofType.filter(({ selectedBy }) => selectedBy !== undefined && selectedBy in options);
  const definition = selected[0] ?? ofType.find(({ selectedBy }) => selectedBy === undefined) ?? ofType[0];
  return definition && checkOptions(definition, options, path, findings);
}

const DEFINED_BY: Readonly<Record<ComponentKind, string>> = {
  paginator: "a paginator is made by definePaginator",
  auth: "an auth method is made by defineAuth",
  format: "a format is made by defineDecoder",
};

function chooseOwn<D extends ComponentDefinition & { readonly kind?: ComponentKind }>(
  kind: ComponentKind,
  definition: D,
  options: Readonly<Record<string, unknown>>,
  path: Finding["path"],
  findings: Findings,
): ChosenComponent<D> | undefined {
  const { kind: other = kind, type } = definition;
  if (other !== kind)
    return findings.add(path, `"${type}" is of another kind (${other}); ${DEFINED_BY[kind]}`);
  const chosen = checkOptions(definition, options, path, findings);
  return chosen && { ...chosen, own: `${kind} "${type}"` };
}

function checkOptions<D extends ComponentDefinition>(
  definition: D,
  options: Readonly<Record<string, unknown>>,
  path: Finding["path"],
  findings: Findings,
): ChosenComponent<D> | undefined {
  const parsed = definition.options.safeParse(options, CHECKED_ONCE);
  if (!parsed.success) return findings.addZod(path, parsed.error, definition.options);
  return { definition, options: parsed.data as z.output<D["options"]> };
}

/** Makes a chosen component; what it throws on purpose is a finding. */
export function createComponent<T>(
  { own }: Pick<ChosenComponent<ComponentDefinition>, "own">,
  create: () => T,
  path: Finding["path"],
  findings: Findings,
): T | undefined {
  return attempt(
    () => {
      try {
        return create();
      } catch (error) {
        throw own === undefined ? error : componentFailure(`create of ${own}`, error);
      }
    },
    path,
    findings,
  );
}
