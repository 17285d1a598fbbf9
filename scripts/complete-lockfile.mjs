#!/usr/bin/env node
// Adds to package-lock.json the optional packages of other platforms that npm left out because the registry at hand
// does not serve them; without them `npm ci` calls the lockfile out of sync, on every platform. Run it after each
// change of dependencies. Entries have no integrity: npm fills it in where the package can be had.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SYSTEMS = [
  "darwin",
  "linux",
  "win32",
  "android",
  "freebsd",
  "openbsd",
  "netbsd",
  "sunos",
  "aix",
  "openharmony",
];
const PROCESSORS = [
  "arm64",
  "x64",
  "arm",
  "ia32",
  "ppc64",
  "riscv64",
  "s390x",
  "loong64",
  "mips64el",
  "wasm32",
];

const path = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const lock = JSON.parse(readFileSync(path, "utf8"));

/** What a platform package says of itself, read from its name: `…-linux-arm64-musl`. */
function platformOf(name) {
  const words = name.split(/[-/]/);
  const os = SYSTEMS.filter((system) => words.includes(system));
  const cpu = PROCESSORS.filter((processor) => words.includes(processor));
  if (words.includes("eabi") || words.includes("gnueabihf") || words.includes("armv7")) cpu.push("arm");
  if (os.length === 0 && cpu.length === 0)
    throw new Error(`${name}: neither system nor processor is in its name`);
  return { ...(cpu.length > 0 ? { cpu: [...new Set(cpu)] } : {}), ...(os.length > 0 ? { os } : {}) };
}

const added = {};
for (const [where, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${where}/node_modules/${name}`;
    const root = `node_modules/${name}`;
    if (lock.packages[nested] !== undefined || lock.packages[root] !== undefined) continue;
    added[root] = { version, ...(entry.dev ? { dev: true } : {}), optional: true, ...platformOf(name) };
  }
}
const packages = { ...lock.packages, ...added };
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${Object.keys(added).length} packages of other platforms added`);
