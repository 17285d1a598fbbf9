#!/usr/bin/env node
// Builds dist/: registries, JavaScript and declarations, the executable, the JSON Schema for editors.
import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { main as assemble, createMemoryStream } from "assemblyscript/asc";
import { createJiti } from "jiti";
import { build } from "rolldown";
import { generate } from "./generate.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/**
 * The modules that are files of their own in dist/src/, by name. What several of them need is in chunks beside them, so
 * there is one of each class whichever are loaded (docs/decisions/0027).
 */
const ENTRIES = {
  "cli/main": "src/cli/main.ts",
  index: "src/index.ts",
  testing: "src/testing.ts",
  "duckdb-thread": "src/destinations/duckdb/worker.ts",
  "normalizer-thread": "src/normalize/worker.ts",
  // Of no use but to tests, which reach into the built package with them.
  "duckdb-driver": "@duckdb/node-api",
  duckdb: "src/destinations/duckdb.ts",
  straight: "src/destinations/duckdb/straight.ts",
};

/** The programs of `wasm/`, each compiled to dist/NAME.wasm (docs/decisions/0034). */
const WASM = ["read-document", "fill-columns", "build-cells"];

/**
 * Dependencies that are built in, because finding and loading their 350 files takes half of a run's start
 * (docs/decisions/0027). The package brings their licences.
 */
const BUILT_IN = ["@duckdb/node-api", "commander", "http-link-header", "yaml", "zod"];

const steps = { registries, compile, executable, jsonSchema, licences };
for (const [name, step] of Object.entries(steps)) {
  if (!(await step())) {
    console.error(`build: ${name} failed`);
    process.exit(1);
  }
}

function registries() {
  generate({ check: false });
  return true;
}

/** Built beside and swapped in: no file without a source stays, and a failed build leaves the last one working. */
async function compile() {
  rmSync("dist.tmp", { recursive: true, force: true });
  const built = declarations() && (await bundle()) && (await webAssembly());
  rmSync(built ? "dist" : "dist.tmp", { recursive: true, force: true });
  if (built) renameSync("dist.tmp", "dist");
  return built;
}

function declarations() {
  const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  const args = [tsc, "-p", "tsconfig.json", "--emitDeclarationOnly", "--outDir", "dist.tmp"];
  return spawnSync(process.execPath, args, { stdio: "inherit" }).status === 0;
}

async function bundle() {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  try {
    await build({
      input: ENTRIES,
      platform: "node",
      external: Object.keys({ ...dependencies, ...peerDependencies }).filter(
        (name) => !BUILT_IN.includes(name),
      ),
      transform: { target: "es2022" },
      output: { dir: "dist.tmp/src", sourcemap: true, sourcemapExcludeSources: true },
    });
    return true;
  } catch (error) {
    console.error(error);
    return false;
  }
}

async function webAssembly() {
  for (const name of WASM) {
    const options = ["--runtime", "stub", "--enable", "simd", "-O3", "--noAssert"];
    const stderr = createMemoryStream((said) => process.stderr.write(said));
    const files = [`wasm/${name}.ts`, "-o", `dist.tmp/${name}.wasm`];
    const { error } = await assemble([...files, ...options], { stderr });
    if (error !== null) return false;
  }
  return true;
}

function executable() {
  chmodSync("dist/src/cli/main.js", 0o755);
  return true;
}

/** Writes dist/sluice.schema.json from the option schemas. */
async function jsonSchema() {
  const source = fileURLToPath(new URL("../src/config/json-schema.ts", import.meta.url));
  const { configJsonSchema } = await createJiti(import.meta.url).import(source);
  writeFileSync("dist/sluice.schema.json", `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return true;
}

/** Writes dist/third-party-licences.txt. */
function licences() {
  const texts = BUILT_IN.map((name) => {
    const folder = `node_modules/${name}`;
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name}\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
  });
  writeFileSync("dist/third-party-licences.txt", texts.join("\n\n"));
  return true;
}
