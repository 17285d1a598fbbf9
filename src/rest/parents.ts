import { parsePlaceholders } from "../expression/placeholder.js";
import { didYouMean } from "../model/suggest.js";
import type { ExpandedResource } from "./defaults.js";
import type { Finding, Findings } from "./finding.js";
import { isParentField, parseReference } from "./reference.js";

/** A resource of the configuration and where it stands there. */
export interface Entry {
  readonly options: ExpandedResource;
  readonly path: Finding["path"];
}

/** A resource with the one parent whose records its requests are made from. */
export interface Relative extends Entry {
  readonly parent?: string;
}

/** Keys of an endpoint whose texts may refer to the parent, or to incremental values; client headers never do. */
export const REFERRING_KEYS = ["path", "params", "headers", "json", "data"] as const;

/**
 * Finds each resource's parent from what its endpoint refers to, and puts parents before their children; otherwise the
 * order stays. As in dlt: one parent at most, which may stand anywhere in the configuration, and no cycles. A resource
 * in a cycle, or with an unknown parent, is left without one, and the finding says so.
 *
 * @param others names of resources beside the configuration's that can be parents, too.
 */
export function linkParents(
  entries: readonly Entry[],
  others: readonly string[],
  findings: Findings,
): readonly Relative[] {
  const names = [...entries.map(({ options }) => options.name), ...others];
  const relatives = entries.map((entry): Relative => linkParent(entry, names, findings));
  const byName = new Map(relatives.map((relative) => [relative.options.name, relative]));
  const ordered = new Set<Relative>();
  const told = new Set<string>();
  const place = (relative: Relative, below: readonly string[]): void => {
    const { name } = relative.options;
    const chain = [...below, name];
    if (below.includes(name)) {
      const cycle = chain.slice(chain.indexOf(name));
      if (cycle.every((member) => !told.has(member))) {
        findings.add([...relative.path, "endpoint"], `parents go in a circle: ${cycle.join(" → ")}`, {
          hint: "One of them must be readable without the others.",
        });
      }
      for (const member of cycle) told.add(member);
      return;
    }
    const parent = relative.parent === undefined ? undefined : byName.get(relative.parent);
    if (parent !== undefined && !ordered.has(relative)) place(parent, chain);
    ordered.add(relative);
  };
  for (const relative of relatives) place(relative, []);
  return [...ordered].map((relative) => (told.has(relative.options.name) ? orphan(relative) : relative));
}

function orphan({ options, path }: Relative): Relative {
  return { options, path };
}

function linkParent(entry: Entry, names: readonly string[], findings: Findings): Relative {
  const endpoint = rewriteResolve(entry, findings);
  const options = { ...entry.options, endpoint };
  const at = [...entry.path, "endpoint"];
  const parents = new Set(parentsIn(endpoint, at, findings));
  const [parent, ...more] = parents;
  if (parent === undefined) {
    if ((options.include_from_parent ?? []).length > 0) {
      findings.add([...entry.path, "include_from_parent"], "include_from_parent needs a parent", {
        hint: "Refer to one, for example with {resources.posts.id} in the path.",
      });
    }
    return { ...entry, options };
  }
  if (more.length > 0) {
    findings.add(at, `a resource has one parent, and this one refers to ${[...parents].join(" and ")}`, {
      hint: "Carry the grandparent's field along with include_from_parent in the parent, and refer to that.",
    });
    return { ...entry, options };
  }
  if (!names.includes(parent)) {
    findings.add(at, `the parent "${parent}" is not a resource${didYouMean(parent, names)}`, {
      hint: `The resources are ${names.join(", ")}.`,
    });
    return { ...entry, options };
  }
  return { ...entry, options, parent };
}

/** dlt's older form: `params.x = { type: resolve, resource, field }` and `{x}` in the path. */
function rewriteResolve({ options, path }: Entry, findings: Findings): ExpandedResource["endpoint"] {
  const { endpoint } = options;
  const params = { ...endpoint.params };
  let bound = endpoint.path;
  for (const [name, value] of Object.entries(params)) {
    if (!isResolve(value)) continue;
    delete params[name];
    const at = [...path, "endpoint", "params", name];
    const { resource, field } = value;
    const reference = `resources.${String(resource)}.${String(field)}`;
    if (typeof resource !== "string" || typeof field !== "string" || !isPlaceholderName(reference)) {
      findings.add(at, "a resolve parameter has a resource and a field, both written as plain names", {
        hint: `Write ${name}: "{resources.posts.id}" with the parent's name and its field.`,
      });
      continue;
    }
    const parts = parsePlaceholders(bound);
    if (!parts.some((part) => typeof part !== "string" && part.name === name)) {
      findings.add(at, `the resolve parameter ${name} is not used in the path as {${name}}`, {
        hint: `To send it as a query parameter, write ${name}: "{${reference}}".`,
      });
      continue;
    }
    bound = parts
      .map((part) =>
        typeof part === "string" ? part : part.name === name ? `{${reference}}` : `{${part.name}}`,
      )
      .join("");
  }
  return endpoint.params == null ? endpoint : { ...endpoint, path: bound, params };
}

function isResolve(value: unknown): value is { readonly resource?: unknown; readonly field?: unknown } {
  return typeof value === "object" && value !== null && "type" in value && value.type === "resolve";
}

function isPlaceholderName(name: string): boolean {
  const [part, ...rest] = parsePlaceholders(`{${name}}`);
  return rest.length === 0 && typeof part === "object" && part.name === name;
}

/** Names of the parents that an endpoint refers to, each as often as it does. */
function parentsIn(
  endpoint: ExpandedResource["endpoint"],
  at: Finding["path"],
  findings: Findings,
): readonly string[] {
  const keys: Readonly<Record<string, unknown>> = endpoint;
  return REFERRING_KEYS.flatMap((key) => parentsInValue(keys[key], [...at, key], findings));
}

function parentsInValue(value: unknown, at: Finding["path"], findings: Findings): readonly string[] {
  if (typeof value === "string") {
    return parsePlaceholders(value).flatMap((part) => {
      if (typeof part === "string" || !isParentField(part.name)) return [];
      const reference = parseReference(part.name);
      if (reference !== undefined) return [reference.parent];
      findings.add(at, `{${part.name}} names no field of a parent`, {
        hint: "Write {resources.<parent>.<field>}, for example {resources.posts.id}.",
      });
      return [];
    });
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    parentsInValue(item, [...at, Array.isArray(value) ? Number(key) : key], findings),
  );
}
