import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const resolve = {
  alias: [
    { find: "sluice/testing", replacement: at("./src/testing.ts") },
    { find: /^sluice$/, replacement: at("./src/index.ts") },
  ],
};
const shared = { testTimeout: 30_000, hookTimeout: 60_000, pool: "forks" } as const;

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        resolve,
        test: {
          name: "core",
          ...shared,
          include: ["src/**/*.test.ts", "test/*.test.ts", "test/{laws,fake-api,conformance}/**/*.test.ts"],
        },
      },
      {
        resolve,
        // Whole runs, some of them by the built command line: the build comes first.
        test: {
          name: "runs",
          ...shared,
          include: ["test/{run,examples}/**/*.test.ts"],
          globalSetup: ["test/global-setup.ts"],
        },
      },
    ],
  },
});
