import { createClient } from "../http/client.js";
import { createPool, type Pool } from "../http/fetch.js";
import type { Judge } from "../http/judge.js";
import type { HttpRequest } from "../http/message.js";
import { DEFAULT_RETRY, type RetryPolicy } from "../http/retry.js";
import { originOf } from "../http/url.js";
import { Secret } from "../model/secret.js";
import type { Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import { auths } from "./auth/index.js";
import type { Authenticator } from "./authenticator.js";
import { chooseComponent } from "./components.js";
import type { PlanEnvironment } from "./environment.js";
import { attempt, type Findings } from "./finding.js";
import type { ClientOptions } from "./options.js";
import { type ResolvedPairs, resolvePairs } from "./request.js";
import { resolveValue } from "./values.js";
import { type WalkSpec, walk } from "./walk.js";

/** Everything of the client that is the same for all resources. */
export interface SharedClient {
  readonly baseUrl: string;
  readonly headers: ResolvedPairs;
  readonly auth: Authenticator | undefined;
  readonly allowedOrigins: readonly string[];
  readonly retry: RetryPolicy;
  readonly maxBodyBytes: number;
  readonly pool: SharedPool;
}

/** Checks and resolves the `client` part of a configuration. */
export function planClient(options: ClientOptions, env: PlanEnvironment, findings: Findings): SharedClient {
  const base = resolveValue(options.base_url, env, ["client", "base_url"], findings);
  const baseUrl = typeof base === "string" ? base : "";
  if (!/^https?:\/\/[^/]/i.test(baseUrl) || !URL.canParse(baseUrl)) {
    if (base !== undefined) {
      findings.add(["client", "base_url"], "base_url must be an absolute http or https URL", {
        hint: 'For example "https://api.example.com/v1/".',
      });
    }
  }
  return {
    baseUrl,
    headers: resolvePairs(options.headers ?? {}, env, ["client", "headers"], findings),
    auth: planAuth(options.auth, env, findings),
    allowedOrigins: planOrigins(options.allowed_origins ?? [], findings),
    retry: planRetry(options.retry, DEFAULT_RETRY),
    maxBodyBytes: options.max_body_bytes ?? 256 * 1024 * 1024,
    pool: sharePool({
      connectS: options.timeouts?.connect ?? 10,
      headersS: options.timeouts?.headers ?? 60,
      bodyS: options.timeouts?.body ?? 60,
    }),
  };
}

/** A retry policy; what is not configured is as in `base`. */
export function planRetry(options: ClientOptions["retry"] | null, base: RetryPolicy): RetryPolicy {
  return {
    maxRetries: options?.max_retries ?? base.maxRetries,
    backoffFactor: options?.backoff_factor ?? base.backoffFactor,
    statusCodes: options?.status_codes ?? base.statusCodes,
    maxDelayS: options?.max_delay ?? base.maxDelayS,
    respectRetryAfter: options?.respect_retry_after ?? base.respectRetryAfter,
  };
}

function planOrigins(origins: readonly string[], findings: Findings): string[] {
  return origins.flatMap((origin, index) => {
    const parsed = originOf(origin);
    if (parsed !== undefined) return [parsed];
    findings.add(["client", "allowed_origins", index], "an origin is a scheme, a host and perhaps a port", {
      hint: 'For example "https://cdn.example.com".',
    });
    return [];
  });
}

function planAuth(
  configured: ClientOptions["auth"],
  env: PlanEnvironment,
  findings: Findings,
): Authenticator | undefined {
  if (configured === undefined || configured === null) return undefined;
  const path = ["client", "auth"];
  const resolved = resolveValue(configured, env, path, findings) as string | Record<string, unknown>;
  // An auth object without a type is a bearer token, as in dlt.
  const chosen = chooseComponent("auth", auths, resolved, "bearer", path, findings);
  if (chosen === undefined) return undefined;
  for (const value of Object.values(chosen.options as Record<string, unknown>)) {
    if (value instanceof Secret) env.conceal(value.reveal());
  }
  return attempt(() => chosen.definition.create(chosen.options as never), path, findings);
}

/** What an endpoint does to its requests and responses. */
interface Handling {
  /** Adds the credentials when a request is sent. */
  readonly authorize: (request: HttpRequest) => Promise<HttpRequest>;
  readonly judge: Judge | undefined;
}

/** Walks one endpoint through the shared connections. */
export async function* readPages(
  client: SharedClient,
  spec: WalkSpec,
  { authorize, judge }: Handling,
  env: PlanEnvironment,
  from: Position | undefined,
  io: Io,
): AsyncGenerator<Page, void, undefined> {
  const { pool, release } = client.pool.borrow();
  const { send } = createClient({
    resource: spec.resource,
    baseUrl: client.baseUrl,
    allowedOrigins: client.allowedOrigins,
    authorize,
    ...(judge === undefined ? {} : { judge }),
    retry: client.retry,
    pool,
    maxBodyBytes: client.maxBodyBytes,
    userAgent: env.userAgent,
    runtime: io.runtime,
    emit: io.emit,
    redactor: env.redactor,
  });
  try {
    yield* walk(spec, from, send, io);
  } finally {
    await release();
  }
}

/** One connection pool for all resources of a client, open while any of them is being read. */
interface SharedPool {
  borrow(): { readonly pool: Pool; readonly release: () => Promise<void> };
}

function sharePool(timeouts: Parameters<typeof createPool>[0]): SharedPool {
  let pool: Pool | undefined;
  let users = 0;
  return {
    borrow() {
      pool ??= createPool(timeouts);
      users += 1;
      const borrowed = pool;
      return {
        pool: borrowed,
        async release() {
          users -= 1;
          if (users > 0) return;
          pool = undefined;
          await borrowed.close();
        },
      };
    },
  };
}
