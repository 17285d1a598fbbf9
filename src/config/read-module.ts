import { fileURLToPath, pathToFileURL } from "node:url";
import { SluiceError } from "../model/error.js";

/**
 * What a configuration module exports by default; a function is called, a promise awaited.
 *
 * jiti loads it, on every version of Node alike: any TypeScript syntax, `./other.js` that means `other.ts`, and
 * `import … from "sluice"`, which means the running package wherever the file is.
 *
 * @param path absolute path
 * @param file name for messages
 * @throws SluiceError `config/unreadable` for whatever goes wrong in the file, with its line if that is known; a
 * `SluiceError` that the file raises itself keeps its code.
 */
export async function evaluateModule(path: string, file: string): Promise<unknown> {
  try {
    const exported = await importDefault(path);
    return typeof exported === "function" ? await (exported as () => unknown)() : await exported;
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause.located({ file });
    throw unreadable(cause, path, file);
  }
}

async function importDefault(path: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  const jiti = createJiti(import.meta.url, {
    // The running package itself, not a second copy of it; it is loaded already when a pipeline is.
    virtualModules: { sluice: await import(ownModule("index").href) },
    alias: { "sluice/testing": fileURLToPath(ownModule("testing")) },
    interopDefault: true,
    // What the file says now counts, in a process that reads it again (the studio) too; and nothing is left on disk.
    moduleCache: false,
    fsCache: false,
  });
  return defaultOf(await jiti.import<Record<string, unknown>>(path));
}

function defaultOf(module: Record<string, unknown>): unknown {
  if ("default" in module && module["default"] !== undefined) return module["default"];
  throw new Error("there is no default export; write `export default defineConfig({ … })`");
}

/** Our own module: beside this one when built (scripts/build.mjs puts them there), above this folder in the sources. */
function ownModule(name: string): URL {
  const path = import.meta.url.endsWith(".ts") ? `../${name}.ts` : `./${name}.js`;
  return new URL(path, import.meta.url);
}

function unreadable(cause: unknown, path: string, file: string): SluiceError {
  const line = lineIn(cause, path);
  const place = line === undefined ? file : `${file}:${line}`;
  // First line only: parsers add an excerpt of the source below.
  const said = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!.trim();
  const name = cause instanceof Error && cause.name !== "Error" ? `${cause.name}: ` : "";
  return new SluiceError("config/unreadable", `${place}: ${name}${said}`, { at: { file: place }, cause });
}

/** The line of the file that the error's message or stack names first. */
function lineIn(cause: unknown, path: string): number | undefined {
  if (!(cause instanceof Error)) return undefined;
  const text = `${cause.message}\n${cause.stack ?? ""}`;
  for (const name of [pathToFileURL(path).href, path]) {
    const at = text.indexOf(`${name}:`);
    if (at < 0) continue;
    const digits = /^\d+/.exec(text.slice(at + name.length + 1));
    if (digits !== null) return Number(digits[0]);
  }
  return undefined;
}
