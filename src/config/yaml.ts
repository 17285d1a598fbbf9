import { createRequire } from "node:module";

let loaded: typeof import("yaml") | undefined;

/**
 * Loads the YAML library as it is built in (scripts/build.mjs), in one file and not in 72. To be waited for before a
 * text that is likely to be YAML is parsed: a JSON or TypeScript configuration needs none.
 */
export async function loadYaml(): Promise<void> {
  loaded ??= await import("yaml");
}

/** The YAML library; where nobody could wait for it, that of the package. */
export function yaml(): typeof import("yaml") {
  loaded ??= createRequire(import.meta.url)("yaml") as typeof import("yaml");
  return loaded;
}
