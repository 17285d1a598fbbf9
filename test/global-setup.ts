import { execFileSync } from "node:child_process";

/** Tests that start real processes run the built command line, so it must be that of the sources under test. */
export default function build(): void {
  execFileSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" });
}
