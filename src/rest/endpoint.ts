import type { HttpRequest } from "../http/message.js";
import { isUrl, joinUrl } from "../http/url.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import { type Bindings, compileParentKey, compileParts, type RequestParts } from "./bind.js";
import { planRetry, readPages, type SharedClient, withTimeout } from "./client.js";
import { chooseComponent, createComponent, splitComponent } from "./components.js";
import type { PlanEnvironment } from "./environment.js";
import { attempt, type Finding, type Findings } from "./finding.js";
import { identityOf } from "./fingerprint.js";
import { planFormat } from "./format.js";
import { guardPaginator } from "./guard.js";
import { type Incremental, placeholderValues } from "./incremental/incremental.js";
import { planIncremental } from "./incremental/plan.js";
import { planRules } from "./limits.js";
import type { ClientOptions, EndpointOptions } from "./options.js";
import { isDefinition } from "./own.js";
import type { Paginator, PaginatorDefinition } from "./paginator.js";
import { paginators } from "./paginators/index.js";
import { planParentPages } from "./parent-pages.js";
import type { Relative } from "./parents.js";
import { isSingleRecord } from "./reference.js";
import { authorizerOf, bindPath, firstRequest, planBody, planParams, resolvePairs } from "./request.js";
import { planJudge } from "./response-actions.js";
import { type Select, type Selection, selectByDetection, selectByPath, selectRecord } from "./select.js";
import type { Stage } from "./steps.js";
import { planSuccess } from "./success.js";
import { secretsIn } from "./values.js";
import type { WalkSpec } from "./walk.js";

/** An endpoint with nothing left to decide: how it is asked, and how its answers are walked. */
export interface Endpoint {
  /** The first request, without credentials; what is known only later is still a placeholder. */
  readonly request: HttpRequest;
  /**
   * The first request for one record of the parent, between the bounds of an incremental read; throws `parent/value`
   * or `incremental/value` for what has no usable value.
   */
  readonly bind: (bindings: Bindings) => HttpRequest;
  /** What tells the parent's records apart in the request. */
  readonly parentKey: (record: Json) => string;
  readonly incremental: Incremental | undefined;
  readonly maxPages: number | undefined;
  readonly parallelized: number;
  /** Whether it does no harm to read a record again. */
  readonly isMerged: boolean;
  /** What becomes of the parent's pages before their records are asked for. */
  readonly ofParent: Stage;
  /** Walks from the first request, or from a position. `walk` wins over what the endpoint would do. */
  read(walk: Partial<WalkSpec>, from: Position | undefined, io: Io): AsyncGenerator<Page, void, undefined>;
  /** Endpoints with the same text here get the same answer to their first request. */
  readonly answers: string;
  /** The request as the paginator begins with it. */
  readonly first: HttpRequest;
  /** Its paginator's type and who says that it is this one. */
  readonly paginator: string;
  /** What gives a stored position its meaning. */
  readonly described: Readonly<Record<string, unknown>>;
}

/** What all of a resource's planning needs beside its own configuration. */
export interface PlanContext {
  readonly clientOptions: ClientOptions;
  readonly client: SharedClient;
  readonly env: PlanEnvironment;
  readonly findings: Findings;
}

/**
 * Plans an endpoint; `readers` says, once all are planned, how many walks of a run read its requests. Undefined when a
 * mistake, told in the findings, leaves nothing to plan with.
 */
export function planEndpoint(
  relative: Relative,
  context: PlanContext,
  readers: () => number,
): Endpoint | undefined {
  const { options, path, parent } = relative;
  const { client, env, findings } = context;
  const at = [...path, "endpoint"];
  const { endpoint, incremental, described } = planIncremental(options, env, at, findings);
  const asked = planRequest(endpoint, context, at);
  const judge = planJudge(endpoint.response_actions ?? [], [...at, "response_actions"], findings);
  const one = endpoint.batch == null && isSingleRecord(asked.path ?? "");
  const selection: Selection = {
    resource: options.name,
    redact: (text) => env.redactor.redact(text),
    allowMissing: endpoint.allow_missing ?? false,
  };
  const select = planSelect(
    selection,
    endpoint.data_selector ?? undefined,
    one,
    [...at, "data_selector"],
    findings,
  );
  const paginator = planPaginator(
    endpoint.paginator ?? (one ? "single_page" : context.clientOptions.paginator),
    asked.parameters,
    env,
    one || (endpoint.paginator ?? null) !== null ? [...at, "paginator"] : ["client", "paginator"],
    findings,
  );
  const { format, requestOf, parts } = asked;
  if (paginator === undefined || format === undefined || requestOf === undefined || parts === undefined)
    return undefined;
  const bind = attempt(() => compileParts(parts), at, findings);
  const ofParent = planParentPages(relative, parts, findings);
  const parentKey = attempt(() => compileParentKey(parts), at, findings);
  if (bind === undefined || parentKey === undefined || !isUrl(client.baseUrl)) return undefined;

  const request = requestOf(parts);
  // A place that the request does not have (such as one in a form body) is a mistake that shows here.
  const first = attempt(() => paginator.paginator.first(request), [...at, "paginator"], findings) ?? request;
  const paginatorName = `${paginator.type}, ${chosenBy(endpoint.paginator, one, context.clientOptions.paginator)}`;
  const spec: WalkSpec = {
    resource: options.name,
    request,
    paginator: paginator.paginator,
    paginatorName,
    maxPages: endpoint.max_pages ?? undefined,
    parallelized: parallelizedOf(options.parallelized),
    conditional: planConditional(
      relative,
      incremental !== undefined,
      paginator.type,
      [...at, "conditional"],
      findings,
    ),
    decode: planSuccess(endpoint.success_when, format.decode, env, [...at, "success_when"], findings),
    // A condition on the response wants all of it.
    readDocument: endpoint.success_when == null ? format.readDocument : undefined,
    select,
    hasPrimaryKey: (options.primary_key ?? []).length > 0,
    credentialParams: asked.credentialParams,
    storable: (text) => env.redactor.redact(text) === text,
  };
  const { format: decoding, auth, response_actions, retry, success_when } = endpoint;
  const answers = identityOf({
    alone: changesRecords(options) ? options.name : null,
    request,
    decoding,
    auth,
    response_actions,
    retry,
    success_when,
    secrets: asked.credentialParams,
  });
  let sharing: { readonly key: string; readonly readers: number } | undefined;
  const shared = () => {
    sharing ??= { key: answers, readers: readers() };
    return sharing.readers > 1 && !changesRecords(options) ? sharing : undefined;
  };
  const rateRules = planRules(endpoint.rate_limit, options.name);
  const handled = {
    ...withTimeout(client, endpoint.timeout),
    retry: planRetry(endpoint.retry, client.retry),
  };
  // Where the start of the run is the end, the request is not known before.
  const isKnown = incremental !== undefined && incremental.now === undefined && parent === undefined;
  return {
    request: isKnown ? requestOf(bind({ incremental: initialValues(incremental) })) : request,
    first,
    paginator: paginatorName,
    bind: (bindings) => requestOf(bind(bindings)),
    parentKey,
    incremental,
    maxPages: endpoint.max_pages ?? undefined,
    parallelized: parallelizedOf(options.parallelized),
    isMerged: options.write_disposition === "merge",
    ofParent,
    read: (walk, from, io) =>
      readPages(
        handled,
        { ...spec, ...walk },
        { authorizer: asked.authorizer, judge, rateRules, sharing: shared() },
        env,
        from,
        io,
      ),
    answers,
    described: {
      request,
      paginator: paginator.described,
      selector: endpoint.data_selector ?? null,
      ...(hasOwnDecoder(endpoint.format) ? { format: endpoint.format } : {}),
      ...(endpoint.batch == null ? {} : { batch: endpoint.batch }),
      ...(described === null ? {} : { incremental: described }),
    },
  };
}

/** What the first run ever asks for. */
function initialValues(incremental: Incremental): JsonObject {
  const { initial, end } = incremental;
  return placeholderValues(incremental, { start: initial, last: initial, end });
}

/** How an endpoint's requests are made and authorized. */
function planRequest(
  endpoint: Relative["options"]["endpoint"],
  { client, env, findings }: PlanContext,
  at: Finding["path"],
) {
  const variables = bindPath(endpoint.path, endpoint.params ?? {}, env, at, findings);
  const params = planParams(variables.params, env, [...at, "params"], findings);
  const headers = resolvePairs(endpoint.headers ?? {}, env, [...at, "headers"], findings);
  const body = planBody(endpoint, env, at, findings);
  const format = planFormat(endpoint.format, [...at, "format"], findings, client.maxBodyBytes);
  const auth = endpoint.auth === undefined ? client.auth : client.planAuth(endpoint.auth, [...at, "auth"]);
  const { path } = variables;
  const parts: RequestParts | undefined =
    path === undefined
      ? undefined
      : { path, params: params.plain, headers: headers.plain, ...(body === undefined ? {} : { body }) };
  const requestOf = (bound: RequestParts): HttpRequest =>
    firstRequest(
      endpoint.method ?? "GET",
      joinUrl(client.baseUrl, bound.path),
      bound.params,
      { ...client.headers.plain, ...bound.headers },
      bound.body,
      format?.accept ?? "*/*",
    );
  return {
    path,
    parameters: params.plainJson,
    format,
    parts,
    requestOf,
    authorizer: authorizerOf(auth, { ...client.headers.secret, ...headers.secret }, params.secret),
    credentialParams: [...(auth?.queryNames ?? []), ...Object.keys(params.secret)],
  };
}

function planConditional(
  { options: { endpoint, write_disposition }, parent }: Relative,
  isIncremental: boolean,
  paginator: string,
  path: Finding["path"],
  findings: Findings,
): boolean {
  if (endpoint.conditional !== true) return false;
  if (paginator !== "single_page") {
    findings.add(
      path,
      "conditional requests are for endpoints with one page: a 304 says nothing of further pages",
      {
        hint: "Set paginator: single_page if the endpoint has one page, or remove conditional.",
      },
    );
  }
  if (parent !== undefined || isIncremental) {
    findings.add(path, "conditional requests are for requests that stay the same from run to run", {
      hint: "Remove conditional from resources with a parent or with incremental.",
    });
  }
  if (write_disposition === "replace") {
    findings.add(path, "with replace, an unchanged answer would leave the table empty", {
      hint: "Use merge or append, or remove conditional.",
    });
  }
  return true;
}

/** Functions may change a record in place, as dlt's do: such records are not for others. */
function changesRecords({ processing_steps: steps }: Relative["options"]): boolean {
  return (steps ?? []).some((step) => Object.values(step).some((part) => typeof part === "function"));
}

/** A new selection for each walk: by a path, of one record, or by detection. */
function planSelect(
  selection: Selection,
  selector: string | undefined,
  one: boolean,
  path: Finding["path"],
  findings: Findings,
): () => Select {
  if (selector !== undefined) attempt(() => selectByPath(selector, selection), path, findings);
  return () => {
    if (selector !== undefined) return selectByPath(selector, selection);
    return one ? selectRecord(selection) : selectByDetection(selection);
  };
}

/** dlt: a resource's requests are made by five workers at most. */
export function parallelizedOf(configured: Relative["options"]["parallelized"]): number {
  if (configured === false) return 1;
  return typeof configured === "number" ? configured : 5;
}

/** Nothing and `auto` are the same: the paginator is detected. */
function planPaginator(
  configured: ClientOptions["paginator"],
  parameters: JsonObject,
  env: PlanEnvironment,
  path: Finding["path"],
  findings: Findings,
): { paginator: Paginator; type: string; described: unknown } | undefined {
  const known = paginators as readonly unknown[] as readonly PaginatorDefinition[];
  const chosen = chooseComponent("paginator", known, configured ?? "auto", path, findings);
  if (chosen === undefined) return undefined;
  const context = {
    config: env.variables,
    parameters,
    secrets: secretsIn(chosen.options, env, path, findings),
  };
  const { definition, options, own } = chosen;
  const create = (): Paginator => definition.create(options as never, context);
  const paginator = createComponent(chosen, create, path, findings);
  if (paginator === undefined) return undefined;
  const { type } = definition;
  if (own === undefined) return { paginator, type, described: { type, options } };
  return { paginator: guardPaginator(paginator, own), type, described: { type: definition, options } };
}

/** The bytes are read otherwise if the user's code is another one; a built-in format does not change. */
function hasOwnDecoder(format: EndpointOptions["format"]): boolean {
  return format !== null && format !== undefined && isDefinition(splitComponent(format).type);
}

/** Who says that it is this paginator. */
function chosenBy(endpoint: unknown, one: boolean, client: unknown): string {
  if (endpoint !== undefined && endpoint !== null) return "as endpoint.paginator says";
  if (one) return "as the path names one record";
  return client === undefined || client === null ? "as none is configured" : "as client.paginator says";
}
