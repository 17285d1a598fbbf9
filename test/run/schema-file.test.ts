import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "../../src/cli/program.js";
import type { Session } from "../../src/cli/session.js";
import {
  diffSchema,
  type Event,
  exportSchema,
  loadPipeline,
  type Report,
  readState,
  run,
  type SchemaDiff,
} from "../../src/index.js";
import { type PostgresServer, queryPostgres, startPostgres } from "../postgres-server.js";
import { query } from "./database.js";

const RECORDS = JSON.stringify([
  { id: 1, firstName: "Ada", total: 5, address: { City: "Graz" }, tags: [{ a: 1, subs: [1, 2] }] },
  { id: 2, firstName: "Bob", total: "n/a" },
]);

const config = (records = RECORDS, more = "") => `pipeline: shop
client: { base_url: "http://127.0.0.1:1/" }
resources:
  - name: orders
    primary_key: id
    write_disposition: merge
    records: ${records}
${more}`;

const SCHEMA = `# Tables of shop. With \`schema: FILE\` in the configuration these columns are declared.

tables:
  orders:
    resource: orders
    primary_key: [ id ]
    columns:
      id: { data_type: bigint, nullable: false }
      first_name: { data_type: text, source: [ firstName ] }
      total: { data_type: bigint }
      address__city: { data_type: text, source: [ address, City ] }
      total__v_text: { data_type: text, source: [ total ], variant_of: total }
  orders__tags:
    parent: orders
    source: [ tags ]
    columns:
      a: { data_type: bigint }
  orders__tags__subs:
    parent: orders__tags
    source: [ subs ]
    columns:
      value: { data_type: bigint, source: [] }
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-schema-"));
  await writeFile(join(folder, "shop.yaml"), config());
});
afterEach(() => rm(folder, { recursive: true }));

/** A call of the command line, in this process. */
async function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: "", stderr: "" };
  const session: Session = {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    env: {},
    cwd: folder,
    signal: new AbortController().signal,
    now: () => 0,
    every: () => () => {},
    confirm: () => Promise.resolve(false),
    exitCode: 0,
  };
  await runCli(args, session);
  return { code: session.exitCode, ...written };
}
const write = (name: string, text: string) => writeFile(join(folder, name), text);
const columns = (table: string) =>
  query(
    join(folder, "shop.duckdb"),
    `select column_name as name, data_type as type from duckdb_columns() where table_name = '${table}' and not starts_with(column_name, '_sluice_')`,
  );

describe("sluice schema export", () => {
  it("writes the tables as YAML, the same each time, and never over a file", async () => {
    expect((await cli("run", "shop.yaml", "--quiet")).code).toBe(0);
    const shown = await cli("schema", "export", "shop.yaml");
    expect(shown.stdout).toBe(SCHEMA);
    await write("shop.yaml", config(RECORDS, "schema: schema.yaml"));
    expect((await cli("schema", "export", "shop.yaml", "--out", "schema.yaml")).code).toBe(0);
    expect(await readFile(join(folder, "schema.yaml"), "utf8")).toBe(SCHEMA);
    const again = await cli("schema", "export", "shop.yaml", "--out", "schema.yaml");
    expect(again.code).toBe(2);
    expect(again.stderr).toContain("schema.yaml is there already");
    expect((await cli("schema", "export", "shop.yaml", "--out", "schema.yaml", "--force")).code).toBe(0);
    const json = await cli("schema", "export", "shop.yaml", "--json");
    expect(JSON.parse(json.stdout)).toEqual({ pipeline: "shop", schema: SCHEMA });
    expect((await cli("schema", "shop.yaml")).stdout).toContain("orders__tags");
  });

  it("comes back whole: names, keys and types are those of the file, also in another database", async () => {
    await write("shop.yaml", config("[]", "schema: schema.yaml"));
    await write("schema.yaml", SCHEMA);
    expect((await cli("run", "shop.yaml", "--quiet")).code).toBe(0);
    const text = (await cli("schema", "export", "shop.yaml")).stdout;
    expect(text).toBe(SCHEMA.replace(/ {6}total__v_text.*\n/, ""));
    await write("shop.yaml", config(RECORDS, "schema: schema.yaml"));
    expect((await cli("run", "shop.yaml", "--quiet")).code).toBe(0);
    const columnsFirst = SCHEMA.replace(/ {6}total__v_text.*\n/, "");
    const variant = SCHEMA.split("\n").find((line) => line.includes("total__v_text"));
    const city = SCHEMA.split("\n").find((line) => line.includes("address__city"));
    expect((await cli("schema", "export", "shop.yaml")).stdout).toBe(
      columnsFirst.replace(`${city}\n`, `${city}\n${variant}\n`),
    );
    expect(
      await query(join(folder, "shop.duckdb"), "select value from shop.orders__tags__subs order by 1"),
    ).toEqual([{ value: "1" }, { value: "2" }]);
  });
});

describe("a schema file", () => {
  it("edited by hand wins over what values look like, in tables of lists too", async () => {
    const edited = SCHEMA.replace("total: { data_type: bigint }", "total: { data_type: text }")
      .replace("address__city: {", "town: {")
      .replace("a: { data_type: bigint }", "a: { data_type: decimal, precision: 20, scale: 2 }")
      .replace("value: { data_type: bigint", "value: { data_type: double");
    await write("schema.yaml", edited);
    await write("shop.yaml", config(RECORDS, "schema: schema.yaml"));
    expect((await cli("run", "shop.yaml", "--quiet")).stderr).toBe("");
    expect(await columns("orders")).toEqual([
      { name: "id", type: "BIGINT" },
      { name: "first_name", type: "VARCHAR" },
      { name: "total", type: "VARCHAR" },
      { name: "town", type: "VARCHAR" },
    ]);
    expect(await columns("orders__tags")).toEqual([{ name: "a", type: "DECIMAL(20,2)" }]);
    expect(await columns("orders__tags__subs")).toEqual([{ name: "value", type: "DOUBLE" }]);
    expect(
      await query(join(folder, "shop.duckdb"), "select total, town from shop.orders order by id"),
    ).toEqual([
      { total: "5", town: "Graz" },
      { total: "n/a", town: null },
    ]);
  });

  it("brings the primary key, and merges by it under another name", async () => {
    const renamed = SCHEMA.replace("[ id ]", "[ number ]").replace(
      "id: { data_type: bigint, nullable: false }",
      "number: { data_type: bigint, source: [ id ] }",
    );
    await write("schema.yaml", renamed);
    const own = config(RECORDS, "schema: schema.yaml").replace("    primary_key: id\n", "");
    await write("shop.yaml", own);
    expect((await cli("run", "shop.yaml", "--quiet")).stderr).toBe("");
    expect((await cli("run", "shop.yaml", "--quiet")).stderr).toBe("");
    const found = await query(join(folder, "shop.duckdb"), "select number from shop.orders order by 1");
    expect(found).toEqual([{ number: "1" }, { number: "2" }]);
  });

  it.each([
    ["total: { data_type: bigint }", "total: { data_type: number }", /schema\.yaml:10 .*data_type/],
    [
      "columns:\n      id",
      "colums:\n      id",
      /schema\.yaml:7 .*unknown key "colums" – did you mean "columns"\?/,
    ],
    [
      "resource: orders",
      "resource: order",
      /schema\.yaml:5 .*no resource is named "order" – did you mean "orders"\?/,
    ],
    ["[ id ]", "[ ident ]", /schema\.yaml:6 .*has a column "ident" that the table does not have/],
    ["[ id ]", "[ total ]", /schema\.yaml:6 .*the configuration has the primary key id, and this file total/],
    ["parent: orders__tags\n", "parent: nobody\n", /schema\.yaml:19 .*no table of a resource is above/],
    ["  orders:\n", "  others:\n", /schema\.yaml:4 .*the table of the resource "orders" is orders/],
    [
      "a: { data_type: bigint }",
      "a: { data_type: bigint, nullable: false }",
      /schema\.yaml:17 .*nullable: false is for/,
    ],
    ["    source: [ tags ]\n", "", /schema\.yaml:13 .*needs source/],
    ["tables:", "tables: [", /schema\.yaml:\d+/],
  ])("with a mistake (%j → %j) is refused with its line", async (right, wrong, message) => {
    await write("shop.yaml", config(RECORDS, "schema: ./schema.yaml"));
    await write("schema.yaml", SCHEMA.replace(right, wrong));
    const result = await cli("check", "shop.yaml");
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(message);
  });

  it("that contradicts the configuration is refused; one that is missing, too", async () => {
    const own = config(RECORDS, "schema: { file: schema.yaml }").replace(
      "    records",
      "    columns: { total: { data_type: decimal } }\n    records",
    );
    await write("shop.yaml", own);
    const missing = await cli("check", "shop.yaml");
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain("the schema file schema.yaml can't be read (ENOENT)");
    await write("schema.yaml", SCHEMA);
    const result = await cli("check", "shop.yaml");
    expect(result.stderr).toMatch(
      /schema\.yaml:10 .*declares the column "total" as decimal, and this file as bigint/,
    );
  });
});

describe("sluice schema diff", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  it("shows the statements of the first run, and creates nothing", async () => {
    await write("schema.yaml", SCHEMA);
    await write("shop.yaml", config(RECORDS, "schema: schema.yaml"));
    const shown = await cli("schema", "diff", "shop.yaml");
    expect(shown.code).toBe(0);
    expect(
      shown.stdout.replace(`${folder}/`, ""),
    ).toBe(`-- 3 changes in shop.duckdb, dataset shop; the first run creates it
CREATE TABLE "shop"."shop"."orders" ("_sluice_id" VARCHAR NOT NULL, "_sluice_load_id" VARCHAR NOT NULL, "id" BIGINT NOT NULL, "first_name" VARCHAR, "total" BIGINT, "address__city" VARCHAR);
CREATE TABLE "shop"."shop"."orders__tags" ("_sluice_id" VARCHAR NOT NULL, "_sluice_parent_id" VARCHAR NOT NULL, "_sluice_root_id" VARCHAR NOT NULL, "_sluice_list_idx" BIGINT NOT NULL, "a" BIGINT);
CREATE TABLE "shop"."shop"."orders__tags__subs" ("_sluice_id" VARCHAR NOT NULL, "_sluice_parent_id" VARCHAR NOT NULL, "_sluice_root_id" VARCHAR NOT NULL, "_sluice_list_idx" BIGINT NOT NULL, "value" BIGINT);
-- columns that are not declared come with their first values
`);
    await expect(readFile(join(folder, "shop.duckdb"))).rejects.toThrow("ENOENT");
    const undeclared = await cli("schema", "diff", "shop.yaml", "--select", "nobody");
    expect(undeclared.code).toBe(2);
  });

  it("tells a declared type that a column can't take, and a table that a run would refuse", async () => {
    await cli("run", "shop.yaml", "--quiet");
    await write(
      "schema.yaml",
      SCHEMA.replace("first_name: {", "note: { data_type: json }\n      first_name: {").replace(
        "data_type: text, source: [ firstName ]",
        "data_type: date, source: [ firstName ]",
      ),
    );
    await write("shop.yaml", config(RECORDS, "schema: schema.yaml"));
    const json = await cli("schema", "diff", "shop.yaml", "--json");
    expect(json.code).toBe(0);
    const diff = JSON.parse(json.stdout) as SchemaDiff;
    expect(diff.changes.map(({ sql }) => sql)).toEqual([
      'ALTER TABLE "shop"."shop"."orders" ADD COLUMN "note" JSON',
    ]);
    expect(diff.warnings).toEqual([
      {
        resource: "orders",
        message:
          "column first_name of table orders is declared as date, but it is text and can't become that without loss: it stays",
      },
    ]);
    const file = join(folder, "shop.duckdb");
    await query(file, "alter table shop.orders drop column id");
    const refused = await cli("schema", "diff", "shop.yaml");
    expect(refused.code).toBe(6);
    expect(refused.stdout).toContain("-- orders would fail: column id of table orders is gone");
    await query(file, "drop table shop._sluice_state");
    const lost = await cli("schema", "diff", "shop.yaml");
    expect(lost.code).toBe(6);
    expect(lost.stdout).toContain("-- the run would fail: the system table _sluice_state is gone");
  });

  it.each(["duckdb", "postgres"])("in %s shows exactly what the run then does", async (kind) => {
    const database = await server.newDatabase();
    const destination = kind === "duckdb" ? `duckdb:${join(folder, "d.duckdb")}` : database;
    const sql = (statement: string) =>
      kind === "duckdb" ? query(join(folder, "d.duckdb"), statement) : queryPostgres(database, statement);
    const load = async () => await loadPipeline({ config: "shop.yaml", cwd: folder, env: {}, destination });
    const changesOf = async (): Promise<{ report: Report; events: Event[] }> => {
      const events: Event[] = [];
      const report = await run(await load(), { onEvent: (event) => void events.push(event) });
      return { report, events };
    };
    await write("schema.yaml", SCHEMA);
    await write("shop.yaml", config(RECORDS, "schema: schema.yaml"));

    // The statements of a first run, made by hand: the run has the same tables, and only adds what was not declared.
    await sql("create schema shop");
    for (const { sql: statement } of (await diffSchema(await load())).changes) await sql(String(statement));
    expect((await diffSchema(await load())).changes).toEqual([]);
    const first = await changesOf();
    expect(first.report.status).toBe("ok");
    const made = first.events.flatMap((event) => (event.type === "schema-change" ? [event.change.op] : []));
    expect(made).toEqual(["add-column"]);
    const variant = SCHEMA.split("\n").find((line) => line.includes("total__v_text"));
    expect((await exportSchema(await load())).includes(String(variant))).toBe(true);

    await sql("alter table shop.orders drop column first_name");
    await sql("alter table shop.orders alter column total type integer");
    await sql("drop table shop.orders__tags__subs");
    await write(
      "schema.yaml",
      SCHEMA.replace("first_name: {", "note: { data_type: json }\n      first_name: {"),
    );
    const { changes, warnings, refused } = await diffSchema(await load());
    expect(refused).toEqual({});
    expect(changes.map(({ change }) => change.op)).toEqual([
      "add-column",
      "widen-column",
      "add-column",
      "create-table",
    ]);
    const second = await changesOf();
    expect(second.events.flatMap((event) => (event.type === "schema-change" ? [event.change] : []))).toEqual(
      changes.map(({ change }) => change),
    );
    expect(second.events.flatMap((event) => (event.type === "warning" ? [event.message] : []))).toEqual(
      warnings.map(({ message }) => message),
    );
    expect((await diffSchema(await load())).changes).toEqual([]);
    expect((await readState(await load()))?.tables).toHaveLength(3);
  });
});
