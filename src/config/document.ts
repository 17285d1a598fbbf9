import { relative } from "node:path";

/** A step into a configuration: a key of an object or an index of a list. */
export type ConfigPath = readonly (string | number)[];

/** A configuration as written, before anything is checked. */
export interface ConfigDocument {
  /** The file for people: relative to the working directory where it lies inside of it. */
  readonly file: string;
  readonly value: unknown;
  /**
   * Where a part of the configuration stands: `file.yaml:12` in YAML and JSON (the line of the key; for what is not
   * in the file, the nearest part around it), just the file for TypeScript and JavaScript.
   */
  readonly locate: (path: ConfigPath) => { readonly file?: string };
}

/** A path inside a configuration as text: `resources[0].endpoint.path`; keys that are no plain words are quoted. */
export function formatPath(path: ConfigPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** The value at a path, looking at own properties only; undefined where there is none. */
export function valueAt(value: unknown, path: ConfigPath): unknown {
  let found = value;
  for (const step of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string | number, unknown>)[step];
  }
  return found;
}

/** How a file is named in messages: relative to the folder where it lies inside of it, else absolute. */
export function shownFile(absolute: string, cwd: string): string {
  const near = relative(cwd, absolute);
  return near === "" || near.startsWith("..") ? absolute : near;
}
