import { z } from "zod";
import { SluiceError } from "../model/error.js";
import { Secret } from "../model/secret.js";
import { checkedOptions, defineDestination } from "./destination.js";
import { createFiles, type FileDestination, fileOptions } from "./files/destination.js";
import type { LeaseClock } from "./files/lease.js";
import { bucketStore, type S3Internals } from "./s3/store.js";

const secret = (name: string) =>
  z
    .union([z.string(), z.instanceof(Secret)])
    .transform((value) => (value instanceof Secret ? value : new Secret(name, value)))
    .optional();

const options = z
  .strictObject({
    bucket: z.string().min(1).describe("The bucket, which must exist."),
    prefix: z
      .string()
      .default("")
      .transform((value) => value.replaceAll(/^\/+|\/+$/gu, ""))
      .describe("What the keys of all files begin with; each dataset is a folder below it."),
    region: z.string().min(1).optional().describe("Default: that of the environment or of ~/.aws/config."),
    endpoint: z.url().optional().describe("Address of a server that speaks S3; default: Amazon's."),
    force_path_style: z
      .boolean()
      .default(false)
      .describe(
        "Put the bucket into the path instead of the host name, as many servers other than Amazon's need.",
      ),
    access_key_id: z
      .string()
      .min(1)
      .optional()
      .describe("Default: what the SDK finds: environment, ~/.aws, the role of the machine."),
    secret_access_key: secret("s3 secret_access_key").describe("The key that belongs to access_key_id."),
    session_token: secret("s3 session_token").describe("For temporary keys."),
    ...fileOptions,
  })
  .refine((value) => (value.access_key_id === undefined) === (value.secret_access_key === undefined), {
    message: "access_key_id and secret_access_key belong together",
    path: ["access_key_id"],
  });

/** Options of the S3 destination as they are written in a configuration. */
export type S3Options = z.input<typeof options>;

/**
 * Files in a bucket of S3, or of a server that speaks it: as in a folder (`file`), with a manifest that is published by a
 * conditional put. DuckDB writes and reads them in temporary files of this machine.
 */
export const s3Destination = defineDestination({
  type: "s3",
  scheme: ["s3"],
  summary:
    "Parquet, JSONL or CSV files in a bucket of S3, with a manifest that names the valid ones. Needs the package @aws-sdk/client-s3, and a server that keeps conditional puts.",
  options,
  fromUri: readUri,
  create: (settings) => createS3(settings),
  examples: [
    {
      title: "A bucket of Amazon's, with the keys of the environment",
      options: { bucket: "warehouse", prefix: "lake", region: "eu-central-1" },
      uri: "s3://warehouse/lake?region=eu-central-1",
    },
    {
      title: "Another server, with keys",
      options: {
        bucket: "warehouse",
        prefix: "lake",
        endpoint: "https://minio.example.com",
        force_path_style: true,
        access_key_id: "loader",
        secret_access_key: "demo-password",
        format: "jsonl",
        compression: "gzip",
      },
      uri: "s3://warehouse/lake?endpoint=https://minio.example.com&force_path_style=true&access_key_id=loader&secret_access_key=demo-password&format=jsonl&compression=gzip",
    },
  ],
});

/**
 * The S3 destination for use from TypeScript. Opens nothing yet.
 *
 * @param place A URI, or options. Without keys the SDK's chain is asked.
 * @throws SluiceError `config/invalid` for options that can't be.
 * @example
 * const destination = s3("s3://warehouse/lake?region=eu-central-1");
 * @example
 * const destination = s3({ bucket: "warehouse", prefix: "lake", format: "jsonl" });
 */
export function s3(place: string | S3Options): FileDestination {
  return createS3(checkedOptions("s3", options, typeof place === "string" ? readUri(place) : place));
}

/** `s3://BUCKET/PREFIX?option=value`. A plus is a plus: keys have them. */
function readUri(uri: string): unknown {
  const [, bucket = "", prefix = "", query = ""] = /^s3:\/\/([^/?]+)\/?([^?]*)\??(.*)$/su.exec(uri) ?? [];
  if (bucket === "") {
    // The URI itself may hold a key.
    throw new SluiceError("config/invalid", "the destination does not name a bucket of S3", {
      at: { path: "destination" },
      hint: "Write s3://bucket/prefix.",
    });
  }
  const { force_path_style, ...settings } = Object.fromEntries(
    new URLSearchParams(query.replaceAll("+", "%2B")),
  );
  const styles: Readonly<Record<string, boolean>> = { true: true, false: false };
  return {
    bucket,
    prefix,
    ...settings,
    ...(force_path_style === undefined
      ? {}
      : { force_path_style: styles[force_path_style] ?? force_path_style }),
  };
}

/** `createS3` with what only tests change. */
export function createS3(
  settings: z.output<typeof options>,
  internals: S3Internals & { readonly clock?: LeaseClock } = {},
): FileDestination {
  const { bucket, prefix } = settings;
  const store = bucketStore(settings, internals);
  let proving: Promise<void> | undefined;
  return createFiles(
    {
      type: "s3",
      location: `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`,
      store,
      exists: () => store.hasFiles(),
      async prepare() {
        proving ??= store.proveConditions();
        await proving.catch((error: unknown) => {
          proving = undefined;
          throw error;
        });
      },
      ...(internals.clock === undefined ? {} : { clock: internals.clock }),
    },
    settings,
  );
}
