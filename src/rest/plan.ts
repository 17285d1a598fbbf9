import { createHash } from "node:crypto";
import type { HttpRequest } from "../http/message.js";
import type { ColumnHint, Resource, ResourceHints } from "../model/source.js";
import { type ChildSpec, readChildren } from "./children.js";
import { planClient } from "./client.js";
import { type ExpandedResource, expandResource } from "./defaults.js";
import { type Endpoint, type PlanContext, planEndpoint } from "./endpoint.js";
import type { PlanEnvironment } from "./environment.js";
import { type Finding, Findings } from "./finding.js";
import { planIncluded, withIncluded } from "./included.js";
import type { RestApiOptions } from "./options.js";
import { type Entry, linkParents, type Relative } from "./parents.js";
import { planRecords, readAll } from "./ready.js";
import { planSteps } from "./steps.js";
import type { WalkSpec } from "./walk.js";

/** A planned resource: what the pipeline reads, and what `check` shows of it. */
export interface PlannedResource {
  readonly resource: Resource;
  readonly selected: boolean;
  /** The first request, without credentials. Absent for ready-made records. */
  readonly request?: HttpRequest;
  /** Where the newest walk has found the records and why there, in words, for `preview`. Absent for ready-made records. */
  readonly explainSelection?: () => string | undefined;
}

/**
 * Turns a validated rest_api configuration into resources. Everything that can be wrong is found here, before the
 * first request; mistakes go to `findings`, and the resources are usable only if there are none.
 *
 * @param ready resources of other sources of the pipeline, which can be parents of these.
 */
export function planRestApi(
  options: RestApiOptions,
  env: PlanEnvironment,
  ready: readonly Resource[] = [],
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
    if (expanded.records != null && typeof entry !== "string" && entry.endpoint != null) {
      findings.add([...path, "endpoint"], "records and endpoint can't stand side by side", {
        hint: "Ready-made records are not requested; keep one of the two.",
      });
    }
    return { options: expanded, path };
  });
  const planned = new Map<string, PlannedEndpoint>();
  const others = new Map(ready.map((resource) => [resource.name, resource]));
  for (const relative of linkParents(entries, [...others.keys()], findings)) {
    const parent = parentOf(relative, planned, others);
    const resource = planResource(relative, parent, context);
    if (resource !== undefined) planned.set(resource.resource.name, resource);
  }
  const resources = entries.flatMap(({ options }) => planned.get(options.name) ?? []);
  return { resources, findings: findings.all };
}

/** What a child needs of its parent. */
interface Parent {
  readonly resource: Resource;
  /** Like `resource.read`, but a page's request leaves when the page is asked for. */
  readonly readOnDemand: Resource["read"];
}
type PlannedEndpoint = PlannedResource & Parent;

function parentOf(
  { parent }: Relative,
  planned: ReadonlyMap<string, Parent>,
  others: ReadonlyMap<string, Resource>,
): Parent | undefined {
  if (parent === undefined) return undefined;
  const other = others.get(parent);
  return planned.get(parent) ?? (other && { resource: other, readOnDemand: readAll(other) });
}

type EndpointOrRecords = Partial<Endpoint> & Pick<Endpoint, "read" | "described">;

function planResource(
  relative: Relative,
  parent: Parent | undefined,
  context: PlanContext,
): PlannedEndpoint | undefined {
  const { options } = relative;
  const endpoint: EndpointOrRecords | undefined =
    options.records == null
      ? planEndpoint(relative, context)
      : planRecords(options.records, context.env, [...relative.path, "records"], context.findings);
  const included = planIncluded(options.include_from_parent ?? [], relative, context.findings);
  const steps = options.processing_steps ?? [];
  const stepsPath = [...relative.path, "processing_steps"];
  const process = planSteps(steps, options.name, stepsPath, context.env, context.findings);
  // The parent's own mistakes are told at the parent.
  if (endpoint === undefined || (relative.parent !== undefined && parent === undefined)) return undefined;

  const recordsOf =
    (fixed: Partial<WalkSpec>): Resource["read"] =>
    (from, io) => {
      const { bind, ofParent } = endpoint;
      if (parent === undefined || bind === undefined || ofParent === undefined)
        return endpoint.read(fixed, from, io);
      const spec: ChildSpec = {
        resource: options.name,
        parent: parent.resource.name,
        readParent: (at, io) => ofParent(parent.readOnDemand(at, io), io),
        request: bind,
        included,
        readChild: ({ request, included, mayRunAhead }, from, io) =>
          withIncluded(endpoint.read({ request, mayRunAhead, ...fixed }, from, io), included),
      };
      return readChildren(spec, from, io);
    };
  const reader = (fixed: Partial<WalkSpec>): Resource["read"] => {
    const records = recordsOf(fixed);
    return (from, io) => process(records(from, io), io);
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
      ...(steps.length === 0 ? {} : { steps }),
    }),
    read: reader({}),
  };
  const readOnDemand = reader({ mayRunAhead: never });
  const { explainSelection, request } = endpoint;
  return {
    resource,
    selected: options.selected ?? true,
    ...(request === undefined ? {} : { request }),
    ...(explainSelection === undefined ? {} : { explainSelection }),
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
