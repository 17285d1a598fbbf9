import type { Connection, PackageHeader, Receipt } from "../src/model/destination.js";
import { SYSTEM_COLUMNS, type TableSchema } from "../src/model/table.js";
import { batchOf } from "./laws/destination.js";

/** A table that has one number a row. */
export const TABLE: TableSchema = {
  name: "t",
  resource: "t",
  primaryKey: ["n"],
  columns: [
    { name: SYSTEM_COLUMNS.id, type: "text", nullable: false },
    { name: "n", type: "bigint", nullable: true },
  ],
};

/** A package that makes the table. */
export function header(id: string): PackageHeader {
  return {
    id,
    tables: [TABLE],
    changes: [{ op: "create-table", table: TABLE }],
    state: {
      fingerprint: "f",
      status: "done",
      loadId: "load",
      loadResources: ["t"],
      packages: 1,
      committedAt: Date.UTC(2024, 0, 1),
    },
    rejects: [],
    startedAt: Date.UTC(2024, 0, 1),
    schemaHash: "h",
  };
}

/** Commits one package of rows `n` to table `t`. */
export async function commitRows(
  connection: Connection,
  id: string,
  numbers: readonly number[],
  writeDisposition: "append" | "merge" = "append",
): Promise<Receipt> {
  const stage = await connection.stage({ pipeline: "p", loadId: "load", resource: "t", writeDisposition });
  const rows = numbers.map((n) => ({ [SYSTEM_COLUMNS.id]: `${id}-${n}`.padStart(12, "0"), n }));
  try {
    await stage.write(batchOf(TABLE, rows));
    return await stage.commit(header(id));
  } finally {
    await stage[Symbol.asyncDispose]();
  }
}
