import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Lease } from "../../model/destination.js";
import { SluiceError } from "../../model/error.js";
import { folderName, SYSTEM_FOLDER } from "./manifest.js";
import type { Store } from "./store.js";

interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  readonly since: string;
}

/** What this process holds: a lease file with our pid and another token is left of an earlier process. */
const held = new Set<string>();

/**
 * Takes the lease of a pipeline: a file that only one writer can create. One left by a process of this machine that has
 * ended is taken over; whether a process of another machine lives can't be told, so its lease stays.
 *
 * The lease keeps two runs of one pipeline apart, which would do the same work twice; that no rows are lost or doubled
 * does not rest on it but on the manifest's number.
 *
 * @throws SluiceError `destination/locked` naming the holder.
 */
export async function takeLease(store: Store, dataset: string, pipeline: string): Promise<Lease> {
  const name = `${dataset}/${SYSTEM_FOLDER}/lease-${folderName(pipeline)}.json`;
  const mine: Holder = {
    token: randomUUID(),
    pid: process.pid,
    host: hostname(),
    since: new Date().toISOString(),
  };
  const take = async (): Promise<boolean> => {
    held.add(mine.token);
    const taken = await store.putIfAbsent(name, JSON.stringify(mine)).catch((error: unknown) => {
      held.delete(mine.token);
      throw error;
    });
    if (!taken) held.delete(mine.token);
    return taken;
  };
  if (!(await take())) {
    const holder = parse(await store.get(name));
    if (holder !== undefined && isAlive(holder)) throw locked(pipeline, dataset, holder, store.place(name));
    // Of several that find the same stale lease only one may remove it: the others would remove its successor. So the
    // mark stays, until it is pruned.
    const mark = `${name}.${holder?.token ?? "unreadable"}.stale`;
    if (await store.putIfAbsent(mark, "")) await store.remove(name);
    if (!(await take())) throw locked(pipeline, dataset, parse(await store.get(name)), store.place(name));
  }
  return {
    pipeline,
    async [Symbol.asyncDispose]() {
      if (!held.delete(mine.token)) return;
      await store.remove(name);
    },
  };
}

function parse(text: string | undefined): Holder | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Holder);
  } catch {
    return undefined;
  }
}

function isAlive({ pid, host, token }: Holder): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return held.has(token);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to someone else.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function locked(pipeline: string, dataset: string, holder: Holder | undefined, path: string): SluiceError {
  const who =
    holder === undefined ? "another run" : `process ${holder.pid} of ${holder.host}, since ${holder.since}`;
  return new SluiceError(
    "destination/locked",
    `pipeline ${pipeline} is being written to dataset ${dataset} by ${who}`,
    { hint: `Wait for that run to end. If it is gone (killed on another machine), remove ${path}.` },
  );
}
