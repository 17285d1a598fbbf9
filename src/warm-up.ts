import { readFile } from "node:fs/promises";
import { findConfig } from "./config/find.js";
import { openDuckdbThread } from "./destinations/duckdb/thread.js";

/** What a run is called with, as far as it tells what it will need (`LoadOptions`). */
export interface WarmUpOptions {
  readonly cwd?: string;
  readonly config?: string;
  readonly destination?: string;
}

/**
 * Starts DuckDB's thread if a run will need it, as far as that can be guessed from the text of its configuration. The
 * thread and its driver take as long to load as the rest of Sluice, which may be imported meanwhile. It ends with the
 * process. A wrong guess takes some time of a processor and has no other effect; what is wrong with the configuration
 * is left to whoever reads it.
 */
export async function warmUp({ cwd = process.cwd(), config, destination }: WarmUpOptions): Promise<void> {
  if (destination === undefined ? await namesDuckdb(cwd, config) : destination.startsWith("duckdb:"))
    openDuckdbThread();
}

async function namesDuckdb(cwd: string, config: string | undefined): Promise<boolean> {
  try {
    const text = await readFile(await findConfig(cwd, config), "utf8");
    // Without a destination it is a DuckDB file.
    return !/\bdestination\b/u.test(text) || /\bduckdb\b/u.test(text);
  } catch {
    return false;
  }
}
