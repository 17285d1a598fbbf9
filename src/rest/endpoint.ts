import type { HttpRequest } from "../http/message.js";
import { joinUrl } from "../http/url.js";
import type { Json, JsonObject } from "../model/json.js";
import type { Io, Page } from "../model/source.js";
import type { Position } from "../model/state.js";
import { compileParts, type RequestParts } from "./bind.js";
import { planRetry, readPages, type SharedClient } from "./client.js";
import { chooseComponent } from "./components.js";
import type { PlanEnvironment } from "./environment.js";
import { attempt, type Finding, type Findings } from "./finding.js";
import { planFormat } from "./format.js";
import type { ClientOptions } from "./options.js";
import type { Paginator } from "./paginator.js";
import { paginators } from "./paginators/index.js";
import type { Relative } from "./parents.js";
import { isSingleRecord } from "./reference.js";
import { authorizerOf, bindPath, firstRequest, planBody, planParams, resolvePairs } from "./request.js";
import { planJudge } from "./response-actions.js";
import { type Select, selectByDetection, selectByPath, selectWhole } from "./select.js";
import { secretsIn } from "./values.js";
import type { WalkSpec } from "./walk.js";

/** An endpoint with nothing left to decide: how it is asked, and how its answers are walked. */
export interface Endpoint {
  /** The first request, without credentials; what refers to a parent's record is still a placeholder. */
  readonly request: HttpRequest;
  /** The first request for one record of the parent; throws `parent/value` for a record without a usable value. */
  bind(record: Json): HttpRequest;
  /** Walks from the first request, or from a position. `walk` wins over what the endpoint would do. */
  read(walk: Partial<WalkSpec>, from: Position | undefined, io: Io): AsyncGenerator<Page, void, undefined>;
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

/** Plans an endpoint; undefined when a mistake, told in the findings, leaves nothing to plan with. */
export function planEndpoint({ options, path }: Relative, context: PlanContext): Endpoint | undefined {
  const { client, env, findings } = context;
  const { endpoint } = options;
  const at = [...path, "endpoint"];
  const asked = planRequest(endpoint, context, at);
  const judge = planJudge(endpoint.response_actions ?? [], [...at, "response_actions"], findings);
  const one = isSingleRecord(asked.path ?? "");
  const select = planSelect(
    options.name,
    endpoint.data_selector ?? undefined,
    one,
    [...at, "data_selector"],
    findings,
  );
  const paginator = planPaginator(
    endpoint.paginator ?? (one ? "single_page" : context.clientOptions.paginator),
    asked.parameters,
    env,
    [...at, "paginator"],
    findings,
  );
  const { format, requestOf, parts } = asked;
  if (paginator === undefined || format === undefined || requestOf === undefined || parts === undefined)
    return undefined;
  const bind = attempt(() => compileParts(parts), at, findings);
  if (bind === undefined || !URL.canParse(client.baseUrl)) return undefined;

  const request = requestOf(parts);
  // A place that the request does not have (such as one in a form body) is a mistake that shows here.
  attempt(() => paginator.paginator.first(request), [...at, "paginator"], findings);
  const spec: WalkSpec = {
    resource: options.name,
    request,
    paginator: paginator.paginator,
    maxPages: endpoint.max_pages ?? undefined,
    decode: format.decode,
    select,
    hasPrimaryKey: (options.primary_key ?? []).length > 0,
    credentialParams: asked.credentialParams,
    storable: (text) => env.redactor.redact(text) === text,
  };
  const handled = { ...client, retry: planRetry(endpoint.retry, client.retry) };
  return {
    request,
    bind: (record) => requestOf(bind(record)),
    read: (walk, from, io) =>
      readPages(handled, { ...spec, ...walk }, { authorizer: asked.authorizer, judge }, env, from, io),
    described: {
      request,
      paginator: paginator.described,
      selector: endpoint.data_selector ?? null,
    },
  };
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

/** A new selection for each walk: by a path, of one record, or by detection. */
function planSelect(
  resource: string,
  selector: string | undefined,
  one: boolean,
  path: Finding["path"],
  findings: Findings,
): () => Select {
  if (selector === undefined) return () => (one ? selectWhole : selectByDetection(resource));
  attempt(() => selectByPath(selector, resource), path, findings);
  return () => selectByPath(selector, resource);
}

/** Nothing and `auto` are the same: the paginator is detected. */
function planPaginator(
  configured: ClientOptions["paginator"],
  parameters: JsonObject,
  env: PlanEnvironment,
  path: Finding["path"],
  findings: Findings,
): { paginator: Paginator; described: unknown } | undefined {
  const chosen = chooseComponent("paginator", paginators, configured ?? "auto", undefined, path, findings);
  if (chosen === undefined) return undefined;
  const context = {
    config: env.variables,
    parameters,
    secrets: secretsIn(chosen.options, env, path, findings),
  };
  const paginator = attempt(() => chosen.definition.create(chosen.options as never, context), path, findings);
  if (paginator === undefined) return undefined;
  return { paginator, described: { type: chosen.definition.type, options: chosen.options } };
}
