import { createHash } from "node:crypto";
import type { HttpRequest } from "../http/message.js";
import type { ColumnHint, Resource, ResourceHints } from "../model/source.js";
import { type ChildSpec, readChildren } from "./children.js";
import { planClient } from "./client.js";
import { type ExpandedResource, expandResource } from "./defaults.js";
import { type PlanContext, planEndpoint } from "./endpoint.js";
import type { PlanEnvironment } from "./environment.js";
import { type Finding, Findings } from "./finding.js";
import { planIncluded, withIncluded } from "./included.js";
import type { RestApiOptions } from "./options.js";
import { type Entry, linkParents, type Relative } from "./parents.js";
import type { WalkSpec } from "./walk.js";

/** A planned resource: what the pipeline reads, and what `check` shows of it. */
export interface PlannedResource {
  readonly resource: Resource;
  readonly selected: boolean;
  /** The first request, without credentials. */
  readonly request: HttpRequest;
  /** The same as its paginator begins with it. */
  readonly first: HttpRequest;
  /** The resource whose records its requests are made from. */
  readonly parent?: string;
  /** The paginator's type and who says that it is this one. */
  readonly paginator: string;
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
  const context: PlanContext = { clientOptions: options.client, client, env, findings };
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
    const resource = planResource(relative, parent, context);
    if (resource !== undefined) planned.set(resource.resource.name, resource);
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
  context: PlanContext,
): PlannedEndpoint | undefined {
  const { options } = relative;
  const endpoint = planEndpoint(relative, context);
  const included = planIncluded(options.include_from_parent ?? [], relative, context.findings);
  // The parent's own mistakes are told at the parent.
  if (endpoint === undefined || (relative.parent !== undefined && parent === undefined)) return undefined;

  const reader =
    (fixed: Partial<WalkSpec>): Resource["read"] =>
    (from, io) => {
      if (parent === undefined) return endpoint.read(fixed, from, io);
      const spec: ChildSpec = {
        resource: options.name,
        parent: parent.resource.name,
        readParent: parent.readOnDemand,
        request: endpoint.bind,
        included,
        readChild: ({ request, included, mayRunAhead }, from, io) =>
          withIncluded(endpoint.read({ request, mayRunAhead, ...fixed }, from, io), included),
      };
      return readChildren(spec, from, io);
    };
  const primaryKey = options.primary_key ?? [];
  const resource: Resource = {
    name: options.name,
    table: options.table_name ?? options.name,
    hints: hintsOf(options, typeof primaryKey === "string" ? [primaryKey] : primaryKey),
    fingerprint: fingerprintOf({
      ...endpoint.described,
      ...(parent === undefined
        ? {}
        : { parent: parent.resource.fingerprint, included: options.include_from_parent ?? [] }),
    }),
    read: reader({}),
  };
  const readOnDemand = reader({ mayRunAhead: never });
  return {
    resource,
    selected: options.selected ?? true,
    request: endpoint.request,
    first: endpoint.first,
    ...(parent === undefined ? {} : { parent: parent.resource.name }),
    paginator: endpoint.paginator,
    readOnDemand,
  };
}

const never = () => false;

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
