import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONFIG_NAMES, findConfig } from "./find.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-find-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function folderWith(...names: string[]): Promise<string> {
  const made = await mkdtemp(join(folder, "case-"));
  for (const name of names) await writeFile(join(made, name), "");
  return made;
}

describe("findConfig", () => {
  test.each(CONFIG_NAMES)("finds %s in the current folder", async (name) => {
    const cwd = await folderWith(name);
    expect(await findConfig(cwd)).toBe(join(cwd, name));
  });

  test("of several the TypeScript file wins", async () => {
    const cwd = await folderWith("sluice.config.yaml", "sluice.config.ts", "sluice.config.json");
    expect(await findConfig(cwd)).toBe(join(cwd, "sluice.config.ts"));
  });

  test("takes a path relative to the folder", async () => {
    const cwd = await folderWith("crm.yaml");
    expect(await findConfig(cwd, "crm.yaml")).toBe(join(cwd, "crm.yaml"));
    expect(await findConfig("/", join(cwd, "crm.yaml"))).toBe(join(cwd, "crm.yaml"));
  });

  test("a folder stands for the configuration in it", async () => {
    const cwd = await folderWith();
    await mkdir(join(cwd, "crm"));
    await writeFile(join(cwd, "crm", "sluice.config.yml"), "");
    expect(await findConfig(cwd, "crm")).toBe(join(cwd, "crm", "sluice.config.yml"));
  });

  test("says what was tried when there is none", async () => {
    const cwd = await folderWith("other.yaml");
    await expect(findConfig(cwd)).rejects.toMatchObject({
      code: "config/not-found",
      message: expect.stringContaining(
        "sluice.config.ts, sluice.config.js, sluice.config.mjs, sluice.config.yaml",
      ),
    });
  });

  test("names a given path that is not there", async () => {
    const cwd = await folderWith("sluice.config.yaml");
    await expect(findConfig(cwd, "crm.yaml")).rejects.toMatchObject({
      code: "config/not-found",
      message: expect.stringContaining("crm.yaml"),
    });
  });
});
