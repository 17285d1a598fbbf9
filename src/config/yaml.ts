import { createRequire } from "node:module";

let loaded: typeof import("yaml") | undefined;

/** The YAML library (72 files), loaded when the first text is parsed: a JSON or TypeScript configuration needs none. */
export function yaml(): typeof import("yaml") {
  loaded ??= createRequire(import.meta.url)("yaml") as typeof import("yaml");
  return loaded;
}
