#!/usr/bin/env node
// Writes the index file of each folder of components from the files that are there, so that adding a component
// touches no list. With --check it writes nothing and fails when an index is stale.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const REGISTRIES = [
  { folder: "src/rest/paginators", suffix: "Paginator", list: "paginators", says: "Every paginator" },
  { folder: "src/rest/auth", suffix: "Auth", list: "auths", says: "Every auth method" },
  { folder: "src/rest/decoders", suffix: "Decoder", list: "decoders", says: "Every response format" },
  { folder: "src/destinations", suffix: "Destination", list: "destinations", says: "Every destination" },
];
const LINE_WIDTH = 110;

/**
 * The component of each file: the one exported const whose name ends in the registry's suffix. Files that export none
 * (ports, parts of a component) are no components; two in one file are a mistake.
 */
function componentsOf(folder, suffix) {
  const pattern = new RegExp(`^export const (\\w+${suffix})\\b`, "gm");
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".ts")) : [];
  // Without the ending, for that is the formatter's order of imports: cursor before cursor-expression.
  const modules = files.map((file) => basename(file, ".ts")).sort();
  return modules.flatMap((module) => {
    if (module.endsWith(".test") || module === "index") return [];
    const file = `${module}.ts`;
    const names = [...readFileSync(`${folder}/${file}`, "utf8").matchAll(pattern)].map((match) => match[1]);
    if (names.length > 1)
      throw new Error(`${folder}/${file} exports ${names.join(" and ")}: one component a file`);
    return names.map((name) => ({ name, module: `./${module}.js` }));
  });
}

/** The text of one index file, laid out as the formatter would. */
export function indexText({ folder, suffix, list, says }) {
  const components = componentsOf(folder, suffix);
  const names = components.map(({ name }) => name);
  const short = `export const ${list} = [${names.join(", ")}] as const;`;
  const long = `export const ${list} = [\n${names.map((name) => `  ${name},\n`).join("")}] as const;`;
  return [
    "// Written by scripts/generate.mjs from the files of this folder. Do not edit; `npm run build` renews it.",
    ...components.map(({ name, module }) => `import { ${name} } from "${module}";`),
    "",
    `/** ${says}, by file name. */`,
    short.length <= LINE_WIDTH ? short : long,
    "",
  ].join("\n");
}

/** Writes the stale index files (or, with `check`, only finds them) and returns their paths. */
export function generate({ check }) {
  const stale = REGISTRIES.flatMap((registry) => {
    const path = `${registry.folder}/index.ts`;
    const text = indexText(registry);
    if (existsSync(path) && readFileSync(path, "utf8") === text) return [];
    if (!check && existsSync(registry.folder)) writeFileSync(path, text);
    return [path];
  });
  return stale;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)));
  const check = process.argv.includes("--check");
  const stale = generate({ check });
  for (const path of stale) console.log(`${check ? "stale" : "wrote"} ${path}`);
  if (check && stale.length > 0) {
    console.log("run: node scripts/generate.mjs");
    process.exitCode = 1;
  }
}
