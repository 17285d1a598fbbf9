import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SELECTOR } from "./data/pages.js";
import type { Program } from "./measure.js";
import { ROOT } from "./serve.js";
import { SCHEMA } from "./verify.js";

const MAIN = `${ROOT}dist/src/cli/main.js`;

export interface Load {
  /** Where the API is. */
  readonly url: string;
  /** A destination's URI. */
  readonly destination: string;
  readonly disposition: "append" | "merge";
  /** Default: one resource `calls`, by link header. */
  readonly resources?: readonly unknown[];
}

/** The built command line loading a server's records, with its configuration in a file of the folder. */
export function sluiceRun({ url, destination, disposition, resources }: Load, folder: string): Program {
  const config = join(folder, "calls.json");
  const calls = {
    name: "calls",
    primary_key: "id",
    write_disposition: disposition,
    endpoint: { path: "calls", data_selector: SELECTOR, paginator: "header_link" },
  };
  writeFileSync(config, JSON.stringify({ client: { base_url: url }, resources: resources ?? [calls] }));
  return sluice("run", config, "--json", "--dataset", SCHEMA, "--destination", destination);
}

export const sluice = (...args: readonly string[]): Program => ({
  command: process.execPath,
  args: [MAIN, ...args],
});
