import { expect, test } from "vitest";
import type { Batch } from "../model/batch.js";
import type { PackageHeader, Receipt, Stage } from "../model/destination.js";
import { WAITING_BYTES, writeBehind } from "./write-behind.js";

const BATCH: Batch = {
  table: { name: "t", resource: "r", primaryKey: [], columns: [] },
  rows: 1,
  columns: [],
  bytes: WAITING_BYTES / 2,
};
const PACKAGE = { id: "p" } as PackageHeader;

/** A stage that says what it is asked, and answers when it is told to. */
function slowStage() {
  const calls: string[] = [];
  const open: { resolve(): void; reject(error: Error): void }[] = [];
  const ask = (call: string) => {
    calls.push(call);
    return new Promise<void>((resolve, reject) => open.push({ resolve, reject }));
  };
  const stage: Stage = {
    write: (batch) => ask(`write ${batch.rows}`),
    async commit(pkg): Promise<Receipt> {
      await ask(`commit ${pkg.id}`);
      return { replayed: false, tables: {} };
    },
    [Symbol.asyncDispose]: () => ask("dispose"),
  };
  const next = async () => {
    await turns();
    return open.shift()!;
  };
  return { calls, stage, next };
}

/** Lets everything go on that can. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test("writes return at once until so many bytes wait, and reach the stage one after the other", async () => {
  const { calls, stage, next } = slowStage();
  const behind = writeBehind(stage);
  for (const rows of [1, 2]) await behind.write({ ...BATCH, rows });
  let isIn = false;
  const third = behind.write({ ...BATCH, rows: 3 });
  void third.finally(() => {
    isIn = true;
  });
  await turns();
  expect([calls, isIn]).toEqual([["write 1"], false]);
  (await next()).resolve();
  await third;
  await turns();
  expect(calls).toEqual(["write 1", "write 2"]);
});

test("a commit waits for the writes before it, and those after it for the commit", async () => {
  const { calls, stage, next } = slowStage();
  const behind = writeBehind(stage);
  await behind.write(BATCH);
  const receipt = behind.commit(PACKAGE);
  await behind.write({ ...BATCH, rows: 2 });
  (await next()).resolve();
  await turns();
  expect(calls).toEqual(["write 1", "commit p"]);
  (await next()).resolve();
  expect(await receipt).toEqual({ replayed: false, tables: {} });
  await turns();
  expect(calls).toEqual(["write 1", "commit p", "write 2"]);
});

test("what goes wrong in a write is thrown by the next one and by the commit, and nothing more is written", async () => {
  const { calls, stage, next } = slowStage();
  const behind = writeBehind(stage);
  for (const rows of [1, 2]) await behind.write({ ...BATCH, rows });
  (await next()).reject(new Error("full"));
  await turns();
  await expect(behind.write(BATCH)).rejects.toThrow("full");
  await expect(behind.commit(PACKAGE)).rejects.toThrow("full");
  expect(calls).toEqual(["write 1"]);
  const disposed = behind[Symbol.asyncDispose]();
  (await next()).resolve();
  await disposed;
  expect(calls).toEqual(["write 1", "dispose"]);
});
