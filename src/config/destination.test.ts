import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SluiceError } from "../model/error.js";
import { type LoadOptions, loadPipeline } from "./load.js";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-destination-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(destination: string, options: LoadOptions = {}) {
  const text = `destination: "${destination}"\nclient: { base_url: "https://h" }\nresources: [a]\n`;
  await writeFile(join(folder, "api.yaml"), text);
  return loadPipeline({ config: "api.yaml", cwd: folder, env: {}, ...options });
}

const failure = (destination: string, options: LoadOptions = {}): Promise<SluiceError> =>
  load(destination, options).then(
    () => expect.unreachable("the configuration was accepted"),
    (error: unknown) => error as SluiceError,
  );

describe("the destination's URI", () => {
  it("may refer to a secret, which nothing shows afterwards", async () => {
    const env = { WAREHOUSE: "postgres://loader:canary-4711@db.example.com/sales", PASSWORD: "canary/4712" };
    const whole = await load("{{ secrets.warehouse }}", { env });
    expect(whole.destination.location).toBe("postgres://db.example.com:5432/sales");
    expect(whole.parts.redactor.redact("x canary-4711")).toBe("x ***");
    const part = await load("postgres://loader:{{ secrets.password | urlencode }}@db.example.com/sales", {
      env,
    });
    expect(part.destination.queryHint?.("d", "t")).toBe(
      'psql postgres://loader@db.example.com:5432/sales -c "select * from d.t limit 5"',
    );
    expect(part.parts.redactor.redact("x canary/4712")).toBe("x ***");
    expect(JSON.stringify([whole, part])).not.toContain("canary");
  });

  it("hides a password that is written in it", async () => {
    const pipeline = await load("postgres://loader:canary-4713@localhost/sales");
    expect(pipeline.parts.redactor.redact("x canary-4713")).toBe("x ***");
  });

  it("whose secret has no value is a problem that lists the places", async () => {
    const error = await failure("postgres://loader:{{ secrets.nowhere }}@localhost/sales");
    expect(error.code).toBe("config/missing-secret");
    expect(error.message).toContain("SOURCES__API__NOWHERE");
  });

  it("that is wrong is not shown", async () => {
    for (const uri of [
      "postgres://loader:canary#4714@localhost/sales",
      "postgres://loader:canary4714@localhost/sales?sslmode=maybe",
      "postgres://loader:canary4714@localhost",
    ]) {
      const error = await failure(uri);
      expect(error.code).toBe("config/invalid");
      expect(error.message).not.toContain("canary");
    }
  });
});
