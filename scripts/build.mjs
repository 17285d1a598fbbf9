#!/usr/bin/env node
// Builds dist/: registries, JavaScript and declarations, the executable, the JSON Schema for editors.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generate } from "./generate.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const steps = { registries, compile, executable, jsonSchema };
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

/** Compiled beside and swapped in: no file without a source stays, and a failed build leaves the last one working. */
function compile() {
  rmSync("dist.tmp", { recursive: true, force: true });
  const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  const args = [tsc, "-p", "tsconfig.json", "--outDir", "dist.tmp"];
  const compiled = spawnSync(process.execPath, args, { stdio: "inherit" }).status === 0;
  rmSync(compiled ? "dist" : "dist.tmp", { recursive: true, force: true });
  if (compiled) renameSync("dist.tmp", "dist");
  return compiled;
}

function executable() {
  const bin = "dist/src/cli/main.js";
  if (existsSync(bin)) chmodSync(bin, 0o755);
  return existsSync(bin);
}

/** Writes dist/sluice.schema.json from the option schemas. */
async function jsonSchema() {
  const { configJsonSchema } = await import("../dist/src/config/json-schema.js");
  writeFileSync("dist/sluice.schema.json", `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return true;
}
