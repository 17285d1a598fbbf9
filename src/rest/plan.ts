import { createHash } from "node:crypto";
import type { HttpRequest } from "../http/message.js";
import { joinUrl } from "../http/url.js";
import type { Json, JsonObject } from "../model/json.js";
import type { ColumnHint, Io, Resource, ResourceHints } from "../model/source.js";
import type { Position } from "../model/state.js";
import { compileParts, type RequestParts } from "./bind.js";
import { readChildren } from "./children.js";
import { planClient, planRetry, readPages, type SharedClient } from "./client.js";
import { chooseComponent } from "./components.js";
import { type ExpandedResource, expandResource } from "./defaults.js";
import type { PlanEnvironment } from "./environment.js";
import { attempt, type Finding, Findings } from "./finding.js";
import { planFormat } from "./format.js";
import { planIncluded } from "./included.js";
import type { ClientOptions, RestApiOptions } from "./options.js";
import type { Paginator } from "./paginator.js";
import { paginators } from "./paginators/index.js";
import { type Entry, linkParents, type Relative } from "./parents.js";
import { isSingleRecord } from "./reference.js";
import { authorizerOf, bindPath, firstRequest, planBody, planParams, resolvePairs } from "./request.js";
import { planJudge } from "./response-actions.js";
import { selectByDetection, selectByPath, selectWhole } from "./select.js";
import { secretsIn } from "./values.js";
import type { WalkSpec } from "./walk.js";

/** A planned resource: what the pipeline reads, and what `check` shows of it. */
export interface PlannedResource {
  readonly resource: Resource;
  readonly selected: boolean;
  /** The first request, without credentials. */
  readonly request: HttpRequest;
}

/**
 * Turns a validated rest_api configuration into resources. Everything that can be wrong is found here, before the
 * first request; mistakes go to `findings`, and the resources are usable only if there are none.
 */
export function planRestApi(
  options: RestApiOptions,
  env: PlanEnvironment,
): { resources: PlannedResource[]; findings: readonly Finding[] } {
  const findings = new Findings();
  const client = planClient(options.client, env, findings);
  const seen = new Set<string>();
  const entries = options.resources.map((entry, index): Entry => {
    const path = ["resources", index];
    const expanded = expandResource(entry, options.resource_defaults);
    if (seen.has(expanded.name)) {
      findings.add([...path, "name"], `the resource "${expanded.name}" is defined twice`, {
        hint: "Give each resource a name of its own.",
      });
    }
    seen.add(expanded.name);
    return { options: expanded, path };
  });
  const planned = new Map<string, PlannedEndpoint>();
  for (const relative of linkParents(entries, findings)) {
    const parent = relative.parent === undefined ? undefined : planned.get(relative.parent);
    const endpoint = planResource(relative, parent, options.client, client, env, findings);
    if (endpoint !== undefined) planned.set(endpoint.resource.name, endpoint);
  }
  const resources = entries.flatMap(({ options }) => planned.get(options.name) ?? []);
  return { resources, findings: findings.all };
}

/** A planned resource as its children see it. */
interface PlannedEndpoint extends PlannedResource {
  /** Like `resource.read`, but a page's request leaves when the page is asked for. */
  readonly readOnDemand: Resource["read"];
}

function planResource(
  relative: Relative,
  parent: PlannedEndpoint | undefined,
  clientOptions: ClientOptions,
  client: SharedClient,
  env: PlanEnvironment,
  findings: Findings,
): PlannedEndpoint | undefined {
  const { options, path } = relative;
  const { endpoint } = options;
  const at = [...path, "endpoint"];
  const variables = bindPath(endpoint.path, endpoint.params ?? {}, env, at, findings);
  const params = planParams(variables.params, env, [...at, "params"], findings);
  const headers = resolvePairs(endpoint.headers ?? {}, env, [...at, "headers"], findings);
  const body = planBody(endpoint, env, at, findings);
  const format = planFormat(endpoint.format, [...at, "format"], findings);
  const judge = planJudge(endpoint.response_actions ?? [], [...at, "response_actions"], findings);
  const one = isSingleRecord(variables.path ?? "");
  const selector = endpoint.data_selector ?? undefined;
  if (selector !== undefined) {
    attempt(() => selectByPath(selector, options.name), [...at, "data_selector"], findings);
  }
  const auth = endpoint.auth === undefined ? client.auth : client.planAuth(endpoint.auth, [...at, "auth"]);
  const paginator = planPaginator(
    endpoint.paginator ?? (one ? "single_page" : clientOptions.paginator),
    params.plainJson,
    env,
    [...at, "paginator"],
    findings,
  );
  const parts = {
    path: variables.path ?? "",
    params: params.plain,
    headers: headers.plain,
    ...(body === undefined ? {} : { body }),
  };
  const bind = attempt(() => compileParts(parts), at, findings);
  const included = planIncluded(options.include_from_parent ?? [], relative, findings);
  if (paginator === undefined || format === undefined || variables.path === undefined) return undefined;
  if (!URL.canParse(client.baseUrl)) return undefined;
  // The parent's own mistakes are told at the parent.
  if (bind === undefined || (relative.parent !== undefined && parent === undefined)) return undefined;

  const requestOf = ({ path, params, headers, body }: RequestParts): HttpRequest =>
    firstRequest(
      endpoint.method ?? "GET",
      joinUrl(client.baseUrl, path),
      params,
      { ...client.headers.plain, ...headers },
      body,
      format.accept,
    );
  const request = requestOf(parts);
  // A place that the request does not have (such as one in a form body) is a mistake that shows here.
  attempt(() => paginator.paginator.first(request), [...at, "paginator"], findings);
  const primaryKey = options.primary_key ?? [];
  const secretHeaders = { ...client.headers.secret, ...headers.secret };
  const authorizer = authorizerOf(auth, secretHeaders, params.secret);

  const retry = planRetry(endpoint.retry, client.retry);

  const spec: WalkSpec = {
    resource: options.name,
    request,
    paginator: paginator.paginator,
    maxPages: endpoint.max_pages ?? undefined,
    decode: format.decode,
    select: () => {
      if (selector !== undefined) return selectByPath(selector, options.name);
      return one ? selectWhole : selectByDetection(options.name);
    },
    hasPrimaryKey: primaryKey.length > 0,
    credentialParams: [...(auth?.queryNames ?? []), ...Object.keys(params.secret)],
    storable: (text) => env.redactor.redact(text) === text,
  };
  const walkOf = (walk: Partial<WalkSpec>, from: Position | undefined, io: Io) =>
    readPages({ ...client, retry }, { ...spec, ...walk }, { authorizer, judge }, env, from, io);
  const ofParent =
    parent === undefined
      ? undefined
      : {
          resource: options.name,
          parent: parent.resource.name,
          readParent: parent.readOnDemand,
          request: (record: Json) => requestOf(bind(record)),
          included,
        };
  const reader =
    (fixed: Partial<WalkSpec>): Resource["read"] =>
    (from, io) => {
      if (ofParent === undefined) return walkOf(fixed, from, io);
      const readChild: typeof walkOf = (walk, from, io) => walkOf({ ...walk, ...fixed }, from, io);
      return readChildren({ ...ofParent, readChild }, from, io);
    };
  const resource: Resource = {
    name: options.name,
    table: options.table_name ?? options.name,
    hints: hintsOf(options, typeof primaryKey === "string" ? [primaryKey] : primaryKey),
    fingerprint: fingerprintOf({
      request,
      paginator: paginator.described,
      selector: selector ?? null,
      ...(parent === undefined
        ? {}
        : { parent: parent.resource.fingerprint, included: options.include_from_parent ?? [] }),
    }),
    read: reader({}),
  };
  const readOnDemand = reader({ mayRunAhead: never });
  return { resource, selected: options.selected ?? true, request, readOnDemand };
}

const never = () => false;

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

function hintsOf(options: ExpandedResource, primaryKey: readonly string[]): ResourceHints {
  const columns = Object.entries(options.columns).map(
    ([name, hint]): ColumnHint => ({
      name,
      ...(hint.data_type === undefined ? {} : { dataType: hint.data_type }),
      ...(hint.nullable === undefined ? {} : { nullable: hint.nullable }),
      ...(hint.precision === undefined ? {} : { precision: hint.precision }),
      ...(hint.scale === undefined ? {} : { scale: hint.scale }),
    }),
  );
  return {
    writeDisposition: options.write_disposition ?? "append",
    primaryKey,
    columns,
    ...(typeof options.max_table_nesting === "number" ? { maxTableNesting: options.max_table_nesting } : {}),
  };
}

function fingerprintOf(value: unknown): string {
  const text = JSON.stringify(value, (_, item: unknown) =>
    typeof item === "function" || typeof item === "bigint" ? String(item) : item,
  );
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}
