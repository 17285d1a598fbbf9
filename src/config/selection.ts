import { SluiceError } from "../model/error.js";
import type { Resource } from "../model/source.js";

/**
 * The resources named by `--select`, in the order of the configuration.
 *
 * @param configured names of all resources, those with `selected: false` too; default: none of these
 * @throws SluiceError config/usage for a name that no resource has.
 */
export function selectResources(
  resources: readonly Resource[],
  select: readonly string[] | undefined,
  configured: readonly string[] = [],
): readonly Resource[] {
  if (select === undefined || select.length === 0) return resources;
  const known = resources.map(({ name }) => name);
  const unknown = select.filter((name) => !known.includes(name));
  const unselected = unknown.filter((name) => configured.includes(name));
  if (unselected.length > 0) {
    throw new SluiceError("config/usage", `${unselected.join(", ")} can't be loaded: selected is false`, {
      hint: "Remove selected: false from the configuration. preview shows such a resource without loading it.",
    });
  }
  if (unknown.length > 0) {
    throw new SluiceError("config/usage", `no resource is named ${unknown.join(", ")}`, {
      hint: `The resources are ${known.join(", ")}.`,
    });
  }
  return resources.filter(({ name }) => select.includes(name));
}
