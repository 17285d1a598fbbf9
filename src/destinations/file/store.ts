import { randomUUID } from "node:crypto";
import { access, constants, link, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { SluiceError } from "../../model/error.js";

/**
 * Where files are kept: a folder today. Everything that the protocol of the manifest relies on is here, so that an object
 * store is another implementation of it. Names are relative, with `/`.
 */
export interface Store {
  /** A name as DuckDB reads and writes it. */
  place(name: string): string;
  /** The text of a file; undefined when it is not there. */
  get(name: string): Promise<string | undefined>;
  /** Writes a whole file at once: whoever reads it sees the old text or the new one. */
  put(name: string, text: string): Promise<void>;
  /** As `put`, but only if the file is not there; false when it is. Of two callers one gets true. */
  putIfAbsent(name: string, text: string): Promise<boolean>;
  /** Makes sure that a file can be written at `place(name)`. */
  prepare(name: string): Promise<void>;
  /** Makes sure that a file written at `place(name)` outlives a power cut; tells its size in bytes. */
  seal(name: string): Promise<number>;
  /** All files below a folder, in no order. */
  list(folder: string): Promise<readonly StoredFile[]>;
  /** Removes a file; one that is not there is no error. */
  remove(name: string): Promise<void>;
}

export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}

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
    get: (name) => readFile(place(name), "utf8").catch(undefinedIfMissing),
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
    prepare: async (name) => void (await mkdir(dirname(place(name)), { recursive: true })),
    async seal(name) {
      const file = await open(place(name), "r+");
      try {
        await file.sync();
        await syncFolder(dirname(place(name)));
        return (await file.stat()).size;
      } finally {
        await file.close();
      }
    },
    async list(below) {
      const found = await readdir(place(below), { recursive: true, withFileTypes: true }).catch(
        undefinedIfMissing,
      );
      const files = (found ?? []).filter((entry) => entry.isFile());
      const listed = await Promise.all(
        files.map(async (entry) => {
          const path = join(entry.parentPath, entry.name);
          // Another writer may have removed it since.
          const found = await stat(path).catch(undefinedIfMissing);
          const name = relative(root, path).replaceAll(sep, "/");
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
