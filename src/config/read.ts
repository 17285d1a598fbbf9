import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { SluiceError } from "../model/error.js";
import { type ConfigDocument, shownFile } from "./document.js";
import { parseJson } from "./read-json.js";
import { evaluateModule } from "./read-module.js";
import { parseYaml } from "./read-yaml.js";
import { loadYaml } from "./yaml.js";

/**
 * Reads a configuration file: YAML (`.yaml`, `.yml`), JSON (`.json`), or the default export of a TypeScript or
 * JavaScript module, which may be a function and may be a promise. Nothing is validated here.
 *
 * Integers that a double can't hold are `bigint`. YAML merge keys (`<<`) have no meaning; duplicate keys are errors.
 *
 * @param path absolute path, as `findConfig` gives it
 * @param cwd messages name the file relative to this folder, if it lies inside; default: the process's
 * @throws SluiceError `config/unreadable` with file and line; of syntax errors all are listed.
 *
 * @example
 * const document = await readConfigFile("/project/sluice.config.yaml");
 * document.value;                              // { client: { base_url: "…" }, resources: [ … ] }
 * document.locate(["resources", 0, "name"]);   // { file: "sluice.config.yaml:4" }
 */
export async function readConfigFile(path: string, cwd: string = process.cwd()): Promise<ConfigDocument> {
  const file = shownFile(path, cwd);
  const extension = extname(path).toLowerCase();
  if (extension === ".json") return parseJson(await readText(path, file), file);
  if ([".yaml", ".yml"].includes(extension)) {
    await loadYaml();
    return parseYaml(await readText(path, file), file);
  }
  if ([".ts", ".mts", ".js", ".mjs"].includes(extension)) {
    await readText(path, file); // a file that is not there or not readable gets the same message everywhere
    return { file, value: await evaluateModule(path, file), locate: () => ({ file }) };
  }
  throw new SluiceError(
    "config/unreadable",
    `${file}: a configuration can't have the ending "${extension}"`,
    {
      at: { file },
      hint: "Use .ts, .js, .mjs, .yaml, .yml or .json.",
    },
  );
}

async function readText(path: string, file: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new SluiceError("config/unreadable", `${file}: the file can't be read (${code})`, {
      at: { file },
      cause,
    });
  }
}
