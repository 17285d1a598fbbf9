import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Destination } from "../src/model/destination.js";
import type { AuthDefinition } from "../src/rest/authenticator.js";
import type { PaginatorDefinition } from "../src/rest/paginator.js";
import { authLaws } from "./laws/auth.js";
import { type DestinationHarness, destinationLaws } from "./laws/destination.js";
import { paginatorLaws } from "./laws/paginator.js";

// The components of CONTRIBUTING.md are written to files, compiled, and run against the laws as they stand there.
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}test/contributing.tmp`;

/** Code blocks whose first line names the file that they would be: `// src/rest/auth/signature.ts`. */
function blocks(): { readonly path: string; readonly text: string }[] {
  const markdown = readFileSync(`${root}CONTRIBUTING.md`, "utf8");
  return [...markdown.matchAll(/```ts\n\/\/ (src\/\S+\.ts)\n([\s\S]*?)```/g)].map(([, path, text]) => ({
    path: path!,
    text: text!,
  }));
}

/** The text with its relative imports as seen from the folder where it is written to. */
function moved({ path, text }: { readonly path: string; readonly text: string }): string {
  return text.replace(/ from "(\.[^"]+)"/g, (_, to: string) => {
    const target = new URL(to, `file:///${path}`).pathname.slice(1);
    return ` from "${relative(folder, root + target)}"`;
  });
}

const components = blocks();
const load = async (file: string): Promise<Record<string, unknown>> =>
  (await import(`${folder}/${file}`)) as Record<string, unknown>;

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  for (const component of components)
    writeFileSync(`${folder}/${basename(component.path)}`, moved(component));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the components of CONTRIBUTING.md", () => {
  it("are one of each kind", () => {
    expect(components.map(({ path }) => path)).toEqual([
      "src/rest/paginators/total-pages-header.ts",
      "src/rest/auth/signature.ts",
      "src/destinations/memory.ts",
    ]);
  });

  it("compile", () => {
    const project = {
      extends: "../../tsconfig.test.json",
      compilerOptions: { rootDir: "../.." },
      include: ["*.ts"],
    };
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(project));
    const tsc = `${root}node_modules/typescript/bin/tsc`;
    const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
    // Mistakes in the files that they import are found by other checks.
    expect(stdout.split("\n").filter((line) => line.includes("contributing.tmp"))).toEqual([]);
  });

  it.each(paginatorLaws)("the paginator keeps the law: $name", async (law) => {
    const { totalPagesHeaderPaginator } = await load("total-pages-header.ts");
    law.check(totalPagesHeaderPaginator as PaginatorDefinition);
  });

  it("the paginator says what it misses", async () => {
    const { totalPagesHeaderPaginator } = await load("total-pages-header.ts");
    const definition = totalPagesHeaderPaginator as PaginatorDefinition;
    const paginator = definition.create(
      { header: "x-total", page_param: "page" },
      { config: {}, parameters: {}, secrets: {} },
    );
    const request = paginator.first({ method: "GET", url: "https://api.example.com/calls", headers: {} });
    const head = { status: 200, url: request.url, headers: {} };
    expect(() => paginator.next({ request, head })).toThrow("x-total");
  });

  it.each(authLaws)("the auth method keeps the law: $name", async (law) => {
    const { signatureAuth } = await load("signature.ts");
    await law.check(signatureAuth as AuthDefinition);
  });

  const harness = (wrap: (whole: Destination) => Destination = (whole) => whole): DestinationHarness => ({
    name: "memory",
    cannot: {
      "null in a key that may be null equals null, and nothing else":
        "the example knows neither insert-only nor delete_missing",
      "a merge key takes all rows that share it, of a compound one all parts":
        "the example knows the primary key alone",
      "a merge key beside the primary key: either takes a row, with its children":
        "the example knows the primary key alone",
      "dedup_sort says which of repeated keys stays, null after all":
        "the example knows the primary key alone",
      "a hard delete takes its key with all children, and is not stored":
        "the example knows the primary key alone",
      "insert-only leaves what is there, and takes the first of repeated keys":
        "the example knows the primary key alone",
      "old loads can be forgotten, with what they set aside, but nothing that the state speaks of":
        "the example forgets nothing",
      "parts of a walk stay out of sight until it is complete": "the example keeps no parts",
      "parts of a merge meet the table as one package": "the example keeps no parts",
      "parts of another walk, and of a state that was forgotten, are gone": "the example keeps no parts",
      "parts of other pipelines and resources are left alone": "the example keeps no parts",
      "a part that is replayed, and a last package that fails, change nothing": "the example keeps no parts",
      "what a snapshot does not have is deleted, and only by a snapshot":
        "the example knows the primary key alone",
      "what a snapshot does not have is marked as deleted, and what comes back is not":
        "the example knows the primary key alone",
      "scd2 ends the version that changed, and leaves the one that did not": "the example keeps no versions",
      "scd2 ends what a snapshot does not have, and what comes back begins anew":
        "the example keeps no versions",
      "scd2: there and back again are three versions, one after the other": "the example keeps no versions",
      "scd2 without a key goes by the content, and keeps one of equal rows": "the example keeps no versions",
      "scd2 with a merge key ends only what shares it, of a compound one all parts":
        "the example keeps no versions",
      "scd2 ends a key that is marked as deleted; of repeated ones the last counts":
        "the example keeps no versions",
      "merge, then scd2: rows that are there become the first versions": "the example keeps no versions",
      "scd2 never begins before what is there": "the example keeps no versions",
    },
    async open() {
      const { memory } = (await load("memory.ts")) as { memory: () => Destination & Rows };
      const destination = memory();
      return {
        destination: wrap(destination),
        rows: async (dataset, table) => destination.rows(dataset, table).map((row) => ({ ...row })),
        dispose: async () => {},
      };
    },
  });

  it.each(destinationLaws)("the destination keeps the law: $name", (law) => law.check(harness()));

  it("a destination that reads what it should not is found out", async () => {
    const forgetful = (whole: Destination): Destination => ({
      ...whole,
      async connect(dataset, signal) {
        const connection = await whole.connect(dataset, signal);
        return { ...connection, state: async () => undefined };
      },
    });
    const law = destinationLaws.find(({ name }) => name === "state is updated in place");
    await expect(law?.check(harness(forgetful))).rejects.toThrow();
  });
});

interface Rows {
  rows(dataset: string, table: string): readonly Readonly<Record<string, unknown>>[];
}
