import { DEFAULT_MAX_CONCURRENCY, type ScopedRule } from "../http/budget.js";
import { type Budgets, createBudgets } from "../http/budgets.js";
import { createClient } from "../http/client.js";
import { createPool, DEFAULT_TIMEOUTS, type Pool, type Reach, type Timeouts } from "../http/fetch.js";
import type { Judge } from "../http/judge.js";
import type { HttpRequest, Send } from "../http/message.js";
import { DEFAULT_RETRY, type RetryPolicy } from "../http/retry.js";
import { SharedResponses } from "../http/shared-responses.js";
import { isUrl, originOf } from "../http/url.js";
import { Secret } from "../model/secret.js";
import type { Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import { auths } from "./auth/index.js";
import type { AuthDefinition, Authenticator, AuthIo } from "./authenticator.js";
import { chooseComponent, createComponent, splitComponent } from "./components.js";
import { readIfChanged } from "./conditional.js";
import type { PlanEnvironment } from "./environment.js";
import type { Finding, Findings } from "./finding.js";
import { guardAuthenticator } from "./guard.js";
import { planRules, planTimeouts } from "./limits.js";
import { warningOfLinks } from "./link-warning.js";
import type { AuthOptions, ClientOptions, EndpointOptions } from "./options.js";
import { type ResolvedPairs, resolvePairs } from "./request.js";
import { resolveValue } from "./values.js";
import { type WalkSpec, walk } from "./walk.js";

/** Everything of the client that is the same for all resources. */
export interface SharedClient {
  readonly baseUrl: string;
  readonly headers: ResolvedPairs;
  readonly auth: Authenticator | undefined;
  /** For endpoints with an auth method of their own. */
  readonly planAuth: PlanAuth;
  readonly allowedOrigins: readonly string[];
  readonly retry: RetryPolicy;
  readonly maxBodyBytes: number;
  readonly timeouts: Timeouts;
  readonly pool: SharedPool;
  /** Where connections may lead. */
  /** Responses that several resources of one run read. */
  readonly responses: (run: Io) => SharedResponses;
  /** What holds for all requests to the origin of `baseUrl`. */
  readonly rateRules: readonly ScopedRule[];
  readonly maxConcurrency: number;
  readonly budgets: Budgets;
}

/** Checks and resolves the `client` part of a configuration. */
export function planClient(options: ClientOptions, env: PlanEnvironment, findings: Findings): SharedClient {
  const base = resolveValue(options.base_url, env, ["client", "base_url"], findings);
  const baseUrl = typeof base === "string" ? base : "";
  if (!/^https?:\/\/[^/]/i.test(baseUrl) || !isUrl(baseUrl)) {
    if (base !== undefined) {
      findings.add(["client", "base_url"], "base_url must be an absolute http or https URL", {
        hint: 'For example "https://api.example.com/v1/".',
      });
    }
  }
  const auth = authPlanner(env, findings);
  const timeouts = planTimeouts(options.timeouts, DEFAULT_TIMEOUTS);
  return {
    baseUrl,
    headers: resolvePairs(options.headers ?? {}, env, ["client", "headers"], findings),
    auth: options.auth === undefined ? undefined : auth(options.auth, ["client", "auth"]),
    planAuth: auth,
    allowedOrigins: planOrigins(options.allowed_origins ?? [], findings),
    retry: planRetry(options.retry, DEFAULT_RETRY),
    maxBodyBytes: options.max_body_bytes ?? 256 * 1024 * 1024,
    timeouts,
    pool: sharePool(timeouts, env),
    rateRules: planRules(options.rate_limit, ""),
    maxConcurrency: options.max_concurrency ?? DEFAULT_MAX_CONCURRENCY,
    budgets: env.budgets ?? createBudgets(),
    responses: responsesByRun(),
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

/** The client with an endpoint's own time limits. */
export function withTimeout(client: SharedClient, configured: EndpointOptions["timeout"]): SharedClient {
  return { ...client, timeouts: planTimeouts(configured, client.timeouts) };
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

/** Plans an auth method, once for each one that is configured: what has the same configuration shares its tokens. */
export type PlanAuth = (configured: AuthOptions, path: Finding["path"]) => Authenticator | undefined;

function authPlanner(env: PlanEnvironment, findings: Findings): PlanAuth {
  const planned = new Map<AuthOptions, Authenticator | undefined>();
  return (configured, path) => {
    if (!planned.has(configured)) planned.set(configured, planAuth(configured, env, path, findings));
    return planned.get(configured);
  };
}

function planAuth(
  configured: AuthOptions,
  env: PlanEnvironment,
  path: Finding["path"],
  findings: Findings,
): Authenticator | undefined {
  if (configured === null) return undefined;
  const definitions = auths as readonly unknown[] as readonly AuthDefinition[];
  // An auth object without a type is a bearer token, as in dlt.
  const { type, options } = splitComponent(configured, "bearer");
  const meant = typeof type === "string" ? definitions.find((definition) => definition.type === type) : type;
  const kept = new Set((meant as AuthDefinition | undefined)?.expressions);
  const resolved = Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      kept.has(name) ? value : resolveValue(value, env, [...path, name], findings),
    ]),
  );
  const chosen = chooseComponent("auth", definitions, { ...resolved, type }, path, findings);
  if (chosen === undefined) return undefined;
  for (const value of Object.values(chosen.options as Record<string, unknown>)) {
    if (value instanceof Secret) env.conceal(value.reveal());
  }
  const create = (): Authenticator => chosen.definition.create(chosen.options as never);
  const made = createComponent(chosen, create, path, findings);
  return made === undefined || chosen.own === undefined ? made : guardAuthenticator(made, chosen.own);
}

/** How the requests of one endpoint get their credentials when they are sent. */
export interface Authorizer {
  authorize(request: HttpRequest, io: AuthIo): Promise<HttpRequest>;
  readonly refresh: Authenticator["refresh"];
}

/** One holder of responses for each run; all resources of a run have the same notes. */
function responsesByRun(): SharedClient["responses"] {
  const byRun = new WeakMap<Io["notes"], SharedResponses>();
  return ({ notes }) => {
    const responses = byRun.get(notes) ?? new SharedResponses();
    byRun.set(notes, responses);
    return responses;
  };
}

/** What an endpoint does to its requests and responses. */
interface Handling {
  /** Adds the credentials when a request is sent. */
  readonly authorizer: Authorizer;
  readonly judge: Judge | undefined;
  /** Who else reads the same requests in this run; undefined: nobody. */
  readonly sharing?: { readonly key: string; readonly readers: number } | undefined;
  /** Limits on this endpoint's requests, beside those of the client. */
  readonly rateRules: readonly ScopedRule[];
}

/** Walks one endpoint through the shared connections. */
export async function* readPages(
  client: SharedClient,
  spec: WalkSpec,
  { authorizer, judge, rateRules, sharing }: Handling,
  env: PlanEnvironment,
  from: Position | undefined,
  io: Io,
): AsyncGenerator<Page, void, undefined> {
  const { pool, release } = client.pool.borrow();
  const { resource } = spec;
  const { budgets, maxConcurrency } = client;
  budgets.attach(io.notes);
  const shared = {
    resource,
    retry: client.retry,
    pool,
    budgets,
    maxConcurrency,
    rateRules: client.rateRules,
    rateLimitedOrigin: originOf(client.baseUrl) ?? "",
    tape: env.tape,
    userAgent: env.userAgent,
    runtime: io.runtime,
    emit: io.emit,
    redactor: env.redactor,
  };
  const authIo = (signal: AbortSignal): AuthIo => ({
    baseUrl: client.baseUrl,
    signal,
    send: sendAlone(shared),
    notes: io.notes,
    now: () => io.runtime.now(),
    conceal: (value) => env.conceal(value),
    warn: (code, message) => io.emit({ type: "warning", resource, code, message }),
  });
  const { send } = createClient({
    ...shared,
    baseUrl: client.baseUrl,
    allowedOrigins: client.allowedOrigins,
    maxBodyBytes: client.maxBodyBytes,
    timeouts: client.timeouts,
    rateRules: [...client.rateRules, ...rateRules],
    ...(judge === undefined ? {} : { judge }),
    authorize: (request, signal) => authorizer.authorize(request, authIo(signal)),
    ...(authorizer.refresh === undefined
      ? {}
      : { refresh: async (sent, signal) => authorizer.refresh?.(sent, authIo(signal)) ?? false }),
  });
  const warn = (code: string, message: string): void => io.emit({ type: "warning", resource, code, message });
  const checked = warningOfLinks(send, (message) => warn("response/link", message));
  try {
    const sendShared = sharing === undefined ? checked : client.responses(io).through(checked, sharing);
    const read = (send: Send) => walk(spec, from, send, io);
    const pages = spec.conditional === true ? readIfChanged(io, sendShared, read) : read(sendShared);
    for await (const page of pages) {
      await budgets.store(io.runtime);
      yield page;
    }
  } finally {
    release();
  }
}

/** The answer to a token request is small. */
const MAX_TOKEN_BYTES = 1024 * 1024;

/** Sends requests of an auth method: each to its own origin, with nothing added. OAuth 2 refuses with 400, too; logins with 422. */
function sendAlone(shared: Omit<Parameters<typeof createClient>[0], "baseUrl">): Send {
  return (request, signal) =>
    createClient({
      ...shared,
      baseUrl: request.url,
      maxBodyBytes: MAX_TOKEN_BYTES,
      refusals: [400, 401, 403, 422],
      confidential: true,
    }).send(request, signal);
}

/** One connection pool for all resources of a client, open while any of them is being read. */
interface SharedPool {
  borrow(): { readonly pool: Pool; readonly release: () => void };
}

function sharePool(timeouts: Timeouts, reach: Reach): SharedPool {
  let pool: Pool | undefined;
  let users = 0;
  return {
    borrow() {
      pool ??= createPool(timeouts, reach);
      users += 1;
      const borrowed = pool;
      return {
        pool: borrowed,
        release() {
          users -= 1;
          if (users > 0) return;
          pool = undefined;
          borrowed.close();
        },
      };
    },
  };
}
