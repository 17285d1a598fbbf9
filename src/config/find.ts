import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SluiceError } from "../model/error.js";

/** File names that are looked for when no path is given, in this order. */
export const CONFIG_NAMES: readonly string[] = ["ts", "js", "mjs", "yaml", "yml", "json"].map(
  (extension) => `sluice.config.${extension}`,
);

/**
 * The absolute path of the configuration: the given one (a folder stands for the `sluice.config.*` in it), or the
 * first `sluice.config.{ts,js,mjs,yaml,yml,json}` in `cwd`.
 *
 * @throws SluiceError `config/not-found`, naming everything that was tried.
 *
 * @example
 * await findConfig("/project");                 // "/project/sluice.config.yaml"
 * await findConfig("/project", "crm.yaml");     // "/project/crm.yaml"
 */
export async function findConfig(cwd: string, path?: string): Promise<string> {
  if (path === undefined) return findIn(cwd, cwd);
  const given = resolve(cwd, path);
  const kind = await kindOf(given);
  if (kind === "file") return given;
  if (kind === "folder") return findIn(given, path);
  throw new SluiceError("config/not-found", `there is no file ${path} (looked for ${given})`, {
    at: { file: path },
    hint: "Give the path of a configuration file: sluice run path/to/sluice.config.yaml",
  });
}

async function findIn(folder: string, shown: string): Promise<string> {
  for (const name of CONFIG_NAMES) {
    const candidate = join(folder, name);
    if ((await kindOf(candidate)) === "file") return candidate;
  }
  throw new SluiceError(
    "config/not-found",
    `there is no configuration in ${shown}: tried ${CONFIG_NAMES.join(", ")}`,
    { hint: "Create one of these files, or give a path: sluice run path/to/config.yaml" },
  );
}

async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch {
    return undefined;
  }
}
