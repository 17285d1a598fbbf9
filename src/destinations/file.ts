import { z } from "zod";
import { SluiceError } from "../model/error.js";
import { checkedOptions, defineDestination } from "./destination.js";
import { createFiles, type FileDestination, fileOptions } from "./files/destination.js";
import { folderExists, folderStore } from "./files/folder.js";

const options = z.strictObject({
  path: z.string().min(1).describe("The folder; created when missing. Each dataset is a folder in it."),
  ...fileOptions,
});

/** Options of the file destination as they are written in a configuration. */
export type FileOptions = z.input<typeof options>;

/**
 * Files in a folder: Parquet, JSONL or CSV, one or more for each table and load, named by a manifest that is published
 * when all of a package is there. Whoever follows the manifest sees whole packages only; a file that it does not name is
 * none.
 *
 * append writes new files, replace too and forgets the old ones, merge by a key writes the tables anew whose rows it
 * replaces (docs/decisions/0018).
 */
export const fileDestination = defineDestination({
  type: "file",
  scheme: ["file"],
  summary: "Parquet, JSONL or CSV files in a folder, with a manifest that names the valid ones.",
  options,
  fromUri: readUri,
  create: (settings) => createFile(settings),
  examples: [
    { title: "Parquet", options: { path: "data/lake" }, uri: "file:data/lake" },
    {
      title: "Compressed lines of JSON",
      options: { path: "/data/lake", format: "jsonl", compression: "gzip" },
      uri: "file:/data/lake?format=jsonl&compression=gzip",
    },
  ],
});

/**
 * The file destination for use from TypeScript. Opens nothing yet.
 *
 * @param path The folder.
 * @param settings `format` (default parquet), `compression`, `memory_limit` (default: 512MB, more for tables of many
 * columns).
 * @throws SluiceError `config/invalid` for settings that can't be.
 * @example
 * const destination = file("lake", { format: "parquet" });
 */
export function file(path: string, settings: Omit<FileOptions, "path"> = {}): FileDestination {
  return createFile(checkedOptions("file", options, { ...settings, path }));
}

/** `file:FOLDER?option=value`. `file:///x` is the absolute path /x, as in any URI. */
function readUri(uri: string): unknown {
  const [, rest = ""] = /^file:(.*)$/su.exec(uri) ?? [];
  const [, slashes = "", path = "", query = ""] = /^(\/\/)?([^?]*)\??(.*)$/su.exec(rest) ?? [];
  if (path === "" || (slashes !== "" && !path.startsWith("/"))) {
    throw new SluiceError("config/invalid", `${uri} does not name a folder`, {
      at: { path: "destination" },
      hint: "Write file:path/to/folder, or file:/absolute/folder.",
    });
  }
  return { path, ...Object.fromEntries(new URLSearchParams(query)) };
}

function createFile(settings: z.output<typeof options>): FileDestination {
  const { path } = settings;
  return createFiles(
    { type: "file", location: path, store: folderStore(path), exists: () => folderExists(path) },
    settings,
  );
}
