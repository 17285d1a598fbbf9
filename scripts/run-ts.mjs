#!/usr/bin/env node
// Runs a TypeScript program without a build step: node scripts/run-ts.mjs FILE.ts [arguments...]
// `sluice` and `sluice/testing` resolve to the built package when there is one, else to the sources.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createJiti } from "jiti";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const entry = (name) => {
  const built = at(`dist/src/${name}.js`);
  return existsSync(built) ? built : at(`src/${name}.ts`);
};

const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: node scripts/run-ts.mjs FILE.ts [arguments...]");
  process.exit(2);
}
const program = resolve(file);
process.argv = [process.argv[0], program, ...args];

const jiti = createJiti(pathToFileURL(program).href, {
  alias: { "sluice/testing": entry("testing"), sluice: entry("index") },
});
await jiti.import(program);
