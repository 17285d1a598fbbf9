import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { access, constants, link, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { SluiceError } from "../../model/error.js";
import type { Store } from "./store.js";

/** A folder on this machine; created when the first file is written. */
export function folderStore(folder: string): Store {
  const root = resolve(folder);
  const place = (name: string): string => join(root, name);

  async function writeTemporary(name: string, text: string): Promise<string> {
    const path = place(`${name}.${randomUUID()}.tmp`);
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, "wx");
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    return path;
  }

  return {
    place,
    scratch: place(".sluice-tmp"),
    get: (name) => readFile(place(name), "utf8").catch(undefinedIfMissing),
    recall(name) {
      try {
        return readFileSync(place(name), "utf8");
      } catch {
        return undefined;
      }
    },
    async put(name, text) {
      const temporary = await writeTemporary(name, text);
      await rename(temporary, place(name));
      await syncFolder(dirname(place(name)));
    },
    async putIfAbsent(name, text) {
      const temporary = await writeTemporary(name, text);
      try {
        // A link, unlike a rename, is refused when the name is taken.
        await link(temporary, place(name));
      } catch (error) {
        if (codeOf(error) === "EEXIST") return false;
        throw error;
      } finally {
        await rm(temporary, { force: true });
      }
      await syncFolder(dirname(place(name)));
      return true;
    },
    async write(name, fill) {
      const path = place(name);
      await mkdir(dirname(path), { recursive: true });
      await fill(path);
      const file = await open(path, "r+");
      try {
        await file.sync();
        await syncFolder(dirname(path));
        return (await file.stat()).size;
      } finally {
        await file.close();
      }
    },
    read: (_names, use) => use(place),
    async list(prefix) {
      const below = place(prefix.slice(0, prefix.lastIndexOf("/") + 1));
      const entries = await readdir(below, { recursive: true, withFileTypes: true }).catch(
        undefinedIfMissing,
      );
      const paths = (entries ?? [])
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => ({ path, name: relative(root, path).replaceAll(sep, "/") }))
        .filter(({ name }) => name.startsWith(prefix));
      const listed = await Promise.all(
        paths.map(async ({ path, name }) => {
          // Another writer may have removed it since.
          const found = await stat(path).catch(undefinedIfMissing);
          return found === undefined ? [] : [{ name, bytes: found.size, modifiedAt: found.mtimeMs }];
        }),
      );
      return listed.flat();
    },
    remove: (name) => rm(place(name), { force: true }),
  };
}

/**
 * Whether the folder is there. Creates nothing.
 *
 * @throws SluiceError `destination/unreachable` when it is not a folder, or is not there and can't be created.
 */
export async function folderExists(folder: string): Promise<boolean> {
  let path = resolve(folder);
  const isThere = async (): Promise<boolean> => (await stat(path).catch(undefinedIfMissing)) !== undefined;
  try {
    const there = await isThere();
    while (!(await isThere()) && path !== dirname(path)) path = dirname(path);
    if (!(await stat(path)).isDirectory()) throw new Error(`${path} is not a folder`);
    await access(path, constants.W_OK);
    return there;
  } catch (error) {
    throw new SluiceError("destination/unreachable", `can't write to ${folder}: ${messageOf(error)}`, {
      hint: "The destination file: must name a folder, or a place where one may be created.",
    });
  }
}

function undefinedIfMissing(error: unknown): undefined {
  if (codeOf(error) === "ENOENT") return undefined;
  throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A new name is safe when its folder is. Windows can't sync folders, and does not need it. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => undefined);
  try {
    await folder?.sync().catch(() => undefined);
  } finally {
    await folder?.close();
  }
}
