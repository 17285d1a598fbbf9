import { SluiceError } from "../model/error.js";
import type { Event } from "../model/event.js";
import type { Redactor } from "../model/secret.js";
import type { Runtime } from "../model/source.js";
import { admitted, answering } from "./admission.js";
import { AttemptError, type AttemptFailure } from "./attempt-error.js";
import { bodyText } from "./body.js";
import type { ScopedRule } from "./budget.js";
import { type Budgets, createBudgets } from "./budgets.js";
import {
  createPool,
  DEFAULT_MAX_BODY_BYTES,
  type Fetched,
  fetchOnce,
  type Pool,
  type Timeouts,
} from "./fetch.js";
import { type Context, type Job, located, place, relocated, shown } from "./job.js";
import { carryOut, type Judge, judged, statusText } from "./judge.js";
import {
  type Exchange,
  type HttpRequest,
  type ReadResult,
  type ResponseHead,
  RetryableError,
  type Send,
} from "./message.js";
import { originRule, trustIn } from "./origin.js";
import { DEFAULT_RETRY, type RetryPolicy, retryWait } from "./retry.js";
import { maskedRequest } from "./sent.js";
import type { Tape } from "./tape.js";
import { fingerprint, isUrl, originOf, resolveLink, withoutUserinfo } from "./url.js";

export interface ClientOptions {
  /** Whose requests these are; named in events and errors. */
  readonly resource: string;
  /** Credentials go to the origin of this URL and nowhere else. */
  readonly baseUrl: string;
  /** Further origins that links and redirects may lead to, without credentials. Default: none. */
  readonly allowedOrigins?: readonly string[];
  /** Adds credentials; called before every send to the own origin, so that a new token is used as soon as there is one. */
  readonly authorize?: (request: HttpRequest, signal: AbortSignal) => HttpRequest | Promise<HttpRequest>;
  /**
   * Asked when the own origin answers 401, once for each request. `sent` is the refused request with its credentials.
   * True: there are newer credentials than these, so the request is authorized and sent again.
   */
  readonly refresh?: (sent: HttpRequest, signal: AbortSignal) => Promise<boolean>;
  /** The statuses that mean refused credentials, `auth/rejected`. Default: 401 and 403. */
  readonly refusals?: readonly number[];
  /** Default: `DEFAULT_RETRY`. */
  readonly retry?: RetryPolicy;
  /** Decides on responses before their status does, redirects excepted. Default: the status decides. */
  readonly judge?: Judge;
  /** Connections shared with other clients. Without one the client has its own, with `timeouts`. */
  readonly pool?: Pool;
  /** Default: the pool's, or `DEFAULT_TIMEOUTS`. */
  readonly timeouts?: Timeouts;
  /** What may be sent to each origin, shared with other clients. Without one the client has its own. */
  readonly budgets?: Budgets;
  /** Limits on requests to one origin, `rateLimitedOrigin`. Default: none but those that the API tells of. */
  readonly rateRules?: readonly ScopedRule[];
  /** Default: the origin of `baseUrl`. */
  readonly rateLimitedOrigin?: string;
  /** Requests under way at once to an origin, by all clients that share its budget. Default 10. */
  readonly maxConcurrency?: number;
  /** The most that one response may have after decompression. Default: 256 MiB. */
  readonly maxBodyBytes?: number;
  /** Records what is sent, or answers instead of the network. Default: neither. */
  readonly tape?: Tape | undefined;
  /** Its requests ask for credentials: a tape keeps none of their values. Default false. */
  readonly confidential?: boolean;
  /** The `user-agent` header, e.g. "sluice/1.0.0". */
  readonly userAgent: string;
  readonly runtime: Runtime;
  readonly emit: (event: Event) => void;
  /** Hides secrets in everything the client says, and recognizes them in requests that leave the own origin. */
  readonly redactor: Redactor;
}

export interface HttpClient {
  readonly send: Send;
  /** Closes the client's own connections; a pool that was given to it stays open. */
  close(): void;
}

/**
 * The one way requests leave: checks the origin, adds credentials, follows redirects, retries, and tells in events what
 * it does. `send` resolves with the headers of a 2xx answer, or of a 304 to a request with a validator. All its errors are `SluiceError`s with `at.resource` and
 * `at.request`:
 *
 * - `auth/rejected`   401, after `refresh` was asked for newer credentials, or 403
 * - `http/status`     any other status that is not 2xx, after the retries its status allows
 * - `http/network`, `http/timeout`, `http/encoding`  no whole answer, after the retries that safe methods have
 * - `http/rate-limit` the API's rate limit is used up for longer than `retry.maxDelayS`
 * - `http/too-large`, `http/redirects`
 * - `http/origin`, `http/downgrade`  where the request must not go
 * - `response/not-json`, or the decoder's own error  `decode` threw a `RetryableError` to the end
 * - `config/invalid`  a header that HTTP can't carry
 * - `run/interrupted` the signal was aborted
 *
 * A response that `judge` ignores is a `ResponseIgnored`.
 *
 * Statuses of the retry policy are retried for every method; broken connections, time-outs and bodies that can't be
 * decoded only for GET, HEAD and OPTIONS (RFC 9110 §9.2.1), since another method may have been carried out. The whole
 * request, with reading its body, has at most `1 + maxRetries` attempts.
 *
 * @example
 * const client = createClient({ resource: "calls", baseUrl: "https://api.example.com/", userAgent: "sluice/1.0.0",
 *   runtime: systemRuntime, emit: () => undefined, redactor: new Redactor() });
 * const exchange = await client.send({ method: "GET", url: "https://api.example.com/calls", headers: {} }, signal);
 * const { value } = await exchange.read((body) => JSON.parse(Buffer.from(body).toString("utf8")));
 * client.close();
 */
export function createClient(options: ClientOptions): HttpClient {
  const pool = options.pool ?? createPool(options.timeouts);
  const context: Context = {
    ...options,
    pool,
    timeouts: options.timeouts ?? pool.timeouts,
    budgets: options.budgets ?? createBudgets(),
    rule: originRule(options.baseUrl, options.allowedOrigins ?? []),
    retry: options.retry ?? DEFAULT_RETRY,
    maxBodyBytes: options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
  };
  return {
    async send(request, signal) {
      const safe = { ...request, url: withoutUserinfo(request.url) };
      const job: Job = { context, request: safe, signal, progress: { asked: false, renewed: false } };
      return exchangeOf(job, await interruptible(job, () => answerFrom(job, 1)));
    },
    close() {
      if (options.pool === undefined) pool.close();
    },
  };
}

/** A 2xx answer and the number of the attempt that got it. */
interface Answer {
  readonly attempt: number;
  readonly head: ResponseHead;
  readonly response: Fetched;
}

function exchangeOf(job: Job, first: Answer): Exchange {
  return {
    head: first.head,
    sent: () => job.progress.masked?.() ?? job.request,
    read: (decode) => interruptible(job, () => readFrom(job, first, decode)),
    discard: () => first.response.discard(),
  };
}

/** Reads and decodes the body of an answer; if that fails, sends again and reads that answer, as often as allowed. */
async function readFrom<T>(
  job: Job,
  first: Answer,
  decode: (body: Uint8Array, head: ResponseHead) => T | Promise<T>,
): Promise<ReadResult<T>> {
  let answer = first;
  for (;;) {
    const { attempt, head } = answer;
    try {
      const body = await answer.response.read(job.context.maxBodyBytes);
      return { head, value: await decode(body, head), bytes: body.length };
    } catch (error) {
      await beforeRetry(job, attempt, failureOf(error));
    }
    answer = await answerFrom(job, attempt + 1);
  }
}

/** Sends until a 2xx answer arrives, counting attempts from `attempt`. */
async function answerFrom(job: Job, attempt: number): Promise<Answer> {
  for (let number = attempt; ; number++) {
    try {
      return await tryOnce(job, number);
    } catch (error) {
      await beforeRetry(job, number, failureOf(error));
    }
  }
}

/** The redirects that RFC 9110 §15.4 lets a client follow by itself. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 10;

/** One attempt: the request, and the requests that redirects lead to. */
async function tryOnce(job: Job, attempt: number): Promise<Answer> {
  const seen = new Set<string>();
  let request = job.request;
  let from: string | undefined;
  for (;;) {
    const response = await sendOne(job, request, from, attempt);
    const location = response.headers["location"];
    if (!REDIRECTS.has(response.status) || location === undefined) {
      const answer = await accept(job, request.url, response, attempt);
      if (answer !== "renewed") return answer;
      continue;
    }
    response.discard();
    seen.add(fingerprint(request));
    from = request.url;
    request = redirected(job, request, response.status, location);
    if (seen.has(fingerprint(request)) || seen.size > MAX_REDIRECTS) {
      const what =
        seen.size > MAX_REDIRECTS ? `more than ${MAX_REDIRECTS} redirects` : "redirects in a circle";
      throw located(job, "http/redirects", `${what}, the last one to ${shown(job, request.url)}`, {
        hint: "Check base_url and path: an API that redirects to a login page usually misses its credentials.",
      });
    }
  }
}

/** The answer, if the judge or else its status says that it is one; `renewed` if it is to be asked for once more. */
async function accept(job: Job, url: string, fetched: Fetched, attempt: number): Promise<Answer | "renewed"> {
  const { emit, judge, maxBodyBytes, resource } = job.context;
  const head = { status: fetched.status, url, headers: fetched.headers };
  const { verdict, response } = await judged(judge, head, fetched, maxBodyBytes);
  const { sent } = job.progress;
  if (verdict?.action === "refresh_auth" && sent !== undefined && (await renewed(job, sent, response))) {
    response.discard();
    const reason = `${statusText(head.status)} says that the credentials are refused, and there are newer ones`;
    emit({ type: "retry", resource, url: shown(job, url), reason, waitMs: 0, attempt });
    return "renewed";
  }
  carryOut(verdict, head, response);
  const isUnchanged = head.status === 304 && isConditional(job.request);
  if (!isUnchanged && (head.status < 200 || head.status > 299)) throw statusError(job, url, response);
  return { attempt, head, response };
}

/** RFC 9110 §13.1: only whoever sent a validator may be told that nothing has changed. */
function isConditional({ headers }: HttpRequest): boolean {
  return Object.hasOwn(headers, "if-none-match") || Object.hasOwn(headers, "if-modified-since");
}

async function sendOne(
  job: Job,
  request: HttpRequest,
  from: string | undefined,
  attempt: number,
): Promise<Fetched> {
  const {
    resource,
    authorize,
    confidential = false,
    emit,
    pool,
    rule,
    tape,
    timeouts,
    userAgent,
  } = job.context;
  const { signal } = job;
  const trust = trustIn(rule, request.url, from);
  if (trust === "foreign" || trust === "downgrade") throw untrusted(job, trust, request.url, from);
  // A stop that came during a wait or a body must not cost another request.
  job.signal.throwIfAborted();
  const authorized = async (): Promise<HttpRequest> =>
    trust === "own" ? await (authorize?.(request, job.signal) ?? request) : withoutCredentials(job, request);
  const { ready, slot } = await admitted(job, authorized, request.url, attempt);
  job.progress.sent = trust === "own" ? ready : undefined;
  job.progress.masked = () => maskedRequest(request, ready);
  let response: Fetched;
  try {
    emit({ type: "request", resource, method: request.method, url: shown(job, request.url), attempt });
    const sending = { defaults: { "user-agent": userAgent }, timeouts, onSent: () => slot.sent() };
    const live = () => fetchOnce(pool, ready, sending, signal);
    const fetched = await (tape?.({ resource, request, confidential, signal }, live) ?? live());
    response = answering(job, slot, fetched, attempt);
  } catch (error) {
    slot.done();
    throw error;
  }
  if (response.status !== 401 || trust !== "own" || !(await renewed(job, ready, response))) return response;
  response.discard();
  const reason = "401 Unauthorized, and there are newer credentials";
  emit({ type: "retry", resource, url: shown(job, request.url), reason, waitMs: 0, attempt });
  return sendOne(job, request, from, attempt);
}

/** Asks for newer credentials than the refused ones; once for each request, whatever its attempts and redirects. */
async function renewed(job: Job, sent: HttpRequest, refused: Fetched): Promise<boolean> {
  const { refresh } = job.context;
  if (refresh === undefined || job.progress.asked) return false;
  job.progress.asked = true;
  try {
    job.progress.renewed = await refresh(sent, job.signal);
    return job.progress.renewed;
  } catch (error) {
    refused.discard();
    throw error;
  }
}

/** RFC 9110 §15.4: 303 asks for GET; 301 and 302 turn POST into GET, as every browser does. */
function redirected(job: Job, request: HttpRequest, status: number, location: string): HttpRequest {
  if (!isUrl(location, request.url)) {
    throw located(job, "http/redirects", `${statusText(status)} with a location that is not a URL`);
  }
  const url = withoutUserinfo(resolveLink(request.url, location));
  const becomesGet =
    (status === 303 && request.method !== "HEAD") || (status < 303 && request.method === "POST");
  if (!becomesGet) return { ...request, url };
  const headers = Object.entries(request.headers).filter(([name]) => !/^content-/i.test(name));
  return { method: "GET", url, headers: Object.fromEntries(headers) };
}

const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

/** The request as it may go to another origin: without headers that hold, or are known to hold, a credential. */
function withoutCredentials(job: Job, request: HttpRequest): HttpRequest {
  const { redactor } = job.context;
  const isSecret = (text: string) => redactor.redact(text) !== text;
  // Decoded too: a secret may be percent-encoded in more ways than the redactor knows.
  if (isSecret(request.url) || isSecret(decodeAll(request.url)) || isSecret(bodyText(request.body) ?? "")) {
    throw located(
      job,
      "http/origin",
      `a link or redirect would carry the value of a secret to ${originOf(request.url)}: ${shown(job, request.url)}`,
      { hint: "Secrets go to the origin of client.base_url only." },
    );
  }
  const kept = Object.entries(request.headers).filter(
    ([name, value]) => !CREDENTIAL_HEADERS.has(name.toLowerCase()) && !isSecret(value),
  );
  return { ...request, headers: Object.fromEntries(kept) };
}

function decodeAll(url: string): string {
  return url.replaceAll(/(%[0-9a-f]{2})+/gi, (bytes) =>
    Buffer.from(bytes.replaceAll("%", ""), "hex").toString("utf8"),
  );
}

function untrusted(
  job: Job,
  trust: "foreign" | "downgrade",
  url: string,
  from: string | undefined,
): SluiceError {
  const { rule } = job.context;
  const way = from === undefined ? "the request" : `a redirect from ${originOf(from)}`;
  const target = originOf(url) ?? "something that is not an http or https URL";
  const source = rule.own ?? "no http or https URL";
  if (trust === "downgrade") {
    return located(job, "http/downgrade", `${way} leads from https to ${target}: ${shown(job, url)}`, {
      hint: "Sluice does not go on unencrypted. Ask the API's owner for https links.",
    });
  }
  return located(
    job,
    "http/origin",
    `${way} leads to ${target}, but base_url is at ${source}: ${shown(job, url)}`,
    {
      hint: `If the API really continues there, add "${target}" to client.allowed_origins; credentials are not sent to it.`,
    },
  );
}

/** Waits as the retry policy says, or throws the final error when there is no further attempt. */
async function beforeRetry(job: Job, attempt: number, failure: AttemptFailure): Promise<void> {
  const { budgets, resource, emit, retry, redactor, runtime } = job.context;
  const isSafe = /^(GET|HEAD|OPTIONS)$/i.test(job.request.method);
  const mayRetry = failure.retry === "always" || (failure.retry === "safe" && isSafe);
  const after = (failure.answer ?? failure.response)?.headers["retry-after"];
  const decision = mayRetry ? retryWait(retry, attempt, after, runtime.now(), runtime.random()) : STOP;
  if (job.signal.aborted || decision.kind === "stop") throw await finalError(job, attempt, failure);
  failure.response?.discard();
  if (decision.kind === "too-long") throw waitTooLong(job, failure, decision.ms);
  const reason = redactor.redact(failure.reason);
  emit({ type: "retry", resource, url: shown(job, job.request.url), reason, waitMs: decision.ms, attempt });
  await budgets.of(originOf(job.request.url) ?? "", runtime).sleep(decision.ms, runtime, job.signal);
}

const STOP = { kind: "stop" } as const;

function waitTooLong(job: Job, failure: AttemptFailure, ms: number): SluiceError {
  const asked = Math.ceil(ms / 1000);
  const longest = job.context.retry.maxDelayS;
  return located(
    job,
    failure.code,
    `${failure.reason}, and the server asks to wait ${asked} s, longer than the ${longest} s of client.retry.max_delay: ${place(job).request}`,
    { hint: `Run again after that time, or set client.retry.max_delay to ${asked} or more.` },
  );
}

/** What a thrown error says about its attempt. Errors that no further attempt can cure are thrown on. */
function failureOf(error: unknown): AttemptFailure {
  if (error instanceof AttemptError) return error.failure;
  if (!(error instanceof RetryableError)) throw error;
  return { code: "response/not-json", reason: error.message, retry: "safe", cause: error.cause };
}

function statusError(job: Job, url: string, response: Fetched): AttemptError {
  const isAuth = (job.context.refusals ?? [401, 403]).includes(response.status);
  const origin = originOf(url);
  const isAway = origin !== job.context.rule.own;
  return new AttemptError({
    code: isAuth ? "auth/rejected" : "http/status",
    reason: `${statusText(response.status)}${job.progress.renewed && isAuth ? ", also with renewed credentials" : ""}`,
    retry: job.context.retry.statusCodes.includes(response.status) ? "always" : "never",
    hint:
      isAuth && isAway
        ? `No credentials were sent to ${origin}: they go to the origin of client.base_url only.`
        : STATUS_HINTS[response.status],
    response,
  });
}

const STATUS_HINTS: Readonly<Record<number, string>> = {
  400: "Check the endpoint's params; the API's own words are in the message.",
  401: "Check the secret's value, and the form this API wants it in, such as a prefix `Bearer ` or `Token token=`.",
  403: "The API knows the key but does not allow this: check its permissions, and account ids in the path.",
  404: "Check client.base_url and endpoint.path, and that the variables in it belong to this account.",
  429: "The API limits its callers: run again later, or raise client.retry.max_retries or client.retry.backoff_factor.",
};

async function finalError(job: Job, attempt: number, failure: AttemptFailure): Promise<SluiceError> {
  const { cause, code, hint, reason, response } = failure;
  if (cause instanceof SluiceError) return cause;
  const count = attempt === 1 ? "" : ` after ${attempt} attempts`;
  const text = response === undefined ? "" : await preview(job, response);
  const said = text === "" ? "" : `: ${text}`;
  return located(job, code, `${reason}${count}: ${place(job).request}${said}`, { hint, cause });
}

const PREVIEW_BYTES = 64 * 1024;
const PREVIEW_CHARACTERS = 200;

/** The beginning of an error's body as one line, if it is text. Nothing if it can't be read: the status is the news. */
async function preview(job: Job, response: Fetched): Promise<string> {
  if (!/^text\/|[/+]json\b/i.test(response.headers["content-type"] ?? "")) {
    response.discard();
    return "";
  }
  try {
    const body = Buffer.from(await response.read(PREVIEW_BYTES)).toString("utf8");
    const line = body.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
    // Redacted before it is cut: half a secret would not be recognized.
    const redacted = job.context.redactor.redact(line);
    if (redacted.length <= PREVIEW_CHARACTERS) return redacted;
    return `${redacted.slice(0, PREVIEW_CHARACTERS - 1).replace(/[\ud800-\udbff]$/, "")}…`;
  } catch {
    return "";
  }
}

/** Whatever is thrown after the signal was aborted is the consequence of that. */
async function interruptible<T>(job: Job, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!job.signal.aborted) throw error instanceof SluiceError ? relocated(job, error) : error;
    throw located(job, "run/interrupted", `the request was stopped: ${place(job).request}`);
  }
}
