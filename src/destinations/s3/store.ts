import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { SluiceError } from "../../model/error.js";
import type { Store, StoredFile } from "../files/store.js";
import {
  type BucketOptions,
  codeOf,
  isTransient,
  openS3,
  refusal,
  type S3Access,
  statusOf,
} from "./client.js";

/** What only tests change. */
export interface S3Internals {
  /** Attempts of the SDK within one of ours. */
  readonly maxAttempts?: number;
  /** Waits before attempt 2, 3 …; default: half a second, then twice as long each time, at random up to that. */
  readonly pause?: (attempt: number) => Promise<unknown>;
}

/** A bucket as a store, with what only a bucket has to be asked. */
export interface BucketStore extends Store {
  /** Whether anything is there. Throws `destination/unreachable` when the bucket can't be looked into. */
  hasFiles(): Promise<boolean>;
  /**
   * Makes sure that the server keeps what conditional puts promise: many that speak S3 ignore the condition.
   *
   * @throws SluiceError `destination/failed` if it does not.
   */
  proveConditions(): Promise<void>;
}

const ATTEMPTS = 7;

/** What one put takes. */
const MAX_BYTES = 5 * 1024 ** 3;

/** Files that are fetched at the same time. */
const FETCHES = 4;

const backOff = (attempt: number): Promise<unknown> => sleep(Math.random() * 500 * 2 ** (attempt - 2));

/** Files in a bucket, below a prefix. The SDK is loaded and the client made when the first is asked for. */
export function bucketStore(options: BucketOptions, internals: S3Internals = {}): BucketStore {
  const { bucket, prefix } = options;
  const { pause = backOff } = internals;
  const root = prefix === "" ? "" : `${prefix}/`;
  const place = (name: string): string => `s3://${bucket}/${root}${name}`;
  const target = (name: string) => ({ Bucket: bucket, Key: `${root}${name}` });
  /** The small texts that this process wrote or read last. */
  const seen = new Map<string, string>();
  let opening: Promise<S3Access> | undefined;

  /** Runs a request until it is answered; what can't be answered otherwise is told in words. */
  async function send<T>(doing: string, at: string, request: (access: S3Access) => Promise<T>): Promise<T> {
    opening ??= openS3(options, internals.maxAttempts);
    const access = await opening;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await request(access);
      } catch (error) {
        if (attempt === ATTEMPTS || !isTransient(error)) throw refusal(doing, at, error);
        await pause(attempt + 1);
      }
    }
  }

  const readText = async ({ sdk, client }: S3Access, name: string): Promise<string | undefined> => {
    try {
      const { Body } = await client.send(new sdk.GetObjectCommand(target(name)));
      return await Body?.transformToString("utf8");
    } catch (error) {
      if (codeOf(error) === "NoSuchKey" || codeOf(error) === "NotFound") return undefined;
      throw error;
    }
  };

  const get = (name: string): Promise<string | undefined> =>
    send("reading", place(name), (access) => readText(access, name));

  const putIfAbsent = (name: string, text: string): Promise<boolean> =>
    send("writing", place(name), async (access) => {
      const { sdk, client } = access;
      try {
        await client.send(new sdk.PutObjectCommand({ ...target(name), Body: text, IfNoneMatch: "*" }));
        return true;
      } catch (error) {
        // It may be ours: an attempt before this one was carried out, and its answer was lost.
        if (statusOf(error) === 412) return (await readText(access, name)) === text;
        throw error;
      }
    });

  const remove = async (name: string): Promise<void> => {
    await send("removing", place(name), ({ sdk, client }) =>
      client.send(new sdk.DeleteObjectCommand(target(name))),
    );
  };

  async function list(beginning: string, limit?: number): Promise<readonly StoredFile[]> {
    const found: StoredFile[] = [];
    let token: string | undefined;
    do {
      const page = await send("listing", place(beginning), ({ sdk, client }) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: bucket,
            Prefix: `${root}${beginning}`,
            ...(token === undefined ? {} : { ContinuationToken: token }),
            ...(limit === undefined ? {} : { MaxKeys: limit }),
          }),
        ),
      );
      for (const { Key, Size = 0, LastModified } of page.Contents ?? []) {
        if (Key === undefined) continue;
        found.push({ name: Key.slice(root.length), bytes: Size, modifiedAt: LastModified?.getTime() ?? 0 });
      }
      token = limit === undefined && page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
    return found;
  }

  async function fetchTo(name: string, path: string): Promise<void> {
    await send("reading", place(name), async ({ sdk, client }) => {
      const { Body } = await client.send(new sdk.GetObjectCommand(target(name)));
      await pipeline(Body as Readable, createWriteStream(path));
    });
  }

  return {
    place,
    get,
    putIfAbsent,
    remove,
    scratch: join(tmpdir(), `sluice-${randomUUID()}`),
    recall: (name) => seen.get(name),
    async put(name, text) {
      await send("writing", place(name), ({ sdk, client }) =>
        client.send(new sdk.PutObjectCommand({ ...target(name), Body: text })),
      );
      seen.set(name, text);
    },
    async write(name, fill) {
      return inFolder(async (folder) => {
        const path = join(folder, "file");
        await fill(path);
        const { size } = await stat(path);
        if (size > MAX_BYTES) throw tooLarge(place(name), size);
        await send("writing", place(name), ({ sdk, client }) =>
          // Each attempt reads the file from its beginning.
          client.send(
            new sdk.PutObjectCommand({ ...target(name), Body: createReadStream(path), ContentLength: size }),
          ),
        );
        return size;
      });
    },
    read: (names, use) =>
      inFolder(async (folder) => {
        const paths = new Map(names.map((name, index) => [name, join(folder, `${index}-${endOf(name)}`)]));
        const waiting = [...paths];
        const fetchAll = async (): Promise<void> => {
          for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await fetchTo(...next);
        };
        await Promise.all(Array.from({ length: FETCHES }, fetchAll));
        return use((name) => paths.get(name) ?? name);
      }),
    list: (beginning) => list(beginning),
    hasFiles: async () => (await list("", 1)).length > 0,
    async proveConditions() {
      const name = `_sluice-condition-${randomUUID()}`;
      const first = await putIfAbsent(name, "1");
      const second = await putIfAbsent(name, "2");
      await remove(name);
      if (first && !second) return;
      throw new SluiceError(
        "destination/failed",
        `the server of ${place("")} does not keep the condition of a put (If-None-Match: *): two writers could both publish`,
        { hint: "Use a server that does, such as Amazon S3 or a recent MinIO, Ceph or R2." },
      );
    },
  };
}

/** DuckDB tells compression by the ending. */
const endOf = (name: string): string => name.slice(name.lastIndexOf("/") + 1);

/** A folder of this machine for as long as `use` takes; nobody else may read it. */
async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-s3-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function tooLarge(at: string, bytes: number): SluiceError {
  return new SluiceError(
    "destination/failed",
    `${at} would have ${(bytes / 1024 ** 3).toFixed(1)} GiB; S3 takes 5 GiB in one put`,
    { hint: "Load less at once (checkpoint: rows), or write a smaller format: Parquet with zstd." },
  );
}
