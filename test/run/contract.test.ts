import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  defineResource,
  duckdb,
  exitCodeOf,
  type Report,
  type ResourceDefinition,
  run,
} from "../../src/index.js";
import { query } from "./database.js";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-contract-"));
  file = join(folder, "shop.duckdb");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function load(records: readonly object[], hints: Partial<ResourceDefinition> = {}): Promise<Report> {
  const source = defineResource({ name: "orders", read: () => [records as never], ...hints });
  return run({ pipeline: "shop", source, destination: duckdb(file) });
}

const FROZEN = { contract: { tables: "freeze", columns: "freeze", dataType: "freeze" } } as const;
const ids = () => query(file, "select id::int as id from shop.orders order by id");

it("a load that breaks a frozen schema fails and commits nothing; the next good one needs no cleaning up", async () => {
  expect((await load([{ id: 1 }], FROZEN)).status).toBe("ok");
  const broken = await load([{ id: 2 }, { id: 3, city: "Rome" }], FROZEN);
  expect(broken).toMatchObject({
    status: "failed",
    resources: { orders: { error: { code: "data/contract" } } },
  });
  expect(exitCodeOf(broken)).toBe(5);
  expect(JSON.stringify(broken)).not.toContain("Rome");
  expect(await ids()).toEqual([{ id: 1 }]);
  expect((await load([{ id: 2 }, { id: 3 }], FROZEN)).status).toBe("ok");
  expect(await ids()).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
});

it("discarded values and rows are counted, kept with reason and path, and no failure", async () => {
  const contract = { tables: "evolve", columns: "discard_value", dataType: "discard_row" } as const;
  await load([{ id: 1, n: 1 }], { contract });
  const report = await load(
    [
      { id: 2, city: "Rome" },
      { id: 3, n: "x" },
      { id: 4, n: 4 },
    ],
    { contract },
  );
  expect(report).toMatchObject({ status: "ok", tables: { orders: { inserted: 2, rejected: 2 } } });
  expect(exitCodeOf(report)).toBe(0);
  expect(await ids()).toEqual([{ id: 1 }, { id: 2 }, { id: 4 }]);
  expect(await query(file, "select path, value from shop._sluice_rejects order by path")).toEqual([
    { path: "$.city", value: '"Rome"' },
    { path: "$.n", value: '"x"' },
  ]);
});

it("more than max_rejected of them are a failure that commits nothing", async () => {
  const hints = {
    contract: { tables: "evolve", columns: "discard_row", dataType: "evolve" },
    maxRejected: 1,
  } as const;
  await load([{ id: 1 }], hints);
  expect((await load([{ id: 2 }, { id: 3, a: 1 }], hints)).status).toBe("ok");
  const report = await load([{ id: 4 }, { id: 5, a: 1 }, { id: 6, a: 1 }], hints);
  expect(report.resources["orders"]).toMatchObject({
    status: "failed",
    error: { code: "data/too-many-rejects" },
  });
  expect(await ids()).toEqual([{ id: 1 }, { id: 2 }]);
  expect(await query(file, "select count(*)::int as n from shop._sluice_rejects")).toEqual([{ n: 1 }]);
});
