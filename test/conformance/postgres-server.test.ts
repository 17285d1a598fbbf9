/** What depends on how a PostgreSQL server is set up: TLS, and how many connections it has. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineResource, postgres, type Report, run } from "../../src/index.js";
import { selfSigned } from "../certificate.js";
import { type PostgresServer, queryPostgres, startPostgres } from "../postgres-server.js";

const one = (name: string) =>
  defineResource({ name, writeDisposition: "replace", read: () => [[{ id: 1 }]] });

async function load(uri: string, changes: Readonly<Record<string, string>>, names = ["t"]): Promise<Report> {
  const url = new URL(uri);
  const { host, ...parameters } = changes;
  if (host !== undefined) url.hostname = host;
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return run({ pipeline: "p", source: names.map(one), destination: postgres(url.href) });
}

describe("a server with a certificate of its own for the name localhost", () => {
  const { certificate, key } = selfSigned(["localhost"]);
  let server: PostgresServer;
  let uri: string;
  let folder: string;
  let ca: string;
  let otherCa: string;

  beforeAll(async () => {
    server = await startPostgres({ tls: { certificate, key } });
    uri = await server.newDatabase();
    folder = await mkdtemp(join(tmpdir(), "sluice-tls-"));
    [ca, otherCa] = [join(folder, "ca.pem"), join(folder, "other.pem")];
    await writeFile(ca, certificate);
    await writeFile(otherCa, selfSigned(["localhost"]).certificate);
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  it.each(["prefer", "require"])("%s encrypts, whoever the server is", async (sslmode) => {
    let sessions: unknown;
    const looking = defineResource({
      name: "t",
      async *read() {
        sessions = await queryPostgres(
          uri,
          "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name like 'sluice %'",
        );
        yield [{ id: 1 }];
      },
    });
    const destination = postgres(uri.replace("sslmode=disable", `sslmode=${sslmode}`));
    expect(await run({ pipeline: "p", source: looking, destination })).toMatchObject({ status: "ok" });
    expect(sessions).toEqual([{ ssl: true }, { ssl: true }]);
  });

  it.each([
    { sslmode: "verify-full", host: "localhost" },
    { sslmode: "verify-ca", host: "127.0.0.1" },
    { sslmode: "require", host: "127.0.0.1" },
  ])("%j with the server's certificate connects", async (changes) => {
    expect(await load(uri, { ...changes, sslrootcert: ca })).toMatchObject({ status: "ok" });
  });

  it.each([
    ["without the certificate", { sslmode: "verify-full", host: "localhost" }, "sslrootcert"],
    ["without the certificate", { sslmode: "verify-ca" }, "sslrootcert"],
    [
      "by another name than the certificate's",
      { sslmode: "verify-full", host: "127.0.0.1", sslrootcert: "ca" },
      "verify-ca",
    ],
    ["with another certificate", { sslmode: "verify-ca", sslrootcert: "other" }, "sslrootcert"],
    ["with another certificate", { sslmode: "require", sslrootcert: "other" }, "sslrootcert"],
  ])("%s, %j is refused, with a word on what to do", async (_how, changes, hint) => {
    const files: Readonly<Record<string, string>> = { ca, other: otherCa };
    const file = "sslrootcert" in changes ? { sslrootcert: files[changes.sslrootcert as string]! } : {};
    const { error } = await load(uri, { ...changes, ...file });
    expect(error).toMatchObject({
      code: "destination/unreachable",
      message: expect.stringMatching(/certificate/i),
    });
    expect(error?.hint).toContain(hint);
  });

  it("a certificate file that is not there is an error that names it", async () => {
    const { error } = await load(uri, { sslmode: "verify-full", sslrootcert: join(folder, "none.pem") });
    expect(error).toMatchObject({
      code: "destination/unreachable",
      message: expect.stringContaining("none.pem"),
    });
  });
});

describe("a server without TLS", () => {
  let server: PostgresServer;
  let uri: string;
  beforeAll(async () => {
    server = await startPostgres({
      settings: ["max_connections=4", "superuser_reserved_connections=0", "reserved_connections=0"],
    });
    uri = await server.newDatabase();
  });
  afterAll(() => server.stop());

  it("is used without by prefer, and refused by require", async () => {
    expect(await load(uri, { sslmode: "prefer" })).toMatchObject({ status: "ok" });
    const { error } = await load(uri, { sslmode: "require" });
    expect(error).toMatchObject({ code: "destination/unreachable", message: expect.stringContaining("SSL") });
    expect(error?.hint).toContain("sslmode");
  });

  it("with fewer connections than a run wants says so; the run gets by with less, if told to", async () => {
    const names = ["a", "b", "c", "d", "e"];
    const crowded = await load(uri, { max_connections: "10" }, names);
    expect(crowded.status).not.toBe("ok");
    const errors = Object.values(crowded.resources).flatMap(({ error }) => error ?? []);
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) {
      expect(error).toMatchObject({
        code: "destination/unreachable",
        message: expect.stringContaining("53300"),
      });
      expect(error.hint).toContain("max_connections");
    }
    expect(await load(uri, { max_connections: "2" }, names)).toMatchObject({ status: "ok" });
  });
});
