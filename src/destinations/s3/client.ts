import type { S3Client } from "@aws-sdk/client-s3";
import { SluiceError } from "../../model/error.js";
import type { Secret } from "../../model/secret.js";

/** How to reach a bucket; `s3.ts` describes the options. */
export interface BucketOptions {
  readonly bucket: string;
  readonly prefix: string;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly force_path_style: boolean;
  readonly access_key_id?: string | undefined;
  readonly secret_access_key?: Secret | undefined;
  readonly session_token?: Secret | undefined;
}

/** The SDK and a client of it. */
export interface S3Access {
  readonly sdk: typeof import("@aws-sdk/client-s3");
  readonly client: S3Client;
}

/** What the SDK would print is in the errors that it throws. */
const silent = (): void => undefined;
const SILENT = { trace: silent, debug: silent, info: silent, warn: silent, error: silent };

/** Milliseconds. A connection that is there is given up when nothing moves for a minute. */
const TIMEOUTS = { connectionTimeout: 10_000, socketTimeout: 60_000 };

/**
 * Makes the client; sends nothing yet. Without keys the SDK looks for them: environment, ~/.aws, the machine's role.
 *
 * @throws SluiceError `config/missing-package` without the SDK.
 */
export async function openS3(options: BucketOptions, maxAttempts = 3): Promise<S3Access> {
  const sdk = await loadSdk();
  const { region, endpoint, access_key_id, secret_access_key, session_token } = options;
  const client = new sdk.S3Client({
    maxAttempts,
    requestHandler: TIMEOUTS,
    logger: SILENT,
    forcePathStyle: options.force_path_style,
    // The signature names a region even where the server has none.
    ...(region !== undefined || endpoint !== undefined ? { region: region ?? "us-east-1" } : {}),
    // Not every server that speaks S3 knows the newer checksums.
    ...(endpoint === undefined ? {} : { endpoint, requestChecksumCalculation: "WHEN_REQUIRED" as const }),
    ...(access_key_id === undefined || secret_access_key === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: access_key_id,
            secretAccessKey: secret_access_key.reveal(),
            ...(session_token === undefined ? {} : { sessionToken: session_token.reveal() }),
          },
        }),
  });
  return { sdk, client };
}

async function loadSdk(): Promise<S3Access["sdk"]> {
  try {
    return await import("@aws-sdk/client-s3");
  } catch (cause) {
    throw new SluiceError("config/missing-package", "the client of S3 is not installed", {
      at: { path: "destination" },
      hint: "Install it: npm install @aws-sdk/client-s3",
      cause,
    });
  }
}

/** The HTTP status that a refused request came back with; undefined: there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const metadata = error instanceof Error && "$metadata" in error ? error.$metadata : undefined;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) return undefined;
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}

/** The server's word for what is wrong: `NoSuchKey`, `SlowDown` … */
export const codeOf = (error: unknown): string => (error instanceof Error ? error.name : "");

/** What no other attempt can put right. */
const FINAL = new Set([
  "CredentialsProviderError",
  "ERR_INVALID_URL",
  "ENOENT",
  "ENOSPC",
  "EACCES",
  "EDQUOT",
]);

/** Whether another attempt may succeed: no answer, a server in trouble, or two conditional puts at the same time. */
export function isTransient(error: unknown): boolean {
  if (error instanceof SluiceError || FINAL.has(codeOf(error))) return false;
  const system = error instanceof Error && "code" in error ? String(error.code) : "";
  if (FINAL.has(system)) return false;
  const status = statusOf(error);
  if (status === undefined) return true;
  return status >= 500 || status === 429 || status === 409 || codeOf(error) === "RequestTimeout";
}

/** A refusal in words: what was done, where, and what to look at. */
export function refusal(doing: string, location: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const status = statusOf(error);
  const said = error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
  const code = codeOf(error);
  const what = `${doing} ${location} failed: ${said === code ? code : `${code}: ${said}`}${status === undefined ? "" : ` (${status})`}`;
  const hasAnswered = status !== undefined && status !== 403 && status !== 401 && code !== "NoSuchBucket";
  return new SluiceError(
    hasAnswered ? "destination/failed" : "destination/unreachable",
    what,
    hintFor(code, status),
  );
}

function hintFor(code: string, status: number | undefined): { hint?: string } {
  if (code === "NoSuchBucket") return { hint: "Create the bucket first; a load creates none." };
  if (code === "CredentialsProviderError") {
    return {
      hint: "Give access_key_id and secret_access_key in the destination, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    };
  }
  if (status === 403 || status === 401) {
    return { hint: "The key needs s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject here." };
  }
  return {};
}
