#!/usr/bin/env node
// Kills loads again and again and compares what they leave with undisturbed ones (docs/delivery.md).
//
//   npm run torture -- --kills 1000 [--seed 1] [--only duckdb,append] [--phase 2] [--parallel 2] [--write docs/torture.md]
//   npm run torture -- --every-step --only postgres,replace,header
//
// Each kill is a line as it happens; Ctrl-C ends it with the table of what was done. Exit code 1: something was different.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createJiti } from "jiti";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    "every-step": { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    phase: { type: "string" },
    parallel: { type: "string", default: "2" },
    write: { type: "string" },
  },
});

const load = (name) => createJiti(import.meta.url).import(fileURLToPath(new URL(name, import.meta.url)));
const { torture } = await load("../test/torture/torture.ts");
const { pageOf, stepsOf, tableOf } = await load("../test/torture/result.ts");

const startedAt = performance.now();
const minutes = () => (performance.now() - startedAt) / 60_000;
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort());

const results = await torture({
  kills: values["every-step"] ? "every step" : Number(values.kills),
  seed: Number(values.seed),
  only: values.only.split(",").filter((word) => word !== ""),
  ...(values.phase === undefined ? {} : { phase: Number(values.phase) }),
  parallel: Number(values.parallel),
  signal: stop.signal,
  tell: (line) => console.log(`${minutes().toFixed(1).padStart(6)} min  ${line}`),
});

console.log(`\n${stepsOf(results)}\n\n${tableOf(results)}`);
const faults = results.flatMap((result) => result.faults);
for (const fault of faults) console.log(`\nDIFFERENT: ${fault}`);
if (values.write !== undefined) {
  const command = `npm run torture -- ${process.argv.slice(2).join(" ")}`;
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(values.write, pageOf(results, { command, date, minutes: minutes() }));
}
process.exitCode = faults.length === 0 ? 0 : 1;
