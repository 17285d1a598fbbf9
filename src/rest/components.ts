import type { ZodType, z } from "zod";
import { didYouMean } from "../model/suggest.js";
import type { Finding, Findings } from "./finding.js";

/** What paginators and auth methods have in common. */
interface Definition {
  readonly type: string;
  readonly selectedBy?: string;
  readonly options: ZodType;
}

/**
 * Finds the component that a configuration names, and validates its options. A string is a type without options; an
 * object without `type` is taken for `fallbackType`. Of several definitions of one type the one whose `selectedBy`
 * option is present is meant, else the one without `selectedBy`.
 */
export function chooseComponent<D extends Definition>(
  kind: "paginator" | "auth" | "format",
  definitions: readonly D[],
  configured: string | Readonly<Record<string, unknown>>,
  fallbackType: string | undefined,
  path: Finding["path"],
  findings: Findings,
): { definition: D; options: z.output<D["options"]> } | undefined {
  const { type = fallbackType, ...options } =
    typeof configured === "string" ? { type: configured } : (configured as { type?: string });
  const known = [...new Set(definitions.map((definition) => definition.type))];
  if (type === undefined) {
    return findings.add([...path, "type"], `the ${kind} has no type; known types are ${known.join(", ")}`);
  }
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
  if (definition === undefined) return undefined;
  const parsed = definition.options.safeParse(options);
  if (!parsed.success) return findings.addZod(path, parsed.error, definition.options);
  return { definition, options: parsed.data as z.output<D["options"]> };
}
