#!/usr/bin/env node
// Everything that must hold besides the tests. One line a step; a step's output is shown only when it fails.
// `node scripts/check.mjs types lint` runs only those steps.
import { spawn } from "node:child_process";
import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const STEPS = {
  format: "biome check .",
  lint: "oxlint --type-aware --deny-warnings",
  types: "tsc -p tsconfig.test.json",
  registries: "node scripts/generate.mjs --check",
  reference: "node scripts/reference.mjs --check",
  architecture: "vitest run test/architecture.test.ts",
  unused: "knip",
  exports: "publint --strict",
  declarations: "attw --pack . --profile esm-only",
};

/** npm packs the package for the last two steps; the build that made dist/ must not run again for that. */
const env = {
  ...process.env,
  PATH: `${fileURLToPath(new URL("../node_modules/.bin", import.meta.url))}${delimiter}${process.env.PATH}`,
  npm_config_ignore_scripts: "true",
};

function run(command) {
  return new Promise((resolve) => {
    const child = spawn(command, { shell: true, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("close", (status) => resolve({ passed: status === 0, output }));
  });
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in STEPS));
if (unknown.length > 0) {
  console.error(`no step ${unknown.join(", ")}; there are ${Object.keys(STEPS).join(", ")}`);
  process.exit(2);
}

let failed = 0;
for (const [name, command] of Object.entries(STEPS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const startedAt = performance.now();
  const { passed, output } = await run(command);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${passed ? "ok  " : "FAIL"}  ${name.padEnd(13)} ${seconds.padStart(5)} s   ${command}`);
  if (passed) continue;
  failed += 1;
  console.log(output.trimEnd());
}
process.exitCode = failed === 0 ? 0 : 1;
