import { readFileSync } from "node:fs";

/** The package's version, from the nearest package.json above this file (sources and build output differ in depth). */
export const VERSION: string = findVersion(new URL(".", import.meta.url));

function findVersion(folder: URL): string {
  try {
    const { name, version } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as Record<
      string,
      string
    >;
    if (name === "sluice" && version !== undefined) return version;
  } catch {
    // Not here: look one folder up.
  }
  const parent = new URL("..", folder);
  return parent.href === folder.href ? "0.0.0" : findVersion(parent);
}
